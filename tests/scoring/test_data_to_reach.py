"""How much data reaches the reference, and whether its intervals hold their level."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from sklearn.isotonic import IsotonicRegression

import encodekit as ek
from encodekit.reports._panels import curve_panel
from encodekit.scoring._data_to_reach import first_reached, isotonic, pooled

MINUTES = (5.0, 10.0, 20.0, 40.0)


def made_up(slope, shift, noise=0.0, n=10, minutes=MINUTES, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {
                "model": model, "cohort": k, "minutes": m, "size": i,
                "score": 0.2 + slope * np.log(m) + plus + rng.normal(0, noise),
            }
            for model, plus in (("pretrained", 0.0), ("tuned", shift))
            for k, (i, m) in product(range(n), enumerate(minutes))
        ]
    )  # fmt: skip


@pytest.mark.parametrize("share", [0.2, 0.4, 0.75])
def test_a_shift_of_a_log_curve_needs_the_share_of_the_closed_form(share):
    slope = 0.05
    table = made_up(slope, -slope * np.log(share))
    found = ek.data_to_reach(table, "pretrained").set_index("model")
    assert found.share["tuned"] == pytest.approx(share)
    assert found.share["pretrained"] == pytest.approx(1)
    assert found.gain["tuned"] == pytest.approx(-slope * np.log(share) / found.target["tuned"])


def test_a_model_that_stays_below_is_counted_as_not_reaching():
    found = ek.data_to_reach(made_up(0.05, -0.1), "pretrained").set_index("model")
    assert np.isinf(found.needed["tuned"])
    assert np.isinf(found.high["tuned"])
    assert found.not_reached.to_dict() == {"pretrained": 0, "tuned": 10}


def test_the_smallest_size_may_be_enough():
    found = ek.data_to_reach(made_up(0.01, 0.2), "pretrained").set_index("model")
    assert found.at_smallest.to_dict() == {"pretrained": False, "tuned": True}
    assert found.needed["tuned"] == pytest.approx(5)


def test_the_reference_is_the_fitted_value_at_full_data_and_not_the_maximum():
    table = made_up(0.05, 0.0)
    lucky = table["minutes"] == 20
    table.loc[lucky & (table.model == "pretrained"), "score"] += 0.1
    found = ek.data_to_reach(table, "pretrained").set_index("model")
    own = table[(table.model == "pretrained")].groupby("minutes").score.mean()
    expected = IsotonicRegression().fit_transform(np.log(own.index), own)[-1]
    assert found.target["pretrained"] == pytest.approx(expected)
    assert found.target["pretrained"] < own.max() - 0.01


def test_a_flat_stretch_is_reached_where_it_begins():
    curves = np.array([[0.1, 0.2, 0.2, 0.3]] * 3)
    found = first_reached(np.log(MINUTES), curves, np.array([0.2, 0.25, 0.4]))
    np.testing.assert_allclose(found, [10, np.sqrt(20 * 40), np.inf])


def test_curves_are_those_of_scikit_learns_isotonic_regression():
    scores = np.random.default_rng(0).standard_normal((50, 7))
    expected = [IsotonicRegression().fit_transform(np.arange(7), row) for row in scores]
    np.testing.assert_allclose(isotonic(scores), expected, atol=1e-12)


def test_incomplete_curves_are_refused():
    table = made_up(0.05, 0.1)
    with pytest.raises(ValueError, match="unknown model 'pretraned': did you mean 'pretrained'"):
        ek.data_to_reach(table, "pretraned")
    with pytest.raises(ValueError, match="unknown column 'hours'"):
        ek.data_to_reach(table, "pretrained", x="hours")
    with pytest.raises(ValueError, match="cohort 3 has no score at some size"):
        ek.data_to_reach(table[(table.cohort != 3) | (table.minutes > 5)], "pretrained")
    with pytest.raises(
        ValueError, match=r"models differ in their cohorts: 'pretrained' lacks .'3'"
    ):
        ek.data_to_reach(table[(table.cohort != 3) | (table.model == "tuned")], "pretrained")
    with pytest.raises(ValueError, match="minutes must be positive"):
        ek.data_to_reach(table.assign(minutes=0), "pretrained")
    with pytest.raises(ValueError, match="level=95, expected in"):
        ek.data_to_reach(table, "pretrained", level=95)


def test_models_of_as_many_but_other_cohorts_are_refused():
    table = made_up(0.05, 0.1)
    other = table.assign(cohort=table.cohort + (table.model == "tuned"))
    with pytest.raises(ValueError, match=r"'pretrained' lacks \['10'\]; 'tuned' lacks \['0'\]"):
        ek.data_to_reach(other, "pretrained")


def test_intervals_of_fewer_than_eight_cohorts_are_refused_and_points_are_not():
    table = made_up(0.05, 0.05, noise=0.01, n=7)
    with pytest.raises(ValueError, match=r"of 7 cohorts, expected 8 or more: .*intervals=False"):
        ek.data_to_reach(table, "pretrained")
    points = ek.data_to_reach(table, "pretrained", intervals=False)
    ends = ["low", "high", "share_low", "share_high", "gain_low", "gain_high"]
    assert points[ends].isna().all(axis=None)
    assert points[["needed", "share", "gain"]].notna().all(axis=None)
    eight = made_up(0.05, 0.05, noise=0.01, n=8)
    assert ek.data_to_reach(eight, "pretrained")[ends].notna().all(axis=None)


@pytest.mark.parametrize("seed", range(20))
def test_points_lie_inside_their_intervals_whatever_is_pooled(seed):
    table = made_up(0.01, 0.01, noise=0.05, n=8, seed=seed)
    found = ek.data_to_reach(table, "pretrained")
    assert (found.low <= found.needed * (1 + 1e-9)).all()
    assert (found.needed <= found.high * (1 + 1e-9)).all()
    assert found.gain.between(found.gain_low - 1e-9, found.gain_high + 1e-9).all()
    points = ek.data_to_reach(table, "pretrained", intervals=False)
    pd.testing.assert_frame_equal(points[["needed", "gain"]], found[["needed", "gain"]])


def test_the_interval_is_where_a_t_test_over_cohorts_finds_no_difference():
    """At both ends p is .05: by scipy, on the cohorts' curves at that many minutes."""
    table = made_up(0.05, 0.05, noise=0.03, n=12)
    row = ek.data_to_reach(table, "pretrained").set_index("model").loc["tuned"]
    wide = table.pivot_table(index="cohort", columns=["model", "minutes"], values="score")
    target = wide["pretrained"][40.0].to_numpy()
    for minutes in (row.low, row.high):
        at = [np.interp(np.log(minutes), np.log(MINUTES), own) for own in wide["tuned"].to_numpy()]
        assert stats.ttest_rel(at, target).pvalue == pytest.approx(0.05, abs=1e-6)
    for gain in (row.gain_low, row.gain_high):
        full = wide["tuned"][40.0].to_numpy()
        assert stats.ttest_rel(full, (1 + gain) * target).pvalue == pytest.approx(0.05, abs=1e-6)


