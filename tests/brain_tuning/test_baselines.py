import copy

import numpy as np
import pandas as pd
import pytest
import torch

import encodekit as ek
from encodekit.data import Stimulus, split_runs
from encodekit_brain_tuning import (
    acoustic_targets,
    language_model_targets,
    untrained_backbone,
)
from encodekit_brain_tuning._baselines import feature_targets
from encodekit_brain_tuning._language_model import LanguageModelFeatures, token_windows
from encodekit_brain_tuning._windows import haemodynamic_weights

SENTENCE = "the old dog barks at a loud train and then it sleeps under some warm blanket"
WORDS = SENTENCE.split()


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    """A GPT-2 of random weights, with a tokenizer that splits words into letter pairs."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    folder = str(tmp_path_factory.mktemp("language-model"))
    letters = sorted(set("".join(WORDS)))
    pairs = ["<s>", "<unk>", *letters, *(a + b for a in letters for b in letters)]
    tokenizer = Tokenizer(models.WordLevel({pair: n for n, pair in enumerate(pairs)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Split(Regex("..?"), "isolated")]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>"
    ).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = GPT2Config(
            vocab_size=len(pairs), n_positions=64, n_embd=16, n_layer=4, n_head=2, bos_token_id=0,
            eos_token_id=0,
        )  # fmt: skip
        GPT2Model(config).save_pretrained(folder)
    return folder


@pytest.fixture
def spoken(make_story):
    """A story of 40 s with a word every 0.8 s."""

    def make(words=tuple(WORDS * 3), **keywords):
        table = pd.DataFrame({"word": list(words), "onset": 0.8 * np.arange(len(words))})
        return make_story(words=table.assign(duration=0.3), **keywords)

    return make


def test_mel_targets_are_the_bands_after_the_haemodynamic_delay(stories):
    targets = acoustic_targets(stories[:2], n_mels=4)
    rows = ek.RunScaler().fit_transform(ek.MelSpectrogram(4).transform(stories[:2]))
    for run, mel in zip(targets, split_runs(rows), strict=True):
        expected = np.array(
            [np.convolve(band, haemodynamic_weights(2.0))[:20] for band in mel.values.T]
        )
        np.testing.assert_allclose(run.values, expected.T, atol=1e-5)
        assert run.target.values[0] == "acoustics/" + mel["name"].values[0]
        assert set(run["participant"].values) == {"acoustics"}


def test_history_before_the_first_tr_counts(make_story):
    whole = make_story()
    later = Stimulus("later", whole.load_audio(), 2000, tr_times=whole.grid[5:], t_r=2.0)
    extractor = ek.MelSpectrogram(4, history=8.0)
    scaled = ek.RunScaler().fit_transform(extractor.transform([later]))
    first = feature_targets(extractor, [later], "mel")[0].values[0]
    back = scaled.values[[4, 3, 2, 1, 0]]  # TRs 0, -1, ... -4
    assert scaled["tr"].values[:5].tolist() == [-4, -3, -2, -1, 0]
    np.testing.assert_allclose(first, haemodynamic_weights(2.0) @ back, atol=1e-5)


def test_the_language_model_predicts_words_that_nothing_after_them_changes(language_model, spoken):
    changed = [*WORDS * 2, *reversed(WORDS)]
    before, after = (
        LanguageModelFeatures(language_model, 4, context=40).frames(spoken(tuple(words)))
        for words in (WORDS * 3, changed)
    )
    assert before.sizes == {"time": 48, "feature": 16}
    np.testing.assert_allclose(before.values[:32], after.values[:32], atol=1e-6)
    assert np.abs(before.values[33:] - after.values[33:]).max() > 1e-3


def test_a_word_has_the_state_of_its_last_token_in_the_first_window_that_holds_it(
    language_model, spoken
):
    extractor = LanguageModelFeatures(language_model, [2, 4], context=20)
    rows = extractor.frames(spoken())
    network, tokenizer = extractor._loaded()
    tokens = [tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in WORDS * 3]
    ends = np.cumsum([len(own) for own in tokens]) - 1
    flat = [token for own in tokens for token in own]
    for word in (0, 5, 17, 47):
        begin = next(b for b in range(0, len(flat), 9) if b <= ends[word] < b + 19)
        given = torch.tensor([[0, *flat[begin : begin + 19]]])
        with torch.no_grad():
            hidden = network(given, output_hidden_states=True).hidden_states
        expected = torch.cat([hidden[layer][0, ends[word] - begin + 1] for layer in (2, 4)])
        np.testing.assert_allclose(rows.values[word], expected.numpy(), atol=1e-5)
    assert rows["layer"].values.tolist() == [2] * 16 + [4] * 16


def test_the_published_share_of_the_depth_is_the_default(language_model, spoken):
    targets = language_model_targets([spoken()], language_model, context=40)
    assert {name.split(".")[0] for name in targets[0].target.values} == {
        "language-model/layer2", "language-model/layer3"
    }  # fmt: skip
    assert np.isfinite(targets[0].values).all()


def test_every_window_begins_half_a_window_later_and_the_last_holds_the_end():
    assert token_windows([0, 1, 2], 8) == [(0, 3)]
    windows = token_windows(list(range(23)), 8)
    assert windows == [(0, 8), (4, 12), (8, 16), (12, 20), (16, 23)]


def test_a_model_is_not_pickled_with_its_extractor(language_model, spoken):
    extractor = LanguageModelFeatures(language_model, 1, context=40)
    extractor.frames(spoken())
    assert "_kept" not in copy.deepcopy(extractor).__dict__


@pytest.mark.parametrize("baseline", ["acoustics", "language model"])
def test_the_same_trainer_tunes_on_a_baseline(baseline, tuned, spoken, language_model):
    stories = [spoken(name=f"story-{n}", seed=n) for n in range(3)]
    make = {
        "acoustics": acoustic_targets,
        "language model": lambda some: language_model_targets(some, language_model, context=40),
    }[baseline]
    features = tuned(epochs=1)
    features.fit(stories[:2], make(stories[:2]), validation=(stories[2:], make(stories[2:])))
    assert features.participants_ == (baseline.replace(" ", "-"),)
    assert features.history_["validation_r"].notna().all()


def test_an_untrained_network_has_the_shape_and_not_the_weights(backbone_folder, tmp_path, stories):
    folders = [untrained_backbone(backbone_folder, tmp_path / str(n), n) for n in (3, 3, 4)]
    hashes = [ek.SpeechFeatures(folder).weights_hash() for folder in (*folders, backbone_folder)]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    rows = ek.SpeechFeatures(folders[2], layer="all", cache=None).transform(stories[:1])
    assert rows.shape == ek.SpeechFeatures(backbone_folder, layer="all", cache=None).transform(
        stories[:1]
    ).shape  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"layer": 9}, r"layer 9 was asked for; .* has the layers 0 \(embeddings\) to 4"),
        ({"context": 65}, "takes 2 to 64 at once"),
        ({"context": 4}, "makes 2 tokens of 'the', expected 1 to 1"),
    ],
)
def test_what_a_language_model_cannot_do_is_said(language_model, spoken, changes, match):
    extractor = LanguageModelFeatures(language_model, **({"context": 40} | changes))
    with pytest.raises(ValueError, match=match):
        extractor.frames(spoken())


def test_a_stimulus_without_words_is_refused(language_model, make_story):
    with pytest.raises(ValueError, match="has no words, which a language model reads"):
        LanguageModelFeatures(language_model, context=40).frames(make_story())
