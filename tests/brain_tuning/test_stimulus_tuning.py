"""Tuning on the audio alone, by the backbone's own kind of self-supervised loss."""

import numpy as np
import pytest
import torch

import encodekit as ek
from encodekit_brain_tuning import BrainTunedFeatures, stimulus_tuned
from encodekit_brain_tuning._stimulus_tuning import UnitsTask


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
    features = BrainTunedFeatures(
        folder, epochs=4, trainable="all", learning_rate=3e-3, chunk=16.0, batch_size=4,
        dropout=0.0, layer="all", cache=None, device="cpu",
    )  # fmt: skip
    return stimulus_tuned(features, stories[:3], validation=stories[3:], n_units=8)


def test_the_loss_falls_on_audio_that_was_not_tuned_on(fitted, objective):
    history = fitted.history_
    assert fitted.loss == f"self-supervised: {objective}"
    assert history["validation_loss"].iloc[-1] < history["validation_loss"].iloc[0] - 0.02
    assert history["step"].iloc[-1] == 4 * history["step"].iloc[1]


def test_it_is_an_extractor_like_any_other_once_saved_and_loaded(fitted, stories, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = BrainTunedFeatures.load(tmp_path / "model")
    rows = fitted.transform(stories[3:])
    np.testing.assert_array_equal(loaded.transform(stories[3:]).values, rows.values)
    plain = ek.SpeechFeatures(
        fitted.backbone, layer="all", chunk=16.0, resample="mean", cache=None, device="cpu"
    ).transform(stories[3:])
    assert np.abs(rows.values - plain.values).max() > 1e-3
    np.testing.assert_allclose(rows.values[:, :32], plain.values[:, :32], atol=1)  # the stem's
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| loss | self-supervised" in card
    assert "| participants | audio |" in card


def test_one_seed_gives_one_model_and_the_original_stays_untuned(tuned, stories):
    original = tuned(epochs=1, random_state=3)
    one, other = (stimulus_tuned(original, stories[:2], n_units=4) for _ in range(2))
    assert one.weights_hash() == other.weights_hash()
    assert not hasattr(original, "model_")
    assert original.loss == "l2"


def test_a_budget_of_steps_is_kept_and_the_audio_counts_as_tuned_on(tuned, stories):
    features = stimulus_tuned(tuned(budget=("steps", 3), trainable="lora"), stories[:2], n_units=4)
    assert features.history_["step"].iloc[-1] == 3
    assert list(features.tuned_on_.values()) == ["story-0", "story-1"]
    assert features.tuned_seconds_ == 80.0


def test_only_masked_frames_are_told_and_they_are_hidden_from_the_model(tuned, stories):
    """Audio under the mask changes nothing that the model says."""
    features = tuned(chunk=16.0)
    features.participants_, features.n_targets_ = ("audio",), 4
    task = UnitsTask(features._new_model(), 16.0, 8.0).eval()
    clip = task.clips(stories[:1])[0]["frames"][None]
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


def test_tiny_is_tuned_by_units(make_story):
    from encodekit_brain_tuning._stimulus_tuning import _with_quantiser

    assert _with_quantiser("tiny") is None


@pytest.mark.parametrize(
    ("asked", "changes", "match"),
    [
        ({"objective": "contrastive"}, {}, "holds no quantiser"),
        ({"objective": "contrast"}, {}, "objective"),
        ({}, {"budget": ("pairs", 10)}, "counts in .'steps', n."),
    ],
)
def test_what_stimulus_tuning_cannot_do_is_said(tuned, stories, asked, changes, match):
    with pytest.raises(ValueError, match=match):
        stimulus_tuned(tuned(**changes), stories[:1], n_units=4, **asked)


def test_a_model_without_masks_is_refused(tuned, backbone):
    features = tuned()
    features.participants_, features.n_targets_ = ("audio",), 4
    model = features._new_model()
    model.backbone.model = torch.nn.Identity()
    with pytest.raises(ValueError, match="Identity has no masked prediction of its own"):
        UnitsTask(model, 16.0, 8.0)
