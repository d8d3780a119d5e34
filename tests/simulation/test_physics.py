"""What the simulated brain follows, and that repeats, ceilings and truth agree."""

from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.simulation import TrueMeaning, simulate_study
from encodekit.simulation._brain import shares
from encodekit.simulation._cortex import simulated_cortex
from encodekit.simulation._haemodynamics import respond
from encodekit.simulation._latents import N_BANDS, mel_power, word_vectors
from encodekit.simulation._noise import NOISE, draw_noise, noise_loadings
from encodekit.simulation._steps import STEP, gather, word_impulses
from encodekit.simulation._vocabulary import VOCABULARY

SIZE: dict[str, Any] = {
    "n_participants": 2,
    "n_stories": 9,
    "minutes": 1.0,
    "snr": (0.05, 0.3),
    "vertices": 100,
    "cache": False,
}
KIND = np.tile(simulated_cortex(100).follows, 2)


@pytest.fixture(scope="module")
def cohort() -> ek.Study:
    return simulate_study(**SIZE)


@pytest.fixture(scope="module")
def acoustic_cohort() -> ek.Study:
    return simulate_study(**SIZE, null="acoustics")


def _scores(study: ek.Study, features: Any) -> dict[str, float]:
    """Fit on the stories heard once; return mean r / mean ceiling by what targets follow."""
    tests = study.truth.attrs["test_stories"]
    train, test = study.split(test=tests)
    model = make_pipeline(features, ek.Delayer([1, 2, 3, 4]), ek.RunScaler(), ek.RidgeCV())
    model.fit(train.stimuli, train.responses())
    r = ek.correlation(test.responses(), model.predict(test.stimuli)).values
    ceiling = ek.noise_ceiling(test.repeats()).ceiling.values
    kinds = ("acoustics", "language", "nothing")
    return {kind: r[kind == KIND].mean() / ceiling[kind == KIND].mean() for kind in kinds}


def _meaning(study: ek.Study) -> TrueMeaning:
    return TrueMeaning(study.truth["word_vector"])


def test_true_meaning_predicts_language_and_nothing_else(cohort: ek.Study) -> None:
    scores = _scores(cohort, _meaning(cohort))
    assert scores["language"] > 0.5
    assert abs(scores["acoustics"]) < 0.15


def test_mel_bands_predict_auditory_areas_well_and_language_weakly(cohort: ek.Study) -> None:
    scores = _scores(cohort, ek.MelSpectrogram(n_mels=8))
    assert scores["acoustics"] > 0.6
    assert scores["language"] < 0.3


def test_where_language_follows_acoustics_meaning_finds_nothing(acoustic_cohort: ek.Study) -> None:
    mel, meaning = ek.MelSpectrogram(n_mels=8), _meaning(acoustic_cohort)
    acoustic = _scores(acoustic_cohort, mel)["language"]
    both = _scores(acoustic_cohort, ek.FeatureSpaces([("mel", mel), ("meaning", meaning)]))
    assert acoustic > 0.6
    assert abs(_scores(acoustic_cohort, meaning)["language"]) < 0.15
    assert both["language"] <= acoustic + 0.02


def test_repeats_tell_the_true_share_of_signal(cohort: ek.Study) -> None:
    truth, expected = cohort.truth, []
    for story in truth.attrs["test_stories"]:
        power = truth.response.values[truth.run.values == story].var(axis=0, ddof=1)
        expected.append(power)
    power = np.mean(expected, axis=0)
    share = power / (power + 1 - truth.share.values)
    found = ek.noise_ceiling(cohort.repeats()).signal_share.values
    assert np.mean(found - share) == pytest.approx(0, abs=0.02)
    assert np.corrcoef(found, share)[0, 1] > 0.7


def test_the_noiseless_response_correlates_as_highly_as_the_ceiling_says(cohort: ek.Study) -> None:
    truth, test = cohort.truth, cohort.select(cohort.truth.attrs["test_stories"])
    noiseless = test.truth.response.assign_attrs(test.responses()[0].attrs)
    r = ek.correlation(test.responses(), noiseless).values
    ceiling = ek.noise_ceiling(test.repeats()).ceiling.values
    driven = truth.follows.values != "nothing"
    assert r[driven].mean() == pytest.approx(ceiling[driven].mean(), abs=0.03)


def test_people_share_their_maps_but_not_wholly(cohort: ek.Study) -> None:
    response = cohort.truth.response.values
    one, two = np.split(response[:, np.isin(KIND, ["language", "acoustics"])], 2, axis=1)
    between = [np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, two.T, strict=True)]
    assert 0.4 < np.mean(between) < 0.9


@pytest.mark.parametrize("null", ["nothing", "unrelated"])
def test_null_cohorts_share_nothing_with_the_stories(null: str) -> None:
    study = simulate_study(**{**SIZE, "n_stories": 5}, null=null)
    follows = set(study.truth.follows.values)
    response = study.truth.response.values
    if null == "nothing":
        assert follows == {"nothing"}
        assert not response.any()
        return
    assert follows == {"nothing", "unrelated"}
    meaning = _meaning(study).transform(study.stimuli)
    meaning = meaning.isel(time=meaning.tr.values >= 0).values
    r = np.corrcoef(meaning.T, response[:, study.truth.share.values > 0].T)
    assert np.abs(np.mean(r[: meaning.shape[1], meaning.shape[1] :])) < 0.03
    language = np.tile(simulated_cortex(100).follows == "language", 2)
    one, two = np.split(response[:, language], 2, axis=1)
    assert np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, two.T, strict=True)]) > 0.4


