"""TextFeatures against a loop that runs the model word by word, for tokenizers of every type."""

import numpy as np
import pandas as pd
import pytest

import encodekit as ek
from encodekit.features._language_model import Loaded, load_language_model
from encodekit.features._words_tokens import align

torch = pytest.importorskip("torch")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ["Once", "upon", "a", "time", "the", "naïve", "fox", "didn't", "unbelievably", "jump"]
WORDS += ["東京", "over", "co-operate", "😀", "a", "time"]
CORPUS = ["once upon a time the naïve fox didn't jump over the unbelievably lazy dog 東京 😀"] * 4
CORPUS += ["Once upon a time", "co-operate over time", "fox jump"]


def _byte_bpe():
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers

    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    letters = pre_tokenizers.ByteLevel.alphabet()
    given = {"vocab_size": 300, "special_tokens": ["<|end|>"], "initial_alphabet": letters}
    return made, trainers.BpeTrainer(show_progress=False, **given)


def _byte_bpe_untrimmed():
    from tokenizers import processors

    made, trainer = _byte_bpe()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    return made, trainer


def _word_piece():
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made, trainers.WordPieceTrainer(
        vocab_size=120, special_tokens=["<|end|>", "[UNK]"], show_progress=False
    )


def _unigram():
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    made = tokenizers.Tokenizer(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made, trainers.UnigramTrainer(
        vocab_size=80, special_tokens=["<|end|>", "<unk>"], unk_token="<unk>", show_progress=False
    )


def _characters():
    from tokenizers import models, pre_tokenizers, trainers

    made = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return made, trainers.BpeTrainer(
        vocab_size=90, special_tokens=["<|end|>", "[UNK]"], show_progress=False
    )


def _across_words():
    """BPE without any pre-tokenizer: its tokens cross the spaces between words."""
    from tokenizers import models, trainers

    made = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]"))
    return made, trainers.BpeTrainer(
        vocab_size=200, special_tokens=["<|end|>", "[UNK]"], show_progress=False
    )


KINDS = {
    "byte-level BPE": _byte_bpe,
    "byte-level BPE with spaces": _byte_bpe_untrimmed,
    "WordPiece": _word_piece,
    "Unigram": _unigram,
    "characters": _characters,
    "BPE across words": _across_words,
}


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import PreTrainedTokenizerFast

    kept = {}

    def of(kind):
        if kind not in kept:
            made, trainer = KINDS[kind]()
            made.train_from_iterator(CORPUS, trainer)
            kept[kind] = PreTrainedTokenizerFast(
                tokenizer_object=made, bos_token="<|end|>", eos_token="<|end|>"
            )
        return kept[kind]

    return of


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A tiny random GPT-2 with a byte-level tokenizer, saved as users save theirs."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    torch.set_num_threads(1)
    made = tokenizer("byte-level BPE")
    config = GPT2Config(vocab_size=len(made), n_positions=48, n_embd=16, n_layer=3, n_head=2,
                        bos_token_id=0, eos_token_id=0)  # fmt: skip
    path = tmp_path_factory.mktemp("gpt2")
    model = GPT2LMHeadModel(config)
    model.apply(lambda m: m.weight.data.mul_(8) if isinstance(m, torch.nn.Embedding) else None)
    model.save_pretrained(path)
    made.save_pretrained(path)
    return path


@pytest.fixture
def story():
    onset = 0.5 + np.arange(len(WORDS)) * 1.0
    words = pd.DataFrame({"word": WORDS, "onset": onset, "duration": 0.5})
    return ek.Stimulus("a", words=words, t_r=2.0, duration=20.0)


def four_times(story):
    long = pd.concat([story.words] * 4, ignore_index=True)
    long["onset"] = np.arange(len(long)) * 0.5
    return ek.Stimulus("a", words=long, t_r=2.0, duration=40.0)


