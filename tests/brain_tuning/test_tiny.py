"""The embedded backbone: loads as any model of the hub does, and says what it is."""

import hashlib
import re

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, Wav2Vec2Model

from encodekit.plugins import load_spec
from encodekit.simulation import HELD_OUT_VOICE, HELD_OUT_WORDS
from encodekit_brain_tuning.backbones._shipped import tiny_backbone

RATE = 16_000


@pytest.fixture(scope="module")
def model():
    return AutoModel.from_pretrained(tiny_backbone()).eval()


@pytest.fixture(scope="module")
def card():
    return (tiny_backbone() / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def clip():
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.standard_normal((1, 2 * RATE), dtype=np.float32))


def encode(model, audio):
    with torch.no_grad():
        return model(audio, output_hidden_states=True).hidden_states


def test_the_name_tiny_leads_to_the_folder():
    assert load_spec("backbones", "tiny")() == tiny_backbone()
    assert (tiny_backbone() / "model.safetensors").is_file()


def test_it_has_about_a_million_parameters_in_four_megabytes(model):
    assert 1_000_000 <= sum(p.numel() for p in model.parameters()) <= 3_000_000
    assert (tiny_backbone() / "model.safetensors").stat().st_size < 4 * 2**20


def test_its_weights_are_those_of_a_wav2vec2_model_and_no_more(model):
    assert isinstance(model, Wav2Vec2Model)
    with safe_open(tiny_backbone() / "model.safetensors", "pt") as stored:
        assert set(stored.keys()) == set(model.state_dict())


def test_it_makes_25_frames_a_second(model):
    seconds = 30
    n_frames = int(model._get_feat_extract_output_lengths(torch.tensor(seconds * RATE)))
    assert n_frames == 25 * seconds - 1
    assert np.prod(model.config.conv_stride) == RATE // 25


def test_features_are_the_same_each_time(model, clip):
    first, second = encode(model, clip), encode(model, clip)
    assert len(first) == model.config.num_hidden_layers + 1
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_training_mode_drops_and_masks_nothing(clip):
    model = AutoModel.from_pretrained(tiny_backbone())
    evaluated = encode(model.eval(), clip)[-1]
    assert torch.allclose(encode(model.train(), clip)[-1], evaluated, atol=1e-5)


def test_its_feature_extractor_normalises_each_clip():
    extractor = AutoFeatureExtractor.from_pretrained(tiny_backbone())
    noise = 3 + 5 * np.random.default_rng(0).standard_normal(RATE)
    values = extractor(noise, sampling_rate=RATE, return_tensors="np").input_values
    assert extractor.sampling_rate == RATE
    assert abs(values.mean()) < 1e-3
    assert abs(values.std() - 1) < 1e-3


def test_the_card_names_what_was_never_heard(card):
    never = card[card.index("**Never heard**") : card.index("## How it was trained")]
    assert HELD_OUT_VOICE in never
    assert all(re.search(rf"\b{word}\b", never) for word in HELD_OUT_WORDS)


def test_the_card_says_what_it_is_and_what_it_is_not(card):
    assert "recogniser of synthetic words" in card
    assert "It is not self-supervised" in card
    assert "python plugins/brain_tuning/scripts/pretrain_tiny.py" in card
    assert "license: bsd-3-clause" in card


def test_the_card_belongs_to_these_weights(card, model):
    stored = hashlib.sha256((tiny_backbone() / "model.safetensors").read_bytes()).hexdigest()
    assert stored in card
    assert f"{sum(p.numel() for p in model.parameters()):,} parameters" in card


def test_the_shape_of_the_config_needs_no_weights():
    config = AutoConfig.from_pretrained(tiny_backbone())
    assert (config.hidden_size, config.num_hidden_layers, config.feat_extract_norm) == (
        128,
        4,
        "group",
    )
