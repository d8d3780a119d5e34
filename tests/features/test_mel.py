import sys

import numpy as np
import pytest

from encodekit.data import Stimulus
from encodekit.features import MelSpectrogram

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def tone(hertz, seconds=8, rate=16000):
    return np.sin(2 * np.pi * hertz * np.arange(seconds * rate) / rate).astype("float32")


def test_the_band_of_a_tone_is_the_loudest():
    import librosa

    bands = librosa.mel_frequencies(34, fmin=0, fmax=8000)[1:-1]
    for hertz in (500, 2000):
        stimulus = Stimulus("tone", tone(hertz), 16000, t_r=2.0)
        features = MelSpectrogram().transform([stimulus])
        assert features.coords["name"].values[0] == "mel.00"
        assert features.values.argmax(axis=1).tolist() == [np.abs(bands - hertz).argmin()] * 4


def test_sound_lands_in_the_tr_in_which_it_is_heard():
    audio = np.zeros(16000 * 12, dtype="float32")
    audio[16000 * 6 : 16000 * 8] = tone(440, 2)
    features = MelSpectrogram(8, resample="mean").transform([Stimulus("a", audio, 16000, t_r=2.0)])
    assert features.values.max(axis=1).argmax() == 3


def test_ten_decibels_are_ten_times_the_power():
    quiet = Stimulus("quiet", tone(440), 16000, t_r=2.0)
    loud = Stimulus("loud", tone(440) * np.float32(np.sqrt(10)), 16000, t_r=2.0)
    one, ten = (MelSpectrogram(8).frames(s).values for s in (quiet, loud))
    np.testing.assert_allclose((ten - one)[10:-10, 0], 10, atol=0.05)


def test_audio_of_another_rate_is_resampled():
    at_8, at_16 = (
        Stimulus("a", tone(440, rate=8000), 8000, t_r=2.0),
        Stimulus("a", tone(440), 16000, t_r=2.0),
    )
    one, other = (MelSpectrogram(8).transform([s]).values for s in (at_8, at_16))
    np.testing.assert_allclose(one[:, 0], other[:, 0], atol=0.2)


def test_without_librosa_the_pip_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(ImportError, match=r"pip install 'encodekit\[acoustic\]'"):
        MelSpectrogram().transform([Stimulus("tone", tone(440), 16000, t_r=2.0)])
