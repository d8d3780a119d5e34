import json

import pytest

from encodekit.cli import _plugins, main
from encodekit.plugins import FeatureSpec, Plugin, PluginWarning, Registry

FOUND = """
from encodekit.plugins import FeatureSpec, hookimpl
encodekit_api = 1
@hookimpl
def encodekit_features():
    yield FeatureSpec("pitch", load="fractions:Fraction", summary="f0")
"""

LONG = ", though all of us have tried" * 6  # longer than a terminal is wide


def spec(name):
    return ("features", FeatureSpec(name, load="a:b", summary="c"))


def run(capsys, *arguments):
    """Return exit code, stdout and stderr of ``encodekit plugins ...``."""
    with pytest.raises(SystemExit) as stopped:
        main(["plugins", *arguments])
    return stopped.value.code or 0, *capsys.readouterr()


@pytest.fixture
def found(monkeypatch):
    plugins = [
        Plugin("good", "good-lab", "1.0", "good", records=(spec("pitch"), spec("same"))),
        Plugin(
            "bad", "bad-lab", "2.0", "bad", status="skipped", cause="ImportError: [no] luck" + LONG
        ),
        Plugin("off", "off-lab", "3.0", "off", status="disabled", cause="switched off"),
        Plugin("twin", "twin-lab", "4.0", "twin", records=(spec("same"),)),
    ]
    with pytest.warns(PluginWarning, match="same feature extractor"):
        registry = Registry(plugins)
    monkeypatch.setattr(_plugins, "examined", lambda _: registry)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Two distributions on the path: one whose plugin hangs, one that is sound."""
    monkeypatch.setenv("ENCODEKIT_CONFIG", str(tmp_path / "settings"))
    monkeypatch.delenv("ENCODEKIT_PLUGINS", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    for name, source in {"hang_lab": "import time; time.sleep(60)", "my_lab": FOUND}.items():
        (tmp_path / f"{name}.py").write_text(source)
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name.replace('_', '-')}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[encodekit]\n{name.replace('_', '-')} = {name}\n")


def told(capsys, *options):
    _, out, _ = run(capsys, "--json", *options)
    return {plugin["name"]: plugin for plugin in json.loads(out)["plugins"]}


def test_the_table_says_what_each_plugin_brings_and_why_one_was_skipped(found, capsys):
    _, out, _ = run(capsys)
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "1.0" in lines["good"]
    assert "features: pitch" in lines["good"]
    assert f"skipped: ImportError: [no] luck{LONG}" in lines["bad"]
    assert "disabled: switched off" in lines["off"]


def test_the_table_is_followed_by_the_clashes(found, capsys):
    assert "clash: the same feature extractor is registered" in run(capsys)[1]


def test_json_holds_the_same_for_programs(found, capsys):
    _, out, _ = run(capsys, "--json")
    content = json.loads(out)
    good, bad, off, _ = content["plugins"]
    assert good["brings"] == {"features": ["pitch", "same"]}
    assert (bad["status"], bad["cause"]) == ("skipped", "ImportError: [no] luck" + LONG)
    assert off["status"] == "disabled"
    assert "none of them is used" in content["clashes"][0]


def test_a_plugin_that_hangs_is_named_and_can_be_disabled_and_enabled(installed, capsys):
    found = told(capsys, "--time-limit", "1")
    assert found["hang-lab"]["cause"] == "did not come back within 1 s: it hangs, or is very slow"
    assert found["my-lab"]["brings"] == {"features": ["pitch"]}
    code, out, _ = run(capsys, "disable", "Hang_Lab")
    assert (code, out.partition(" (/")[0]) == (0, "'hang-lab' (hang-lab 1.2) is now disabled")
    assert told(capsys)["hang-lab"]["cause"] == "switched off: encodekit plugins enable hang-lab"
    assert "already disabled" in run(capsys, "disable", "hang-lab")[1]
    assert "is now enabled" in run(capsys, "enable", "hang-lab")[1]
    assert "already enabled" in run(capsys, "enable", "hang-lab")[1]


@pytest.mark.parametrize("verb", ["disable", "enable"])
def test_an_unknown_plugin_is_answered_with_close_matches(installed, capsys, verb):
    code, _, err = run(capsys, verb, "my-lap")
    assert code == 2
    assert err == "error: unknown plugin 'my-lap': did you mean 'my-lab'?\n"


def test_the_toolkit_itself_cannot_be_disabled(installed, capsys):
    code, _, err = run(capsys, "disable", "encodekit-builtins")
    assert code == 2
    assert "is encodekit itself: it cannot be disabled" in err


def test_check_reports_what_discovery_imports_too_soon(installed, tmp_path, capsys):
    (tmp_path / "my_lab.py").write_text("import my_lab_code\n" + EARLY)
    (tmp_path / "my_lab_code.py").write_text("def loss():\n    'Words.'\n")
    code, out, _ = run(capsys, "check", "my-lab", "--time-limit", "5")
    assert code == 1
    assert "BAD  discovery: imports my_lab_code, which every start" in out
    assert "ok   panels pitch: loads" in out


EARLY = FOUND.replace("Feature", "Panel").replace("_features", "_panels").replace(
    "fractions:Fraction", "my_lab_code:loss"
)  # fmt: skip


def test_check_of_the_name_of_a_feature_points_to_its_plugin(found, capsys):
    code, _, err = run(capsys, "check", "Pitch")
    assert code == 2
    assert "'Pitch' is no plugin but a feature extractor of the plugin 'good' (good-lab" in err
    assert "encodekit plugins check good\n" in err
