"""Static word vectors: every format read to the same numbers, every unknown word told."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn

import encodekit as ek
from encodekit.data import Stimulus
from encodekit.features._vector_files import read_vectors
from encodekit.testing import check_feature_extractor, small_study
from encodekit.testing._features import FEATURE_CHECKS

RNG = np.random.default_rng(0)
WORDS = ["the", "fox", "café", "don't", "2", "runs", "home"]
VECTORS = {word: RNG.standard_normal(4).astype("f4") for word in WORDS}


def story(*words, name="story-1"):
    table = pd.DataFrame({"word": words, "onset": 0.5 + np.arange(len(words)), "duration": 0.2})
    return Stimulus(name, words=table.astype({"word": object}), t_r=1.0, duration=len(words) + 1.0)


def counts(vectors, *words, **keywords):
    """Return the vector of each word: one word in each TR of one second."""
    given = {"resample": "sum", "cache": None} | keywords
    return ek.WordVectors(vectors, **given).transform([story(*words)]).values[: len(words)]


def numbers(vector):
    return " ".join(f"{number:.9g}" for number in vector)


def glove(path, vectors=VECTORS, encoding="utf-8", end="\n"):
    lines = [f"{word} {numbers(vector)}{end}" for word, vector in vectors.items()]
    path.write_bytes("".join(lines).encode(encoding))
    return path


def fasttext(path):
    """Lines of fastText end in a space."""
    lines = [f"{word} {numbers(vector)} \n" for word, vector in VECTORS.items()]
    path.write_text(f"{len(lines)} 4\n" + "".join(lines), encoding="utf-8")
    return path


def word2vec(path, newline=b"\n"):
    parts = [
        word.encode() + b" " + vector.astype("<f4").tobytes() + newline
        for word, vector in VECTORS.items()
    ]
    path.write_bytes(b"%d 4\n" % len(parts) + b"".join(parts))
    return path


def gensim(path):
    """Binary as gensim writes it: no line break after a vector."""
    return word2vec(path, newline=b"")


def npz(path):
    np.savez(path, words=np.array(WORDS), vectors=np.array(list(VECTORS.values())))
    return path


def huth(path):
    """English1000: the words are the second axis, and bytes."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["vocab"] = np.array([word.encode() for word in WORDS])
        file["data"] = np.array(list(VECTORS.values()), dtype="f8").T
    return path


def tabs(path):
    path.write_text(glove(path).read_text(encoding="utf-8").replace(" ", "\t"), encoding="utf-8")
    return path


def with_mark(path):
    path.write_bytes(b"\xef\xbb\xbf" + glove(path).read_bytes())
    return path


def with_carriage_returns(path):
    return glove(path, end="\r\n")


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (glove, "glove.6B.txt"), (fasttext, "wiki.en.vec"), (word2vec, "news.bin"),
        (gensim, "gensim.bin"), (npz, "own.npz"), (huth, "english1000sm.hf5"), (tabs, "tabs.txt"),
        (with_mark, "mark.txt"), (with_carriage_returns, "windows.txt"), (fasttext, "text.bin"),
        (word2vec, "binary.vec"),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_vectors(tmp_path, write, name):
    found = counts(write(tmp_path / name), "home", "the", "don't", "café", "2")
    expected = [VECTORS[word] for word in ("home", "the", "don't", "café", "2")]
    np.testing.assert_array_equal(found, np.array(expected))


def test_mappings_and_tables_give_the_same():
    table = pd.DataFrame(VECTORS).T
    for given in (VECTORS, table, {word: list(vector) for word, vector in VECTORS.items()}):
        np.testing.assert_array_equal(counts(given, "fox"), VECTORS["fox"][None])


def test_impulses_lie_at_onsets_as_word_values_do():
    words = ["the", "fox", "runs", "home", "the"]
    table = pd.DataFrame({"word": words, "onset": [0.3, 0.9, 4.2, 4.3, 7.7], "duration": 0.2})
    columns = {f"v{k}": [float(VECTORS[word][k]) for word in words] for k in range(4)}
    run = Stimulus("a", words=table.assign(**columns), t_r=2.0, duration=12.0)
    ours = ek.WordVectors(VECTORS, cache=None).transform([run])
    theirs = ek.WordValues(list(columns)).transform([run])
    np.testing.assert_array_equal(ours.values, theirs.values)
    assert ours.coords["name"].values.tolist() == [f"vector{k:03d}" for k in range(4)]


# Lines of GloVe 840B


