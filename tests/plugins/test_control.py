"""Who may speak: the environment, switches that last, and whose a contested name is."""

import json
import warnings

import pytest

from encodekit.plugins import (
    Plugin,
    PluginWarning,
    Registry,
    load_spec,
    make_features,
    make_loss,
    make_regions,
    make_regressor,
    use_registry,
)
from encodekit.plugins._discovery import discover
from encodekit.plugins._probe import probe
from encodekit.plugins._switches import SwitchesError, switch, switched_off, switches_file

PITCH = """
@hookimpl
def encodekit_features():
    yield FeatureSpec({name!r}, load="fractions:{load}", summary="f0")
"""


@pytest.fixture
def rivals(site):
    """Two plugins that claim one name, each with a class of its own."""
    site.install("a-lab", PITCH.format(name="pitch", load="Fraction"))
    site.install("b-lab", PITCH.format(name="Pitch", load="Decimal"), name="b-plugin")
    return site


def quiet_registry(site):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        return site.registry()


def test_a_preferred_plugin_gets_the_name(rivals):
    from decimal import Decimal
    from fractions import Fraction

    found = quiet_registry(rivals)
    assert found.load("features", "pitch", "a-lab") is Fraction
    assert found.load("features", "pitch", prefer="B_Lab") is Decimal
    assert found.load("features", "pitch", prefer="b-plugin") is Decimal


def test_without_a_preference_the_message_says_how_to_choose(rivals):
    with pytest.raises(ValueError, match="choose by prefer= or ENCODEKIT_PREFER=pitch=PLUGIN"):
        quiet_registry(rivals).load("features", "pitch")


def test_a_preferred_plugin_that_lacks_the_name_is_refused(rivals):
    with pytest.raises(ValueError, match="prefer='a-lap': unknown plugin 'a-lap': did you mean"):
        quiet_registry(rivals).load("features", "pitch", prefer="a-lap")


def test_a_preference_is_checked_where_nothing_clashes_too(site):
    site.install("a-lab", PITCH.format(name="pitch", load="Fraction"))
    with pytest.raises(ValueError, match="prefer='b-lab': unknown plugin"):
        site.registry().load("features", "pitch", prefer="b-lab")


def test_the_environment_prefers_without_a_warning(rivals, monkeypatch):
    from decimal import Decimal

    monkeypatch.setenv("ENCODEKIT_PREFER", "pitch = b-lab")
    found = rivals.registry()
    assert found.clashes() == []
    assert [entry.spec.name for entry in found.entries("features")] == ["Pitch"]
    assert found.load("features", "pitch") is Decimal


def test_the_environment_that_prefers_nobody_known_is_told_so(rivals, monkeypatch):
    monkeypatch.setenv("ENCODEKIT_PREFER", "pitch=c-lab")
    with pytest.warns(PluginWarning) as caught:
        rivals.registry()
    told = [str(warning.message) for warning in caught]
    assert "ENCODEKIT_PREFER names unknown plugin 'c-lab': did you mean" in told[0]
    assert "the same feature extractor is registered" in told[1]


@pytest.mark.parametrize("value", ["pitch", "pitch=", "=a-lab"])
def test_the_environment_that_prefers_nothing_is_refused(site, monkeypatch, value):
    monkeypatch.setenv("ENCODEKIT_PREFER", value)
    with pytest.raises(ValueError, match=f"ENCODEKIT_PREFER holds '{value}', expected name=plugin"):
        site.registry()


def test_every_maker_takes_a_preference(rivals):
    from fractions import Fraction

    with use_registry(quiet_registry(rivals)):
        assert make_features("pitch", prefer="a-lab", numerator=3) == Fraction(3)
        assert load_spec("features", "pitch", prefer="a-lab") is Fraction
        for make in (make_regressor, make_regions, make_loss):
            with pytest.raises(ValueError, match="unknown .* 'xyzzy'"):
                make("xyzzy", prefer="a-lab")


def test_naming_a_distribution_settles_which_of_two_plugins_of_one_name(site):
    site.install("a-lab", PITCH.format(name="pitch", load="Fraction"), name="lab")
    site.install("b-lab", PITCH.format(name="pitch", load="Fraction"), name="lab")
    assert [plugin.status for plugin in site.discover("a-lab")] == ["loaded", "disabled"]


def test_what_is_switched_off_stays_off_until_it_is_switched_on(site):
    site.install("my-lab", PITCH.format(name="pitch", load="Fraction"))
    assert switch("my-lab", on=False)
    assert not switch("My_Lab", on=False)
    (plugin,) = site.discover()
    assert plugin.status == "disabled"
    assert plugin.cause == "switched off: encodekit plugins enable my-lab"
    assert switch("my-lab", on=True)
    assert site.discover()[0].status == "loaded"


def test_the_environment_outweighs_the_switches(site):
    site.install("my-lab", PITCH.format(name="pitch", load="Fraction"))
    switch("my-lab", on=False)
    assert site.discover("my-lab")[0].status == "loaded"


@pytest.mark.parametrize("content", ["{", "[]", '{"disabled": 3}', '{"disabled": [3]}'])
def test_switches_that_cannot_be_read_are_named_and_switch_nothing_off(site, content):
    site.install("my-lab", PITCH.format(name="pitch", load="Fraction"))
    switches_file().parent.mkdir()
    switches_file().write_text(content)
    with pytest.warns(PluginWarning, match=r"plugins\.json cannot be read .* delete it"):
        assert site.discover()[0].status == "loaded"
    with pytest.raises(SwitchesError, match="delete it"):
        switched_off()


def test_switches_are_readable_by_people(site):
    switch("my-lab", on=False)
    assert json.loads(switches_file().read_text()) == {"disabled": ["mylab"]}


def test_a_registry_is_in_use_within_its_block_alone():
    from encodekit.plugins import registry

    own = Registry([Plugin("p", "d", "1", "m")])
    outside = registry()
    with use_registry(own):
        assert registry() is own
    assert registry() is outside


HANGS = "import time; time.sleep(60)"


def test_a_probe_finds_what_discovery_finds(site):
    site.install("my-lab", "print('noise')\n" + PITCH.format(name="pitch", load="Fraction"))
    assert probe() == discover()


def test_a_plugin_that_hangs_or_ends_the_process_is_named(site):
    site.install("hang-lab", HANGS)
    site.install("crash-lab", "import os; os._exit(3)")
    site.install("my-lab", PITCH.format(name="pitch", load="Fraction"))
    found = {plugin.name: plugin for plugin in probe(time_limit=1.0)}
    assert found["hang-lab"].status == found["crash-lab"].status == "skipped"
    assert found["hang-lab"].cause == "did not come back within 1 s: it hangs, or is very slow"
    assert found["crash-lab"].cause == "ended the process (exit code 3)"
    assert [spec.name for _, spec in found["my-lab"].records] == ["pitch"]
    assert found["encodekit-builtins"].status == "loaded"


def test_a_probe_that_cannot_begin_says_so(monkeypatch):
    from encodekit.plugins import _probe

    monkeypatch.setattr(_probe, "_attempt", lambda *_: (None, "ended the process (exit code 1)"))
    with pytest.raises(RuntimeError, match="cannot be examined, the examination ended the process"):
        probe()
