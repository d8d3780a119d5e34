"""The harness, the small study, the fixtures, and what ties the kit to everything registered."""

import sys
import types

import numpy as np
import pytest

import encodekit as ek
import encodekit.testing
from encodekit.plugins import PluginWarning, known_names, registry
from encodekit.testing import PluginHarness, check_plugin, digest, small_study

SOURCE = """
from encodekit import FeatureSpec, LossSpec, RegionSpec, hookimpl
encodekit_api = 1
@hookimpl
def encodekit_features():
    yield FeatureSpec("rate", load="encodekit:WordRate", summary="words per TR")
"""


def plugin(source=SOURCE, name="my_lab_plugin"):
    module = types.ModuleType(name)
    exec(source, vars(module))
    return module


def test_a_plugin_is_registered_within_the_block_alone():
    before = registry()
    with PluginHarness(plugin()) as harness:
        assert harness["my_lab_plugin"].status == "loaded"
        assert isinstance(ek.make_features("rate"), ek.WordRate)
        assert "my_lab_plugin" in sys.modules
    assert registry() is before
    assert "my_lab_plugin" not in sys.modules
    with pytest.raises(ValueError, match="unknown feature extractor 'rate'"):
        ek.make_features("rate")


def test_installed_plugins_stay_out_and_the_toolkit_stays_in():
    with PluginHarness():
        assert "ridge" in known_names("regressors")
        assert known_names("losses") == []


def test_a_distribution_is_faked():
    with PluginHarness().add(plugin(), name="mine", distribution="my-lab", version="3") as harness:
        assert harness["my-lab"].title == "'mine' (my-lab 3)"


def test_a_plugin_that_fails_is_named_with_its_cause():
    bad = plugin(SOURCE.replace("api = 1", "api = 7"))
    with pytest.warns(PluginWarning, match="states encodekit_api = 7"), PluginHarness(bad) as kit:
        assert kit["my-lab-plugin"].status == "skipped"


def test_an_unknown_plugin_is_answered_with_close_matches():
    with PluginHarness(plugin()) as harness, pytest.raises(KeyError, match="did you mean"):
        harness["my-lap-plugin"]


def test_a_module_that_was_there_before_is_there_again(monkeypatch):
    old = types.ModuleType("my_lab_plugin")
    monkeypatch.setitem(sys.modules, "my_lab_plugin", old)
    with PluginHarness(plugin()):
        pass
    assert sys.modules["my_lab_plugin"] is old


def test_the_fixtures_are_there(encodekit_study, encodekit_responses, encodekit_plugins):
    assert encodekit_study.participants == ["P1", "P2"]
    assert len(encodekit_responses) == len(encodekit_study.runs)
    with encodekit_plugins.add(plugin()):
        assert "rate" in known_names("features")


def checked(module):
    with PluginHarness(module) as harness:
        found = check_plugin(harness["my-lab-plugin"], harness.registry)
        return {record: said or error for record, said, error in found}


def test_a_whole_plugin_is_checked_by_kind():
    more = """
@hookimpl
def encodekit_regions():
    yield RegionSpec("areas", load="encodekit:RegionSelector", summary="areas")
@hookimpl
def encodekit_losses():
    yield LossSpec("gone", load="my_lab_gone:loss", summary="a module that is not there")
    yield LossSpec("number", load="math:pi", summary="no function")
    yield LossSpec("wordless", load="my_lab_plugin:wordless", summary="no docstring")
def wordless(predicted, true, mask):
    pass
"""
    told = checked(plugin(SOURCE + more))
    assert told["features rate"] == "21 checks"
    assert told["regions areas"] == "loads"
    assert "there is no module 'my_lab_gone'" in told["losses gone"]
    assert "is no class or function, but 3.14" in told["losses number"]
    assert "my_lab_plugin:wordless has no docstring" in told["losses wordless"]


def test_what_needs_parameters_says_which():
    needy = "class Needy:\n    'Words.'\n    def __init__(self, model): pass\n"
    source = SOURCE.replace("encodekit:WordRate", "my_lab_plugin:Needy") + needy
    assert checked(plugin(source)) == {"features rate": "loads; needs model"}


def test_the_small_study_follows_its_truth():
    study = small_study(missing=False, signal=1.0)
    truth = study.truth["response"].values
    heard = np.concatenate([run.values for run in study.responses()])
    np.testing.assert_allclose(heard, truth, atol=1e-6)
    half = small_study(n_stories=12, missing=False, signal=0.5, repeats=1)
    heard = np.concatenate([run.values for run in half.responses()])
    true = half.truth["response"].values
    r = [np.corrcoef(heard[:, k], true[:, k])[0, 1] for k in range(true.shape[1])]
    assert np.mean(np.square(r)) == pytest.approx(0.5, abs=0.05)


def test_the_small_study_is_decided_by_its_seed():
    assert digest(small_study()) == digest(small_study())
    assert digest(small_study()) != digest(small_study(seed=1))


def test_the_last_participant_lacks_the_second_story():
    second = small_study().responses()[1]
    lacking = second.participant.values[np.isnan(second.values).all(axis=0)]
    assert set(lacking) == {"P2"}


def test_digests_tell_values_dtypes_labels_and_order_apart():
    ones = np.ones((2, 2), dtype="float32")
    different = [
        ones, ones.astype("float64"), ones.T.reshape(-1), [ones], (ones,), {"a": ones},
        {"b": ones}, [1, 2], [2, 1], ek.WordRate(), ek.WordRate(history=3.0), None, "None",
    ]  # fmt: skip
    assert len({digest(value) for value in different}) == len(different)


def test_every_public_name_of_the_kit_says_what_it_is():
    for name in encodekit.testing.__all__:
        assert getattr(encodekit.testing, name).__doc__
    with pytest.raises(AttributeError, match="unknown name 'check_los': did you mean 'check_loss'"):
        encodekit.testing.check_los  # noqa: B018
