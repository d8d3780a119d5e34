"""Whatever a plugin raises, gives or changes, it is named and the others stay."""

import signal
import subprocess
import sys
import threading
import warnings
from importlib.metadata import EntryPoint

import pytest

from encodekit.core import isolated
from encodekit.plugins import (
    Entry,
    FeatureSpec,
    PanelSpec,
    Plugin,
    PluginError,
    PluginWarning,
    Registry,
    cause_of,
    discover,
    load_entry,
)

HEAD = "from encodekit.plugins import FeatureSpec, PanelSpec, hookimpl\nencodekit_api = 1\n"
HOOK = "@hookimpl\ndef encodekit_features():\n"
GOOD = HEAD + HOOK + "    yield FeatureSpec('good-one', load='fractions:Fraction', summary='s')\n"
UNPRINTABLE = "class E(%s):\n    def __str__(self): raise %s\nraise E()\n"
IMPORTS = {  # what a plugin does when it is imported: what is said of it
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raises GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
    "raises SystemExit": ("raise SystemExit(3)", "SystemExit: 3"),
    "cannot be printed": (UNPRINTABLE % ("Exception", "RuntimeError"), "E: its message cannot"),
    "exits when printed": (UNPRINTABLE % ("BaseException", "SystemExit(0)"), "E: its message"),
    "interrupts when printed": (UNPRINTABLE % ("Exception", "KeyboardInterrupt"), "E: its message"),
    "has a message that is no text": (
        "class E(Exception):\n    def __str__(self): return 3\nraise E()", "E: its message cannot",
    ),
    "has a message of a class of its own": (
        "class S(str):\n    def split(self, *a): raise SystemExit\n    __str__ = split\n"
        "class E(Exception):\n    def __str__(self): return S('gone')\nraise E()", "E: gone",
    ),
    "hides its class": (
        "class M(type):\n    @property\n    def __name__(cls): raise SystemExit\n"
        "class E(Exception, metaclass=M): pass\nraise E('gone')", "E: gone",
    ),
    "lies about its class": (
        "class E(Exception):\n    @property\n    def __class__(self): raise SystemExit\n"
        "raise E('x')",
        "E: x",
    ),
    "has half a character in its message": ("raise ValueError('\\ud800')", r"ValueError: \ud800"),
    "clears the screen": ("raise ValueError('\\x1b[2J')", r"ValueError: \x1b[2J"),
    "says too much": ("raise ValueError('x' * 10**7)", "ValueError: xxxxxxxx"),
    "is an exception group": (
        "raise BaseExceptionGroup('two', [SystemExit(), KeyboardInterrupt()])",
        "BaseExceptionGroup: two",
    ),
    "replaces itself by a number": ("import sys; sys.modules[__name__] = 3", "int"),
    "silences warnings and fails": (
        "import warnings; warnings.simplefilter('ignore'); raise OSError('gone')", "OSError: gone",
    ),
}  # fmt: skip
RECORDS = {  # what its hook yields
    "a record without a name": (
        "    s = FeatureSpec('x', load='m:X', summary='s')\n"
        "    object.__setattr__(s, 'name', None)\n    yield s\n", "FeatureSpec None: name must be",
    ),
    "a record whose summary is gone": (
        "    s = FeatureSpec('x', load='m:X', summary='s')\n"
        "    object.__delattr__(s, 'summary')\n    yield s\n", "summary",
    ),
    "a record that exits when it is shown": (
        "    class R:\n        def __repr__(self): raise SystemExit\n    yield R()\n",
        "must give FeatureSpec records, got <R>",
    ),
    "a record that pretends": (
        "    class R:\n        __class__ = FeatureSpec\n    yield R()\n", "AttributeError",
    ),
    "an extra that is a list": (
        "    yield FeatureSpec('x', load='m:X', summary='s', extra=['a'])\n", "extra must be",
    ),
    "records without end": (
        "    while True: yield FeatureSpec('x', load='m:X', summary='s')\n", "more than 20,000",
    ),
    "a name of two lines": (
        "    yield FeatureSpec('a\\nb', load='m:X', summary='s')\n", "name must be letters",
    ),
    "an exit half way": (
        "    yield FeatureSpec('x', load='m:X', summary='s')\n    raise SystemExit\n", "SystemExit",
    ),
}  # fmt: skip


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Return a function of sources by module: the plugins of these, discovered."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def find(**sources):
        points = [
            EntryPoint("encodekit-builtins", "encodekit.plugins.builtins", "encodekit"),
            *(EntryPoint(name, name, "encodekit") for name in sources),
        ]
        for name, source in sources.items():
            names.append(name)
            (tmp_path / f"{name}.py").write_text(source)
        return {plugin.name: plugin for plugin in discover(points, off=())}

    yield find
    for name in names:
        sys.modules.pop(name, None)


