"""Names of users hold anything: each border shows them as they are, or as escapes."""

import ast
import html
import io
import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import encodekit as ek
from encodekit import cli
from encodekit.core import code_block, markdown, message_of, printable, shortened
from encodekit.reports import (
    Highlight,
    Section,
    SurfaceViewer,
    Table,
    methods,
    plot_by_region,
    plot_fir,
    plot_layer_profile,
    plot_learning_curve,
    plot_models_by_participant,
    plot_surface,
    plot_training,
    report,
)
from encodekit.reports._markup import as_code, as_written, prose

NAMES = {
    "dollars": "cost_$5_per_$",
    "mathtext": r"$\frac$",
    "an escaped dollar": r"a\$b$",
    "a script": "<script>alert(1)</script>",
    "an attribute": '"><img src=x onerror=alert(1)>',
    "a comment": "<!--<script>",
    "a section of CDATA": "]]><x>",
    "lines": "a\nb\r\n\n- c",
    "NUL": "a\0b",
    "escape sequences": "a\x1b[2Jb\x07",
    "turned text": "a\u202eb\u2066",
    "half a character": "a\ud800",
    "a line separator": "a\u2028b\ufeff",
    "rich markup": "[/b]",
    "an emoji by name": ":warning: [red]",
    "a template": "{{7*7}}{%raw%}",
    "Markdown": "**a** `b` *c* \\ [d](javascript:alert(1))",
    "a reference": 'url(#f1) href="#x" id="y" #1f2429',
    "an underscore": "_hidden",
    "another script": "中文 עברית 🧠",
    "length": "x" * 5000,
    "nothing": "",
    "a blank": " ",
}
ODD = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
SOURCES = Path(cli.__file__).parent


def svg_of(figure):
    import matplotlib as mpl

    figure, out = figure if hasattr(figure, "savefig") else figure.figure, io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*Glyph|constrained_layout not applied")
        figure.savefig(out, format="svg")
    return re.sub("<!--.*?-->", "", out.getvalue(), flags=re.DOTALL)


def drawn(figure):
    """Return the texts of a figure as they are drawn."""
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>(.*?)</text>", svg_of(figure))]


