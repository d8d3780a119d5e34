import shutil
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub.utils import get_session
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from encodekit.features import (
    BackboneNotFoundError,
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
