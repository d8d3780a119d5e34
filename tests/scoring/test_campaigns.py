"""False-positive rates, power and coverage. Each test prints rows of docs/statistics.md.

``make check-slow ARGS="-s -q tests/scoring/test_campaigns.py"`` prints them all.
"""

import numpy as np
import pytest
from scipy import stats

import encodekit as ek
from encodekit.scoring._blocks import half_width
from encodekit.scoring._compare import _crossed_error

pytestmark = pytest.mark.slow

RNG = np.random.default_rng
LENGTHS, COLOURS = (75, 150, 300, 900), (0.0, 0.5, 0.8, 0.9)
PER_CALL = 20  # sets
N_PEOPLE = 20


def row(*cells):
    shown = [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in cells]
    print("\n| " + " | ".join(shown) + " |", end="")


def rate(sets):
    """Return the mean over independent sets, and its standard error."""
    sets = np.concatenate(sets)
    return float(sets.mean()), float(sets.std(ddof=1) / np.sqrt(sets.size))


def bar_of(phi):
    return (0.035, 0.065) if phi == 0.9 else (0.04, 0.06)


def nothing_to_find(cohort, n_trs, phi, shared, seed):
    """Return responses that share ``shared``, and predictions unrelated to them."""
    rng = RNG([n_trs, int(10 * phi), int(10 * shared), seed])
    sizes = {"n_trs": n_trs, "n_sets": PER_CALL, "n_people": N_PEOPLE, "phi": phi}
    return cohort(rng, **sizes, shared=shared), cohort(rng, **sizes, shared=0.8)


