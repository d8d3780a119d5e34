import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as tf
from huggingface_hub.utils import get_session
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from encodekit.data import Stimulus
from encodekit.features import (
    BackboneNotFoundError,
    SpeechFeatures,
    encode_layers,
    load_backbone,
    resolve_backbone,
    weights_hash,
)

CONFIG = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8, 8],
    "conv_kernel": [10, 8],
    "conv_stride": [8, 20],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("backbone")
    torch.manual_seed(0)
    Wav2Vec2Model(Wav2Vec2Config(**CONFIG)).save_pretrained(path)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(path)
    return path


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_folder_is_taken_as_it_is(folder):
    assert resolve_backbone(folder) == resolve_backbone(str(folder)) == str(folder)


def test_a_hub_id_is_taken_as_it_is():
    assert resolve_backbone("facebook/wav2vec2-base") == "facebook/wav2vec2-base"


def test_a_registered_name_stands_for_its_folder(folder, monkeypatch):
    monkeypatch.setattr(
        "encodekit.features._backbones.load_spec", lambda kind, name: lambda: Path(folder)
    )
    assert resolve_backbone("small") == str(folder)


@pytest.mark.parametrize("name", ["./no-such", "/no/such/folder", Path("nowhere"), "a/b/c"])
def test_a_path_that_is_not_there_is_named(name):
    with pytest.raises(BackboneNotFoundError, match="is not there: check the path"):
        resolve_backbone(name)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BackboneNotFoundError, match=r"has no config\.json: give the folder"):
        resolve_backbone(tmp_path)


def test_an_unknown_short_name_says_what_else_can_be_given():
    with pytest.raises(ValueError, match="unknown backbone 'wav2vec2': .* or give a local folder"):
        resolve_backbone("wav2vec2")


def test_the_name_of_a_plugin_that_is_not_installed_has_its_pip_line(monkeypatch):
    def absent(kind, name):
        raise ValueError("'tiny' comes with it: pip install encodekit-brain-tuning")

    monkeypatch.setattr("encodekit.features._backbones.load_spec", absent)
    with pytest.raises(ValueError, match="pip install encodekit-brain-tuning"):
        resolve_backbone("tiny")


def test_a_model_comes_in_evaluation_mode_and_float32(folder):
    model, extractor = load_backbone(folder)
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert extractor.sampling_rate == 16000


def test_a_model_on_disk_loads_without_a_bar_or_a_look_at_the_network(folder, monkeypatch, capfd):
    monkeypatch.setattr("huggingface_hub.HfApi", None)
    load_backbone(folder)
    assert "Loading weights" not in capfd.readouterr().err


def test_without_a_network_the_message_says_what_was_tried_and_what_to_do(offline, monkeypatch):
    monkeypatch.setattr("encodekit.features._backbones.known_names", lambda kind: [])
    with pytest.raises(BackboneNotFoundError) as caught:
        load_backbone("somebody/not-a-model")
    message = str(caught.value)
    for part in (
        "'somebody/not-a-model' was not found",
        "a local folder of that name",
        "registered backbones (none)",
        "Hugging Face hub",
        "save_pretrained",
        "'tiny' (pip install encodekit-brain-tuning)",
    ):
        assert part in message


def test_a_hub_that_cannot_be_reached_is_asked_once(monkeypatch):
    asked = []

    def unreachable(self, request, **rest):
        asked.append(str(request.url))
        raise RuntimeError("no network")

    monkeypatch.setattr(type(get_session()), "send", unreachable)
    with pytest.raises(BackboneNotFoundError, match="somebody/not-a-model.*no network"):
        load_backbone("somebody/not-a-model")
    assert len(asked) == 1


def test_a_folder_without_its_preprocessor_says_what_is_missing(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "preprocessor_config.json").unlink()
    with pytest.raises(BackboneNotFoundError, match="cannot be read: .*preprocessor_config"):
        load_backbone(copy)


