"""Which weights are kept; where validation keeps the pretrained ones, all that shows it says so."""

import sys
import types
import warnings

import numpy as np
import pandas as pd
import pytest

from encodekit.cli import main
from encodekit.plugins import LossSpec, Plugin, Registry, registry, use_registry
from encodekit_brain_tuning import BrainTunedFeatures, RevertedToPretrainedWarning
from encodekit_brain_tuning.objectives import FmriObjective
from encodekit_brain_tuning.targets import align

SAID = (
    r"did not beat the pretrained model .* \(r fell by 0\.\d{3} \(SE 0\.\d{3}\) from 0\.\d{3}, "
    r"best of 2 looks, not corrected for looks\): the weights are the pretrained ones"
)
RULES = ("last", "best", "two_se")
quiet = pytest.mark.filterwarnings("ignore::encodekit_brain_tuning.RevertedToPretrainedWarning")


def away(predicted, true, mask):
    """Least where predictions are the opposite of the fMRI: tuning by it can only do harm."""
    return (mask * predicted * true).sum() / mask.sum().clamp_min(1)


def fit(tuned, stories, responses, **changes):
    """Tune from a ridge head that predicts, away from the fMRI: nothing is better than before."""
    features = tuned(loss=away, **changes)
    return features.fit(stories[:2], responses[:2], validation=(stories[2:], responses[2:]))


@pytest.fixture(params=["best", "two_se"])
def rule(request):
    return request.param


def test_fit_warns_at_the_line_that_called_it(tuned, stories, responses, rule):
    with pytest.warns(RevertedToPretrainedWarning, match=SAID) as caught:
        features = fit(tuned, stories, responses, training__keep=rule)
    assert caught[0].filename == __file__
    assert features.reverted_to_pretrained_


def test_a_loaded_model_knows_and_its_card_says_so(tuned, stories, responses, rule, tmp_path):
    with pytest.warns(RevertedToPretrainedWarning):
        fit(tuned, stories, responses, training__keep=rule).save(tmp_path / "model")
    loaded = BrainTunedFeatures.load(tmp_path / "model", classes=[away])
    assert loaded.reverted_to_pretrained_
    card = (tmp_path / "model" / "README.md").read_text()
    assert ", with its pretrained weights\n" in card
    assert "the weights are the pretrained ones." in card
    assert "The weights of step 0 were kept, those before tuning." in card
    assert "brain-tuned\n" not in card
    assert "| seed | 0 |" in card


def test_without_validation_the_last_weights_stay_and_nothing_is_said(tuned, stories, responses):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = tuned(training__epochs=1).fit(stories[:2], responses[:2])
    assert not features.reverted_to_pretrained_
    assert features.history_["kept"].tolist() == [False, True]
    assert features.history_[["validation_r", "gain", "gain_se"]].isna().all(axis=None)


def test_the_command_says_it_once(
    tuned, stories, responses, backbone_folder, tmp_path, capsys, monkeypatch
):
    from encodekit.data import Study

    people = {
        person: {
            run["run"].values[0]: run.isel(target=run.participant.values == person)
            for run in responses[:3]
        }
        for person in ("P1", "P2")
    }
    Study("small", stories[:3], people).save(tmp_path / "study")
    module = types.ModuleType("my_lab_away")
    module.away = away
    monkeypatch.setitem(sys.modules, "my_lab_away", module)
    spec = LossSpec("away", load="my_lab_away:away", summary="the wrong way")
    theirs = Plugin("my-lab", "my-lab", "1.0", "my_lab", records=(("losses", spec),))
    with use_registry(Registry([*registry().plugins, theirs])), pytest.raises(SystemExit) as ended:
        main(["tune", str(tmp_path / "study"), str(tmp_path / "model"), "--validate", "story-2",
              "--backbone", backbone_folder, "--epochs", "1", "--batch-size", "4",
              "--loss", "away", "--learning-rate", "1e-2"])  # fmt: skip
    said = capsys.readouterr()
    assert not ended.value.code
    assert " ".join(said.out.split()).count("the weights are the pretrained ones") == 1
    assert "Warning" not in said.err


@pytest.fixture(scope="module")
def noisy(stories, make_responses):
    """FMRI on which chance lifts r for a look: by less than two standard errors."""
    return make_responses(stories, noise=1.5)


