import numpy as np
import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from encodekit.features import (
    encode_context,
    encode_layers,
    frame_times,
    layer_outputs,
    normalise_waveform,
    transformer_blocks,
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
    "vocab_size": 8,
}
KINDS = {
    "wav2vec2-group": (Wav2Vec2Model, Wav2Vec2Config, {"feat_extract_norm": "group"}),
    "wav2vec2-layer": (
        Wav2Vec2Model,
        Wav2Vec2Config,
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
    ),
    "hubert": (HubertModel, HubertConfig, {"feat_extract_norm": "group"}),
    "wavlm": (WavLMModel, WavLMConfig, {"feat_extract_norm": "group"}),
}
STRIDE, FIELD = 160, 186  # of SMALL's convolutions: 8 x 5 x 4, 1 + 9 + 7 x 8 + 3 x 40
SOUND = np.random.default_rng(0).standard_normal(16000 * 3).astype("float32")


@pytest.fixture(scope="module")
def models():
    made = {}
    for name, (model, config, more) in KINDS.items():
        torch.manual_seed(0)
        made[name] = model(config(**SMALL, **more)).eval()
    return made


def hidden_states(model, samples):
    with torch.no_grad():
        return model(torch.tensor(samples[None]), output_hidden_states=True).hidden_states


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_the_hidden_states_of_the_model(models, kind):
    states = hidden_states(models[kind], normalise_waveform(SOUND))
    seconds, hidden = encode_layers(models[kind], SOUND, [0, 1, 2])
    np.testing.assert_allclose(seconds, frame_times(models[kind].config, states[0].shape[1]))
    for layer in (0, 1, 2):
        np.testing.assert_allclose(hidden[layer], states[layer][0], atol=1e-5)


def test_the_last_layer_is_the_block_itself_before_a_last_layer_norm(models):
    model = models["wav2vec2-layer"]
    _, hidden = encode_layers(model, SOUND, [3])
    with torch.no_grad():
        normed = model.encoder.layer_norm(torch.tensor(hidden[3]))
        last = model(torch.tensor(normalise_waveform(SOUND)[None])).last_hidden_state[0]
    np.testing.assert_allclose(normed, last, atol=1e-5)


@pytest.mark.parametrize(("layers", "n_run"), [([0], 0), ([1], 1), ([0, 2], 2), ([3], 3)])
def test_no_block_above_the_highest_asked_is_computed(models, layers, n_run):
    model, calls = models["wav2vec2-group"], []
    handles = [
        block.register_forward_pre_hook(lambda *_, k=k: calls.append(k))
        for k, block in enumerate(transformer_blocks(model))
    ]
    encode_layers(model, SOUND, layers)
    for handle in handles:
        handle.remove()
    # a block's own hooks run before its forward: the block at which layer 0 is read is called
    assert calls == list(range(max(n_run, 1)))


def test_layer_zero_computes_no_attention(models, monkeypatch):
    model = models["wav2vec2-group"]
    for block in transformer_blocks(model):
        monkeypatch.setattr(block, "forward", None)
    assert encode_layers(model, SOUND, [0])[1][0].shape[1] == 16


def test_hooks_are_gone_afterwards(models):
    model = models["wav2vec2-group"]
    blocks = list(transformer_blocks(model))
    before = [(dict(b._forward_hooks), dict(b._forward_pre_hooks)) for b in blocks]
    encode_layers(model, SOUND, [0, 2])
    with pytest.raises(ValueError, match="layer 9"):
        encode_layers(model, SOUND, [9])
    assert [(dict(b._forward_hooks), dict(b._forward_pre_hooks)) for b in blocks] == before


def test_gradients_flow_through_layer_outputs(models):
    model = models["wav2vec2-group"]
    layer_outputs(model, torch.tensor(SOUND[None, :8000]), [1])[1].sum().backward()
    assert model.encoder.layers[0].attention.q_proj.weight.grad.abs().sum() > 0
    assert model.encoder.layers[1].attention.q_proj.weight.grad is None
    model.zero_grad()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_stream_windows_are_encoded_each_by_itself(models, kind, batch_size):
    model = models[kind]
    seconds, hidden = encode_layers(
        model, SOUND, [1, 2], chunk=1.0, overlap=0.25, batch_size=batch_size
    )
    expected, times = [], []
    seen = 0
    for start in (0, 12000, 24000, 32000):
        alone = hidden_states(model, normalise_waveform(SOUND[start : start + 16000]))[2][0]
        first = start + STRIDE * np.arange(len(alone))
        new = first + FIELD > seen if seen else np.ones(len(alone), bool)
        expected.append(alone[new])
        times.append((first[new] + (FIELD - 1) / 2) / 16000)
        seen = start + 16000
    np.testing.assert_allclose(seconds, np.concatenate(times))
    np.testing.assert_allclose(hidden[2], np.concatenate(expected), atol=1e-5)
    assert (np.diff(seconds) > 0).all()
    assert np.diff(seconds).max() < 2 * STRIDE / 16000


