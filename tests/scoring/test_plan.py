from functools import partial

import numpy as np
import pytest
from scipy import stats
from scipy.fft import dct
from scipy.linalg import toeplitz

import encodekit as ek
from encodekit.scoring._plan import ar_spectrum


def test_the_plan_is_its_formula_by_hand():
    """White series: a t test of r / sqrt((1 - r^2) / T), T - 1 coefficients but for their mean."""
    row = ek.plan(0.5, 0.6, repeats=[1], people=[1], autocorrelation=0.0, t_r=2.0).iloc[0]
    n = int(row["n_trs"]) - 1
    for n_less, enough in ((0, True), (1, False)):
        freedom = n - n_less - 1
        effect = 0.3 / np.sqrt((1 - 0.3**2) / (n - n_less))
        power = stats.nct.sf(stats.t.isf(0.05, freedom), freedom, effect)
        assert (power >= 0.8) == enough
    assert row["inflation"] == pytest.approx(1)
    assert row["minutes"] == row["n_trs"] / 30
    assert (row["ceiling"], row["r"]) == (pytest.approx(0.6), pytest.approx(0.3))


def test_more_repeats_or_people_need_shorter_stories_and_more_tests_longer_ones():
    table = ek.plan(0.35, 0.5, of_repeats=10).set_index(["repeats", "people"])
    assert table.minutes[10, 1] < table.minutes[1, 1]
    assert table.minutes[1, 8] < table.minutes[1, 1]
    assert table.scan_minutes[2, 4] == pytest.approx(8 * table.minutes[2, 4])
    assert table.ceiling[10, 1] == pytest.approx(0.5)
    many = ek.plan(0.35, 0.5, of_repeats=10, n_tests=100).set_index(["repeats", "people"])
    assert (many.minutes > table.minutes).all()


@pytest.mark.parametrize(("n_trs", "phi"), [(7, 0.5), (50, 0.85), (51, 0.0)])
def test_the_variances_of_cosine_coefficients_are_those_of_the_covariance(n_trs, phi):
    covariance = toeplitz(phi ** np.arange(n_trs))
    by_hand = dct(dct(covariance, axis=0, norm="ortho"), axis=1, norm="ortho")
    np.testing.assert_allclose(ar_spectrum(n_trs, phi), np.diag(by_hand)[1:], atol=1e-12)


def test_long_stories_are_inflated_as_bartlett_says():
    row = ek.plan(0.02, 0.5, repeats=[1], people=[1], autocorrelation=(0.5, 0.8)).iloc[0]
    left, noise = 0.25 - 0.01**2, 0.75
    expected = (left * 1.64 / 0.36 + noise * 1.4 / 0.6) / (left + noise)
    assert row["inflation"] == pytest.approx(expected, rel=0.002)
    assert row["n_trs"] == pytest.approx(expected * (1.6449 + 0.8416) ** 2 / 0.01**2, rel=0.005)


def test_one_autocorrelation_is_both_and_smooth_predictions_cost_minutes():
    one, two, speech = (
        ek.plan(0.3, 0.5, autocorrelation=phi).minutes for phi in (0.5, (0.5, 0.5), (0.5, 0.85))
    )
    assert one.tolist() == two.tolist()
    assert (speech > one).all()