def false_positives(cohort, n_trs, phi, shared, *, n_sets, null, n_permutations=999, by=None):
    """Return, by set, the share of its targets (or, by region, whether it) has p <= .05."""
    over = {"stimulus": [], "people": []}
    for seed in range(n_sets // PER_CALL):
        found = ek.permutation_test(
            *nothing_to_find(cohort, n_trs, phi, shared, seed),
            null=null, n_permutations=n_permutations, by=by, random_state=seed,
        )  # fmt: skip
        for name, sets in over.items():
            sets.append((found[f"p_over_{name}"].values.reshape(PER_CALL, -1) <= 0.05).mean(axis=1))
    return over


@pytest.mark.parametrize("phi", COLOURS)
@pytest.mark.parametrize("n_trs", LENGTHS)
def test_the_default_null_is_calibrated(cohort, n_trs, phi):
    """Per target, and for the mean over people, whether or not they share a response."""
    low, high = bar_of(phi)
    cells = []
    for shared, n_sets in ((0.0, 1000), (0.2, 2000)):
        own = false_positives(cohort, n_trs, phi, shared, n_sets=n_sets, null="sign")
        own, own_error = rate(own["stimulus"])
        both = false_positives(cohort, n_trs, phi, shared, n_sets=n_sets, null="sign", by="region")
        group, group_error = rate(both["stimulus"])
        cells += [f"{own:.4f} ± {own_error:.4f}", f"{group:.3f} ± {group_error:.3f}"]
        cells.append(rate(both["people"])[0])
        assert low <= own <= high
        assert low - 2 * group_error <= group <= high + 2 * group_error
    row(n_trs, phi, *cells)


@pytest.mark.parametrize("phi", COLOURS)
@pytest.mark.parametrize("n_trs", LENGTHS)
def test_the_table_of_the_other_nulls(cohort, n_trs, phi):
    cells = []
    for null, n in (("phase", 999), ("shift", 999), ("block", 199)):
        sets = false_positives(
            cohort, n_trs, phi, 0.2, n_sets=1000, null=null, n_permutations=n
        )["stimulus"]  # fmt: skip
        cells.append("{:.4f} ± {:.4f}".format(*rate(sets)))
    row(n_trs, phi, *cells)


@pytest.mark.parametrize("shared", [0.0, 0.2])
@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_a_map_with_nothing_to_find_has_a_discovery_in_a_twentieth(cohort, phi, shared):
    """400 targets, 300 TRs; upper 95 % bounds of the share of maps with any discovery."""
    n = 1200
    any_of = {"q_over_stimulus": 0, "p_fwe_over_stimulus": 0}
    for seed in range(n):
        found = ek.permutation_test(
            *nothing_to_find(cohort, 300, phi, shared, seed), n_permutations=999, random_state=seed
        )
        for name in any_of:
            any_of[name] += bool((found[name] <= 0.05).any())
    upper = {name: stats.beta.ppf(0.95, 1 + k, n - k) for name, k in any_of.items()}
    cells = [text for name, k in any_of.items() for text in (k / n, float(upper[name]))]
    row(phi, shared, *cells)
    assert max(upper.values()) <= 0.075
    # The smallest p that counting gives, .001, could never pass .05 / 400; the tail can. At .9 few
    # frequencies carry r, its null is lighter than normal, and the tail errs on the careful side.
    assert min(any_of.values()) >= (0.01 * n if phi == 0.5 else 1)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("ceiling", [0.31, 0.4, 0.5])
def test_the_true_signal_is_found(autoregressive, ceiling, phi):
    """900 TRs, 2,000 targets of which a tenth follow the signal."""
    rng = RNG(0)
    signal, noise = (autoregressive(rng, 900, 2000, phi) for _ in range(2))
    driven = np.arange(2000) < 200
    truth = (
        np.where(driven, ceiling, 0) * signal + np.where(driven, np.sqrt(1 - ceiling**2), 1) * noise
    )
    q = ek.permutation_test(truth, signal).q_over_stimulus.values
    power, false = float((q[driven] <= 0.05).mean()), float((q[~driven] <= 0.05).sum())
    row(ceiling, phi, power, false / max((q <= 0.05).sum(), 1))
    assert power >= 0.95


@pytest.mark.parametrize(("n_trs", "phi"), [(300, 0.0), (300, 0.5), (900, 0.5)])
def test_power_of_fitted_models_follows_the_analytic_curve(autoregressive, n_trs, phi):
    """Ridge on 600 TRs of ten features; the true r of each fit is known from its weights."""
    n = 6000
    rng = RNG(1)
    train, test = autoregressive(rng, 600, 10, phi), autoregressive(rng, n_trs, 10 * 20, phi)
    weights = rng.standard_normal((10, n)) * np.sqrt(rng.uniform(0, 0.012, n))
    y = train @ weights + autoregressive(rng, 600, n, phi)
    fitted = np.linalg.solve(train.T @ train + 100 * np.eye(10), train.T @ y)
    inside = (fitted * weights).sum(axis=0) / np.linalg.norm(fitted, axis=0)
    true_r = inside / np.sqrt(1 + (weights**2).sum(axis=0))
    found = np.zeros(n)
    for i, some in enumerate(np.array_split(np.arange(n), 20)):
        features = test[:, 10 * i : 10 * i + 10]
        noise = autoregressive(rng, n_trs, some.size, phi)
        guess = features @ fitted[:, some]
        p = ek.permutation_test(features @ weights[:, some] + noise, guess, n_permutations=999)
        found[some] = p.p_over_stimulus <= 0.05
    spread = np.sqrt((1 + phi**2) / (1 - phi**2) / n_trs)
    expected = stats.norm.cdf(np.arctanh(true_r) / spread - stats.norm.isf(0.05))
    for some in np.array_split(np.argsort(true_r), 6):
        row(n_trs, phi, float(true_r[some].mean()), float(found[some].mean()),
            float(expected[some].mean()))  # fmt: skip
        assert found[some].mean() == pytest.approx(expected[some].mean(), abs=0.05)


def with_repeats(autoregressive, share, *, n, n_trs, phi, n_targets=4000, seed=0):
    rng = RNG([seed, n, n_trs])
    signal, *noises = (autoregressive(rng, n_trs, n_targets, phi) for _ in range(1 + n))
    return np.sqrt(share) * signal + np.sqrt(1 - share) * np.stack(noises)


@pytest.mark.parametrize("phi", [0.0, 0.5])
@pytest.mark.parametrize(("n", "n_trs"), [(10, 291), (10, 75), (4, 291)])
@pytest.mark.parametrize("method", ["repeats", "split-half"])
def test_the_interval_of_a_ceiling_covers_the_truth(autoregressive, method, n, n_trs, phi):
    for true in (0.0, 0.3, 0.5, 0.7):
        share = true**2 / (n - (n - 1) * true**2)
        repeats = with_repeats(autoregressive, share, n=n, n_trs=n_trs, phi=phi)
        found = ek.noise_ceiling(repeats, method=method, interval="other stories")
        bias = float(found.signal_share.mean()) - share
        covers = float(
            ((found.signal_share_low <= share) & (share <= found.signal_share_high)).mean()
        )
        row(
            method,
            n,
            n_trs,
            phi,
            true,
            f"{bias:+.4f}",
            f"{float(found.ceiling.mean()) - true:+.3f}",
            covers,
        )
        assert 0.93 <= covers <= 0.97


@pytest.mark.parametrize("phi", [0.0, 0.5])
@pytest.mark.parametrize(("n_people", "n_trs"), [(12, 300), (5, 300), (8, 900)])
def test_the_interval_of_a_ceiling_over_people_covers_the_truth(cohort, n_people, n_trs, phi):
    for share in (0.0, 0.1, 0.3):
        responses = cohort(
            RNG(n_people), n_trs=n_trs, n_sets=1500, n_people=n_people, phi=phi, shared=share
        )
        found = ek.noise_ceiling(responses, method="people").isel(
            target=slice(None, None, n_people)
        )
        covers = float(
            ((found.signal_share_low <= share) & (share <= found.signal_share_high)).mean()
        )
        bias = float(found.signal_share.mean()) - share
        row("people", n_people, n_trs, phi, float(np.sqrt(share)), f"{bias:+.4f}",
            f"{float(found.ceiling.mean() - np.sqrt(share)):+.3f}", covers)  # fmt: skip
        assert 0.93 <= covers <= 0.97


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("n_trs", [300, 900])
@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_two_models_that_are_alike_differ_in_a_twentieth(autoregressive, n_trs, phi, strength):
    wrong, covered = [], []
    for seed in range(25):
        rng = RNG([seed, n_trs])
        first, second, noise = (autoregressive(rng, n_trs, 200, phi) for _ in range(3))
        truth = strength * (first + second) + noise
        found = ek.compare_models(truth, first, second, n_permutations=499, random_state=seed)
        wrong.append((found.p_over_stimulus.values <= 0.05).ravel())
        covered.append((found.low_over_stimulus * found.high_over_stimulus < 0).values)
    (p, error), (covers, _) = rate(wrong), rate(covered)
    row(n_trs, phi, strength, f"{p:.3f} ± {error:.3f}", covers)
    assert p <= 0.06


@pytest.mark.parametrize(("n_people", "n_runs"), [(4, 2), (4, 3), (8, 3), (10, 5), (20, 10)])
@pytest.mark.parametrize("of_runs", [0.0, 0.5, 1.0])
def test_the_interval_over_people_and_runs_covers(n_people, n_runs, of_runs):
    """Differences with random people (variance 1), runs (``of_runs``) and cells (1)."""
    rng, n = RNG(0), 5000
    table = rng.standard_normal((1, n_people, n)) + rng.standard_normal((n_runs, n_people, n))
    table = table + np.sqrt(of_runs) * rng.standard_normal((n_runs, 1, n))
    error, _ = _crossed_error(table)
    half = half_width(error, np.full(n, min(n_people, n_runs) - 1))
    covers = float((np.abs(table.mean(axis=(0, 1))) <= half).mean())
    row(n_people, n_runs, of_runs, covers)
    assert covers >= 0.93
