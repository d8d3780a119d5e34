import numpy as np
import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from encodekit.data import Stimulus
from encodekit.features import (
    SpeechFeatures,
    Streamed,
    encode_context,
    encode_layers,
    layer_outputs,
    load_backbone,
    wants_scaled,
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
