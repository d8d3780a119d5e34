"""A panel of the report that fails, however it does, is said to be missing; the others stand."""

import re
import sys
import types
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import encodekit as ek
from encodekit.reports import Picture, Section, Table, report
from encodekit.testing import PluginHarness

PANELS = """
import sys
import pandas as pd
from markupsafe import Markup
from encodekit.reports import Picture, Section, SurfaceViewer, Table
from matplotlib.figure import Figure

def figure(text="a"):
    drawn = Figure()
    drawn.text(0.5, 0.5, text)
    return drawn

class Unprintable(Exception):
    def __str__(self):
        raise SystemExit(3)

class Wordless:
    def __str__(self):
        raise SystemExit(4)
    __repr__ = __str__

class Fails(Figure):
    def draw(self, renderer):
        raise SystemExit(5)

def panel(result):
    %s
"""
FAILING = {  # what a panel does: its body, what is said of it
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "raises what cannot be printed": ("raise Unprintable", "Unprintable: its message cannot"),
    "raises GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "never ends calling itself": ("return panel(result)", "RecursionError"),
    "returns a number": ("return 3", "expected a Section or None, got 3"),
    "returns text": ("return '<b>text</b>'", "expected a Section or None, got"),
    "returns what cannot be shown": ("return Wordless()", "got <Wordless>"),
    "has a title that is no text": ("return Section(3, 'x')", "the title of a section is no text"),
    "has no text": ("return Section('x', None)", "the text of a section is no text"),
    "has a figure that is a path": (
        "return Section('x', 'y', [Picture('a.png', alt='a')])", "AttributeError",
    ),
    "has a figure without a picture": ("return Section('x', 'y', [figure()])", "list of Picture"),
    "has one that only looks like a figure": (
        "return Section('x', 'y', [Picture(type('F', (), {'savefig': print})(), alt='a')])",
        "holds a matplotlib Figure",
    ),
    "has a table that is a list": ("return Section('x', 'y', tables=[[1]])", "list of Table"),
    "has a table of a dict": ("return Section('x', 'y', tables=[Table({'a': 1})])", "a DataFrame"),
    "has a cell without words": (
        "return Section('x', 'y', tables=[Table(pd.DataFrame({'a': [Wordless()]}))])",
        "SystemExit: 4",
    ),
    "has a heading without words": (
        "return Section('x', tables=[Table(pd.DataFrame({'a': []}), names={'a': Wordless()})])",
        "SystemExit: 4",
    ),
    "has a viewer of nothing": (
        "return Section('x', 'y', viewers=[SurfaceViewer({'a': [1, 2]})])", "needs 20484 values",
    ),
    "has columns that are text": ("return Section('x', 'y', columns='2')", "columns of a section"),
    "fails while it is drawn": (
        "return Section('x', 'y', [Picture(figure('$\\\\frac$'), alt='a')])", "ValueError",
    ),
    "exits while it is drawn": (
        "return Section('x', 'y', [Picture(Fails(), alt='a')])", "SystemExit: 5",
    ),
    "has half a character in a figure": (
        "return Section('x', 'y', [Picture(figure('\\ud800'), alt='a')])", "Error",
    ),
    "imports what is not there": ("import praat_is_not_there", "ModuleNotFoundError"),
}  # fmt: skip


