"""True TextGrids give the true word onsets."""

import numpy as np
import pandas as pd
import pytest
import soundfile

import encodekit as ek
from encodekit.data import SILENCE, Stimulus, read_textgrid, textgrid_tiers


def test_alice_textgrid_gives_the_published_onsets(real_data, alice):
    words = read_textgrid(real_data / "alice" / "alice.TextGrid")
    published = alice.words["onset"].to_numpy()
    nearest = np.abs(words["onset"].to_numpy()[:, None] - published[None]).min(axis=0)
    assert np.quantile(nearest, 0.99) < 1e-3
    first = words.iloc[0]
    assert (first["word"], round(first["onset"], 3)) == ("Alice", 20.059)


def test_alice_words_are_loud_where_the_textgrid_says(real_data):
    """The last 47 s of the audio begin at TextGrid time 696.65 s."""
    audio, rate = soundfile.read(real_data / "alice" / "last_47_s.wav", dtype="float32")
    words = read_textgrid(real_data / "alice" / "alice.TextGrid")
    words = words[words["onset"] > 696.65]
    spoken = np.zeros(len(audio), bool)
    for onset, duration in zip(words["onset"] - 696.65, words["duration"], strict=True):
        spoken[int(onset * rate) : int((onset + duration) * rate)] = True
    power = audio**2

    def contrast(shift):
        moved = np.roll(spoken, int(shift * rate))
        return np.log(power[moved].mean() / power[~moved].mean())

    at_zero = contrast(0.0)
    assert at_zero > 2
    assert all(contrast(shift) < at_zero for shift in (-0.5, -0.25, 0.25, 0.5))


@pytest.mark.parametrize("section", range(1, 8))
def test_petit_prince_sections_read_whatever_their_encoding(real_data, section):
    words = read_textgrid(real_data / "lpp" / f"lppEN_section{section}.TextGrid")
    assert len(words) > 1000
    assert words["onset"].is_monotonic_increasing
    assert (words["duration"] > 0).all()
    assert not words["word"].isin(["#", ""]).any()


def test_first_words_of_petit_prince(real_data):
    words = read_textgrid(real_data / "lpp" / "lppEN_section1.TextGrid").head(3)
    assert words["word"].tolist() == ["once", "when", "i"]
    np.testing.assert_allclose(words["onset"], [0.1132, 0.7282, 0.9194083], atol=1e-6)


def test_an_unknown_tier_is_answered_with_the_close_one(real_data):
    with pytest.raises(ValueError, match="did you mean 'word'"):
        read_textgrid(real_data / "alice" / "alice.TextGrid", tier="words")


def test_no_common_word_is_a_mark(real_data):
    spoken = pd.read_csv(real_data / "alice" / "words.csv", keep_default_na=False)["word"]
    assert len(set(spoken)) > 400
    assert [word for word in set(spoken.astype(str)) if word in SILENCE] == []


def test_the_readers_of_praat_agree(real_data):
    from praatio import textgrid as praat

    paths = sorted(real_data.rglob("*.TextGrid"))
    assert len(paths) > 5
    for path in paths:
        grid = praat.openTextgrid(str(path), includeEmptyIntervals=False)
        assert textgrid_tiers(path) == list(grid.tierNames)
        for name in grid.tierNames:
            ours = read_textgrid(path, tier=name, silence=())
            theirs = [e for e in grid.getTier(name).entries if e.label]
            assert ours["word"].tolist() == [entry.label for entry in theirs]
            np.testing.assert_array_equal(ours["onset"], [entry.start for entry in theirs])
            np.testing.assert_allclose(
                ours["onset"] + ours["duration"], [entry.end for entry in theirs], rtol=1e-14
            )


@pytest.mark.parametrize("section", range(1, 8))
def test_rates_in_the_middle_of_words_are_those_of_the_huth_lab(real_data, section):
    """Theirs: ones at (start + end) / 2 of each word, Lanczos with three lobes at the TRs."""
    from praatio import textgrid as praat

    path = real_data / "lpp" / f"lppEN_section{section}.TextGrid"
    tier = praat.openTextgrid(str(path), includeEmptyIntervals=False).tiers[0]
    spoken = [e for e in tier.entries if e.label.strip(" #.,!?—-")]
    middles = np.array([(entry.start + entry.end) / 2 for entry in spoken])
    t_r = 2.0
    story = Stimulus("a", words=read_textgrid(path), t_r=t_r, duration=tier.maxTimestamp)
    ours = ek.WordRate(at="middle", history=0).transform([story])
    times = ours["seconds"].values + t_r / 2  # both sample in the middle of a TR
    weights = _lanczos((times[:, None] - middles) / t_r)
    np.testing.assert_allclose(ours.values[:, 0], weights.sum(axis=1), atol=1e-5)
    at_onsets = ek.WordRate(history=0).transform([story]).values[:, 0]
    assert 0.98 < np.corrcoef(at_onsets, ours.values[:, 0])[0, 1] < 0.999


def _lanczos(u, lobes=3):
    return np.where(np.abs(u) > lobes, 0, np.sinc(u) * np.sinc(u / lobes))
