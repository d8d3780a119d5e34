import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from encodekit.features import encode_layers
from encodekit.features import load_backbone as load_pretrained
from encodekit_brain_tuning import AllWeights, HeadOnly, Lora
from encodekit_brain_tuning.backbones import (
    Backbone,
    exact_blocks,
    hash_tensors,
    load_backbone,
    stem_outputs,
    trained_state,
)
from encodekit_brain_tuning.backbones._layers import encode
from encodekit_brain_tuning.training import EqualLengthBatches


@pytest.fixture
def audio():
    return np.random.default_rng(0).standard_normal(2000 * 6).astype("float32")


def test_a_cached_stem_gives_what_the_whole_model_gives(backbone, backbone_folder, audio):
    model, _ = load_pretrained(backbone_folder)
    _, hidden = encode_layers(model, audio, [0, 1, 2], rate=2000)
    frames = dict(stem_outputs(backbone, audio, [(0, audio.size)]))[0]
    with torch.no_grad():
        again = backbone.layers(frames[None], [0, 1, 2])
    for layer, values in enumerate(again):
        np.testing.assert_array_equal(values[0].numpy(), hidden[layer])


def test_spans_are_scaled_and_encoded_by_themselves(backbone, audio):
    spans = [(0, 4000), (1000, 3000), (2000, 6000)]
    for index, frames in stem_outputs(backbone, audio, spans):
        start, stop = spans[index]
        alone = dict(stem_outputs(backbone, audio[start:stop], [(0, stop - start)]))[0]
        torch.testing.assert_close(frames, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("modules", ["attention", "attention+feed_forward"])
def test_lora_trains_adapters_alone(backbone, modules):
    Lora(modules=modules, rank=4).prepare(backbone)
    names = list(trained_state(backbone))
    assert names
    assert all("lora_" in name for name in names)
    assert any("intermediate_dense" in name for name in names) == ("feed" in modules)


def test_lora_scales_alpha_with_its_rank(backbone):
    Lora(rank=4).prepare(backbone)
    projection = backbone.model.encoder.layers[0].attention.q_proj
    assert projection.scaling["default"] == 4.0


def test_all_trains_every_transformer_weight_and_never_the_stem(backbone):
    AllWeights().prepare(backbone)
    rest = {name for name, _ in backbone.named_parameters()}
    assert set(trained_state(backbone)) == rest - {"model.masked_spec_embed"}
    assert not any(weight.requires_grad for weight in backbone.stem.parameters())
    assert not any("conv_layers" in name for name in trained_state(backbone))


def test_head_trains_nothing_of_the_backbone(backbone):
    HeadOnly().prepare(backbone)
    assert trained_state(backbone) == {}


def test_dropout_can_be_set_everywhere(backbone_folder):
    quiet = load_backbone(backbone_folder, dropout=0.0).train()
    frames = torch.randn(1, 16, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(quiet(frames), quiet(frames), rtol=0, atol=0)


def test_the_backbones_own_dropout_is_kept_if_none_is_given(backbone_folder):
    lively = load_backbone(backbone_folder).train()
    frames = torch.randn(1, 16, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert float((lively(frames) - lively(frames)).abs().max()) > 0.01


def test_dropout_that_is_a_whole_number_in_the_configuration_is_set_too(save_backbone, tmp_path):
    zero = dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout"), 0)
    folder = save_backbone(tmp_path / "model", **zero)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | zero))
    model = load_backbone(folder, dropout=0.3).model
    assert {name: getattr(model.config, name) for name in zero} == dict.fromkeys(zero, 0.3)
    assert [block.attention.dropout for block in model.encoder.layers] == [0.3, 0.3]


def changed_copy(folder, place, changes):
    """A copy of a model's folder whose JSON files say something else."""
    shutil.copytree(folder, place)
    for path in place.glob("*config.json"):
        told = json.loads(path.read_text())
        of_reader = {*changes} & {"do_normalize", "sampling_rate", "hop_length"}
        reads = path.name == "preprocessor_config.json"
        now = {name: value for name, value in changes.items() if (name in of_reader) == reads}
        path.write_text(json.dumps(told | now))
    return str(place)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_act", "relu"), ("feat_extract_activation", "relu"), ("layer_norm_eps", 1e-2),
        ("num_attention_heads", 4), ("conv_stride", [5, 2, 2, 2, 1]), ("do_normalize", False),
        ("sampling_rate", 4000),
    ],
)  # fmt: skip
def test_every_setting_that_changes_hidden_states_is_in_the_configuration(
    backbone_folder, tmp_path, name, value
):
    before = load_backbone(backbone_folder)
    after = load_backbone(changed_copy(backbone_folder, tmp_path / "other", {name: value}))
    assert before.pretrained_hash == after.pretrained_hash
    told = before.configuration.items() ^ after.configuration.items()
    assert {key for key, _ in told} == {name}
    assert before.configuration_hash != after.configuration_hash