def features(plugins):
    return {entry.spec.name for entry in Registry(list(plugins.values()), prefer={}).entries(
        "features")}  # fmt: skip


class TestDiscovery:
    @pytest.mark.parametrize("what", IMPORTS)
    def test_a_plugin_whose_import(self, found, what):
        source, cause = IMPORTS[what]
        with pytest.warns(PluginWarning, match="plugin 'aaa_hostile' .* is skipped"):
            plugins = found(aaa_hostile=source, good=GOOD)
        assert plugins["aaa_hostile"].status == "skipped"
        assert cause in plugins["aaa_hostile"].cause
        assert len(plugins["aaa_hostile"].cause) < 600
        assert {"good-one", "mel"} <= features(plugins)

    @pytest.mark.parametrize("what", RECORDS)
    def test_a_plugin_that_yields(self, found, what):
        body, cause = RECORDS[what]
        with pytest.warns(PluginWarning, match="plugin 'aaa_hostile' .* is skipped"):
            plugins = found(aaa_hostile=HEAD + HOOK + body, good=GOOD)
        assert cause in plugins["aaa_hostile"].cause
        assert {"good-one", "mel"} <= features(plugins)

    def test_a_record_is_copied_so_that_a_later_change_is_none(self, found):
        body = (
            "    class S(str):\n        def lower(self): raise SystemExit\n"
            "        __str__ = __hash__ = lower\n"
            "    kept.append(FeatureSpec(S('x'), load='m:X', summary='s'))\n    yield kept[0]\n"
        )
        plugins = found(odd=HEAD + "kept = []\n" + HOOK + body, good=GOOD)
        object.__setattr__(sys.modules["odd"].kept[0], "name", None)
        assert {"x", "good-one", "mel"} <= features(plugins)
        assert type(plugins["odd"].records[0][1].name) is str

    def test_filters_of_warnings_stay_as_they_were(self, found):
        before = list(warnings.filters)
        found(quiet="import warnings; warnings.simplefilter('ignore')\n" + GOOD)
        assert warnings.filters == before

    def test_handlers_of_signals_stay_as_they_were(self, found):
        before = signal.getsignal(signal.SIGINT)
        found(deaf="import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + GOOD)
        assert signal.getsignal(signal.SIGINT) is before

    @pytest.mark.parametrize("field", ["order='first'", "order=None", "order=float('nan')"])
    def test_a_panel_stands_at_a_number(self, field):
        with pytest.raises(ValueError, match="order must be an integer"):
            eval(f"PanelSpec('x', load='m:X', summary='s', {field})", {"PanelSpec": PanelSpec})


class TestKeyPress:
    @pytest.mark.parametrize("swallowed", ["KeyboardInterrupt", "BaseException"])
    def test_it_stops_what_catches_it_too(self, swallowed):
        def call():
            try:
                signal.raise_signal(signal.SIGINT)
            except eval(swallowed):
                return "caught"

        with pytest.raises(KeyboardInterrupt):
            isolated(call, lambda error: "otherwise")

    def test_it_stops_from_within_another_guard(self):
        def press():
            signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            isolated(lambda: isolated(press, lambda error: 1), lambda error: 2)

    def test_what_a_handler_of_the_user_raises_stops_too(self):
        def leave(number, frame):
            raise SystemExit(130)

        before = signal.signal(signal.SIGTERM, leave)
        try:
            with pytest.raises(SystemExit) as left:
                isolated(lambda: signal.raise_signal(signal.SIGTERM), lambda error: 1)
            assert left.value.code == 130
        finally:
            signal.signal(signal.SIGTERM, before)

    def test_a_handler_that_raises_nothing_stops_nothing(self):
        heard = []
        before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
        try:
            assert isolated(lambda: signal.raise_signal(signal.SIGINT) or 3, str) == 3
            assert heard == [1]
        finally:
            signal.signal(signal.SIGINT, before)

    def test_nobody_pressed_a_key_in_another_thread(self):
        told = []

        def call():
            raise KeyboardInterrupt

        thread = threading.Thread(target=lambda: told.append(isolated(call, cause_of)))
        thread.start()
        thread.join()
        assert told == ["KeyboardInterrupt"]

    def test_a_real_one_ends_a_program_that_waits_for_a_plugin(self, tmp_path):
        (tmp_path / "slow.py").write_text("import time; print('now', flush=True); time.sleep(60)\n")
        code = (
            "from importlib.metadata import EntryPoint\nfrom encodekit.plugins import discover\n"
            "discover([EntryPoint('slow', 'slow', 'encodekit')], off=())"
        )
        program = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=tmp_path,
        )  # fmt: skip
        assert program.stdout.readline() == "now\n"
        program.send_signal(signal.SIGINT)
        _, told = program.communicate(timeout=30)
        assert program.returncode != 0
        assert "KeyboardInterrupt" in told
        assert "plugin 'slow'" in told


