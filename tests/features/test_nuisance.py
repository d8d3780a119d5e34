import numpy as np
import pandas as pd
import pytest

import encodekit as ek
from encodekit.features._articulation import FEATURES, PHONES


def spoken(*phones):
    table = pd.DataFrame({"phone": phones, "onset": np.arange(len(phones)) + 0.5, "duration": 0.1})
    return ek.Stimulus("a", phones=table, t_r=1.0, duration=float(len(phones) + 1))


class TestArticulation:
    def test_the_39_phones_of_arpabet_have_22_features(self):
        assert len(PHONES) == 39
        assert len(FEATURES) == 22

    @pytest.mark.parametrize(
        ("phone", "features"),
        [
            ("B", {"bilabial", "plosive", "voiced"}),
            ("SH", {"postalveolar", "fricative", "unvoiced"}),
            ("NG", {"velar", "nasal", "voiced"}),
            ("IY1", {"high", "front"}),
            ("ah0", {"mid", "central"}),
            ("OY2", {"mid", "back", "high", "front"}),
        ],
    )
    def test_a_phone_is_made_as_phonetics_says(self, phone, features):
        frames = ek.Articulation().frames(spoken(phone))
        assert {
            str(name) for name in frames.coords["name"].values[frames.values[0] > 0]
        } == features

    def test_every_consonant_has_one_place_one_manner_and_a_voice(self):
        vowels = {"high", "mid", "low", "front", "central", "back"}
        for phone in PHONES:
            frames = ek.Articulation().frames(spoken(phone))
            made = set(frames.coords["name"].values[frames.values[0] > 0])
            assert len(made) == 3 or made <= vowels, phone

    def test_what_is_no_phone_is_named(self):
        with pytest.raises(ValueError, match="run 'a': 1 labels are no phones of ARPAbet; unknown"):
            ek.Articulation().frames(spoken("B", "XX"))


@pytest.fixture(scope="module")
def rows():
    """A voice at 110 Hz for 2 s, silence for 2 s, and at 220 Hz for 2 s."""
    pytest.importorskip("librosa")
    t = np.arange(16000 * 2) / 16000
    low, high = (sum(np.sin(2 * np.pi * f * k * t) / k for k in (1, 2, 3)) for f in (110, 220))
    sound = np.concatenate([low, np.zeros(32000), high]).astype("float32") / 3
    pitch = ek.Pitch(resample="mean", cache=None)
    return pitch.transform([ek.Stimulus("a", sound, 16000, t_r=2.0)])


class TestPitch:
    def test_an_octave_is_one(self, rows):
        assert rows.values[2, 0] - rows.values[0, 0] == pytest.approx(1.0, abs=0.05)

    def test_silence_has_no_voice(self, rows):
        assert rows.values[1, 1] < 0.2
        assert rows.values[[0, 2], 1].min() > 0.5