def test_words_with_spaces_are_read_from_the_right(tmp_path):
    odd = {
        "at name@domain.com": [9, 9, 9, 9],
        ". . .": [8, 8, 8, 8],
        "at": [1, 2, 3, 4],
        "1 2": [7, 7, 7, 7],
        "no-break\u00a0space": [6, 6, 6, 6],
        "1": [5, 6, 7, 8],
        ".": [0, 1, 0, 1],
    }
    path = glove(tmp_path / "glove.840B.txt", {w: np.array(v) for w, v in odd.items()})
    assert counts(path, "at", "1", ".").tolist() == [odd["at"], odd["1"], odd["."]]
    assert counts(path, "at name@domain.com").tolist() == [odd["at name@domain.com"]]
    assert counts(path, "no-break\u00a0space").tolist() == [odd["no-break\u00a0space"]]


def test_a_line_whose_word_is_a_space_is_passed_over(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("the 1 2 3\n  4 5 6\nfox 7 8 9\n 1 1 1\n")
    assert counts(path, "fox", "the").tolist() == [[7, 8, 9], [1, 2, 3]]


def test_the_first_of_two_lines_counts_and_is_told(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("fox 1 2\nthe 3 4\nfox 5 6\ndog 1 1\ndog 2 2\n")
    with pytest.warns(UserWarning, match=r"has 1 of the words more than once.*'fox' \(1 times\)"):
        assert counts(path, "fox").tolist() == [[1, 2]]


def test_only_wanted_words_are_kept(tmp_path):
    path = glove(tmp_path / "v.txt", {f"w{k}": RNG.standard_normal(5) for k in range(2000)})
    table = read_vectors(path, {"w3", "w1999", "nothing"})
    assert sorted(table.vectors) == ["w1999", "w3"]
    assert table.width == 5


# Words that are not there


def test_unknown_words_are_refused_with_their_number_and_examples():
    told = (
        r"3 of 5 words of run 'story-1' have no vector, such as 'uh' \(2 times\), 'um' \(1 times\)"
    )
    with pytest.raises(ValueError, match=rf"{told}: pass missing='zero' .* 'ignore' .* 'mean'"):
        counts(VECTORS, "the", "uh", "um", "uh", "fox")


def test_zero_ignore_and_mean_do_what_they_say():
    words = ("the", "uh", "fox", "um")
    known = np.array([VECTORS["the"], VECTORS["fox"]])
    expected = {
        "zero": [known[0], 0 * known[0], known[1], 0 * known[0]],
        "ignore": [known[0], 0 * known[0], known[1], 0 * known[0]],
        "mean": [known[0], known.mean(0), known[1], known.mean(0)],
    }
    for missing, rows in expected.items():
        with pytest.warns(UserWarning, match=r"2 words \(2 different ones\) have no vector and"):
            found = counts(VECTORS, *words, missing=missing)
        np.testing.assert_allclose(found, np.array(rows), rtol=1e-6)


def test_ignored_words_take_no_part_in_a_mean_and_zeros_do():
    table = pd.DataFrame({"word": ["the", "uh"], "onset": [0.1, 0.2], "duration": 0.1})
    run = Stimulus("a", words=table, t_r=1.0, duration=1.0)
    for missing, share in (("ignore", 1.0), ("zero", 0.5)):
        found = ek.WordVectors(VECTORS, missing=missing, resample="mean", cache=None)
        with pytest.warns(UserWarning, match="have no vector"):
            rows = found.transform([run]).values
        np.testing.assert_allclose(rows[0], share * VECTORS["the"], rtol=1e-6)


@pytest.mark.parametrize("missing", ["zero", "ignore", "mean"])
def test_a_run_without_any_known_word_is_refused(missing):
    with pytest.raises(ValueError, match=r"2 of 2 words .* lower=True finds 2 of them"):
        counts(VECTORS, "THE", "FOX", missing=missing)


def test_a_missing_policy_is_checked():
    with pytest.raises(ValueError, match="unknown missing 'zeros': did you mean 'zero'"):
        counts(VECTORS, "the", missing="zeros")


def test_a_run_without_words_is_refused():
    with pytest.raises(ValueError, match=r"run 'a' has no words: pass Stimulus\(words=\)"):
        ek.WordVectors(VECTORS, cache=None).transform([Stimulus("a", t_r=1.0, duration=3.0)])


# How a word is looked up


@pytest.mark.parametrize(
    ("word", "lower", "expected"),
    [
        ("The", True, "the"),
        ("FOX,", True, "fox"),
        ("fox.", False, "fox"),
        ("\u201cfox\u201d", False, "fox"),
        ("--home--", False, "home"),
        ("don\u2019t", False, "don't"),
        ("Don't!", True, "don't"),
        ("cafe\u0301", False, "café"),
        (" home ", False, "home"),
    ],
)
def test_case_accents_and_punctuation(word, lower, expected):
    np.testing.assert_array_equal(counts(VECTORS, word, lower=lower)[0], VECTORS[expected])


def test_case_counts_unless_lower_is_asked_for():
    vectors = {"Apple": [1.0, 0.0], "apple": [0.0, 1.0]}
    assert counts(vectors, "Apple", "apple").tolist() == [[1, 0], [0, 1]]
    assert counts(vectors, "Apple", "apple", lower=True).tolist() == [[0, 1], [0, 1]]


def test_a_word_as_it_stands_comes_before_its_bare_form():
    vectors = {"u.s.": [1.0], "us": [2.0], "u.s": [3.0], "c++": [4.0], "c": [5.0]}
    assert counts(vectors, "u.s.", "c++", "c").ravel().tolist() == [1, 4, 5]


def test_a_compound_takes_the_mean_of_its_parts_if_all_are_there():
    expected = np.mean([VECTORS["fox"], VECTORS["home"]], axis=0)
    for word in ("fox-home", "fox home", "fox\u2013home,", "fox/home"):
        np.testing.assert_allclose(counts(VECTORS, word)[0], expected, rtol=1e-6)
    own = VECTORS | {"fox-home": VECTORS["the"]}
    np.testing.assert_array_equal(counts(own, "fox-home")[0], VECTORS["the"])
    with pytest.raises(ValueError, match="'fox-den'"):
        counts(VECTORS, "the", "fox-den")


# Files that are not what they should be


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    whole = fasttext(tmp_path / "a.vec").read_bytes()
    lines = whole.splitlines(keepends=True)
    cuts = {
        "a.vec": (b"".join(lines[:-1]), "says that it has 7 words, but holds 6"),
        "b.vec": (whole[:-20], "line 8 has fewer than 4 numbers"),
        "c.txt": (glove(tmp_path / "c.txt").read_bytes()[:-20], "line 7 has fewer than 4 numbers"),
        "d.bin": (word2vec(tmp_path / "d.bin").read_bytes()[:-9], "binary content does not end"),
        "e.bin": (word2vec(tmp_path / "e.bin").read_bytes() + b"more", "does not end after them"),
    }
    for name, (content, told) in cuts.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}.*{told}"):
            counts(tmp_path / name, "the")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\x1f\x8b\x08", "is compressed: unpack it first"),
        (b"\x80\x04\x95rest", "is a pickle .* never loaded: export the vectors"),
        ((793712314).to_bytes(4, "little") + b"\x0c", r"fastText's own format: use its \.vec"),
        ("the 1 2\n".encode("utf-16"), "is UTF-16"),
        (b"the\nfox\n", "holds no vectors of words"),
        (b"the 1 2\nfox 3 x4\nruns 1 1\n", r"vector of 'fox' \(line 2\) holds what is no number"),
        (b"the 1 2\nfox 3 nan\nruns 1 1\n", r"vector of 'fox' \(line 2\) holds what is no number"),
    ],
)
def test_other_files_are_refused_by_what_they_are(tmp_path, content, told):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=told):
        counts(path, "the", "fox")