def test_audio_shorter_than_a_chunk_is_encoded_whole(models):
    for model in models.values():
        whole = encode_layers(model, SOUND, [2], chunk=30.0)
        exact = encode_layers(model, SOUND, [2], chunk=3.0, overlap=1.0)
        np.testing.assert_array_equal(whole[1][2], exact[1][2])
        states = hidden_states(model, normalise_waveform(SOUND))
        np.testing.assert_allclose(whole[1][2], states[2][0], atol=1e-5)


@pytest.mark.parametrize("kind", ["wav2vec2-group", "wav2vec2-layer", "hubert"])
def test_context_equals_one_window_at_a_time(models, reference, kind):
    model = models[kind]
    seconds, hidden = encode_context(model, SOUND, [2], context=0.5, stride=0.1, batch_size=4)
    alone = reference("context").last_frames(
        model, SOUND, 2, rate=16000, context=0.5, stride=0.1, field=FIELD
    )
    np.testing.assert_allclose(hidden[2], alone, atol=1e-5)
    ends = 0.1 * np.arange(1, 31)
    assert ((ends - seconds > 0) & (ends - seconds < 0.03)).all()


def test_context_never_sees_what_comes_later(models):
    model, changed = models["wav2vec2-group"], SOUND.copy()
    changed[16000:] *= -1
    same = encode_context(model, SOUND, [2], context=0.5, stride=0.1)[1][2]
    other = encode_context(model, changed, [2], context=0.5, stride=0.1)[1][2]
    np.testing.assert_array_equal(same[:10], other[:10])
    assert np.abs(same[10:] - other[10:]).max() > 0.01


def test_dropout_is_off_and_the_mode_comes_back(models):
    model = models["hubert"].train()
    first, again = (encode_layers(model, SOUND, [2])[1][2] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert model.training
    model.eval()


def test_normalising_is_what_the_models_own_extractor_does():
    own = Wav2Vec2FeatureExtractor(do_normalize=True)(SOUND * 3 + 1, sampling_rate=16000)
    np.testing.assert_allclose(normalise_waveform(SOUND * 3 + 1), own["input_values"][0], atol=1e-5)


def test_without_normalising_the_samples_go_in_as_they_are(models):
    model = models["wavlm"]
    _, hidden = encode_layers(model, SOUND * 3, [1], normalise=False)
    np.testing.assert_allclose(hidden[1], hidden_states(model, SOUND * 3)[1][0], atol=1e-5)


def test_a_model_with_a_head_is_read_below_it():
    torch.manual_seed(0)
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL)).eval()
    _, hidden = encode_layers(model, SOUND, [1])
    states = hidden_states(model.wav2vec2, normalise_waveform(SOUND))
    np.testing.assert_allclose(hidden[1], states[1][0], atol=1e-5)


@pytest.mark.parametrize("layers", [[4], [-1], []])
def test_an_unknown_layer_names_the_range(models, layers):
    with pytest.raises(ValueError, match=r"layers 0 \(input of the first block\) to 3"):
        encode_layers(models["hubert"], SOUND, layers)


def test_another_kind_of_model_is_refused():
    with pytest.raises(TypeError, match="Linear has no convolutional stem"):
        encode_layers(torch.nn.Linear(2, 2), SOUND, [0])


def test_too_short_audio_or_windows_are_refused(models):
    with pytest.raises(ValueError, match=r"expected \(n_samples,\) with at least 186 samples"):
        encode_layers(models["hubert"], SOUND[:100], [0])
    with pytest.raises(ValueError, match="chunk=0.01 s is shorter than one frame"):
        encode_layers(models["hubert"], SOUND, [0], chunk=0.01, overlap=0.0)
    with pytest.raises(ValueError, match="less than the first stride"):
        encode_context(models["hubert"], SOUND[:800], [0])
