import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import RunList
from encodekit_brain_tuning import (
    AllWeights,
    BrainTunedFeatures,
    HeadOnly,
    Lora,
    Runtime,
    SharedHead,
    Streamed,
    Training,
    TunedOnWarning,
    warn_if_tuned_on,
)
from encodekit_brain_tuning.backbones._layers import encode


@pytest.fixture(scope="module")
def fitted(backbone_folder, stories, responses):
    """Tuned on three stories, validated on the fourth."""
    features = BrainTunedFeatures(
        backbone_folder,
        update=AllWeights(),
        windows=Streamed(chunk=16.0),
        training=Training(epochs=2, learning_rate=3e-3, batch_size=4),
        runtime=Runtime(cache=None, device="cpu"),
        layer="all",
    )
    return features.fit(stories[:3], responses[:3], validation=(stories[3:], responses[3:]))


@pytest.mark.parametrize("ask", ["transform", "frames", "frozen", "save", "warn_if_tuned_on"])
def test_nothing_works_before_tuning(tuned, stories, ask, tmp_path):
    given = {"transform": (stories,), "frames": (stories[0],), "save": (tmp_path / "model",),
             "warn_if_tuned_on": (stories,)}  # fmt: skip
    with pytest.raises(NotFittedError, match="not tuned yet"):
        getattr(tuned(), ask)(*given.get(ask, ()))


def test_fit_leaves_parameters_alone_and_clone_forgets_the_tuning(fitted, backbone_folder):
    assert fitted.get_params()["backbone"] == backbone_folder
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "model_")


def test_features_are_on_the_grid_with_every_layer(fitted, stories):
    features = fitted.transform(stories[3:])
    assert features.dims == ("time", "feature")
    assert np.unique(features.layer).tolist() == [0, 1, 2]
    assert features.sizes == {"time": 20, "feature": 3 * 32}
    assert features["name"].values[[0, -1]].tolist() == ["layer0.000", "layer2.031"]
    assert features.dtype == "float32"


def test_the_history_says_what_happened(fitted):
    history = fitted.history_
    losses = ["train_loss", "validation_loss", "validation_r"]
    assert list(history) == ["epoch", "step", *losses, "gain", "gain_se", "seconds", "kept"]
    assert history["epoch"].tolist() == [0, 1, 2]
    assert history["seconds"].is_monotonic_increasing
    assert history.notna().all().drop("train_loss").all()


def test_what_it_was_tuned_on_is_kept(fitted, stories):
    assert fitted.participants_ == ("P1", "P2")
    assert fitted.tuned_on_ == {story.audio_hash: story.run_name for story in stories[:3]}
    assert fitted.targets_[0] == "left/00000"
    assert len(fitted.targets_) == 6


def test_before_any_change_the_features_are_those_of_the_pretrained_model(
    tuned, backbone_folder, stories, responses
):
    head = tuned(update="head_only", layer="all", training__epochs=1).fit(
        stories[:2], responses[:2]
    )
    plain = ek.SpeechFeatures(
        backbone_folder, layer="all", windows=Streamed(chunk=16.0), resample="mean", cache=None,
        device="cpu",
    )  # fmt: skip
    expected = plain.transform(stories[2:])
    features = head.transform(stories[2:])
    np.testing.assert_allclose(features.values, expected.values, rtol=1e-4, atol=1e-5)
    assert features["name"].values.tolist() == expected["name"].values.tolist()


def test_tuning_changes_the_features(fitted, backbone_folder, stories):
    plain = ek.SpeechFeatures(
        backbone_folder, layer="all", windows=Streamed(chunk=16.0), resample="mean", cache=None,
        device="cpu",
    )  # fmt: skip
    change = fitted.transform(stories[3:]).values - plain.transform(stories[3:]).values
    assert np.abs(change[:, 64:]).max() > 1e-3


