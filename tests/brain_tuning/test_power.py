"""How often `permutation_test` finds what pretrained and tuned features truly predict."""

import numpy as np
import pytest
from scipy import stats
from scipy.fft import dct
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit_brain_tuning import GlasserSelector

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
SEEDS = (5001, 5002, 5003)
MORE = {"vertices": 800, "test_repeats": 24}
AREA = GlasserSelector(["late_language"])


@pytest.mark.parametrize("model", ["pretrained", "multi-tuned"])
def test_power_follows_the_analytic_curve(model, paper, capsys):
    """Each of 24 hearings is tested by itself; signal and noise of each are known."""
    demo = paper("demo_file")
    truth, found, expected = (
        np.concatenate(rows) for rows in zip(*(powers(demo, model, s) for s in SEEDS), strict=True)
    )
    bins = np.array_split(np.argsort(truth), 6)
    rows = [[float(column[some].mean()) for column in (truth, found, expected)] for some in bins]
    with capsys.disabled():
        for true_r, power, curve in rows:
            print(f"\n| {model} | {true_r:.3f} | {power:.3f} | {curve:.3f} |", end="")
    for _, power, curve in rows:
        assert power == pytest.approx(curve, abs=0.05)


def powers(demo, model, seed):
    """Return, per target and hearing: the true r, whether p <= .05, and the expected power."""
    study = ek.simulate_study(seed=seed, cache=False, **{**demo.COHORT, **MORE})
    parts = study.split(**demo.split_stories(study))
    extractor = demo.features_of(model, parts, seed)
    road = make_pipeline(demo.prepared(), ek.LayerSelector(demo.ridge()))
    asked = {"participants": demo.HELD_OUT, "regions": AREA}
    road.fit(extractor.transform(parts.fit.stimuli), parts.fit.responses(**asked))
    predicted = road.predict(extractor.transform(parts.test.stimuli))
    hearings = parts.test.repeats(**asked).transpose("repeat", "time", "target")
    signal = noiseless(study.truth, hearings)
    significant = [
        ek.permutation_test(one, predicted, n_permutations=999).p_over_stimulus.values <= 0.05
        for one in hearings
    ]
    true_r, curve = analytic(predicted.values, signal, hearings.values, predicted.run.values)
    n = len(significant)
    return np.tile(true_r, n), np.concatenate(significant).astype(float), np.tile(curve, n)


def noiseless(truth, hearings):
    """Return the true response (time, target) at the rows and targets of ``hearings``."""
    columns = [list(truth.target.values).index(name) for name in hearings.target.values]
    rows = {pair: row for row, pair in enumerate(zip(truth.run.values, truth.tr.values))}  # noqa: B905
    chosen = [rows[pair] for pair in zip(hearings.run.values, hearings.tr.values, strict=True)]
    return truth.response.values[np.ix_(chosen, columns)]


def analytic(predicted, signal, hearings, runs):
    """Return each target's true r, and the chance that a hearing's r passes the 5 % of its null.

    Of cosine coefficients P, S and N of prediction, signal and noise over a run of n TRs, with p of
    unit variance, r is sum(P (S + N)) / n: its variance is sum(P^2 E[N^2]) / n^2, and that of its
    null, which flips signs, sum(P^2 (S^2 + E[N^2])) / n^2.
    """
    true_r, of_null, of_noise = 0.0, 0.0, 0.0
    for run in np.unique(runs):
        here = runs == run
        n, share = here.sum(), here.mean()
        p = dct(stats.zscore(predicted[here]), axis=0, norm="ortho")
        s = dct(signal[here] - signal[here].mean(axis=0), axis=0, norm="ortho")
        y = dct(hearings[:, here], axis=1, norm="ortho")
        noise = y.var(axis=0, ddof=1).mean(axis=1, keepdims=True)  # alike over targets
        true_r = true_r + share * (p * s).sum(axis=0) / n
        of_noise = of_noise + (share / n) ** 2 * (p**2 * noise).sum(axis=0)
        of_null = of_null + (share / n) ** 2 * (p**2 * (s**2 + noise)).sum(axis=0)
    passed = stats.norm.isf(0.05) * np.sqrt(of_null)
    return true_r, stats.norm.cdf((true_r - passed) / np.sqrt(of_noise))
