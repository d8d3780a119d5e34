"""Tuning on the audio alone, by the backbone's own kind of self-supervised loss."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

import encodekit as ek
from encodekit_brain_tuning import (
    AcousticBands,
    AllWeights,
    BrainTunedFeatures,
    Contrastive,
    Runtime,
    StimulusTunedFeatures,
    Streamed,
    Training,
    Units,
)
from encodekit_brain_tuning.objectives import with_quantiser as read_with_quantiser
from encodekit_brain_tuning.objectives._masked import audio_clips
from encodekit_brain_tuning.objectives._units import UnitPrediction

SAID = {"units": "Units(n_units=8)", "contrastive": "Contrastive()"}


@pytest.fixture(scope="module")
def with_quantiser(save_backbone, tmp_path_factory):
    """A checkpoint of Wav2Vec2ForPreTraining."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

    folder = save_backbone(tmp_path_factory.mktemp("quantiser"), mask_time_prob=0.05)
    config = Wav2Vec2Config.from_pretrained(
        folder, num_codevectors_per_group=8, codevector_dim=16, proj_codevector_dim=12
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Wav2Vec2ForPreTraining(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["units", "contrastive"])
def objective(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(objective, with_quantiser, backbone_folder, stories):
    folder = with_quantiser if objective == "contrastive" else backbone_folder
    features = StimulusTunedFeatures(
        folder,
        objective=None if objective == "contrastive" else Units(8),
        update=AllWeights(dropout=0.0),
        windows=Streamed(chunk=16.0),
        training=Training(epochs=4, learning_rate=3e-3, batch_size=4),
        runtime=Runtime(cache=None, device="cpu"),
        layer="all",
    )
    return features.fit(stories[:3], validation=stories[3:])


def test_the_loss_falls_on_audio_that_was_not_tuned_on(fitted, objective):
    history = fitted.history_
    assert fitted.tuned_.facts.objective == SAID[objective]
    assert history["validation_loss"].iloc[-1] < history["validation_loss"].iloc[0] - 0.02
    assert history["step"].iloc[-1] == 4 * history["step"].iloc[1]


def test_it_is_an_extractor_like_any_other_once_saved_and_loaded(
    fitted, objective, stories, tmp_path
):
    fitted.save(tmp_path / "model")
    loaded = StimulusTunedFeatures.load(tmp_path / "model")
    rows = fitted.transform(stories[3:])
    np.testing.assert_array_equal(loaded.transform(stories[3:]).values, rows.values)
    plain = ek.SpeechFeatures(
        fitted.backbone, layer="all", windows=Streamed(chunk=16.0), resample="mean", cache=None,
        device="cpu",
    ).transform(stories[3:])  # fmt: skip
    assert np.abs(rows.values - plain.values).max() > 1e-3
    np.testing.assert_allclose(rows.values[:, :32], plain.values[:, :32], atol=1)  # the stem's
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"| loss | {SAID[objective]} |" in card
    assert "| participants | audio |" in card
    assert "tuned on the stimuli alone" in card
    assert "fMRI with encodekit" not in card
    assert "features = StimulusTunedFeatures.load(" in card
    with pytest.raises(ValueError, match=r"StimulusTunedFeatures\.load reads it"):
        BrainTunedFeatures.load(tmp_path / "model")


def test_a_clone_of_a_tuned_one_is_tuned_to_the_same_weights(fitted, stories):
    again = clone(fitted)
    assert not hasattr(again, "model_")
    assert again.get_params() == fitted.get_params()
    assert again.fit(stories[:3], validation=stories[3:]).weights_hash() == fitted.weights_hash()


def test_without_an_objective_the_checkpoint_decides(fitted, tuned, stories, objective):
    if objective == "contrastive":
        assert fitted.objective is None
        return
    features = StimulusTunedFeatures.like(tuned(training__budget=("steps", 1)))
    assert features.fit(stories[:1]).tuned_.facts.objective == "Units(n_units=100)"


def test_features_of_the_stimuli_are_learnt_as_fmri_is_and_choose_weights_by_r(tuned, stories):
    features = StimulusTunedFeatures.like(tuned(training__epochs=2), AcousticBands(4))
    features.fit(stories[:2], validation=stories[2:])
    assert features.participants_ == ("acoustics",)
    assert features.n_targets_ == 4
    r = features.history_["validation_r"]
    assert r.notna().all()
    assert features.history_["kept"].idxmax() == r.idxmax()


def test_where_there_is_no_r_none_chooses(tuned, stories):
    features = StimulusTunedFeatures.like(tuned(training__keep="best"), Units(4))
    with pytest.raises(ValueError, match=r"keep='best' chooses by r .* pass keep='last'"):
        features.fit(stories[:1], validation=stories[1:2])


def test_one_seed_gives_one_model_and_the_original_stays_untuned(tuned, stories):
    original = tuned(training__epochs=1, random_state=3)
    one, other = (StimulusTunedFeatures.like(original, Units(4)).fit(stories[:2]) for _ in range(2))
    assert one.weights_hash() == other.weights_hash()
    assert not hasattr(original, "model_")
    assert original.loss == "l2"


def test_a_budget_of_steps_is_kept_and_the_audio_counts_as_tuned_on(tuned, stories):
    features = StimulusTunedFeatures.like(
        tuned(training__budget=("steps", 3), update="lora"), Units(4)
    ).fit(stories[:2])
    assert features.history_["step"].iloc[-1] == 3
    assert list(features.tuned_on_.values()) == ["story-0", "story-1"]
    assert features.tuned_seconds_ == 80.0


def test_only_masked_frames_are_told_and_they_are_hidden_from_the_model(tuned, stories):
    """Audio under the mask changes nothing that the model says."""
    windows = Streamed(chunk=16.0, overlap=8.0)
    task = UnitPrediction(tuned(windows=windows).settings().new_model(4, 1)).eval()
    clip = audio_clips(task, stories[:1], windows)[0]["frames"][None]
    masked = torch.zeros(1, clip.shape[-1], dtype=torch.bool)
    masked[:, 100:110] = True
    changed = clip.clone()
    changed[..., 100:110] = 5.0
    with torch.no_grad():
        one, other = (task.inner(x, mask_time_indices=masked).last_hidden_state
                      for x in (clip, changed))  # fmt: skip
    torch.testing.assert_close(one, other)
    torch.manual_seed(0)
    share = task.mask(clip.expand(20, -1, -1)).float().mean()
    assert 0.4 < share < 0.6


def test_tiny_is_tuned_by_units():
    assert read_with_quantiser("tiny") is None


@pytest.mark.parametrize(
    ("objective", "changes", "match"),
    [
        (Contrastive(), {}, "holds no quantiser"),
        ("contrastive", {}, "holds no quantiser"),
        ("contrast", {}, "objective 'contrast': did you mean 'contrastive'"),
        (Units(4), {"training__budget": ("pairs", 10)}, "counts in .'steps', n."),
        (Units(4), {"windows": "exact"}, r"windows=Exact\(\): frames are masked in long windows"),
    ],
)
def test_what_stimulus_tuning_cannot_do_is_said(tuned, stories, objective, changes, match):
    features = StimulusTunedFeatures.like(tuned(**changes), objective)
    with pytest.raises(ValueError, match=match):
        features.fit(stories[:1])


def test_a_model_without_masks_is_refused(tuned, backbone):
    model = tuned().settings().new_model(4, 1)
    model.backbone.model = torch.nn.Identity()
    with pytest.raises(ValueError, match="Identity has no masked prediction of its own"):
        UnitPrediction(model)
