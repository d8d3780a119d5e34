"""What encodekit registers as features keeps the contract that other people's are held to."""

import pytest

import encodekit as ek
from encodekit.features import Context, Streamed
from encodekit.plugins import registry
from encodekit.testing import check_feature_extractor, small_study
from encodekit.testing._features import FEATURE_CHECKS

STUDY = small_study(n_stories=2, seconds=8.0, missing=False)
SHORT = small_study(n_stories=2, seconds=4.0, missing=False)  # pYIN is slow
OWN = {
    "speech", "mel", "word-rate", "word-values", "word-vectors", "array", "phone-rate", "text",
    "articulation", "pitch",
}  # fmt: skip


def passes(name, study=STUDY, **parameters):
    passed = check_feature_extractor(ek.make_features(name, **parameters), study)
    return len(passed) == len(FEATURE_CHECKS)


def test_every_extractor_that_encodekit_registers_is_checked_here():
    found = registry().entries("features")
    assert {e.spec.name for e in found if e.spec.load.startswith("encodekit.")} == OWN


@pytest.mark.parametrize("name", ["mel", "word-rate", "phone-rate", "articulation"])
def test_those_of_sound_words_and_phones_pass(name):
    assert passes(name)


def test_pitch_passes():
    pytest.importorskip("librosa")
    assert passes("pitch", SHORT)


@pytest.fixture(scope="module")
def speech_model(tmp_path_factory):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        conv_dim=[8, 8, 8], conv_kernel=[10, 8, 4], conv_stride=[8, 5, 4],
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("wav2vec2")
    transformers.Wav2Vec2Model(config).save_pretrained(path)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    words = {word: k for k, word in enumerate(["<|end|>", "the", "fox", "runs", "home"])}
    made = Tokenizer(models.WordLevel(words, unk_token="<|end|>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    path = tmp_path_factory.mktemp("gpt2")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|end|>", eos_token="<|end|>"
    ).save_pretrained(path)
    config = transformers.GPT2Config(
        vocab_size=len(words), n_positions=48, n_embd=16, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(path)
    return str(path)


@pytest.mark.parametrize("windows", [Streamed(), Context(2.0, 0.5)])
def test_layers_of_a_speech_model_pass(speech_model, windows):
    options = {"windows": windows}
    assert passes("speech", model=speech_model, layer=[0, 2], device="cpu", **options)


@pytest.mark.parametrize("context", ["full", "sliding"])
def test_layers_and_surprisal_of_a_language_model_pass(language_model, context):
    options = {"context": context, "lookback": 4, "surprisal": True}
    assert passes("text", model=language_model, layer=[0, 2], device="cpu", **options)
