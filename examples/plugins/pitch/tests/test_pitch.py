import numpy as np
from encodekit_example_pitch import plugin
from encodekit_example_pitch.features import PitchFeatures

import encodekit as ek
from encodekit.testing import check_feature_extractor, small_study

RATE = 16_000


def tone(frequency, seconds=4.0):
    time = np.arange(int(seconds * RATE)) / RATE
    sound = sum(np.sin(2 * np.pi * k * frequency * time) / k for k in (1, 2, 3))
    return ek.Stimulus(f"{frequency} Hz", (0.1 * sound).astype("float32"), RATE, t_r=2.0)


def test_the_pitch_of_a_tone_is_its_frequency():
    for frequency in (100.0, 220.0):
        rows = PitchFeatures(history=0).transform([tone(frequency)])
        heard = 65.0 * 2 ** rows.values[:, 0]
        np.testing.assert_allclose(heard, frequency, rtol=0.02)
        assert (rows.values[:, 1] > 0.9).all()


def test_noise_has_no_pitch():
    noise = np.random.default_rng(0).standard_normal(4 * RATE).astype("float32")
    rows = PitchFeatures(history=0).transform([ek.Stimulus("noise", noise, RATE, t_r=2.0)])
    assert (rows.values[:, 1] < 0.3).all()


def test_it_keeps_the_contract():
    study = small_study(2, 2, seconds=4.0, missing=False)
    assert len(check_feature_extractor(PitchFeatures(), study)) == 21


def test_the_plugin_is_accepted(encodekit_plugins):
    with encodekit_plugins.add(plugin, name="example-pitch") as harness:
        assert harness["example-pitch"].cause is None
        assert isinstance(ek.make_features("pyin-pitch", fmin=80.0), PitchFeatures)