def made_up(regions=("A1",), models=("m",), title="r", story="s", places=False):
    """Return a result of these names, with everything that panels show."""
    n, models = 10 * len(regions), [*models, "other"]
    coords = {
        "model": models,
        "target": [f"t{k}" for k in range(2 * n)],
        "participant": ("target", [regions[0]] * n + ["Q"] * n),
        "region": (
            "target",
            [*np.repeat(np.array(regions, dtype=object), 5), *["B"] * (n // 2)] * 2,
        ),
    }
    if places:
        coords["hemisphere"] = ("target", ["left"] * 2 * n)
        coords["vertex"] = ("target", [*range(0, 10 * n, 10)] * 2)
    scores = xr.DataArray(
        np.linspace(0, 0.3, 2 * n * len(models)).reshape(len(models), 2 * n),
        dims=("model", "target"),
        coords=coords,
        attrs={"metric": "correlation", "space": "fsaverage5"},
    )
    inside = xr.DataArray(
        [[True] * n + [False] * n], dims=("group", "target"),
        coords={"group": [title or "g"], "target": scores.target.values},
    )  # fmt: skip
    curve = pd.DataFrame(
        [{"model": of, "participant": who, "minutes": x, "size": x, "score": 0.05 * np.log(x) + k}
         for k, of in enumerate(models) for who in (regions[0], "Q") for x in (5, 10)]
    )  # fmt: skip
    layers = pd.DataFrame(
        [{"layer": k, "score": 0.1, "model": of} for of in models for k in (1, 2)]
    )
    steps = [{"class": "SpeechFeatures", "module": "x", "parameters": {"model": story}},
             {"class": story, "module": story, "parameters": {"a": story}}]  # fmt: skip
    provenance = {"study": {"name": story, "runs": [story]}, "models": {models[0]: steps, "o": []}}
    return ek.Result(title, scores, regions=inside, provenance=provenance,
                     tables={"learning_curve": curve, "layers": layers})  # fmt: skip


class TestFigures:
    @staticmethod
    def table(*names):
        rows = [{"model": name, "participant": p, "region": name, "layer": k, "minutes": k,
                 "step": k, "score": 0.1 * k + n, "split": name}
                for n, name in enumerate(names)
                for p in (*names[:2], "q") for k in (1, 2)]  # fmt: skip
        return pd.DataFrame(rows)

    def plot(self, kind, names):
        of = self.table(*names)
        if kind == "regions":
            return plot_by_region(of, model="model", models=names[:2])
        if kind == "models":
            return plot_models_by_participant(of.drop_duplicates(["model", "participant"]))
        if kind == "layers":
            return plot_layer_profile(of)
        if kind == "curve":
            return plot_learning_curve(of, cohort="participant", reference=names[0])
        if kind == "training":
            return plot_training(of, value="score", model="model", split="split")
        if kind == "fir":
            coords = {"name": ("feature", ["a", "b"]), "delay": ("feature", [2.0, 2.0]),
                      "region": ("target", np.array(names, dtype=object))}  # fmt: skip
            ones = np.ones((2, len(names)))
            return plot_fir(
                xr.DataArray(ones, dims=("feature", "target"), coords=coords), by="region"
            )
        masks = {side: np.arange(10242) < 100 for side in ("left", "right")}
        return plot_surface(
            np.linspace(0, 1, 20484), outlines=dict.fromkeys(names[:6], masks), views=["lateral"],
            title=NAMES["dollars"], label=NAMES["mathtext"],
        )  # fmt: skip

    @pytest.mark.parametrize(
        "kind", ["regions", "models", "layers", "curve", "training", "fir", "surface"]
    )
    def test_names_are_drawn_as_they_are_written(self, kind):
        names = list(NAMES.values())
        texts = re.sub(r"\s", "", "".join(drawn(self.plot(kind, names))))
        for name in names[:6] if kind == "surface" else names:
            assert re.sub(r"\s", "", shortened(printable(name), 40)) in texts

    def test_an_axis_may_have_mathtext_and_a_name_beside_it(self):
        axes = plot_by_region(self.table("$x$").head(1), label=r"$\Delta r$")
        assert "$x$" in drawn(axes)
        assert axes.get_xlabel() == r"$\Delta r$"
        assert "Delta" not in svg_of(axes)

    def test_a_label_that_is_no_mathtext_is_shown_as_written(self):
        for label in ("cost_$5_per_$", "$", r"$\frac$", "a\n$_$"):
            axes = plot_by_region(self.table("a").head(1), label=label)
            assert set(label.split("\n")) <= set(drawn(axes))

    def test_ticks_of_a_logarithmic_axis_are_still_powers(self):
        from encodekit.reports._axes import own_axes

        axes = own_axes(None, 3, 3)
        axes.loglog([1, 1e6], [1, 1e6])
        assert "mathdefault" in axes.get_xticklabels()[2].get_text()
        assert "mathdefault" not in svg_of(axes)

    def test_names_that_look_alike_stay_apart(self):
        alike = ["x" * 5000 + "a" + "x" * 5000, "x" * 10001, "a\0", "a\\x00"]
        table = pd.DataFrame(
            [{"region": r, "participant": p, "score": k} for k, r in enumerate(alike)
             for p in ("P1", "P2")]
        )  # fmt: skip
        assert len(plot_by_region(table).get_yticklabels()) == 4


class TestReport:
    @staticmethod
    def checked_page(path, result):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            page = report(path, result).read_bytes().decode("utf-8")
        assert [str(one.message) for one in told if "failed" in str(one.message)] == []
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
        assert not re.search(r"<script>alert|<img src=x|<!--|</?x>|>49<", page)
        assert "Scores" in page
        return page

    def test_regions_and_their_viewer(self, tmp_path):
        names = [name for name in NAMES.values() if name]
        page = self.checked_page(tmp_path / "r.html", made_up(names, places=True))
        assert len(re.findall("<script", page)) == len(re.findall("</script>", page)) == 3
        assert {"By region", "Cortical maps"} <= set(re.findall(r"<h2[^>]*>([^<]*)<", page))

    def test_models(self, tmp_path):
        page = self.checked_page(tmp_path / "r.html", made_up(models=list(NAMES.values())))
        assert "<script" not in page
        for name in NAMES.values():
            assert html.escape(printable(name), quote=False).split("\\n")[0].strip() in page

    @pytest.mark.parametrize(
        "what", ["dollars", "a comment", "half a character", "nothing", "lines"]
    )
    def test_titles_groups_and_provenance(self, what, tmp_path):
        name = NAMES[what]
        self.checked_page(tmp_path / "r.html", made_up(title=name, story=name))

    def test_participants_and_what_the_caller_writes(self, tmp_path):
        for name in NAMES.values():
            frame = pd.DataFrame({name: [name]})
            path = report(
                tmp_path / "r.html", title=name or "t", subtitle=name, summary=name,
                highlights=[Highlight(name, name, name)], provenance={name: {name: name}},
                sections=[Section(name, name, tables=[Table(frame, caption=name)])],
            )  # fmt: skip
            page = path.read_text(encoding="utf-8")
            assert not re.search(r"<script|<img|<!--", page)

    @ODD
    def test_names_reach_the_viewer_as_they_are(self, name):
        values = np.linspace(0, 1, 20484)
        areas = {side: np.array([name] * 10242, dtype=object) for side in ("left", "right")}
        data = SurfaceViewer({name: values, name + "x": values}, areas=areas).parts("v")["data"]
        assert not re.search("[<>&\u2028\u2029]|[^\x20-\x7e]", data)
        read = json.loads(data)
        assert [one["name"] for one in read["maps"]] == [name, name + "x"]
        assert read["areas"] == [name.rstrip("\0")]

    @ODD
    def test_prose_shows_a_name_as_it_is_written(self, name):
        for text in (as_written(name), as_code(name)):
            shown = prose(f"**the name** {text} is it")
            assert not re.search("<(?!/?(p|strong|code)>)", shown)
            plain = html.unescape(re.sub("<[^>]*>", "", shown))
            assert plain.split() == f"the name {printable(name)} is it".split()

    def test_methods_name_models_as_they_are_written(self):
        said = prose(methods(made_up(models=["a*b*c"], story="`x` <b>")))
        assert "Of the model <em>a&#42;b&#42;c</em>" in said
        assert "&#96;x&#96; &lt;b&gt;" in said


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_runs_no_name_and_the_cortex_still_turns(tmp_path):
    evil = (
        "<!--<script>document.title='PWNED'</script><img src=x onerror=\"document.title='PWNED'\">"
    )
    page = report(tmp_path / "r.html", made_up([evil], [evil], evil, evil, places=True))
    dom = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000",
         f"--user-data-dir={tmp_path}/profile", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=100, check=False,
    ).stdout  # fmt: skip
    assert "PWNED" not in re.search("<title>(.*?)</title>", dom, re.DOTALL)[1].replace(
        html.escape(evil, quote=False), "")  # fmt: skip
    assert re.search(r'class="vmax">[^<]+<', dom)
    assert 'data-ready="true"' in dom
    assert "</footer>" in dom


class TestTerminal:
    @ODD
    def test_a_table_shows_names_as_text(self, name, capsys, monkeypatch):
        from encodekit.cli._terminal import print_frame, say, say_parts

        monkeypatch.setenv("COLUMNS", "20000")
        print_frame(pd.DataFrame({name or "n": [name, "b"], "score": [0.1, 0.2]}), title=name)
        say(name, style="red")
        say(name, err=True)
        say_parts(("1 s", "dim"), (name, ""))
        told = capsys.readouterr()
        assert told.out.count(printable(name, keep="\n").split("\n")[0].strip()) >= 4
        assert not re.search("[\x00-\x08\x0b-\x1f\ud800]", told.out + told.err)

    @ODD
    def test_an_error_and_a_warning_are_text(self, name, capsys):
        from encodekit.cli._main import _say, _show_warning, describe

        _say(f"error: {describe(ValueError(name))}")
        _show_warning(UserWarning(name))
        told = capsys.readouterr().err
        assert not re.search("[\x00-\x08\x0b-\x1f\ud800]", told)
        assert "warning: " in told

    def test_commands_print_through_one_module(self):
        for path in SOURCES.glob("*.py"):
            names = {node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                     if isinstance(node, ast.Name)}  # fmt: skip
            attributes = {
                node.attr for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "typer"
            }  # fmt: skip
            printing = names & {"Console", "Table", "print"} | attributes & {"echo", "secho"}
            if path.name == "_app.py":
                printing -= {"echo"}  # the version
            assert path.name == "_terminal.py" or not printing, (path.name, printing)

    def test_the_help_of_a_plugins_command_is_text(self, capsys):
        import types

        from encodekit.testing import PluginHarness

        plugin = types.ModuleType("odd_command")
        exec(
            "from encodekit.plugins import CommandSpec, hookimpl\nencodekit_api = 1\n"
            "@hookimpl\ndef encodekit_commands():\n"
            "    yield CommandSpec('odd', load='odd_command:odd', summary='does [/b] \\x1b[2J')\n"
            "def odd():\n    'Does [/b] and [red].'\n",
            vars(plugin),
        )
        with PluginHarness(plugin):
            for arguments in (["--help"], ["odd", "--help"]):
                with pytest.raises(SystemExit) as left:
                    cli.main(arguments)
                assert left.value.code == 0
                told = capsys.readouterr().out
                assert "[/b]" in told
                assert "\x1b[2J" not in told

    def test_a_stdout_that_holds_no_such_letters_gets_escapes(self, tmp_path):
        program = "from encodekit.cli import main; main(['[/b]'])"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False,
            env={"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert "unknown command '[/b]'" in done.stderr

    def test_an_experiment_prints_its_names(self, tmp_path, capsys, monkeypatch):
        from encodekit.cli import _run

        table = pd.DataFrame({"model": ["[/b]", ":smile:"], "participant": ["P[/i]", "[red]"],
                              "score": [0.1, 0.2]})  # fmt: skip

        def run_experiment(file, changes, *, output, fresh, say):
            say("features [/b] of :smile:")
            return type("R", (), {"tables": {"scores": table}})()

        monkeypatch.setattr("encodekit.experiments.run_experiment", run_experiment)
        _run.run(tmp_path / "e.yaml")
        told = capsys.readouterr()
        assert "features [/b] of :smile:" in told.err
        for name in ("[/b]", ":smile:", "P[/i]", "[red]"):
            assert name in told.out


class TestCards:
    @ODD
    def test_a_cell_of_markdown_holds_a_name(self, name):
        cell = markdown(name)
        assert "\n" not in cell
        assert not re.search(r"(?<!\\)[|`*\[\]$]", cell)
        assert not re.search(r"[<>]|\]\(", cell)
        plain = html.unescape(re.sub(r"\\([\\`*\[\]|~$_(])", r"\1", cell))
        assert plain == printable(name)

    @pytest.mark.parametrize("text", ["late_language", "facebook/wav2vec2-base", "a.b (c) 1e-3"])
    def test_usual_names_are_left_alone(self, text):
        assert markdown(text) == text

    @ODD
    def test_nothing_ends_a_block_of_code(self, name):
        for text in (name, f"```\n# Injected\n{name}", f"~~~\n\n\n</code>{name}"):
            assert all(line.startswith("    ") for line in code_block(text).split("\n"))

    @pytest.mark.parametrize(
        "shown",
        ["```\n# Injected\n", "\n\n---\nlicense: mit\n", "\ud800\0", "x" * 10**6, SystemExit()],
        ids=["a fence", "front matter", "no text", "length", "an exit"],
    )
    def test_the_card_of_a_saved_model_shows_any_repr(self, shown, tmp_path):
        class Odd(ek.WordRate):
            def __repr__(self):
                if isinstance(shown, str):
                    return shown
                raise shown

        ek.save(Odd(), tmp_path / "model", classes=[Odd])
        card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
        assert not re.search(r"^(# Injected|license)", card, re.MULTILINE)
        assert card.count("```") == 2 + shown.count("```") if isinstance(shown, str) else True
        assert len(card) < 20_000
        assert "Made with" in card


class TestPrintable:
    @ODD
    def test_it_fits_xml_and_utf_8_and_stays_as_it_is_the_second_time(self, name):
        from xml.etree import ElementTree as ET

        text = printable(name)
        text.encode("utf-8")
        ET.fromstring(f"<a>{html.escape(text)}</a>")
        assert printable(text) == text

    def test_a_text_with_methods_of_its_own_is_a_text(self):
        class Odd(str):
            __slots__ = ()

            def __str__(self):
                raise SystemExit

            __format__ = replace = split = __str__

        assert type(printable(Odd("a"))) is str
        assert message_of(ValueError(Odd("a\x1b"))) == "its message cannot be printed"
        assert message_of(ValueError("a\x1b\nb")) == "a\\x1b\nb"

    def test_a_long_text_loses_its_middle(self):
        assert shortened("abcdefghij", 7) == "abcd…ij"
        assert len(shortened("x" * 5000, 60)) == 60