def test_the_upper_end_is_infinite_where_the_curve_may_stay_below_the_target():
    table = made_up(0.05, 0.004, noise=0.03, n=8)
    row = ek.data_to_reach(table, "pretrained").set_index("model").loc["tuned"]
    assert row.needed < 40
    assert row.low < 40
    assert np.isinf(row.high)


def test_the_reference_reaches_itself_and_gains_nothing():
    row = ek.data_to_reach(made_up(0.05, 0.1, noise=0.01), "pretrained").iloc[0]
    assert (row.needed, row.high) == (pytest.approx(40), pytest.approx(40))
    assert (row.gain_low, row.gain_high) == (pytest.approx(0), pytest.approx(0))


def test_a_target_that_may_be_zero_leaves_the_gain_open():
    table = made_up(0.05, 0.1, noise=0.03)
    table["score"] -= table.score[(table.model == "pretrained") & (table.minutes == 40)].mean()
    row = ek.data_to_reach(table, "pretrained").set_index("model").loc["tuned"]
    assert (row.gain_low, row.gain_high) == (-np.inf, np.inf)


def test_pooled_cohorts_have_the_isotonic_fit_as_their_mean():
    scores = np.random.default_rng(0).standard_normal((9, 6))
    np.testing.assert_allclose(pooled(scores).mean(axis=0), isotonic(scores.mean(axis=0)[None])[0])