class TestLoading:
    def entry(self, tmp_path, monkeypatch, source):
        name = f"loaded_{abs(hash(source))}"
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        plugin = Plugin("odd", "odd-lab", "1.2", "odd")
        return Entry(FeatureSpec("x", load=f"{name}:X", summary="s"), plugin)

    @pytest.mark.parametrize(
        "source",
        [
            "raise SystemExit(0)",
            "raise KeyboardInterrupt",
            "raise GeneratorExit",
            "def __getattr__(name): raise SystemExit(name)",
            "class E(BaseException):\n    def __str__(self): raise E\nraise E",
        ],
    )
    def test_what_would_end_the_program_is_an_error_of_the_plugin(
        self, tmp_path, monkeypatch, source
    ):
        with pytest.raises(PluginError, match=r"plugin 'odd' \(odd-lab 1.2\) registers"):
            load_entry(self.entry(tmp_path, monkeypatch, source))

    def test_an_error_stays_what_it_is(self, tmp_path, monkeypatch):
        with pytest.raises(ZeroDivisionError, match="division"):
            load_entry(self.entry(tmp_path, monkeypatch, "1 / 0"))


class TestProgram:
    @pytest.fixture
    def plugin(self, tmp_path, monkeypatch):
        """Install a distribution whose names are markup, and that fails as it likes."""
        info = tmp_path / "odd_lab-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Name: odd-lab\nVersion: 1[/b]\n")
        (info / "entry_points.txt").write_text("[encodekit]\nodd[/red] = odd_lab_plugin\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("ENCODEKIT_CONFIG", str(tmp_path / "settings"))
        yield tmp_path / "odd_lab_plugin.py"
        for name in ("odd_lab_plugin", "odd_lab_code"):
            sys.modules.pop(name, None)

    def test_plugins_shows_one_that_fails_whatever_its_names(self, plugin, capfd):
        from encodekit.cli import main

        plugin.write_text(UNPRINTABLE % ("Exception", "SystemExit"))
        with pytest.raises(SystemExit) as left:
            main(["plugins"])
        told = capfd.readouterr().out
        assert left.value.code == 0
        assert "odd[/red]" in told
        assert "1[/b]" in told
        assert "E: its message cannot be printed" in told
        assert "encodekit-builtins" in told

    def test_check_goes_on_after_a_record_that_ends_everything(self, plugin, capfd):
        from encodekit.cli import main

        plugin.write_text(
            HEAD + HOOK + "    yield FeatureSpec('a', load='odd_lab_code:A', summary='s')\n"
            "    yield FeatureSpec('b', load='odd_lab_code:B', summary='s')\n"
            "    yield FeatureSpec('c', load='odd_lab_code:nothing', summary='s')\n"
        )
        (plugin.parent / "odd_lab_code.py").write_text(
            "class E(Exception):\n    def __str__(self): raise SystemExit\n"
            "class A:\n    '''Words.'''\n    def __init__(self): raise E\n"
            "class B:\n    '''Words.'''\n    def __init__(self): raise KeyboardInterrupt\n"
        )
        with pytest.raises(SystemExit) as left:
            main(["plugins", "check", "odd[/red]"])
        told = capfd.readouterr().out
        assert left.value.code == 1
        assert "BAD  features a: E" in told or "BAD  features a: SystemExit" in told
        assert "BAD  features b: KeyboardInterrupt" in told
        assert "BAD  features c: " in told

    @pytest.mark.parametrize("file", ["METADATA", "entry_points.txt"])
    def test_a_distribution_that_is_no_text_stops_nobody(self, plugin, file):
        plugin.write_text(GOOD)
        path = plugin.parent / "odd_lab-1.0.dist-info" / file
        path.write_bytes(path.read_bytes() + b"\xff\xfe = x\n")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            plugins = discover(off=())
        assert "encodekit-builtins" in {plugin.name for plugin in plugins}
        assert (file == "METADATA") or any("cannot be read" in str(one.message) for one in told)