def test_exact_windows_give_one_clips_mean_per_tr(tuned, stories, responses):
    features = tuned(windows="exact", training__epochs=1, training__batch_size=16, layer=2).fit(
        stories[:1], responses[:1]
    )
    rows = features.transform(stories[1:2])
    model = features.model_
    story = stories[1]
    audio = story.load_audio(2000)
    for tr in (0, 3, 12, 19):
        stop = int((story.grid[tr] + 2) * 2000)
        clip = encode(model.backbone, audio, [(max(0, stop - 20000), stop)], [2])[0]
        np.testing.assert_allclose(rows.values[tr], clip.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_features_of_a_tuning_run_warn_and_say_which(fitted, stories):
    with pytest.warns(TunedOnWarning, match=r"tuned on 1 of these runs \('story-1'\).*P1, P2"):
        features = fitted.transform(stories[1:2])
    assert features.attrs["tuned_on_runs"] == ["story-1"]
    assert set(features.attrs["tuned_on"]) == set(fitted.tuned_on_)
    with pytest.warns(TunedOnWarning):
        assert warn_if_tuned_on(features) == ["story-1"]


def test_a_tuning_run_under_another_name_warns_too(fitted, make_story):
    again = make_story("another-name", seed=1)
    with pytest.warns(TunedOnWarning, match="another-name"):
        fitted.warn_if_tuned_on([again])


def test_other_runs_do_not_warn(fitted, stories):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_if_tuned_on(fitted.transform(stories[3:])) == []


def test_frozen_stays_tuned_inside_a_pipeline(fitted, stories, responses):
    frozen = fitted.frozen()
    assert isinstance(frozen, FrozenEstimator)
    road = make_pipeline(frozen, ek.Delayer(seconds=[2, 4]), ek.RidgeCV(cv=None))
    weights = fitted.weights_hash()
    with pytest.warns(TunedOnWarning):
        clone(road).fit(stories[:3], responses[:3])
    assert fitted.weights_hash() == weights
    assert clone(frozen).estimator is fitted


def test_the_weights_hash_tells_fits_apart(fitted, tuned, stories, responses):
    assert tuned().weights_hash() is None
    other = tuned(random_state=1).fit(stories[:2], responses[:2])
    assert other.weights_hash() != fitted.weights_hash()


def test_one_seed_gives_the_same_features_to_the_byte(tuned, stories, responses):
    rows = [
        tuned(update="lora", training__epochs=1, random_state=seed)
        .fit(stories[:2], responses[:2]).transform(stories[3:]).values.tobytes()
        for seed in (0, 0, 1)
    ]  # fmt: skip
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]


@pytest.mark.parametrize("loss", ["correlation", "cosine_l2"])
def test_other_losses_tune_on_everybody(tuned, stories, responses, loss):
    features = tuned(loss=loss, training__epochs=1).fit(stories[:2], responses[:2])
    assert np.isfinite(features.history_["train_loss"].iloc[-1])


def test_participants_may_lack_runs_and_trs(tuned, stories, responses):
    first, second, third = (run.copy(deep=True) for run in responses[:3])
    first.values[:, first.participant.values == "P2"] = np.nan
    second = second.isel(target=second.participant.values == "P1")
    third.values[3:5] = np.nan
    features = tuned().fit(stories[:3], RunList([first, second, third]))
    assert features.participants_ == ("P1", "P2")
    assert np.isfinite(features.history_["train_loss"].iloc[1:]).all()


def test_targets_are_chosen_by_region(tuned, stories, responses):
    features = tuned(targets=["STSdp"], training__epochs=1).fit(stories[:1], responses[:1])
    assert features.targets_ == ("left/00001", "left/00003", "right/00005")
    selector = ek.RegionSelector(regions=["STSdp"])
    again = tuned(targets=selector, training__epochs=1).fit(stories[:1], responses[:1])
    assert again.targets_ == features.targets_


def test_validation_looks_at_the_tuning_participants_alone(tuned, stories, responses):
    own = responses[0].isel(target=responses[0].participant.values == "P1")
    noise = responses[3].copy(deep=True)
    noise.values[:, noise.participant.values == "P2"] = 1e3
    features = tuned(training__epochs=1, participants__z_score=False).fit(
        stories[:1], [own], validation=(stories[3:], [noise])
    )
    assert features.history_["validation_loss"].max() < 10


def test_validation_is_a_study_or_stimuli_with_responses(tuned, stories, responses):
    with pytest.raises(TypeError, match=r"validation is a list, expected a part of study\.split"):
        tuned(training__epochs=1).fit(stories[:1], responses[:1], validation=stories[3:])


def test_validation_on_a_tuning_story_is_refused(tuned, stories, responses):
    with pytest.raises(ValueError, match="'story-1' have audio that is also tuned on"):
        tuned().fit(stories[:2], responses[:2], validation=(stories[1:3], responses[1:3]))


