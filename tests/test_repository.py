"""What is written about the project agrees with the project."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import encodekit
from encodekit.core import Settings

ROOT = Path(__file__).parents[1]
PROJECTS = [
    ROOT / folder / "pyproject.toml" for folder in (".", "plugins/brain_tuning", "adapters")
]
VERBS = {"help", "demo", "test", "lint", "format", "bench", "docs", "check-slow"}

pytestmark = pytest.mark.skipif(
    not (ROOT / "Makefile").exists(), reason="needs the repository, not the package alone"
)


def project(path):
    return tomllib.loads(path.read_text())


def requirements():
    """Yield every requirement that a pyproject states, of packages that are not ours."""
    for path in PROJECTS:
        content = project(path)
        stated = [*content["project"].get("dependencies", ())]
        for group in content["project"].get("optional-dependencies", {}).values():
            stated += group
        for group in content.get("dependency-groups", {}).values():
            stated += [item for item in group if isinstance(item, str)]
        stated += content["build-system"]["requires"]
        yield from (item for item in stated if not item.startswith("encodekit"))


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {key(name): number for name, number in pairs}


def key(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_version_is_the_same():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    versions = {project(path)["project"]["version"] for path in PROJECTS}
    assert versions == {encodekit.__version__} == {cited["version"]} == {version("encodekit")}


def test_the_distributions_ask_for_each_other_in_this_very_version():
    for path in PROJECTS[1:]:
        asked = project(path)["project"]["dependencies"]
        ours = next(item for item in asked if re.match(r"encodekit(\[.*\])?==", item))
        assert ours.endswith(f"=={encodekit.__version__}")


def test_every_requirement_is_pinned_and_the_pin_satisfies_it():
    from packaging.requirements import Requirement

    pinned = pins()
    for text in requirements():
        requirement = Requirement(text)
        assert key(requirement.name) in pinned, text
        assert requirement.specifier.contains(pinned[key(requirement.name)]), text


def test_the_tests_run_with_the_pinned_versions():
    assert version("torch").partition("+")[0] == pins()["torch"]
    for name in ("numpy", "scikit-learn", "transformers", "peft", "xarray", "pluggy"):
        assert version(name) == pins()[name]


def test_every_name_of_the_extras_in_a_message_is_an_extra():
    extras = set(project(PROJECTS[0])["project"]["optional-dependencies"])
    named = set()
    for path in (ROOT / "encodekit").rglob("*.py"):
        named |= set(re.findall(r"encodekit\[([a-z]+)\]", path.read_text()))
        named |= set(re.findall(r'extra="([a-z]+)"', path.read_text()))
    assert named
    assert named <= extras


def make(*arguments):
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_makefile_has_the_verbs_and_explains_each():
    shown = set(re.findall(r"^make ([a-z-]+) +\S", make("help").stdout, flags=re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert shown == set(phony.group(1).split()) == VERBS


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_a_verb_that_a_page_names_is_in_the_makefile(page):
    text = (ROOT / page).read_text()
    named = re.findall(r"(?:^|`)make (?:-\S+ |[A-Z]+=\S+ )*([a-z-]+)", text, flags=re.MULTILINE)
    assert set(named) <= VERBS


def test_make_refuses_an_old_python_and_says_what_to_do(tmp_path):
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\ntest "$1" = --version && echo "Python 3.9.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = make("lint", f"PYTHON={old}", f"VENV={tmp_path}/venv")
    assert done.returncode == 2
    assert "encodekit needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.1: try make lint PYTHON=python3.11" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_what_is_installed_is_not_installed_again(tmp_path):
    for stamp in (".created", ".runtime", ".dev"):
        (tmp_path / stamp).touch()
    done = make("-n", "lint", f"VENV={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "ruff check" in done.stdout
    assert "pip install" not in done.stdout


def test_a_changed_pin_installs_anew(tmp_path):
    import os

    for stamp in (".created", ".runtime", ".dev"):
        (tmp_path / stamp).touch()
        os.utime(tmp_path / stamp, (0, 0))
    done = make("-n", "demo", f"VENV={tmp_path}")
    assert "pip install" in done.stdout
    assert "--group dev" not in done.stdout


@pytest.mark.parametrize("name", ["CHANGELOG.md", "LICENSE", "CONTRIBUTING.md", ".ci/run"])
def test_the_repository_has_its_pages(name):
    assert (ROOT / name).stat().st_size > 100


def test_every_package_says_that_it_is_typed():
    for package in (
        "encodekit",
        "plugins/brain_tuning/encodekit_brain_tuning",
        "adapters/encodekit_adapters",
    ):
        assert (ROOT / package / "py.typed").exists()


def private_imports(source):
    """Return the modules of encodekit that are imported and not public."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found += [name for name in names if re.match(r"encodekit\.(\w+\.)*_", name)]
    return found


def test_plugins_and_adapters_import_public_names_only():
    for folder in ("plugins/brain_tuning/encodekit_brain_tuning", "adapters/encodekit_adapters"):
        for path in (ROOT / folder).rglob("*.py"):
            assert private_imports(path.read_text()) == [], path


@pytest.mark.parametrize(
    "source",
    [
        "import encodekit.core._files",
        "from encodekit.linear._ridge import RidgeCV",
        "from encodekit.linear import _ridge",
        "def f():\n    from encodekit.core._files import atomic_write",
    ],
)
def test_a_private_import_is_seen(source):
    assert private_imports(source)


def test_no_file_names_a_machine_or_an_index():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = [name for name in listed.stdout.split("\n") if name]
    if not names:
        pytest.skip("the files are not under git here")
    suspect = re.compile(r"index[-_]url\s*=|/root/|/home/\w+/|/tmp/[a-z]\w*/")
    for name in names:
        path = ROOT / name
        if path.suffix in {".py", ".toml", ".md", ".txt", ".cfg", ".yaml", ""} and path.is_file():
            text = path.read_text(errors="ignore")
            assert path.name == "test_repository.py" or not suspect.search(text), name


def test_the_interpreter_of_the_tests_is_one_that_the_projects_allow():
    assert sys.version_info >= (3, 11)
    assert {project(path)["project"]["requires-python"] for path in PROJECTS} == {">=3.11"}


def sources():
    for package in ("encodekit", "plugins/brain_tuning/encodekit_brain_tuning", "adapters"):
        yield from sorted((ROOT / package).rglob("*.py"))


def lines_of(function):
    """Lines without the docstring."""
    first = function.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if told else 0
    return function.end_lineno - function.lineno + 1 - docstring


def test_no_function_has_more_than_fifty_lines():
    long = [
        f"{path.relative_to(ROOT)}:{node.name} has {lines_of(node)} lines"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and lines_of(node) > 50
    ]
    assert long == []


def test_no_file_of_the_plugin_has_more_than_350_lines():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources()
        if "brain_tuning" in path.parts
    }
    assert len(lengths) > 50
    assert {name: n for name, n in lengths.items() if n > 350} == {}


@pytest.mark.parametrize("module", ["encodekit", "encodekit_brain_tuning"])
def test_public_classes_take_at_most_twelve_parameters(module):
    package = importlib.import_module(module)
    classes = [getattr(package, name) for name in package.__all__]
    counts = {
        cls.__name__: len(inspect.signature(cls).parameters)
        for cls in classes
        if isinstance(cls, type) and not issubclass(cls, Settings | Warning)
    }
    assert len(counts) > 5
    assert {name: n for name, n in counts.items() if n > 12} == {}