@pytest.mark.parametrize(
    ("name", "value"),
    [("activation_function", "relu"), ("encoder_attention_heads", 4), ("hop_length", 320)],
)
def test_every_setting_of_whispers_encoder_is_in_the_configuration(
    save_whisper, tmp_path, name, value
):
    save_whisper(tmp_path / "whole")
    before = load_backbone(str(tmp_path / "whole")).configuration
    other = changed_copy(tmp_path / "whole", tmp_path / "other", {name: value})
    assert load_backbone(other).configuration != before


@pytest.mark.parametrize(
    "changes",
    [
        {"decoder_layers": 3, "max_target_positions": 9, "vocab_size": 30, "use_cache": False},
        {"dropout": 0.4, "attention_dropout": 0.2, "encoder_layerdrop": 0.1, "init_std": 0.1},
        {"suppress_tokens": [1], "eos_token_id": 5, "architectures": ["WhisperModel"]},
    ],
)
def test_dropouts_and_decoders_are_not_in_the_configuration(save_whisper, tmp_path, changes):
    from encodekit.features._whisper import WhisperEncoderAlone

    save_whisper(tmp_path / "whole")
    alone = tmp_path / "alone"
    WhisperEncoderAlone.from_pretrained(tmp_path / "whole").save_pretrained(alone)
    shutil.copy(tmp_path / "whole" / "preprocessor_config.json", alone)
    before = load_backbone(str(tmp_path / "whole"))
    after = load_backbone(changed_copy(alone, tmp_path / "other", changes), dropout=0.3)
    assert before.pretrained_hash == after.pretrained_hash
    assert before.configuration == after.configuration
    assert before.configuration_in_training != after.configuration_in_training


def test_a_model_without_a_stem_is_refused():
    with pytest.raises(TypeError, match="convolutional stem"):
        Backbone(nn.Linear(2, 2), rate=2000, normalise=True, name="linear")


def test_hashes_tell_names_shapes_and_values_apart():
    ones = torch.ones(4)
    hashes = {
        hash_tensors(tensors)
        for tensors in ({"a": ones}, {"b": ones}, {"a": ones * 2}, {"a": ones.reshape(2, 2)})
    }
    assert len(hashes) == 4


def test_batches_hold_clips_of_one_length_and_each_clip_once():
    lengths = [5, 7, 5, 5, 7, 9, 5]
    batches = EqualLengthBatches(lengths, 2, torch.Generator().manual_seed(0))
    passes = [list(batches) for _ in range(3)]
    for found in passes:
        assert len(found) == len(batches) == 4
        assert sorted(i for batch in found for i in batch) == list(range(7))
        assert all(len({lengths[i] for i in batch}) == 1 for batch in found)
    assert passes[0] != passes[1]


@pytest.mark.parametrize("pooling", ["mean", "haemodynamic", "last"])
def test_exact_rows_are_pooled_over_the_clip_the_tr_or_its_last_frame(backbone, audio, pooling):
    times = np.array([3.0, 5.0])  # TRs 1 and 2: their clips begin with the audio
    ((_, rows),) = exact_blocks(backbone, audio, times, 2.0, [1, 2], 4, pooling)
    for row, stop in zip(rows, (4, 6), strict=True):
        (frames,) = encode(backbone, audio, [(0, stop * 2000)], [1, 2])
        counted = {"mean": frames, "haemodynamic": frames[-50:], "last": frames[-1:]}[pooling]
        np.testing.assert_allclose(row, counted.mean(axis=0), atol=1e-5)