def test_another_encoding_is_told_and_taken(tmp_path):
    path = glove(tmp_path / "latin.txt", encoding="latin-1")
    with pytest.raises(ValueError, match="1 of 7 words are not utf-8: .* encoding='latin-1'"):
        counts(path, "café")
    np.testing.assert_array_equal(counts(path, "café", encoding="latin-1")[0], VECTORS["café"])


def test_a_few_broken_words_in_a_large_file_are_told_with_what_is_missing(tmp_path):
    path = glove(tmp_path / "v.txt", {f"w{k}": np.ones(2) for k in range(3000)})
    path.write_bytes(path.read_bytes() + b"caf\xe9 1 2\n")
    with pytest.raises(ValueError, match="'café'.*: 1 words of the file are not utf-8"):
        counts(path, "w1", "café")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"tokens": np.array(["a"])}, "holds the arrays tokens: expected 'words'"),
        ({"words": np.array(["a", "b"]), "vectors": np.ones((3, 4))}, "expected a vector for each"),
        ({"words": np.array(["a", "b"]), "vectors": np.ones((2, 2))}, "which does not say on wh"),
        ({"words": np.array(["a", "b"], dtype=object), "vectors": np.ones((2, 3))}, "only pickle"),
    ],
)
def test_archives_of_other_arrays_are_refused(tmp_path, arrays, told):
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(ValueError, match=told):
        counts(tmp_path / "v.npz", "a")


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        ({"a": [1.0, 2.0], "b": [1.0]}, "of the shape .*expected as many numbers as others have"),
        ({"a": [1.0, np.nan], "b": [1.0, 2.0]}, "vector of 'a' is NaN or infinite"),
        (pd.DataFrame(np.ones((2, 3)), index=["a", "a"]), "has 1 words twice, the first is 'a'"),
        (["a", "b"], "vectors is a list, expected a path, a mapping"),
    ],
)
def test_mappings_that_are_none_are_refused(vectors, told):
    with pytest.raises((ValueError, TypeError), match=told):
        counts(vectors, "a", "b")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"glove\.txt' is not there"):
        ek.WordVectors(tmp_path / "glove.txt").fit([story("the")])


