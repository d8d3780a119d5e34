import pickle

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from encodekit.data import Stimulus
from encodekit.features import (
    Context,
    Delayer,
    SpeechFeatures,
    Streamed,
    encode_layers,
    load_backbone,
)

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8, 8, 8],
    "conv_kernel": [10, 8, 4],
    "conv_stride": [8, 5, 4],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
KINDS = {
    "group": (Wav2Vec2Model, Wav2Vec2Config, {"feat_extract_norm": "group"}),
    "layer": (
        Wav2Vec2Model,
        Wav2Vec2Config,
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
    ),
    "hubert": (HubertModel, HubertConfig, {}),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name, (model, config, more) in KINDS.items():
        torch.manual_seed(1)
        made[name] = str(tmp_path_factory.mktemp(name))
        model(config(**SMALL, **more)).save_pretrained(made[name])
        Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(made[name])
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_named_by_layer(folders, make_stimulus, kind):
    features = SpeechFeatures(folders[kind], layer=[1, 3]).transform([make_stimulus(seconds=10.0)])
    assert features.shape == (5, 32)
    assert features.coords["name"].values[[0, 17, 31]].tolist() == [
        "layer1.000", "layer3.001", "layer3.015",
    ]  # fmt: skip
    assert features.layer.values.tolist() == [1] * 16 + [3] * 16
    assert len(features.attrs["weights"]) == 64
    assert np.isfinite(features.values).all()


def test_rows_are_the_frames_of_encode_layers_resampled(folders, make_stimulus):
    stimulus = make_stimulus(seconds=20.0)
    model, _ = load_backbone(folders["group"])
    seconds, hidden = encode_layers(model, stimulus.load_audio(16000), [2], chunk=8, overlap=2)
    extractor = SpeechFeatures(folders["group"], layer=2, windows=Streamed(8, 2), resample="mean")
    features = extractor.transform([stimulus])
    frames = extractor.frames(stimulus)
    np.testing.assert_array_equal(frames.values, hidden[2])
    np.testing.assert_array_equal(frames.seconds, seconds)
    for row, onset in enumerate(stimulus.grid):
        inside = (seconds >= onset) & (seconds < onset + 2)
        np.testing.assert_allclose(features[row], hidden[2][inside].mean(axis=0), atol=1e-5)


def test_what_changes_in_the_sound_changes_in_that_row(folders, make_stimulus):
    extractor = SpeechFeatures(folders["layer"], layer=0, resample="mean", cache=None)
    stimulus = make_stimulus(seconds=20.0)
    audio = stimulus.load_audio(16000)
    audio[16000 * 12 : 16000 * 14] = np.random.default_rng(5).standard_normal(32000)
    other = Stimulus("other", audio, 16000, tr_times=stimulus.grid, t_r=2.0)
    moved = np.abs(extractor.transform([stimulus]).values - extractor.transform([other]).values)
    assert moved.mean(axis=1).argmax() == 6


def test_all_and_default_layers(folders, make_stimulus):
    stimuli = [make_stimulus(seconds=10.0)]
    every = SpeechFeatures(folders["hubert"], layer="all").transform(stimuli)
    assert np.unique(every.layer).tolist() == [0, 1, 2, 3]
    default = SpeechFeatures(folders["hubert"]).transform(stimuli)
    assert np.unique(default.layer).tolist() == [2]
    xr.testing.assert_allclose(
        default.drop_attrs(), every.isel(feature=every.layer.values == 2).drop_attrs()
    )


def test_context_gives_a_frame_every_stride(folders, make_stimulus):
    extractor = SpeechFeatures(folders["group"], layer=1, windows=Context(0.5, 0.25), cache=None)
    frames = extractor.frames(make_stimulus(seconds=4.0))
    np.testing.assert_allclose(np.diff(frames.seconds), 0.25, atol=0.011)
    assert frames.sizes["time"] == 16
    assert extractor.transform([make_stimulus(seconds=4.0)]).shape == (2, 16)


def test_audio_of_another_rate_is_resampled(folders):
    t = np.arange(44100 * 6) / 44100
    at_44 = np.sin(2 * np.pi * 300 * t).astype("float32")
    at_16 = np.sin(2 * np.pi * 300 * np.arange(16000 * 6) / 16000).astype("float32")
    rows = [
        SpeechFeatures(folders["layer"], layer=0, cache=None)
        .transform([Stimulus("tone", audio, rate, t_r=2.0)])
        .values
        for audio, rate in ((at_44, 44100), (at_16, 16000))
    ]
    np.testing.assert_allclose(rows[0], rows[1], atol=0.02 * np.abs(rows[1]).max())


def test_batch_size_changes_nothing(folders, make_stimulus):
    stimuli = [make_stimulus(seconds=20.0)]
    given = {"layer": 2, "windows": Streamed(4.0, 1.0), "cache": None}
    one, three = (
        SpeechFeatures(folders["group"], batch_size=n, **given).transform(stimuli) for n in (1, 3)
    )
    np.testing.assert_allclose(one, three, atol=1e-5)


def test_the_cache_spares_the_model_but_knows_its_weights(folders, make_stimulus, monkeypatch):
    stimuli = [make_stimulus(seconds=10.0)]
    first = SpeechFeatures(folders["group"], layer=1).transform(stimuli)
    monkeypatch.setattr("encodekit.features._speech.stream_blocks", None)
    again = SpeechFeatures(folders["group"], layer=1, batch_size=2, device="cpu").transform(stimuli)
    xr.testing.assert_identical(first, again)
    with pytest.raises(TypeError):
        SpeechFeatures(folders["group"], layer=2).transform(stimuli)
    with pytest.raises(TypeError):
        SpeechFeatures(folders["layer"], layer=1).transform(stimuli)


def test_another_model_is_loaded_when_the_parameter_changes(folders, make_stimulus):
    stimuli = [make_stimulus(seconds=10.0)]
    extractor = SpeechFeatures(folders["group"], layer=1)
    group = extractor.transform(stimuli)
    layer = extractor.set_params(model=folders["layer"]).transform(stimuli)
    assert group.attrs["weights"] != layer.attrs["weights"]
    assert np.abs(group.values - layer.values).max() > 0.01


def test_the_model_is_neither_a_parameter_nor_pickled(folders, make_stimulus):
    extractor = SpeechFeatures(folders["group"], layer=1)
    before = pickle.dumps(extractor)
    extractor.transform([make_stimulus(seconds=10.0)])
    assert pickle.dumps(extractor) == before
    assert clone(extractor).get_params() == extractor.get_params()


def test_it_works_in_a_pipeline(folders, make_stimulus):
    pipeline = make_pipeline(SpeechFeatures(folders["group"], layer=1), Delayer(seconds=[2, 4]))
    assert pipeline.fit_transform([make_stimulus(seconds=30.0, first=10.0)]).shape == (10, 32)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"layer": 9}, "layer 9 was asked for; the model has the layers 0 .* to 3"),
        ({"layer": [1, -1]}, "layer -1 was asked for"),
        ({"layer": []}, "no layer was asked for"),
        ({"layer": "last"}, "expected a number from 0 to 3, a list of them, 'all' or None"),
        ({"layer": 1.5}, "layers are whole numbers"),
        ({"layer": [1, 1]}, "names a layer twice"),
        ({"windows": "steamed"}, "unknown windows 'steamed': did you mean 'streamed'"),
    ],
)
def test_bad_parameters_are_refused(folders, make_stimulus, given, match):
    with pytest.raises(ValueError, match=match):
        SpeechFeatures(folders["group"], **{"layer": 1, "cache": None, **given}).transform(
            [make_stimulus(seconds=10.0)]
        )


def test_a_stimulus_without_audio_is_named(folders, make_words):
    silent = Stimulus("text", words=make_words(0.5), t_r=2.0, duration=6.0)
    with pytest.raises(ValueError, match="stimulus 'text' has no audio"):
        SpeechFeatures(folders["group"], layer=1).transform([silent])