class TestAlignment:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_word_has_its_own_tokens_and_all_of_them(self, tokenizer, kind):
        made = tokenizer(kind)
        tokens = align(made, WORDS)
        assert tokens.starts[0] == 0
        assert tokens.stops[-1] == tokens.ids.size
        np.testing.assert_array_equal(tokens.starts[1:], tokens.stops[:-1])
        assert (tokens.stops > tokens.starts).all()

    @pytest.mark.parametrize("kind", ["byte-level BPE", "byte-level BPE with spaces", "characters"])
    def test_the_tokens_of_a_word_spell_it(self, tokenizer, kind):
        made = tokenizer(kind)
        tokens = align(made, WORDS)
        for word, start, stop in zip(WORDS, tokens.starts, tokens.stops, strict=True):
            pieces = made.convert_ids_to_tokens(tokens.ids[start:stop])
            if kind == "characters":
                known = "".join(c for c in word if made.convert_tokens_to_ids(c) > 1)
                assert "".join(p for p in pieces if p != "[UNK]").strip() == known
            else:
                assert made.decode(tokens.ids[start:stop]).strip() == word

    def test_word_pieces_go_on_with_their_word(self, tokenizer):
        made = tokenizer("WordPiece")
        tokens = align(made, WORDS)
        for start, stop in zip(tokens.starts, tokens.stops, strict=True):
            pieces = made.convert_ids_to_tokens(tokens.ids[start:stop])
            assert not pieces[0].startswith("##")

    @pytest.mark.parametrize("kind", KINDS)
    def test_one_word_more_changes_no_earlier_word(self, tokenizer, kind):
        whole, shorter = (align(tokenizer(kind), WORDS[:n]) for n in (12, 9))
        n = int(shorter.stops[-1])
        if kind != "Unigram":  # whose best segmentation may change with what follows
            np.testing.assert_array_equal(whole.ids[:n], shorter.ids)
        np.testing.assert_array_equal(whole.starts[:9], shorter.starts)

    def test_a_word_without_tokens_is_named(self, tokenizer):
        with pytest.raises(ValueError, match=r"1 words have no token, the first is word 1 \(''\)"):
            align(tokenizer("byte-level BPE"), ["a", "", "b"])
        with pytest.raises(ValueError, match="1 words have no token, the first is word 1"):
            align(tokenizer("WordPiece"), ["a", "\u200b", "b"])

    def test_a_tokenizer_that_keeps_no_offsets_is_refused(self):
        class Slow:
            is_fast = False

        with pytest.raises(TypeError, match="Slow does not say which characters"):
            align(Slow(), ["a"])


@pytest.fixture(scope="module")
def loaded(folder):
    return load_language_model(folder, "cpu")


def by_hand(loaded, words, layer, lookback):
    """Return (states, bits) word by word: each in a pass of its own over its context."""
    text = loaded.tokenizer
    states, bits = [], []
    for n in range(len(words)):
        context = words[max(0, n - lookback) : n]
        lead = "" if n - lookback <= 0 else " "
        before = text(lead + " ".join(context), add_special_tokens=False)["input_ids"]
        mine = text((" " if n else "") + words[n], add_special_tokens=False)["input_ids"]
        before = before if context else []
        ids = torch.tensor([[0, *before, *mine]])
        with torch.no_grad():
            out = loaded.model(ids, output_hidden_states=True)
        states.append(out.hidden_states[layer][0, -1].numpy())
        p = torch.softmax(out.logits[0].double(), dim=-1)
        at = range(1 + len(before), ids.shape[1])
        bits.append(sum(-np.log2(float(p[k - 1, ids[0, k]])) for k in at))
    return np.array(states), np.array(bits)