def simulated(cohort, design, n_sets):
    """Return the planned power and r, and those of people who share a signal the model half knows.

    A set is a region of people; noise and signal are AR(1), each with its autocorrelation. The mean
    of repeats is simulated as such: that of AR(1) noise is AR(1) noise with less variance.
    """
    row = ek.plan(**design).iloc[0]
    n_people, shared = design["people"][0], design["shared"]
    noise, prediction = np.broadcast_to(design["autocorrelation"], 2)
    signal_share, known = row["ceiling"] ** 2, design["effect"] / np.sqrt(shared)
    r, p = [], []
    for seed in range(n_sets // 250):  # other scramblings for each 250
        rng = np.random.default_rng(seed)
        make = partial(cohort, rng, n_trs=int(row["n_trs"]), n_sets=250, n_people=n_people)
        common, other = (make(phi=prediction, shared=1.0) for _ in range(2))
        signal = np.sqrt(shared) * common + np.sqrt(1 - shared) * make(phi=prediction)
        truth = np.sqrt(signal_share) * signal + np.sqrt(1 - signal_share) * make(phi=noise)
        guess = known * common + np.sqrt(1 - known**2) * other
        found = ek.permutation_test(truth, guess, by="region", random_state=seed)
        r.append(found.r)
        p.append(found.p_over_stimulus)
    alpha = 0.05 / design["n_tests"]
    return row, float(np.mean(r)), float((np.concatenate(p) <= alpha).mean())


LOW = {
    "effect": 0.5, "ceiling": 0.5, "repeats": [1], "people": [1],
    "autocorrelation": (0.5, 0.8), "shared": 1.0, "n_tests": 1,
}  # fmt: skip
DESIGNS = {
    "one person, once, low ceiling": LOW | {"ceiling": 0.3, "autocorrelation": (0.49, 0.85)},
    "four people, twice": LOW | {"effect": 0.4, "ceiling": 0.4, "repeats": [2], "people": [4]},
    "eight people who share half, ten repeats, six tests": LOW | {
        "ceiling": 0.7, "of_repeats": 10, "repeats": [10], "people": [8], "shared": 0.5,
        "n_tests": 6,
    },
    "one person, ten repeats, a good model": LOW | {
        "effect": 0.6, "ceiling": 0.8, "of_repeats": 10, "repeats": [10],
        "autocorrelation": (0.49, 0.85),
    },
    "eight people, once, six tests, fast predictions, power .9": LOW | {
        "effect": 0.35, "ceiling": 0.2, "people": [8], "n_tests": 6,
        "autocorrelation": (0.6, 0.4), "power": 0.9,
    },
}  # fmt: skip


def test_the_power_of_a_short_story_is_that_of_simulated_people(cohort):
    row, r, found = simulated(cohort, LOW, n_sets=1500)
    assert row["n_trs"] < 300
    assert r == pytest.approx(row["r"], abs=0.02)
    assert found == pytest.approx(row["power"], abs=0.03)  # standard error .01


def one_inflation(row, design):
    """Return the power if ``(1 + a b) / (1 - a b)`` held of signal and noise alike."""
    a, b = np.broadcast_to(design["autocorrelation"], 2)
    common = design["shared"] * row["ceiling"] ** 2
    variance = (1 + a * b) / (1 - a * b) * (common + (1 - common) / row["people"])
    z = np.arctanh(row["r"]) * np.sqrt(row["n_trs"] / variance)
    return stats.norm.sf(stats.norm.isf(0.05 / design["n_tests"]) - z)


# Below some 80 TRs a smooth prediction is worth a dozen of them, and nothing is normal.
VERY_SHORT = LOW | {"effect": 0.7, "ceiling": 0.9, "autocorrelation": (0.3, 0.85)}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "design", "bar"),
    [(name, design, 0.03) for name, design in DESIGNS.items()]
    + [("one person, once, under two minutes", VERY_SHORT, 0.05)],
)
def test_planned_power_is_within_three_hundredths_of_simulated_power(
    cohort, name, design, bar, capsys
):
    row, r, found = simulated(cohort, design, n_sets=4000)
    with capsys.disabled():
        print(
            f"\n{name}: {row['n_trs']:.0f} TRs, inflation {row['inflation']:.2f}, r {row['r']:.3f} "
            f"(simulated {r:.3f}), power {row['power']:.3f}, simulated {found:.3f}, with one "
            f"inflation {one_inflation(row, design):.3f}"
        )
    assert found == pytest.approx(row["power"], abs=bar)  # standard error .006


def test_all_mistakes_come_in_one_message():
    with pytest.raises(
        ValueError, match=r"effect=0, expected .*; ceiling=1.2.*; autocorr.*1.*expected one number"
    ):
        ek.plan(0, 1.2, autocorrelation=(0.5, 1))
    with pytest.raises(ValueError, match=r"autocorrelation=\(0.5, 0.5, 0.5\), expected one"):
        ek.plan(0.3, 0.5, autocorrelation=(0.5, 0.5, 0.5))
    with pytest.raises(
        ValueError, match=r"of_repeats=0, repeats=\[1, 0\] and people=.*; shared=2, .*; alpha=0 "
    ):
        ek.plan(0.3, 0.5, of_repeats=0, repeats=[1, 0], shared=2, alpha=0)


@pytest.mark.parametrize("wrong", [{"t_r": -1}, {"n_tests": 0}, {"repeats": []}, {"people": []}])
def test_numbers_that_plan_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="expected seconds above 0, a number of 1 or more, and at"):
        ek.plan(0.5, 0.5, **wrong)
