"""The example plugins pass their own tests, from where they lie and without being installed."""

import os
import re
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
def test_the_example_plugins_pass_their_own_tests():
    """In one process: apart, each spends more time on its imports than on its tests."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider",
         *(f"{project.name}/tests" for project in PLUGINS)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PLUGINS)),
             "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    for project in PLUGINS:
        assert re.search(rf"{project.name}/tests/\S+ PASSED", done.stdout), done.stdout


@pytest.mark.parametrize("project", PLUGINS, ids=lambda path: path.name)
def test_an_example_plugin_needs_no_other(project):
    """They share a path where they are tested, so an import of another would work there."""
    others = [f"encodekit_example_{path.name}" for path in PLUGINS if path != project]
    sources = [path.read_text() for path in project.rglob("*.py")]
    assert sources
    assert not [name for name in others for text in sources if name in text]