def test_weights_that_would_stay_random_are_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    lost = "encoder.layers.1.attention.q_proj.weight"
    save_file({k: v for k, v in weights.items() if k != lost}, copy / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with pytest.raises(ValueError, match=f"lacks 1 weights of Wav2Vec2Model, the first '{lost}'"):
        load_backbone(copy)


def test_an_embedding_for_pretraining_alone_may_be_absent(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    del weights["masked_spec_embed"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert weights_hash(load_backbone(copy)[0]) == weights_hash(load_backbone(folder)[0])


def test_the_hash_follows_every_weight(folder):
    model, _ = load_backbone(folder)
    before = weights_hash(model)
    assert before == weights_hash(load_backbone(folder)[0])
    with torch.no_grad():
        model.encoder.layers[0].attention.q_proj.bias[3] += 1e-3
    assert weights_hash(model) != before


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_extra_the_pip_line_is_given(folder, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'encodekit\[speech\]'"):
        load_backbone(folder)


SMALL = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "feat_extract_norm": "layer",
}  # fmt: skip
SEVEN = {"conv_dim": (8,) * 7}
FAMILIES = {
    "wav2vec2": (tf.Wav2Vec2Model, tf.Wav2Vec2Config, SEVEN),
    "wav2vec2 with an adapter": (
        tf.Wav2Vec2Model, tf.Wav2Vec2Config, SEVEN | {"add_adapter": True, "num_adapter_layers": 1},
    ),
    "mms": (
        tf.Wav2Vec2Model, tf.Wav2Vec2Config,
        SEVEN | {"do_stable_layer_norm": True, "adapter_attn_dim": 4, "conv_bias": True},
    ),
    "conformer": (tf.Wav2Vec2ConformerModel, tf.Wav2Vec2ConformerConfig, SEVEN),
    "conformer, rotary": (
        tf.Wav2Vec2ConformerModel, tf.Wav2Vec2ConformerConfig,
        SEVEN | {"position_embeddings_type": "rotary"},
    ),
    "hubert": (tf.HubertModel, tf.HubertConfig, SEVEN),
    "wavlm": (tf.WavLMModel, tf.WavLMConfig, SEVEN),
    "unispeech": (tf.UniSpeechModel, tf.UniSpeechConfig, SEVEN),
    "unispeech-sat": (tf.UniSpeechSatModel, tf.UniSpeechSatConfig, SEVEN),
    "data2vec": (tf.Data2VecAudioModel, tf.Data2VecAudioConfig,
                 SEVEN | {"num_conv_pos_embeddings": 2}),
    "sew": (tf.SEWModel, tf.SEWConfig, {"conv_dim": (8,) * 13}),
    "sew, squeezed by 3": (tf.SEWModel, tf.SEWConfig, {"conv_dim": (8,) * 13, "squeeze_factor": 3}),
}  # fmt: skip
SOUND = 0.1 * np.random.default_rng(0).standard_normal(16000 * 3).astype("float32")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    made, config, more = FAMILIES[request.param]
    path = tmp_path_factory.mktemp("family")
    torch.manual_seed(0)
    made(config(**(SMALL | more))).save_pretrained(path)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(path)
    return request.param, str(path), getattr(config(**(SMALL | more)), "squeeze_factor", 1)


def test_layers_of_every_family_are_the_hidden_states_that_transformers_gives(family):
    _, path, _ = family
    model = tf.AutoModel.from_pretrained(path).eval()
    given = Wav2Vec2FeatureExtractor()(SOUND, sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        states = model(given.input_values, output_hidden_states=True).hidden_states
    seconds, hidden = encode_layers(load_backbone(path)[0], SOUND, [0, 1, 2])
    for layer in (0, 1, 2):
        theirs = states[layer][0].numpy()
        assert len(theirs) == len(seconds)
        np.testing.assert_allclose(hidden[layer], theirs, atol=1e-4)


def test_a_frame_of_every_family_lies_in_the_middle_of_the_samples_that_it_sees(family):
    _, path, squeezed = family
    model, _ = load_backbone(path)
    samples = torch.tensor(SOUND[None, :16000], requires_grad=True)
    frames = model.feature_extractor(samples)
    if squeezed > 1:  # the mean of so many, as the blocks see them
        frames = torch.stack([
            frames[..., k * squeezed : (k + 1) * squeezed].mean(dim=-1)
            for k in range(frames.shape[-1] // squeezed)
        ], dim=-1)  # fmt: skip
    seconds, _ = encode_layers(model, SOUND[:16000], [1])
    assert frames.shape[-1] == len(seconds)
    for frame in (0, 7, len(seconds) - 1):
        (slope,) = torch.autograd.grad(frames[..., frame].square().sum(), samples,
                                       retain_graph=True)  # fmt: skip
        seen = np.flatnonzero(slope[0].numpy())
        assert seconds[frame] * 16000 == pytest.approx((seen[0] + seen[-1]) / 2, abs=1e-6)
    np.testing.assert_allclose(np.diff(seconds), 0.02 * squeezed)


def test_windows_of_every_family_continue_each_other(family):
    _, path, squeezed = family
    model, _ = load_backbone(path)
    seconds, hidden = encode_layers(model, SOUND, [2], chunk=1.0, overlap=0.4)
    step = np.diff(seconds)
    assert (step > 0).all()
    assert step.max() < 0.02 * squeezed * 2
    assert hidden[2].shape == (len(seconds), 16)
    assert 3 - seconds[-1] < 0.02 * squeezed * 2


def test_speech_features_of_every_family_have_a_row_for_each_tr(family):
    _, path, _ = family
    story = Stimulus("a", np.tile(SOUND, 4), 16000, t_r=2.0)
    rows = SpeechFeatures(path, layer=[0, 2], cache=None).transform([story])
    assert rows.shape == (6, 32)
    assert np.isfinite(rows.values).all()


def test_a_sound_that_begins_late_is_first_seen_by_the_frames_that_hold_it(family):
    """Nothing below the blocks sees ahead, but for the positions that SEW and others convolve."""
    _, path, squeezed = family
    model, _ = load_backbone(path)
    silent = np.zeros(32000, dtype="float32")
    late = silent.copy()
    late[20000:] = SOUND[:12000]
    with torch.no_grad():
        frames = [model.feature_extractor(torch.tensor(clip[None])) for clip in (silent, late)]
    changed = np.flatnonzero((frames[0] - frames[1]).abs().amax(dim=(0, 1)).numpy() > 1e-6)
    seconds, _ = encode_layers(model, late, [0], normalise=False)
    first = seconds[changed[0] // squeezed]
    assert 20000 / 16000 - first < 0.0125 + 0.02 * squeezed
    assert first - 20000 / 16000 < 0.0125 + 0.02 * squeezed


CONFORMER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 32}  # fmt: skip
OTHERS = {
    "SEWDModel": lambda: tf.SEWDModel(tf.SEWDConfig(**SMALL, conv_dim=(8,) * 13)),
    "Wav2Vec2BertModel": lambda: tf.Wav2Vec2BertModel(
        tf.Wav2Vec2BertConfig(**CONFORMER, feature_projection_input_dim=160)
    ),
    "MoonshineModel": lambda: tf.MoonshineModel(
        tf.MoonshineConfig(
            hidden_size=16,
            intermediate_size=32,
            encoder_num_hidden_layers=2,
            decoder_num_hidden_layers=1,
            encoder_num_attention_heads=2,
            decoder_num_attention_heads=2,
            vocab_size=50,
        )
    ),
    "ASTModel": lambda: tf.ASTModel(tf.ASTConfig(**CONFORMER)),
    "BertModel": lambda: tf.BertModel(tf.BertConfig(**CONFORMER, vocab_size=50)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_families_are_refused_by_class_with_what_is_read(tmp_path, kind):
    OTHERS[kind]().save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    story = Stimulus("a", SOUND, 16000, t_r=1.0)
    with pytest.raises(
        TypeError, match=rf"{kind} has no convolutional stem .*reads wav2vec2 .*SEW"
    ):
        SpeechFeatures(str(tmp_path), layer=1, cache=None).transform([story])


def test_models_of_spectrograms_say_what_they_take(tmp_path):
    OTHERS["Wav2Vec2BertModel"]().save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(TypeError, match=r"\(it takes input_features, not samples\)"):
        encode_layers(load_backbone(tmp_path)[0], SOUND, [0])


def test_a_kind_that_transformers_does_not_know_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "xeus"}')
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"no speech model of .*xeus.*encodekit reads wav2vec2"):
        load_backbone(tmp_path)


def test_frames_at_another_rate_than_the_convolutions_say_are_refused(folder):
    model, _ = load_backbone(folder)
    model.config.conv_stride = [8, 10]
    with pytest.raises(TypeError, match=r"Wav2Vec2Model makes 300 frames of 48000 samples where"):
        encode_layers(model, SOUND, [1])
