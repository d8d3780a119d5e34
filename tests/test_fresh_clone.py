"""A clone of the repository installs itself with the first command, and only then."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the repository under git"),
]


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of what is committed, with an environment of its own for running the demo."""
    folder = tmp_path_factory.mktemp("fresh") / "encodekit"
    run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder), cwd=ROOT)
    run("make", ".venv/.runtime", f"PYTHON={sys.executable}", cwd=folder)
    yield folder
    shutil.rmtree(folder)


def test_the_three_distributions_are_installed_and_sound(clone):
    told = run(clone / ".venv/bin/encodekit", "doctor", cwd=clone.parent).stdout
    assert "nothing is wrong" in told
    for name in ("encodekit-brain-tuning", "encodekit-adapters"):
        assert f"{name}" in told
        assert f"pip install {name}" not in told


def test_what_is_imported_is_the_clone(clone):
    code = "import encodekit, encodekit_brain_tuning as b; print(encodekit.__file__, b.__file__)"
    first, second = run(clone / ".venv/bin/python", "-c", code, cwd=clone.parent).stdout.split()
    assert Path(first).is_relative_to(clone)
    assert Path(second).is_relative_to(clone)


def test_requirements_agree_with_each_other(clone):
    assert "No broken requirements" in run(clone / ".venv/bin/pip", "check", cwd=clone).stdout


def test_the_demo_needs_no_tools_of_development(clone):
    listed = run(clone / ".venv/bin/pip", "list", cwd=clone).stdout
    for tool in ("pytest", "mypy", "ruff"):
        assert f"\n{tool} " not in listed


def test_the_second_call_installs_nothing(clone):
    planned = run("make", "-n", "demo", cwd=clone).stdout
    assert planned.split() == [".venv/bin/encodekit", "demo"]