# Level, slope and noise of a cohort (standard deviations), and the share that the tuned model
# needs: cohorts that differ little, differ much, have sizes that are pooled, and where the target
# is nearly out of reach.
SPREADS = ((0.03, 0.015, 0.01, 0.4), (0.06, 0.03, 0.01, 0.2), (0.03, 0.015, 0.03, 0.4),
           (0.03, 0.015, 0.01, 0.75))  # fmt: skip


def cohorts_that_differ(rng, n, level, slope, noise, share):
    """Return curves straight in log minutes, about .2 + .05 log m and as much higher as needed."""
    log_m = np.log(MINUTES)
    common, rows = rng.standard_normal((2, n, 1)), []
    for model, plus in (("pretrained", 0.0), ("tuned", -0.05 * np.log(share))):
        # Half the variance of a cohort's level and slope is of both models.
        levels, slopes = np.sqrt(0.5) * (common + rng.standard_normal((2, n, 1)))
        scores = (
            0.2 + plus + 0.05 * log_m + level * levels + slope * slopes * (log_m - log_m.mean())
        )
        scores = scores + noise * rng.standard_normal(scores.shape)
        rows += [(model, k, m, scores[k, i]) for k in range(n) for i, m in enumerate(MINUTES)]
    return pd.DataFrame(rows, columns=["model", "cohort", "minutes", "score"])


def coverage(n, spread, n_sets):
    """Return how often needed and gain lie in their intervals, and how often high is infinite."""
    share, inside = spread[-1], np.zeros(3)
    gain = -0.05 * np.log(share) / (0.2 + 0.05 * np.log(MINUTES[-1]))
    for seed in range(n_sets):
        table = cohorts_that_differ(np.random.default_rng([seed, n]), n, *spread)
        row = ek.data_to_reach(table, "pretrained").iloc[1]
        inside += (
            row.share_low <= share <= row.share_high,
            row.gain_low <= gain <= row.gain_high,
            (np.isinf(row.high)),
        )
    return inside / n_sets


def test_intervals_of_eight_cohorts_cover_the_truth():
    needed, gain, _ = coverage(8, SPREADS[0], 300)
    assert 0.92 <= needed <= 0.98  # .95 and 2.4 standard errors
    assert 0.92 <= gain <= 0.98


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("n", [8, 10, 20, 40])
def test_intervals_cover_the_truth_in_ninety_five_of_a_hundred(n, capsys):
    n_sets = 1500
    found = np.array([coverage(n, spread, n_sets) for spread in SPREADS])
    with capsys.disabled():
        print("\ncohorts, level, slope, noise, share: coverage of needed, of gain; upper end inf")
        for spread, row in zip(SPREADS, found, strict=True):
            print(f"{n}, {', '.join(map(str, spread))}: {'{:.3f} {:.3f}; {:.2f}'.format(*row)}")
    error = np.sqrt(0.95 * 0.05 / n_sets)
    assert (found[:, :2] >= 0.93 - 2 * error).all()
    assert (found[:, :2] <= 0.97 + 2 * error).all()
    assert ((found[:, :2].mean(axis=0) >= 0.93) & (found[:, :2].mean(axis=0) <= 0.97)).all()


@pytest.mark.parametrize(("n", "said"), [(7, "no intervals, which take 8"), (8, "95 % intervals")])
def test_a_report_says_whether_it_has_intervals(n, said):
    table = made_up(0.05, 0.05, noise=0.01, n=n)
    scores = xr.DataArray(
        [[0.1], [0.2]],
        dims=("model", "target"),
        coords={
            "model": ["pretrained", "tuned"],
            "target": ["t"],
            "participant": ("target", ["P"]),
        },
    )
    [shown] = curve_panel(ek.Result("r", scores, tables={"learning_curve": table})).tables
    assert said in shown.caption
    assert ("low" in shown.frame) == (n == 8)