# A feature extractor as any other


def test_it_keeps_the_contract():
    study = small_study(n_stories=2, seconds=8.0, missing=False)
    words = {word for stimulus in study.stimuli for word in stimulus.words["word"]}
    vectors = {word: RNG.standard_normal(3) for word in words}
    passed = check_feature_extractor(ek.make_features("word-vectors", vectors=vectors), study)
    assert len(passed) == len(FEATURE_CHECKS)


def test_rows_are_cached_by_the_content_of_the_file(tmp_path):
    path, cache = glove(tmp_path / "v.txt"), tmp_path / "cache"
    first = counts(path, "fox", cache=cache)
    path.rename(tmp_path / "elsewhere.txt")
    changed = VECTORS | {"fox": VECTORS["fox"] + 1}
    second = counts(glove(path, changed), "fox", cache=cache)
    np.testing.assert_allclose(second, first + 1, rtol=1e-6)
    assert len(list(cache.iterdir())) == 2
    for vectors in (VECTORS, changed):
        counts(vectors, "fox", cache=cache)
    assert len(list(cache.iterdir())) == 4


def test_what_is_in_the_cache_is_not_read_again(tmp_path, monkeypatch):
    path = glove(tmp_path / "v.txt")
    first = counts(path, "fox", cache=tmp_path / "cache")
    monkeypatch.setattr("encodekit.features._word_vectors.read_vectors", pytest.fail)
    np.testing.assert_array_equal(counts(path, "fox", cache=tmp_path / "cache"), first)


def test_all_runs_are_read_in_one_pass(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "encodekit.features._word_vectors.read_vectors",
        lambda *given: calls.append(given) or read_vectors(*given),
    )
    runs = [story("the", "fox"), story("home", name="story-2")]
    ek.WordVectors(glove(tmp_path / "v.txt"), cache=None).transform(runs)
    assert len(calls) == 1


def test_copies_and_saved_models_give_the_same(tmp_path):
    path = glove(tmp_path / "v.txt")
    runs = [story("the", "fox")]
    for vectors in (VECTORS, pd.DataFrame(VECTORS).T, path):
        fitted = ek.WordVectors(vectors, cache=None).fit(runs)
        expected = fitted.transform(runs)
        copies = [
            sklearn.clone(fitted),
            pickle.loads(pickle.dumps(fitted)),
            ek.load(ek.save(fitted, tmp_path / "model")),
        ]
        for copy in copies:
            assert copy.transform(runs).identical(expected)


def test_another_file_in_its_place_is_refused(tmp_path):
    path, runs = glove(tmp_path / "v.txt"), [story("the", "fox")]
    saved = ek.save(ek.WordVectors(path, cache=None).fit(runs), tmp_path / "model")
    glove(path, VECTORS | {"other": VECTORS["the"]})
    with pytest.raises(ValueError, match="is another file than when the model was fitted"):
        ek.load(saved).transform(runs)


def test_known_words_make_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts(VECTORS, *WORDS)


@pytest.mark.parametrize("missing", ["raise", "zero", "ignore", "mean"])
@pytest.mark.parametrize("in_file", [False, True])
def test_a_run_without_words_has_no_impulse(tmp_path, missing, in_file):
    vectors = glove(tmp_path / "glove.txt") if in_file else VECTORS
    silent = Stimulus("silence", words=story("the").words.iloc[:0], t_r=1.0, duration=3.0)
    rows = ek.WordVectors(vectors, missing=missing, resample="sum", cache=None).transform(
        [silent, story("fox")]
    )
    assert not rows.values[rows.run.values == "silence"].any()
    np.testing.assert_allclose(rows.values[rows.run.values == "story-1"][0], VECTORS["fox"])