class TestValues:
    def test_sliding_windows_are_a_pass_per_word(self, folder, loaded, story):
        rows = ek.TextFeatures(folder, layer=2, context="sliding", lookback=3, surprisal=True)
        found = rows.frames(story)
        states, bits = by_hand(loaded, WORDS, 2, 3)
        np.testing.assert_allclose(found.values[:, :-1], states, atol=2e-5)
        np.testing.assert_allclose(found.values[:, -1], bits, rtol=1e-5)
        assert bits.std() > 0.5

    def test_full_context_sees_everything_that_the_model_holds(self, folder, loaded, story):
        short = WORDS[:9]
        few = ek.Stimulus("a", words=story.words[:9], t_r=2.0, duration=20.0)
        found = ek.TextFeatures(folder, layer=[1, 3], surprisal=True, lookback=2).frames(few)
        states, bits = by_hand(loaded, short, 3, 100)
        np.testing.assert_allclose(found.values[:, 16:32], states, atol=2e-5)
        np.testing.assert_allclose(found.values[:, -1], bits, rtol=1e-5)

    def test_a_long_text_is_cut_with_the_lookback_kept(self, folder, story):
        stimulus = four_times(story)
        found = ek.TextFeatures(folder, layer=1, lookback=3).frames(stimulus)
        sliding = ek.TextFeatures(folder, layer=1, lookback=3, context="sliding").frames(stimulus)
        assert found.shape == sliding.shape == (64, 16)
        assert np.isfinite(found.values).all()

    def test_words_are_events_where_they_are_asked_to_be(self, folder, story):
        for at, seconds in (("onset", 0.5), ("middle", 0.75), ("end", 1.0)):
            assert ek.TextFeatures(folder, layer=0, at=at).frames(story).seconds[0] == seconds

    def test_all_layers_come_named(self, folder, story):
        rows = ek.TextFeatures(folder, layer="all", lookback=4).transform([story])
        assert rows.layer.values.tolist() == np.repeat(range(4), 16).tolist()
        assert rows.coords["name"].values[17] == "layer1.001"
        assert rows.sizes["time"] == 10

    def test_without_a_beginning_the_first_token_is_uniform(self, folder):
        loaded = load_language_model(folder, "cpu")
        loaded.tokenizer.bos_token = loaded.tokenizer.eos_token = None
        assert loaded.bos is None
        states, bits = Loaded(loaded.model, loaded.tokenizer).run([np.array([5, 6])], [1])
        assert bits[0, 0] == pytest.approx(np.log2(loaded.model.config.vocab_size))
        assert states[1].shape == (1, 2, 16)

    def test_the_hash_knows_weights_and_tokenizer(self, folder):
        first = ek.TextFeatures(folder)
        assert first.weights_hash() == ek.TextFeatures(str(folder), layer=1).weights_hash()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layer": 4}, "layer 4 was asked for; the model has the layers 0 .* to 3"),
        ({"layer": 1.5}, "layer=1.5: layers are whole numbers from 0 to 3: give one, or a list"),
        ({"layer": [1, 1]}, "names a layer twice: give each once"),
        ({"layer": "most"}, "expected a number from 0 to 3"),
        ({"layer": []}, "leaves no feature: name a layer"),
        ({"at": "start"}, "unknown at 'start'"),
        ({"context": "ful"}, "unknown context 'ful': did you mean 'full'"),
        ({"lookback": -1}, "lookback is -1, expected 0 or more"),
        ({"lookback": 40}, "run 'a': word .* tokens but the model holds 47: lower lookback"),
    ],
)
def test_a_wrong_parameter_is_answered(folder, story, given, message):
    with pytest.raises(ValueError, match=message):
        ek.TextFeatures(folder, **{"layer": 1, **given}).frames(four_times(story))


def test_a_stimulus_without_words_is_named(folder):
    with pytest.raises(ValueError, match="run 'b' has no words: pass Stimulus.words="):
        ek.TextFeatures(folder).frames(ek.Stimulus("b", t_r=2.0, duration=10.0))


def test_a_model_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(OSError, match="language model .* was not found as a folder"):
        load_language_model(tmp_path, "cpu")
