"""The last layer after the model's final norm: the encoder's last_hidden_state."""

import numpy as np
import pytest
import torch
import transformers as tf

import encodekit as ek
from encodekit.data import Stimulus
from encodekit.features import Context, SpeechFeatures, Streamed, layer_outputs, load_backbone

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "feat_extract_norm": "layer",
    "conv_dim": (8,) * 7,
}  # fmt: skip
STABLE = SMALL | {"do_stable_layer_norm": True}
MODELS = {
    "wav2vec2, stable": (tf.Wav2Vec2Model, tf.Wav2Vec2Config, STABLE),
    "hubert, stable": (tf.HubertModel, tf.HubertConfig, STABLE),
    "wavlm, stable": (tf.WavLMModel, tf.WavLMConfig, STABLE),
    "unispeech, stable": (tf.UniSpeechModel, tf.UniSpeechConfig, STABLE),
    "unispeech-sat, stable": (tf.UniSpeechSatModel, tf.UniSpeechSatConfig, STABLE),
    "conformer": (tf.Wav2Vec2ConformerModel, tf.Wav2Vec2ConformerConfig, SMALL),
    "whisper": (
        tf.WhisperModel, tf.WhisperConfig,
        {
            "d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
            "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32,
            "num_mel_bins": 20, "max_source_positions": 100, "vocab_size": 20, "pad_token_id": 0,
            "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3,
        },
    ),
}  # fmt: skip
PLAIN = {
    "wav2vec2": (tf.Wav2Vec2Model, tf.Wav2Vec2Config, SMALL),
    "data2vec": (tf.Data2VecAudioModel, tf.Data2VecAudioConfig, SMALL | {
        "num_conv_pos_embeddings": 2}),
    "sew": (tf.SEWModel, tf.SEWConfig, SMALL | {"conv_dim": (8,) * 13}),
}  # fmt: skip
SOUND = 0.1 * np.random.default_rng(0).standard_normal(16000 * 2).astype("float32")
STORY = Stimulus("story", np.tile(SOUND, 3), 16000, t_r=1.0)


def save(folder, made, config, settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = made(config(**settings))
        for name, weight in model.named_parameters():
            if "layer_norm" in name:  # a norm of weight 1 and bias 0 could be another's
                torch.nn.init.normal_(weight, mean=1.0)
    model.save_pretrained(folder)
    if made is tf.WhisperModel:
        tf.WhisperFeatureExtractor(feature_size=20, chunk_length=2).save_pretrained(folder)
    else:
        tf.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module", params=MODELS)
def folder(request, tmp_path_factory):
    return save(tmp_path_factory.mktemp("model"), *MODELS[request.param])


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return save(tmp_path_factory.mktemp("whisper"), *MODELS["whisper"])


def output_of(folder, clips):
    """Return what transformers itself makes of clips."""
    model, _ = load_backbone(folder)
    theirs = tf.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        if model.config.model_type == "whisper":
            clips, theirs = model.feature_extractor.log_mel(clips), theirs.get_encoder()
        return theirs(clips, output_hidden_states=True)


def test_the_last_layer_is_transformers_last_hidden_state_to_the_bit(folder):
    clips = torch.tensor(SOUND[None])
    model, _ = load_backbone(folder)
    with torch.no_grad():
        with_norm = layer_outputs(model, clips, [0, 1, 2, 3], final_norm=True)
        without = layer_outputs(model, clips, [0, 1, 2, 3])
    theirs = output_of(folder, clips)
    assert torch.equal(with_norm[3], theirs.last_hidden_state)
    assert not torch.equal(without[3], theirs.last_hidden_state)
    for layer in (0, 1, 2):
        assert torch.equal(with_norm[layer], theirs.hidden_states[layer])
        assert torch.equal(without[layer], theirs.hidden_states[layer])


def test_of_whisper_it_is_the_last_of_the_hidden_states(whisper):
    clips = torch.tensor(SOUND[None])
    with torch.no_grad():
        ours = layer_outputs(load_backbone(whisper)[0], clips, [3], final_norm=True)[3]
    assert torch.equal(ours, output_of(whisper, clips).hidden_states[-1])


def test_speech_features_give_it_and_leave_the_layers_below_alone(folder):
    given = {"windows": Streamed(2.0, 0.5), "cache": None, "layer": "all"}
    plain = SpeechFeatures(folder, **given).transform([STORY])
    normed = SpeechFeatures(folder, **given, final_norm=True).transform([STORY])
    below = plain.layer.values < 3
    np.testing.assert_array_equal(normed.values[:, below], plain.values[:, below])
    assert np.abs(normed.values[:, ~below] - plain.values[:, ~below]).mean() > 0.05
    assert normed["name"].values.tolist() == plain["name"].values.tolist()


def test_windows_of_context_have_it_too(whisper):
    given = {"windows": Context(1.0, 0.5), "cache": None, "layer": [3]}
    plain, normed = (
        SpeechFeatures(whisper, **given, final_norm=norm).frames(STORY) for norm in (False, True)
    )
    norm = load_backbone(whisper)[0].encoder.layer_norm
    with torch.no_grad():
        expected = norm(torch.tensor(plain.values)).numpy()
    np.testing.assert_allclose(normed.values, expected, atol=1e-6)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_model_without_such_a_norm_is_refused(kind, tmp_path):
    features = SpeechFeatures(save(tmp_path, *PLAIN[kind]), cache=None, layer=1, final_norm=True)
    with pytest.raises(ValueError, match=r"final_norm=True: \w+ has no norm above its last block"):
        features.transform([STORY])


def test_it_is_part_of_the_cache_key_and_of_what_is_saved(whisper, tmp_path):
    given = {"windows": Streamed(2.0, 0.5), "layer": 3, "cache": tmp_path / "cache"}
    rows = [
        SpeechFeatures(whisper, **given, final_norm=norm).transform([STORY])
        for norm in (False, True, False, True)
    ]
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 2
    np.testing.assert_array_equal(rows[1].values, rows[3].values)
    assert np.abs(rows[0].values - rows[1].values).mean() > 0.05
    ek.save(SpeechFeatures(whisper, final_norm=True), tmp_path / "saved")
    assert ek.load(tmp_path / "saved").final_norm is True
    assert "final_norm" in rows[1].attrs["parameters"]


def test_gradients_flow_through_it(whisper):
    model, _ = load_backbone(whisper)
    layer_outputs(model, torch.tensor(SOUND[None]), [3], final_norm=True)[3].sum().backward()
    assert model.encoder.layer_norm.bias.grad.abs().sum() > 0


def test_it_is_refused_where_the_last_layer_is_not_asked_for(whisper):
    features = SpeechFeatures(whisper, layer=2, cache=None, final_norm=True)
    with pytest.raises(ValueError, match=r"final_norm=True is of layer 3, the last, .* layer=3"):
        features.transform([STORY])
