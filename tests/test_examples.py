"""The example plugins pass their own tests, from where they lie and without being installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "examples/plugins"
PLUGINS = sorted(path.parent for path in ROOT.glob("*/pyproject.toml"))

pytestmark = pytest.mark.skipif(not PLUGINS, reason="needs the repository's examples")


def test_there_are_three():
    assert [path.name for path in PLUGINS] == ["lab_folder", "pitch", "robust"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("project", PLUGINS, ids=lambda path: path.name)
def test_an_example_plugin_passes_its_own_tests(project):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