def test_segments_of_one_story_may_tune_and_validate(tuned, make_story, make_responses):
    story = make_story("long")
    (heard,) = make_responses([story], ["P1"])
    cut = ek.Study("long", [story], {"P1": {"long": heard}}).segment("long", 2, gap=4)
    parts = cut.split(tune=["long/part-1"], validate=["long/part-2"])
    features = tuned(training__epochs=1).fit(
        parts.tune.stimuli, parts.tune.responses(), validation=parts.validate
    )
    assert list(features.validated_on_.values()) == ["long/part-2"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert features.warn_if_tuned_on(parts.validate.stimuli) == []
    with pytest.warns(TunedOnWarning, match="'long'"):
        features.warn_if_tuned_on([story])


def test_validation_without_the_tuning_participants_is_refused(tuned, stories, responses):
    own = responses[0].isel(target=responses[0].participant.values == "P1")
    others = responses[3].isel(target=responses[3].participant.values == "P2")
    with pytest.raises(ValueError, match="no fMRI of the tuning participants P1"):
        tuned().fit(stories[:1], [own], validation=(stories[3:], [others]))


def test_no_responses_are_refused(tuned, stories):
    with pytest.raises(ValueError, match="tuning needs fMRI"):
        tuned().fit(stories)


def test_runs_without_their_other_half_are_refused_in_one_message(tuned, stories, responses):
    with pytest.raises(ValueError, match=r"'story-0' has no response; run 'story-2' has no stim"):
        tuned().fit(stories[:2], responses[1:3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": "stremed"}, "streamed"),
        ({"update": "lorra"}, "lora"),
        ({"update": Lora(modules="attn")}, "attention"),
        ({"windows__overlap": 4.0}, "8 s of haemodynamic"),
        ({"training__epochs": 0}, "at least 1"),
        ({"loss": "l3"}, "l2"),
    ],
)
def test_a_wrong_parameter_is_answered(tuned, stories, responses, changes, message):
    with pytest.raises(ValueError, match=message):
        tuned(**changes).fit(stories[:1], responses[:1])


def test_a_layer_that_is_not_there_is_refused(fitted, stories):
    other = clone(fitted).set_params(layer=7)
    other.tuned_ = fitted.tuned_
    with pytest.raises(ValueError, match="layer 7 was asked for; the model has the layers 0 "):
        other.frames(stories[3])


def test_it_is_registered_by_name():
    assert isinstance(
        ek.make_features("brain-tuned", training=Training(epochs=3)), BrainTunedFeatures
    )


def test_without_a_layer_it_reads_the_one_that_speech_features_reads(
    tuned, backbone_folder, stories, responses
):
    head = tuned(update="head_only", training__epochs=1).fit(stories[:2], responses[:2])
    plain = ek.SpeechFeatures(
        backbone_folder, windows=Streamed(chunk=16.0), resample="mean", cache=None, device="cpu"
    )
    features, expected = head.transform(stories[2:]), plain.transform(stories[2:])
    assert features["name"].values.tolist() == expected["name"].values.tolist()
    np.testing.assert_allclose(features.values, expected.values, rtol=1e-4, atol=1e-5)


def test_without_a_layer_it_reads_none_above_the_pooled_one(save_backbone, tmp_path, stories,
                                                             responses):  # fmt: skip
    deep = BrainTunedFeatures(
        save_backbone(tmp_path / "deep", num_hidden_layers=3),
        head=SharedHead(layer=1),
        update=HeadOnly(),
        windows=Streamed(chunk=16.0),
        training=Training(epochs=1, batch_size=4),
        runtime=Runtime(cache=None, device="cpu"),
    ).fit(stories[:2], responses[:2])
    assert np.unique(deep.transform(stories[2:]).layer).tolist() == [1]


def test_an_unknown_layer_is_refused_before_tuning(tuned, stories, responses, tmp_path):
    features = tuned(layer=9, training__epochs=1, runtime__checkpoint=tmp_path / "tuning")
    with pytest.raises(ValueError, match="layer 9 was asked for; the model has the layers 0"):
        features.fit(stories[:2], responses[:2])
    assert not (tmp_path / "tuning").exists()  # where a tuning that has begun leaves a checkpoint
    features.set_params(layer=1).fit(stories[:2], responses[:2])
    assert (tmp_path / "tuning").exists()


def test_the_warning_of_a_tuning_run_names_the_line_that_asked(fitted, stories):
    road = make_pipeline(fitted.frozen(), ek.Delayer(seconds=[2]))
    for ask in (fitted.transform, road.fit_transform, fitted.warn_if_tuned_on):
        with pytest.warns(TunedOnWarning) as caught:
            ask(stories[:1])
        assert caught[0].filename == __file__
