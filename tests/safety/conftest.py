import ast
import importlib.util
from collections import Counter
from pathlib import Path

import pytest


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


_DYING = module(Path(__file__).with_name("dying.py"))


def pytest_terminal_summary(terminalreporter):
    """Print how many attacks of each kind were tried, and how many held."""
    tried, held = Counter(), Counter()
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, []):
            path = Path(report.nodeid.partition("::")[0])
            if path.parent.name == "safety":
                tried[path.name] += 1
                held[path.name] += outcome == "passed"
    if not tried:
        return
    terminalreporter.section("attacks: tried, held")
    for name in sorted(tried):
        said = ast.get_docstring(ast.parse(Path(__file__).with_name(name).read_text())) or name
        terminalreporter.write_line(f"{tried[name]:5} {held[name]:5}  {said.splitlines()[0]}")
    terminalreporter.write_line(f"{tried.total():5} {held.total():5}  together")


@pytest.fixture(scope="session")
def dying():
    """Programs that die while they save, and what they save."""
    return _DYING


@pytest.fixture(params=_DYING.KINDS, ids=lambda kind: kind.name)
def kind(request):
    """One of what can be saved."""
    return request.param


@pytest.fixture(params=_DYING.SAVED_OVER, ids=lambda kind: kind.name)
def saved_over(request):
    """One of what can be saved over."""
    return request.param


@pytest.fixture
def study(dying):
    return dying.small_study()


@pytest.fixture
def saved_study(study, tmp_path):
    return study.save(tmp_path / "study")
