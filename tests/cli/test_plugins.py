import json

import pytest

from encodekit.cli import _plugins
from encodekit.plugins import FeatureSpec, Plugin, PluginWarning, Registry


def spec(name):
    return ("features", FeatureSpec(name, load="a:b", summary="c"))


@pytest.fixture
def found(monkeypatch):
    plugins = [
        Plugin("good", "good-lab", "1.0", "good", records=(spec("pitch"), spec("same"))),
        Plugin("bad", "bad-lab", "2.0", "bad", status="skipped", cause="ImportError: [no] luck"),
        Plugin("off", "off-lab", "3.0", "off", status="disabled"),
        Plugin("twin", "twin-lab", "4.0", "twin", records=(spec("same"),)),
    ]
    with pytest.warns(PluginWarning, match="same feature extractor"):
        registry = Registry(plugins)
    monkeypatch.setattr(_plugins, "registry", lambda: registry)
    monkeypatch.setenv("COLUMNS", "160")


def test_the_table_says_what_each_plugin_brings_and_why_one_was_skipped(found, capsys):
    _plugins.plugins()
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert "1.0" in lines["good"]
    assert "features: pitch" in lines["good"]
    assert "skipped: ImportError: [no] luck" in lines["bad"]
    assert "disabled" in lines["off"]


def test_the_table_is_followed_by_the_clashes(found, capsys):
    _plugins.plugins()
    assert "clash: the same feature extractor is registered" in capsys.readouterr().out


def test_json_holds_the_same_for_programs(found, capsys):
    _plugins.plugins(json=True)
    told = json.loads(capsys.readouterr().out)
    good, bad, off, _ = told["plugins"]
    assert good["brings"] == {"features": ["pitch", "same"]}
    assert (bad["status"], bad["cause"]) == ("skipped", "ImportError: [no] luck")
    assert off["status"] == "disabled"
    assert "none of them is used" in told["clashes"][0]