def test_shares_are_as_strong_as_their_name_says() -> None:
    strength = np.random.default_rng(0).standard_normal(20_000)
    driven = np.full(strength.size, "language")
    clear, realistic = (shares(driven, strength, snr) for snr in ("clear", "realistic"))
    assert 0.02 <= clear.min() < 0.021
    assert 0.119 < clear.max() <= 0.12
    assert np.median(realistic) == pytest.approx(0.02, rel=0.03)
    assert np.quantile(realistic, 0.9) == pytest.approx(0.08, rel=0.05)
    assert not shares(np.full(3, "nothing"), strength[:3], "clear").any()


def test_noise_is_autocorrelated_half_common_and_slowly_drifting() -> None:
    rng, n_trs = np.random.default_rng(0), 1500
    noise = draw_noise(rng, noise_loadings(rng, 100), n_repeats=3, n_trs=n_trs)
    noise -= noise.mean(axis=1, keepdims=True)
    assert noise.var(axis=1).mean() == pytest.approx(1, abs=0.02)
    slow = np.cos(np.pi * np.arange(1, 4) * (np.arange(n_trs)[:, None] + 0.5) / n_trs)
    slow /= np.linalg.norm(slow, axis=0)
    fast = noise - slow @ (slow.T @ noise)
    lag = (fast[:, 1:] * fast[:, :-1]).sum() / (fast**2).sum()
    assert lag == pytest.approx(NOISE.autocorrelation, abs=0.02)
    assert fast.var(axis=1).mean() == pytest.approx(0.85, abs=0.02)
    power = np.linalg.svd(fast.reshape(-1, 100), compute_uv=False) ** 2
    assert power[:6].sum() / power.sum() == pytest.approx(0.53, abs=0.04)  # 6 of 100 are .03


def test_a_word_is_heard_at_its_onset_and_answered_six_seconds_later() -> None:
    import pandas as pd

    vectors = {"dog": np.ones(12)}
    words = pd.DataFrame({"word": ["the", "dog"], "onset": [4.8, 5.0], "duration": [0.1, 0.3]})
    impulses = word_impulses(words, vectors, 300)
    assert np.flatnonzero(impulses.any(axis=1)).tolist() == [50]
    times = np.arange(0, 29, 0.5)
    for late in (-1.0, 0.0, 1.0):
        peak = times[respond(impulses, times, late)[:, 0].argmax()]
        assert peak == pytest.approx(5.0 + 5.0 + late, abs=0.5)


def test_gathering_sums_what_was_heard_in_the_last_seconds() -> None:
    impulses = np.zeros((100, 1))
    impulses[[10, 25]] = 1
    gathered = gather(impulses, 2.0)[:, 0]
    expected = [sum(impulses[max(0, t - 19) : t + 1, 0]) for t in range(100)]
    np.testing.assert_allclose(gathered, expected, atol=1e-12)


def test_a_tone_is_loudest_in_its_mel_band_and_at_its_time() -> None:
    seconds = np.arange(16_000) / 16_000
    for hertz, band in ((150, 0), (3_000, 5), (6_300, 7)):
        tone = np.where(seconds >= 0.5, np.sin(2 * np.pi * hertz * seconds), 0).astype(np.float32)
        power = mel_power(tone)
        assert power.shape == (round(1 / STEP), N_BANDS)
        assert power[7].argmax() == band
        assert power[:4].max() < 1e-6 * power[7].max()


def test_word_vectors_are_mostly_their_topic_and_mean_nothing_on_average() -> None:
    vectors = word_vectors(np.random.default_rng(0))
    whole = np.stack(list(vectors.values()))
    topics = np.array([item.topic for item in VOCABULARY])
    of_topic = np.stack([whole[topics == topic].mean(axis=0) for topic in np.unique(topics)])
    assert of_topic.var() / whole.var() == pytest.approx(0.6, abs=0.12)
    np.testing.assert_allclose(whole.mean(axis=0), 0, atol=1e-12)


def test_maps_vary_smoothly_within_a_region() -> None:
    cortex = simulated_cortex()
    fields = cortex.smooth_fields(np.random.default_rng(0), 200)
    assert fields.var(axis=0).mean() == pytest.approx(1, abs=0.05)
    rows = np.flatnonzero((cortex.hemisphere == "left") & (cortex.follows == "language"))
    away = np.linalg.norm(cortex.coordinates[rows, None] - cortex.coordinates[rows], axis=2)
    r = np.corrcoef(fields[:, rows].T)
    assert r[(away > 0) & (away < 4)].mean() > 0.7
    assert abs(r[away > 40].mean()) < 0.05


def test_true_meaning_refuses_a_stimulus_without_words() -> None:
    vectors = simulate_study(1, 1, 0.5, n_test=0, vertices=3, cache=False).truth["word_vector"]
    silent = ek.Stimulus("silence", np.zeros(16_000 * 10, dtype=np.float32), 16_000, t_r=2.0)
    with pytest.raises(ValueError, match=r"'silence' has no words or no audio"):
        TrueMeaning(vectors).transform([silent])
