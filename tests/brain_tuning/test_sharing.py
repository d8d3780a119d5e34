"""A tuned model as a plain transformers model, on the hub, and what its card says."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from transformers import AutoModel

import encodekit as ek
from encodekit.features import normalise_waveform
from encodekit_brain_tuning import BrainTunedFeatures, CardNotes, Runtime, Streamed, Training
from encodekit_brain_tuning.saving._model_card import PRETRAINED_ON


@pytest.fixture(scope="module", params=["lora", "all_weights"])
def fitted(request, backbone_folder, stories, responses):
    features = BrainTunedFeatures(
        backbone_folder,
        update=request.param,
        windows=Streamed(chunk=16.0),
        training=Training(epochs=3, batch_size=4, learning_rate=1e-2),
        runtime=Runtime(cache=None, device="cpu"),
        layer="all",
    )
    return features.fit(stories[:2], responses[:2])  # without validation the last weights stay


@pytest.fixture(scope="module")
def merged(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("merged") / "model"
    fitted.merge(folder)
    return str(folder)


def test_any_program_loads_the_merged_model_with_the_same_hidden_states(fitted, merged, stories):
    audio = stories[3].load_audio()[None, :20_000]
    model, info = AutoModel.from_pretrained(merged, output_loading_info=True)
    assert {*info["missing_keys"], *info["unexpected_keys"]} == set()
    backbone = fitted.model_.backbone
    with torch.no_grad():
        plain = model(torch.from_numpy(normalise_waveform(audio)), output_hidden_states=True)
        own = backbone.layers(backbone.stem_output(audio), [0, 1, 2])
    for mine, theirs in zip(own, plain.hidden_states, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_merged_model_has_learnt_and_keeps_the_stem(fitted, merged, backbone_folder):
    before, after = (
        AutoModel.from_pretrained(name).state_dict() for name in (backbone_folder, merged)
    )
    changed = {name for name, value in before.items() if not after[name].equal(value)}
    assert any("q_proj" in name for name in changed)
    assert not any(name.startswith("feature_extractor") for name in changed)
    assert (
        fitted.model_.backbone.pretrained_hash == ek.SpeechFeatures(backbone_folder).weights_hash()
    )


def test_the_merged_model_is_a_backbone_like_any_other(fitted, merged, stories):
    rows = ek.SpeechFeatures(
        merged, layer="all", windows=Streamed(chunk=16.0), resample="mean", cache=None
    )
    np.testing.assert_allclose(
        rows.transform(stories[3:]).values, fitted.transform(stories[3:]).values, atol=1e-5
    )


def test_the_merged_folders_card_says_how_to_load_it(merged):
    card = (Path(merged) / "README.md").read_text()
    assert "AutoModel.from_pretrained" in card
    assert "BrainTunedFeatures.load" not in card
    assert "| participants | P1, P2 |" in card


def with_backbone(fitted, name):
    """The tuned model as if it had been tuned from another backbone."""
    named = clone(fitted).set_params(backbone=name)
    named.tuned_ = fitted.tuned_
    return named


def test_a_backbone_that_lacks_tuned_weights_is_refused(fitted, save_backbone, tmp_path):
    other = save_backbone(tmp_path / "other", num_hidden_layers=1)
    moved = with_backbone(fitted, other)
    with pytest.raises(ValueError, match=r"differ in \d+ weights, the first 'encoder\.layers\.1"):
        moved.merge(tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


class FakeHub:
    """What `push_to_hub` asks of huggingface_hub.HfApi."""

    def create_repo(self, **given):
        self.created = given

    def upload_folder(self, *, folder_path, **given):
        self.uploaded = given
        self.files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        return "answer"


def test_what_is_saved_is_what_is_pushed(fitted, tmp_path):
    hub = FakeHub()
    assert fitted.push_to_hub("lab/model", api=hub) == "answer"
    assert hub.created == {"repo_id": "lab/model", "private": True, "exist_ok": True}
    assert hub.uploaded["repo_id"] == "lab/model"
    assert fitted.weights_hash_[:12] in hub.uploaded["commit_message"]
    for name, content in hub.files.items():
        (tmp_path / name).write_bytes(content)
    assert BrainTunedFeatures.load(tmp_path).weights_hash() == fitted.weights_hash()


def test_the_merged_model_can_be_pushed_instead(fitted):
    hub = FakeHub()
    fitted.push_to_hub("lab/model", merged=True, private=False, api=hub)
    assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= set(hub.files)
    assert hub.created["private"] is False


def test_the_hubs_own_client_has_what_is_asked_of_it():
    import inspect

    from huggingface_hub import HfApi

    made = inspect.signature(HfApi.create_repo).parameters
    sent = inspect.signature(HfApi.upload_folder).parameters
    assert {"repo_id", "private", "exist_ok"} <= set(made)
    assert {"repo_id", "folder_path", "commit_message"} <= set(sent)


def card_of(fitted, folder, notes=None):
    fitted.save(folder, notes=notes)
    return (folder / "README.md").read_text()


def test_notes_fill_the_card(fitted, stories, tmp_path):
    scores = pd.DataFrame({"participant": ["P8"], "score": [0.12345]})
    notes = CardNotes(scores, stories[1:], "LibriSpeech dev", "CC0")
    card = card_of(fitted, tmp_path / "model", notes)
    for line in (
        "| participant | score |\n| --- | --- |\n| P8 | 0.123 |",
        "- Tested on: story-1, story-2, story-3. Also tuned on: story-1.",
        "| licence of the data | CC0 |",
        "| audio tuned on | 0.02 h (1.3 min) |",
        "- Overlap of pretraining and test audio: unknown; tested on LibriSpeech dev.",
    ):
        assert line in card


def test_without_notes_the_card_says_what_was_not_stated(fitted, tmp_path):
    card = card_of(fitted, tmp_path / "model")
    for line in (
        "| licence of the data | not stated |",
        "None were given when this was saved.",
        "- Overlap of pretraining and test audio: not stated.",
        "| pretrained on | unknown to encodekit: see the backbone's own card |",
    ):
        assert line in card


@pytest.mark.parametrize(
    ("backbone", "corpus", "said"),
    [
        ("facebook/wav2vec2-base", "LibriSpeech train-clean-100",
         "the backbone was pretrained on LibriSpeech, and tested on LibriSpeech train"),
        ("facebook/wav2vec2-base", "the Moth", "none known with the Moth"),
        ("tiny", "LibriSpeech", "none known with LibriSpeech"),
    ],
)  # fmt: skip
def test_the_card_says_whether_the_backbone_heard_the_test_audio(
    fitted, backbone, corpus, said, tmp_path
):
    named = with_backbone(fitted, backbone)
    card = card_of(named, tmp_path / "model", CardNotes(test_corpus=corpus))
    assert f"- Overlap of pretraining and test audio: {said}" in card
    assert f"| pretrained on | {PRETRAINED_ON[backbone]} |" in card
    assert (f"base_model: {backbone}" in card) == ("/" in backbone)


def test_the_card_names_the_hubs_model_of_a_backbone_that_ships(fitted, tmp_path):
    card = card_of(with_backbone(fitted, "whisper-tiny.en"), tmp_path / "model")
    assert "\nbase_model: openai/whisper-tiny.en\n" in card


@pytest.mark.parametrize(
    "name",
    ["a | b", "a\n\n# b", "<img src=x>", "[x](javascript:alert(1))", "```", "a\n---\nlicense: mit",
     "\ud800\0\x1b", "$x$ ~~y~~ **z**", "x" * 5000, ""],
)  # fmt: skip
def test_no_name_leaves_its_place_in_the_card(fitted, stories, tmp_path, name):
    scores = pd.DataFrame({"region": [name, "b"], name + "!": [0.1, 0.2]})
    notes = CardNotes(
        scores=scores, tested_on=stories[:1], test_corpus=name or None, data_licence=name
    )
    fitted.save(tmp_path / "model", notes=notes)
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert card.count("\n# ") == 1
    assert card.count("\n---\n") == 1
    assert not re.search(r"<|\]\(|^license", card.replace("<br>", ""), re.MULTILINE)
    [table] = re.findall(r"## Scores\n\n((?:\|.*\n)+)", card)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()} == {3}