@quiet
@pytest.mark.parametrize("keep", RULES)
def test_every_rule_has_one_history_and_keeps_its_own_row(tuned, stories, noisy, keep):
    features = fit(
        tuned, stories, noisy, training__epochs=6, training__patience=None, training__keep=keep
    )
    history = features.history_
    assert len(history) == 7
    assert history[["validation_r", "gain", "gain_se"]].notna().all(axis=None)
    np.testing.assert_allclose(
        history["gain"], history["validation_r"] - history["validation_r"][0], atol=1e-12
    )
    assert (history["gain"][0], history["gain_se"][0]) == (0, 0)
    assert (history["gain_se"][1:] > 0).all()
    highest = history["validation_r"].idxmax()
    gain, error = history.loc[highest, ["gain", "gain_se"]]
    assert 0 < highest < 6  # so that every rule keeps another row
    assert 0 < gain < 2 * error
    kept = {"last": 6, "best": highest, "two_se": 0}[keep]
    assert history.index[history["kept"]].tolist() == [kept]
    assert features.reverted_to_pretrained_ == (keep == "two_se")


@quiet
@pytest.mark.parametrize("keep", RULES)
def test_the_model_has_the_weights_of_the_row_that_is_kept(tuned, stories, noisy, keep):
    features = fit(tuned, stories, noisy, training__epochs=4, training__keep=keep)
    lengths = {story.run_name: story.n_trs for story in stories[2:]}
    held = features.settings().clips(
        stories[2:], align(noisy[2:], lengths, z_score=True), features.model_
    )
    _, found = FmriObjective(features.model_, held, held, away).validate(lambda batch: batch)
    r = features.history_["validation_r"]
    assert r.nunique() == len(r)
    assert found.r == pytest.approx(r[features.history_["kept"]].item(), abs=1e-6)


def test_two_se_keeps_what_rises_by_more(tuned, stories, responses):
    """From a head at random weights anything is a gain."""
    features = tuned(
        head__start="random", update="head_only", training__epochs=8, training__learning_rate=0.1,
        training__patience=None, training__keep="two_se",
    )  # fmt: skip
    features.fit(stories[:2], responses[:2], validation=(stories[2:], responses[2:]))
    history = features.history_
    kept = history[history["kept"]].iloc[0]
    assert kept["gain"] > 2 * kept["gain_se"] > 0
    assert kept["validation_r"] == history["validation_r"].max()
    assert not features.reverted_to_pretrained_


@quiet
@pytest.mark.parametrize("keep", RULES)
def test_the_last_weights_are_never_stopped_short_of(tuned, stories, responses, keep):
    """r falls at every look, so that patience ends the others after the first."""
    changes = {"training__epochs": 4, "training__patience": 1, "training__keep": keep}
    history = fit(tuned, stories, responses, **changes).history_
    assert (history["validation_r"].diff()[1:] < 0).all()
    assert history["epoch"].tolist() == ([0, 1, 2, 3, 4] if keep == "last" else [0, 1])


@quiet
def test_with_validation_the_default_is_the_highest_r(tuned, stories, noisy):
    changes = {"training__epochs": 6, "training__patience": None}
    histories = [
        fit(tuned, stories, noisy, **changes, **given).history_.drop(columns="seconds")
        for given in ({}, {"training__keep": "best"})
    ]
    pd.testing.assert_frame_equal(*histories)
    assert histories[0]["kept"].idxmax() == histories[0]["validation_r"].idxmax() > 0


@pytest.mark.parametrize("keep", ["best", "two_se"])
def test_a_rule_that_chooses_is_refused_without_validation(tuned, stories, responses, keep):
    with pytest.raises(ValueError, match=f"keep='{keep}' .* there are none.*validation="):
        tuned(training__keep=keep).fit(stories[:2], responses[:2])


@pytest.mark.parametrize("keep", [None, "last"])
def test_without_validation_the_weights_of_the_last_step_are_kept(tuned, stories, responses, keep):
    changes = {"training__epochs": 2, "training__patience": 1, "training__keep": keep}
    alone = tuned(**changes).fit(stories[:2], responses[:2])
    assert alone.history_["kept"].tolist() == [False, False, True]
    watched = tuned(**{**changes, "training__keep": "last"}).fit(
        stories[:2], responses[:2], validation=(stories[2:], responses[2:])
    )
    assert alone.weights_hash() == watched.weights_hash()  # validation only looked on
