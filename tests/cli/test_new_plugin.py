"""The skeleton of a plugin is sound as it is written."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from encodekit.cli import main
from encodekit.cli._new_plugin import write_plugin
from encodekit.testing import PluginHarness

ROOT = Path(__file__).parents[2]


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory):
    return write_plugin("my-lab-pitch", tmp_path_factory.mktemp("new"))


def test_it_has_all_that_a_package_needs(skeleton):
    found = {str(path.relative_to(skeleton)) for path in skeleton.rglob("*") if path.is_file()}
    assert found == {
        ".github/workflows/test.yml", ".gitignore", "README.md", "pyproject.toml",
        "my_lab_pitch/__init__.py", "my_lab_pitch/features.py", "my_lab_pitch/plugin.py",
        "my_lab_pitch/py.typed", "tests/test_plugin.py",
    }  # fmt: skip
    for path in found:
        assert "$" not in (skeleton / path).read_text()


def test_it_passes_its_linters(skeleton):
    run(sys.executable, "-m", "ruff", "check", ".", cwd=skeleton)
    run(sys.executable, "-m", "ruff", "format", "--check", ".", cwd=skeleton)


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """The package with both extractors of the chapter, imports sorted: as its reader has it."""
    project = write_plugin("my-lab-pitch", tmp_path_factory.mktemp("chapter"))
    text = (ROOT / "docs/plugins.md").read_text()
    blocks = re.findall(r"```python\n# my_lab_pitch/features\.py.*?\n(.*?)```", text, re.DOTALL)
    words, _, code = blocks[0].partition("\n")
    imports, marker, learner = blocks[1].partition("class CentredPitch")
    source = f"{words}\n\n{imports}{code}\n\n{marker}{learner}"
    (project / "my_lab_pitch/features.py").write_text(source)
    run(sys.executable, "-m", "ruff", "check", "--fix", "--select", "I", "-q", ".", cwd=project)
    run(sys.executable, "-m", "ruff", "format", ".", cwd=project)
    return project


def test_ruff_takes_the_extractors_of_the_chapter(chapter):
    run(sys.executable, "-m", "ruff", "check", ".", cwd=chapter)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mypy_takes_the_extractors_of_the_chapter(chapter):
    assert "Success" in run(sys.executable, "-m", "mypy", cwd=chapter)


def test_it_keeps_the_contract(skeleton, monkeypatch):
    monkeypatch.syspath_prepend(skeleton)
    from my_lab_pitch import plugin
    from my_lab_pitch.features import MyLabPitch

    import encodekit as ek

    with PluginHarness(plugin) as harness:
        assert harness["my-lab-pitch-plugin"].cause is None
        assert isinstance(ek.make_features("my-lab-pitch"), MyLabPitch)


@pytest.mark.parametrize("name", ["MyLab", "my_lab", "-lab", "lab-", "1lab", "my lab", ""])
def test_a_name_that_makes_no_package_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="lower case letters, digits and hyphens, such as my-lab"):
        write_plugin(name, tmp_path)


def test_nothing_is_written_over(tmp_path):
    write_plugin("lab", tmp_path)
    with pytest.raises(FileExistsError, match="lab exists: take another name"):
        write_plugin("lab", tmp_path)


def test_the_command_says_what_to_do_next(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["plugins", "new", "my-lab", "--folder", str(tmp_path)])
    assert not stopped.value.code
    out = capsys.readouterr().out.replace("\n", "")
    assert "my-lab[test]', then encodekit plugins check my-lab" in out


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """A fresh environment that sees the packages of this one, and can have more of its own."""
    folder = tmp_path_factory.mktemp("scratch") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", str(folder), cwd=ROOT)
    (own,) = (folder / "lib").glob("python3*/site-packages")
    (shared,) = Path(sys.prefix).glob("lib/python3*/site-packages")
    (own / "shared.pth").write_text(f"import site; site.addsitedir({str(shared)!r})\n")
    return folder


def install(scratch, project):
    run(scratch / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
        "--no-build-isolation", "--disable-pip-version-check", project, cwd=ROOT)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_installs_passes_its_own_tests_and_shows_up(skeleton, scratch, monkeypatch):
    monkeypatch.delenv("ENCODEKIT_PLUGINS", raising=False)
    install(scratch, skeleton)
    python = scratch / "bin/python"
    assert "3 passed" in run(python, "-m", "pytest", "-q", cwd=skeleton)
    assert "Success" in run(python, "-m", "mypy", cwd=skeleton)
    program = "from encodekit.cli import main; main()"
    told = json.loads(run(python, "-c", program, "plugins", "--json", cwd=skeleton))
    found = {plugin["name"]: plugin for plugin in told["plugins"]}
    assert found["my-lab-pitch"]["brings"] == {"features": ["my-lab-pitch"]}
    checked = run(python, "-c", program, "plugins", "check", "my-lab-pitch", cwd=skeleton)
    assert "ok   features my-lab-pitch: 21 checks" in checked


EXAMPLES = sorted(path.parent for path in (ROOT / "examples/plugins").glob("*/pyproject.toml"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("project", EXAMPLES, ids=lambda path: path.name)
def test_an_example_plugin_installs_passes_its_own_tests_and_its_checks(
    project, scratch, tmp_path, monkeypatch
):
    import shutil

    monkeypatch.delenv("ENCODEKIT_PLUGINS", raising=False)
    copy = shutil.copytree(project, tmp_path / project.name)
    install(scratch, copy)
    python = scratch / "bin/python"
    assert " passed" in run(python, "-m", "pytest", "-q", "tests", cwd=copy)
    program = "from encodekit.cli import main; main()"
    told = json.loads(run(python, "-c", program, "plugins", "--json", cwd=copy))
    found = {plugin["distribution"]: plugin for plugin in told["plugins"]}
    assert found[f"encodekit-example-{project.name.replace('_', '-')}"]["status"] == "loaded"
    run(python, "-c", program, "plugins", "check",
        f"encodekit-example-{project.name.replace('_', '-')}", cwd=copy)  # fmt: skip


@pytest.mark.parametrize("name", ["numpy", "json", "scikit-learn", "sklearn", "encodekit"])
def test_a_name_that_would_hide_what_is_installed_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=rf"named '{name}': the (distribution|module) .*installed"):
        write_plugin(name, tmp_path)


def test_discovery_of_the_skeleton_does_not_import_its_class(skeleton, monkeypatch):
    monkeypatch.syspath_prepend(skeleton)
    told = run(sys.executable, "-c", "import sys, encodekit.plugins; before = set(sys.modules); "
               "import my_lab_pitch.plugin; print(sorted(set(sys.modules) - before))",
               cwd=skeleton)  # fmt: skip
    assert "my_lab_pitch.plugin" in told
    assert not {"my_lab_pitch.features", "numpy", "xarray"} & set(re.findall(r"'([\w.]+)'", told))
