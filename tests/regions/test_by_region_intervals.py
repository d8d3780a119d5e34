"""How far a region's normalised score may be off through its ceiling."""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import encodekit as ek
from encodekit.regions import by_region

TRUE = 0.35
N_TARGETS = 20  # of a region


def cohort_of_regions(*, n, n_trs, true, n_regions=100, seed=0):
    """Return repeats (repeat, time, target) of regions whose targets share signal and noise.

    Also the signal (time, target), of which ``true**2`` is the share of the mean of repeats.
    """
    rng = np.random.default_rng(seed)

    def together(*shape):
        common = np.repeat(rng.standard_normal((*shape, n_regions)), N_TARGETS, axis=-1)
        own = rng.standard_normal((*shape, n_regions * N_TARGETS))
        return np.sqrt(0.5) * common + np.sqrt(0.5) * own

    share = true**2 / (n - (n - 1) * true**2)
    signal = together(n_trs)
    values = np.sqrt(share) * signal + np.sqrt(1 - share) * together(n, n_trs)
    number = np.arange(n_regions * N_TARGETS)
    repeats = xr.DataArray(
        values,
        dims=("repeat", "time", "target"),
        coords={
            "run": ("time", ["story"] * n_trs),
            "target": number.astype(str),
            "participant": ("target", ["P1"] * number.size),
            "region": ("target", (number // N_TARGETS).astype(str)),
        },
    )
    return repeats, signal


def scores_of(repeats, signal, seed=1, **options):
    rng = np.random.default_rng(seed)
    guess = TRUE * signal + np.sqrt(1 - TRUE**2) * rng.standard_normal(signal.shape)
    n = repeats.sizes["repeat"]
    r = xr.DataArray(
        ek.correlation(repeats.values.mean(axis=0), guess),
        dims="target",
        coords={name: repeats.coords[name] for name in ("target", "participant", "region")},
    ).assign_coords(n_repeats=("target", [n] * repeats.sizes["target"]))
    return ek.normalise(r, ek.noise_ceiling(repeats, **options))


def quiet(scores, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return by_region(scores, **options)


def test_the_interval_is_raw_over_the_ends_of_that_of_the_ceiling():
    table = by_region(scores_of(*cohort_of_regions(n=4, n_trs=291, true=0.7, n_regions=5)))
    assert table.columns.tolist() == [
        "participant", "region", "score", "raw", "ceiling",
        "ceiling_low", "ceiling_high", "low", "high", "n_targets", "n_undefined",
    ]  # fmt: skip
    np.testing.assert_allclose(table.low, table.raw / table.ceiling_high)
    np.testing.assert_allclose(table.high, table.raw / table.ceiling_low)
    assert ((table.low < table.score) & (table.score < table.high)).all()


def test_a_negative_score_has_its_ends_the_other_way_round():
    scores = scores_of(*cohort_of_regions(n=4, n_trs=291, true=0.7, n_regions=5))
    scores = scores.assign_coords(raw=-scores.raw)
    table = by_region(scores)
    np.testing.assert_allclose(table.low, table.raw / table.ceiling_low)
    assert ((table.low < table.score) & (table.score < table.high)).all()


def test_the_interval_of_one_target_is_that_of_its_pieces():
    scores = scores_of(*cohort_of_regions(n=4, n_trs=291, true=0.7, n_regions=1))[:1]
    row = by_region(scores).iloc[0]
    pieces = np.array([float(c[0]) for name, c in scores.coords.items() if "_piece_" in str(name)])
    squared = float(scores.ceiling_squared[0])
    half = stats.t.ppf(0.975, pieces.size - 1) * np.sqrt((pieces**2).sum()) / (1 - squared)
    assert row.ceiling_low**2 == pytest.approx(1 - (1 - squared) * np.exp(half))
    assert row.ceiling_high**2 == pytest.approx(1 - (1 - squared) * np.exp(-half))


@pytest.mark.parametrize("interval", ["this story", "other stories"])
@pytest.mark.parametrize(("n", "n_trs", "true"), [(10, 291, 0.5), (4, 291, 0.7), (2, 75, 0.7)])
def test_the_interval_covers_the_ceiling_of_regions_whose_targets_go_together(
    interval, n, n_trs, true
):
    repeats, signal = cohort_of_regions(n=n, n_trs=n_trs, true=true, n_regions=300)
    table = quiet(scores_of(repeats, signal, interval=interval))
    share = true**2 / (n - (n - 1) * true**2)
    power = share * (signal.var(axis=0, ddof=1) if interval == "this story" else 1.0)
    squared = power / (power + (1 - share) / n) * np.ones(signal.shape[1])
    truth = squared.reshape(-1, N_TARGETS).mean(axis=1)
    covers = np.mean((table.ceiling_low**2 <= truth) & (truth <= table.ceiling_high**2))
    print(f"{interval} {n} x {n_trs}, {true}: {covers:.3f}")
    assert 0.91 <= covers <= 0.99


def test_targets_that_share_their_noise_do_not_average_it_away():
    repeats, signal = cohort_of_regions(n=4, n_trs=291, true=0.7, n_regions=20)
    own = cohort_of_regions(n=4, n_trs=291, true=0.7, n_regions=20 * N_TARGETS)[0]
    # The first targets of regions share nothing with each other.
    alone = own[..., ::N_TARGETS].assign_coords(repeats.coords)
    widths = [
        (table.ceiling_high - table.ceiling_low).mean()
        for table in (quiet(scores_of(one, signal)) for one in (repeats, alone))
    ]
    assert widths[0] > 1.5 * widths[1]


def test_a_ceiling_that_cannot_carry_a_score_is_told_and_the_interval_has_no_end():
    scores = scores_of(*cohort_of_regions(n=2, n_trs=75, true=0.3, n_regions=1, seed=4))
    with pytest.warns(
        UserWarning,
        match=r"cannot carry .* in 1 rows \(participant 'P1', region '0': mean ceiling_squared "
        r"0\.\d+ \[-0\.\d+, 0\.\d+\]\).*more repeats.*the column raw",
    ):
        row = by_region(scores).iloc[0]
    assert row.low == pytest.approx(row.raw / row.ceiling_high)
    assert row.low < row.score < row.high == np.inf
    assert row.ceiling_low == 0
    below = scores.assign_coords(raw=-scores.raw)
    with pytest.warns(UserWarning, match="cannot carry"):
        row = by_region(below).iloc[0]
    assert row.low == -np.inf
    assert row.low < row.score < row.high < 0
    assert np.isfinite([row.raw, row.ceiling, row.ceiling_high]).all()


def test_many_weak_regions_are_counted_after_the_first_three():
    scores = scores_of(*cohort_of_regions(n=2, n_trs=75, true=0.0, n_regions=9))
    with pytest.warns(UserWarning, match=r"in \d rows \(region '\d': .*; and \d more\)"):
        by_region(scores, by="region")


@pytest.mark.parametrize(("n", "n_trs", "true"), [(2, 75, 0.5), (2, 75, 0.7), (10, 291, 0.5)])
def test_intervals_of_regions_hold_the_true_score_whether_or_not_they_end(n, n_trs, true):
    """The interval is of the ceiling alone, so that r is the true one here."""
    scores = scores_of(*cohort_of_regions(n=n, n_trs=n_trs, true=true, n_regions=300))
    scores = scores.assign_coords(raw=("target", np.full(scores.size, TRUE * true)))
    table = quiet(scores)
    held = ((table.low <= TRUE) & (table.high >= TRUE)).mean()
    print(f"{n} x {n_trs}: held {held:.3f}, without an end {np.isinf(table.high).mean():.2f}")
    assert 0.9 <= held <= 0.99


def test_participants_with_other_numbers_of_pieces_keep_their_intervals():
    one = scores_of(*cohort_of_regions(n=4, n_trs=291, true=0.7, n_regions=2))
    two = scores_of(*cohort_of_regions(n=4, n_trs=75, true=0.7, n_regions=2))
    two = two.assign_coords(
        participant=("target", ["P2"] * two.size), target=[f"2/{t}" for t in two.target.values]
    )
    lacking = {
        name: ("target", np.full(two.size, np.nan)) for name in one.coords if name not in two.coords
    }
    both = xr.concat([one, two.assign_coords(lacking)], "target")
    table = quiet(both)
    pd_columns = ["ceiling_low", "ceiling_high"]
    np.testing.assert_allclose(table[pd_columns].iloc[:2], quiet(one)[pd_columns])
    np.testing.assert_allclose(table[pd_columns].iloc[2:], quiet(two)[pd_columns])


def test_scores_whose_ceiling_brings_no_pieces_have_no_interval():
    scores = scores_of(*cohort_of_regions(n=4, n_trs=75, true=0.7, n_regions=1))
    scores = scores.drop_vars([name for name in scores.coords if "_piece_" in str(name)])
    assert "low" not in by_region(scores)
