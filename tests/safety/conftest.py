import ast
from collections import Counter
from pathlib import Path

import pytest

SAVED_OVER = ("model", "study", "result.nc", "result.zarr")


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
def dying(load_module):
    """Programs that die while they save, and what they save."""
    return load_module(Path(__file__).with_name("dying.py"))


@pytest.fixture(params=[*SAVED_OVER, "cache", "checkpoints"])
def kind(request, dying):
    """One of what can be saved; the last two have another name for every version."""
    return dying.KINDS[request.param]


@pytest.fixture(params=SAVED_OVER)
def saved_over(request, dying):
    """One of what can be saved over."""
    return dying.KINDS[request.param]


@pytest.fixture
def study(dying):
    return dying.small_study()


@pytest.fixture
def saved_study(study, tmp_path):
    return study.save(tmp_path / "study")
