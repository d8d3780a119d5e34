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
from encodekit_brain_tuning.backbones import haemodynamic_weights
from encodekit_brain_tuning.baselines import feature_targets

SENTENCE = "the old dog barks at a loud train and then it sleeps under some warm blanket"
WORDS = SENTENCE.split()


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    """A GPT-2 of random weights, with a tokenizer that splits words into letter pairs."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

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
        GPT2LMHeadModel(config).save_pretrained(folder)
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


def test_the_published_share_of_the_depth_is_the_default(language_model, spoken):
    targets = language_model_targets([spoken()], language_model, lookback=8)
    assert {name.split(".")[0] for name in targets[0].target.values} == {
        "language-model/layer2", "language-model/layer3"
    }  # fmt: skip
    assert np.isfinite(targets[0].values).all()


@pytest.mark.parametrize("baseline", ["acoustics", "language model"])
def test_the_same_trainer_tunes_on_a_baseline(baseline, tuned, spoken, language_model):
    stories = [spoken(name=f"story-{n}", seed=n) for n in range(3)]
    make = {
        "acoustics": acoustic_targets,
        "language model": lambda some: language_model_targets(some, language_model, lookback=8),
    }[baseline]
    features = tuned(training__epochs=1)
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


def test_a_stimulus_without_words_is_refused(language_model, make_story):
    with pytest.raises(ValueError, match="has no words: pass"):
        language_model_targets([make_story()], language_model, lookback=8)
