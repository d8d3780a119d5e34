import logging
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperModel,
)

from encodekit.data import Stimulus
from encodekit.features import (
    SpeechFeatures,
    Streamed,
    encode_context,
    encode_layers,
    layer_outputs,
    load_backbone,
    load_whole_model,
    wants_scaled,
    weights_hash,
)

SECONDS = 2  # that this small Whisper encodes at once, instead of 30
SOUND = np.random.default_rng(0).standard_normal(16000 * 5).astype("float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=16, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=32,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, num_mel_bins=20,
        max_source_positions=50 * SECONDS, vocab_size=20, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=3, max_target_positions=8,
    )  # fmt: skip
    WhisperModel(config).save_pretrained(path)
    WhisperFeatureExtractor(feature_size=20, chunk_length=SECONDS).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def loaded(folder):
    return load_backbone(folder)


def states_of(folder, clip):
    """What transformers itself makes of one clip, filled with silence."""
    model, extractor = (
        WhisperModel.from_pretrained(folder).eval(),
        WhisperFeatureExtractor.from_pretrained(folder),
    )
    mel = extractor(clip, sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        return model.encoder(mel, output_hidden_states=True).hidden_states


@pytest.mark.parametrize("seconds", [0.7, 2.0])
def test_layers_are_the_hidden_states_of_whisper(folder, loaded, seconds):
    clip = SOUND[: int(16000 * seconds)]
    times, hidden = encode_layers(
        loaded[0], clip, [0, 1, 2], chunk=2.0, overlap=0.5, normalise=False
    )
    np.testing.assert_allclose(times, 0.02 * np.arange(50 * seconds))
    for layer, states in enumerate(states_of(folder, clip)[:3]):
        np.testing.assert_allclose(hidden[layer], states[0, : len(times)], atol=1e-5)


def test_silence_that_fills_a_clip_gives_no_frame_but_is_there(loaded):
    hidden = encode_layers(loaded[0], SOUND[:16000], [2], chunk=2.0, overlap=0.5, normalise=False)
    assert len(hidden[1][2]) == 50
    with torch.no_grad():
        assert layer_outputs(loaded[0], torch.tensor(SOUND[None, :16000]), [2])[2].shape[1] == 100


def test_streamed_windows_continue_each_other(folder, loaded):
    times, hidden = encode_layers(
        loaded[0], SOUND, [1], chunk=2.0, overlap=0.5, normalise=False, batch_size=2
    )
    np.testing.assert_allclose(times, 0.02 * np.arange(250))
    third = states_of(folder, SOUND[48000:])[1][0]  # the last window, moved to end with the audio
    np.testing.assert_allclose(hidden[1][175:], third[25:100], atol=1e-5)


def test_the_last_frame_of_a_context_lies_within_20_ms_of_its_end(loaded):
    times, hidden = encode_context(
        loaded[0], SOUND[:32000], [1], context=1.0, stride=0.25, normalise=False
    )
    np.testing.assert_allclose(times, 0.25 * np.arange(1, 9) - 0.01, atol=0.0101)
    assert hidden[1].shape == (8, 16)


def test_what_whisper_cannot_encode_at_once_is_refused(loaded):
    with pytest.raises(ValueError, match="a clip has 3 s, Whisper encodes 2 s at once"):
        encode_layers(loaded[0], SOUND, [1], chunk=3.0, overlap=1.0, normalise=False)


def test_whispers_clips_are_never_scaled(loaded):
    assert not wants_scaled(loaded[1])


def test_speech_features_read_whisper(folder):
    features = SpeechFeatures(
        folder, layer=[0, 3], windows=Streamed(2.0, 0.5), cache=None
    ).transform([Stimulus("story", SOUND, 16000, t_r=1.0)])
    assert features.shape == (5, 32)
    assert np.isfinite(features.values).all()


@pytest.fixture
def logged(caplog):
    """What transformers logs: its logger passes nothing on."""
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


PREFIXES = {"bare": "", "of a model": "encoder.", "of a transcriber": "model.encoder."}


@pytest.fixture(params=PREFIXES)
def encoder_alone(request, folder, tmp_path):
    """The folder, its checkpoint cut down to the encoder, under each name that it may have."""
    copy = shutil.copytree(folder, tmp_path / "alone")
    weights = {
        PREFIXES[request.param] + name.removeprefix("encoder."): weight
        for name, weight in load_file(copy / "model.safetensors").items()
        if name.startswith("encoder.")
    }
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    return copy


def test_a_checkpoint_of_the_encoder_alone_gives_the_same_layers(folder, encoder_alone, logged):
    model, _ = load_backbone(encoder_alone)
    assert logged.text == ""
    assert weights_hash(model) == weights_hash(load_backbone(folder)[0])
    clips = torch.tensor(SOUND[None, :32000])
    with torch.no_grad():
        ours, whole = (layer_outputs(of, clips, [0, 3]) for of in (model, load_backbone(folder)[0]))
    assert all(torch.equal(ours[layer], whole[layer]) for layer in (0, 3))


def test_what_transformers_saves_of_an_encoder_loads(folder, tmp_path):
    WhisperModel.from_pretrained(folder).get_encoder().save_pretrained(tmp_path)
    WhisperFeatureExtractor.from_pretrained(folder).save_pretrained(tmp_path)
    assert weights_hash(load_backbone(tmp_path)[0]) == weights_hash(load_backbone(folder)[0])


def test_a_model_for_transcription_loads_without_its_decoder(folder, tmp_path):
    whole = WhisperForConditionalGeneration.from_pretrained(folder)
    whole.save_pretrained(tmp_path)
    WhisperFeatureExtractor.from_pretrained(folder).save_pretrained(tmp_path)
    model, _ = load_backbone(tmp_path)
    assert not any("decoder" in name for name, _ in model.named_parameters())
    assert weights_hash(model) == weights_hash(load_backbone(folder)[0])


def test_a_folder_that_lacks_a_weight_of_the_encoder_is_refused_by_name(encoder_alone):
    file = encoder_alone / "model.safetensors"
    weights = load_file(file)
    lost = next(name for name in weights if name.endswith("layers.1.fc1.weight"))
    del weights[lost]
    save_file(weights, file, metadata={"format": "pt"})
    for read in (load_backbone, load_whole_model):
        with pytest.raises(
            ValueError, match=r"lacks 1 weights of \w+, the first 'encoder.layers.1.fc1.weight'"
        ):
            read(encoder_alone)


def test_a_whole_model_has_the_decoder_that_is_there_and_no_random(folder, encoder_alone, logged):
    state = torch.get_rng_state()
    alone, _ = load_whole_model(encoder_alone)
    assert torch.equal(torch.get_rng_state(), state)
    assert logged.text == ""
    assert all(name.startswith("encoder.") for name in alone.state_dict())
    whole, _ = load_whole_model(folder)
    assert any(name.startswith("decoder.") for name in whole.state_dict())
    assert all(torch.equal(whole.state_dict()[k], v) for k, v in alone.state_dict().items())


def test_a_decoder_that_is_there_in_part_is_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    del weights["decoder.layers.0.fc1.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    load_backbone(copy)  # which needs no decoder
    with pytest.raises(ValueError, match="lacks 1 weights of WhisperModel, the first 'decoder.lay"):
        load_whole_model(copy)
