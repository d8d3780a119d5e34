"""True TextGrids give the true word onsets."""

import numpy as np
import pytest
import soundfile

from encodekit.data import read_textgrid


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