@pytest.fixture(scope="module")
def result():
    n = 8
    scores = xr.DataArray(
        np.linspace(0, 0.3, 2 * n).reshape(2, n),
        dims=("model", "target"),
        coords={
            "model": ["m", "other"],
            "target": [f"t{k}" for k in range(n)],
            "participant": ("target", ["P1", "P2"] * (n // 2)),
        },
        attrs={"metric": "correlation"},
    )
    return ek.Result("A result", scores)


@pytest.fixture
def page(result, tmp_path, monkeypatch):
    """Return a function of a panel's body: the page, and what was warned of."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(body, given=result):
        code = types.ModuleType("odd_panels")
        exec(PANELS % body, vars(code))
        monkeypatch.setitem(sys.modules, "odd_panels", code)
        plugin = types.ModuleType("odd_plugin")
        exec(
            "from encodekit.plugins import PanelSpec, hookimpl\nencodekit_api = 1\n"
            "@hookimpl\ndef encodekit_panels():\n"
            "    yield PanelSpec('odd', load='odd_panels:panel', summary='s', order=5)\n",
            vars(plugin),
        )
        with PluginHarness(plugin), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            text = report(tmp_path / "r.html", given).read_text(encoding="utf-8")
        return text, [str(one.message) for one in told]

    return write


def titles(text):
    return re.findall(r'<h2 id="[^"]*">([^<]*)</h2>', text)


class TestAPanel:
    @pytest.mark.parametrize("what", FAILING)
    def test_that(self, page, what):
        body, cause = FAILING[what]
        text, told = page(body)
        assert titles(text) == ["odd", "Scores", "Methods", "How this was made"]
        assert "Not shown: the panel" in text
        [message] = told
        assert "the panel 'odd' of 'odd-plugin' (odd-plugin 0.0) failed: " in message
        assert cause in message

    def test_that_is_html_is_shown_and_not_run(self, page):
        text, told = page(
            "return Section(Markup('<b>x</b>'), '<script>1</script>',"
            " [Picture(figure('<script>2</script>'), alt='\"><script>3</script>')],"
            " [Table(pd.DataFrame({Markup('<i>'): [Markup('<script>4</script>')]}),"
            " caption=Markup('<script>5</script>'))])"
        )
        assert told == []
        assert "<script>" not in text
        assert "<b>x" not in text
        assert "<i>" not in text
        assert text.count("&lt;script&gt;") >= 4

    def test_that_changes_the_result_changes_its_own_copy(self, page, result):
        text, told = page(
            "result.scores[:] = float('nan'); object.__setattr__(result, 'name', None)"
        )
        assert told == []
        assert "0.070" in text
        assert "0.230" in text
        assert float(result.scores.max()) > 0.2

    def test_that_changes_settings_changes_nothing_for_the_next(self, page):
        import matplotlib as mpl

        before, filters = mpl.rcParams["text.usetex"], list(warnings.filters)
        text, told = page(
            "import matplotlib, warnings; matplotlib.rcParams['text.usetex'] = True;"
            " warnings.simplefilter('error')"
        )
        assert titles(text) == ["Scores", "Methods", "How this was made"]
        assert told == []
        assert mpl.rcParams["text.usetex"] == before
        assert warnings.filters == filters

    @pytest.mark.parametrize("end", ["raise SystemExit", "return Section('x', 'y')"])
    def test_leaves_no_figure_open_and_closes_none_of_the_users(self, page, end):
        import matplotlib.pyplot as plt

        mine = plt.figure()
        before = plt.get_fignums()
        page(f"from matplotlib import pyplot; pyplot.figure(); pyplot.subplots(); {end}")
        assert plt.get_fignums() == before
        plt.close(mine)


class TestTheRest:
    def test_provenance_that_cannot_be_read_is_said_to_be_missing(self, result, tmp_path):
        from dataclasses import replace

        odd = replace(result, provenance={"models": {"m": 3}})
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            text = report(tmp_path / "r.html", odd).read_text(encoding="utf-8")
        assert any("the provenance of the result" in str(one.message) for one in told)
        assert "Scores" in titles(text)
        assert "cannot be shown" in text

    @pytest.mark.parametrize(
        ("section", "said"),
        [
            ("text", "expected a Section or None, got 'text'"),
            (Section("x", figures=[3]), "figures of a section must be a list of Picture, got 3"),
            (Section("x", tables=[pd.DataFrame()]), "must be a list of Table"),
        ],
    )
    def test_a_section_of_the_caller_is_refused_by_name(self, tmp_path, section, said):
        with pytest.raises(TypeError, match=said):
            report(tmp_path / "r.html", title="t", sections=[section])

    def test_an_axes_within_a_subfigure_is_a_figure(self, tmp_path):
        from matplotlib.figure import Figure

        axes = Figure().subfigures(1, 2)[0].subplots()
        section = Section("x", figures=[Picture(axes, alt="a")], tables=[Table(pd.DataFrame())])
        path = report(tmp_path / "r.html", title="t", sections=[section])
        assert "<svg" in path.read_text(encoding="utf-8")
