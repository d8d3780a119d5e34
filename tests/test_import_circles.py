import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("grimp")


@pytest.fixture(scope="module")
def lint():
    path = Path(__file__).with_name("import_circles.py")
    spec = importlib.util.spec_from_file_location("import_circles", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def circles(lint, tmp_path, monkeypatch):
    """Write the files of a package and return its circles, as sets of files."""

    def found(files):
        folder = tmp_path / "ring_of_files"
        folder.mkdir()
        for name, source in {"__init__.py": "", **files}.items():
            (folder / name).write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return [set(circle) for circle in lint.circles(lint.imports_of([folder.name]))]

    return found


BACK = {
    "at the top": "from ring_of_files import a\n",
    "within a function": "def f():\n    from ring_of_files.a import x\n",
    "under TYPE_CHECKING": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ring_of_files.a import x\n"
    ),
}


@pytest.mark.parametrize("back", BACK.values(), ids=BACK)
def test_a_circle_is_found_wherever_its_imports_stand(circles, back):
    found = circles({"a.py": "from ring_of_files import b\n", "b.py": back})
    assert found == [{"ring_of_files.a", "ring_of_files.b"}]


def test_a_circle_of_three_files_is_one(circles):
    sources = {"a.py": "b", "b.py": "c", "c.py": "a", "d.py": "a"}
    found = circles({file: f"import ring_of_files.{to}\n" for file, to in sources.items()})
    assert found == [{f"ring_of_files.{name}" for name in "abc"}]


def test_a_package_may_re_export_its_modules(circles):
    assert circles({"__init__.py": "from ring_of_files.a import x\n", "a.py": "x = 1\n"}) == []


@pytest.mark.parametrize("names", ["__init__.py", "__init__.pyi"])
def test_a_module_that_imports_from_the_package_that_re_exports_it_closes_a_circle(circles, names):
    found = circles(
        {names: "from ring_of_files.a import x\n", "a.py": "from ring_of_files import y\n"}
    )
    assert found == [{"ring_of_files", "ring_of_files.a"}]


def test_a_new_circle_and_an_allowed_one_that_is_gone_are_both_told(lint):
    old, new = frozenset("ab"), frozenset("cd")
    assert lint.verdict([old], [old]) == []
    assert lint.verdict([new], [old]) == [
        "circle of imports: c, d",
        "no circle any more, take it off ALLOWED in import_circles.py: a, b",
    ]


def test_no_file_of_the_three_distributions_is_in_a_circle(lint):
    assert lint.verdict(lint.circles(lint.imports_of(lint.PACKAGES)), lint.ALLOWED) == []


def test_no_circle_is_allowed_but_in_the_plugin(lint):
    allowed = {name.partition(".")[0] for circle in lint.ALLOWED for name in circle}
    assert allowed <= {"encodekit_brain_tuning"}
