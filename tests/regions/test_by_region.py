import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.regions import RegionSelector, by_region


def scores(values, **coords):
    n = len(values)
    base = {"participant": ["P1"] * n, "region": ["A1"] * n} | coords
    return xr.DataArray(
        np.asarray(values, float),
        dims="target",
        coords={name: ("target", item) for name, item in base.items()},
    )


def normalised(raw, ceiling, **coords):
    raw, ceiling = np.asarray(raw, float), np.asarray(ceiling, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(ceiling > 0, raw / ceiling, np.nan)
    return scores(ratio, raw=raw, ceiling=ceiling, **coords)


def test_plain_scores_are_averaged_per_participant_and_region():
    table = by_region(
        scores([0.1, 0.3, 0.5, 0.7], participant=["P1", "P1", "P1", "P2"], region=list("aabb"))
    )
    assert table.columns.tolist() == ["participant", "region", "score", "n_targets", "n_undefined"]
    assert table[["participant", "region", "n_targets"]].values.tolist() == [
        ["P1", "a", 2],
        ["P1", "b", 1],
        ["P2", "b", 1],
    ]
    np.testing.assert_allclose(table.score, [0.2, 0.5, 0.7])


def test_normalised_scores_are_mean_raw_over_mean_ceiling_and_not_the_mean_of_ratios():
    given = normalised([0.3, 0.1], [0.6, 0.1])
    row = by_region(given).iloc[0]
    assert row.score == pytest.approx(0.2 / 0.35)
    assert row.score != pytest.approx(given.mean().item())
    assert (row.raw, row.ceiling) == pytest.approx((0.2, 0.35))


def test_targets_with_a_ceiling_of_zero_stay_in_the_means_and_are_counted():
    row = by_region(normalised([0.3, 0.1], [0.6, 0.0])).iloc[0]
    assert row.score == pytest.approx(0.2 / 0.3)
    assert (row.n_targets, row.n_undefined) == (2, 1)


def test_undefined_targets_leave_both_means_and_are_counted():
    row = by_region(normalised([0.3, np.nan, 0.9], [0.6, 0.1, np.nan])).iloc[0]
    assert row.score == pytest.approx(0.3 / 0.6)
    assert (row.n_targets, row.n_undefined) == (3, 2)


def test_a_region_without_any_defined_target_is_nan_and_counted():
    row = by_region(scores([np.nan, np.nan])).iloc[0]
    assert np.isnan(row.score)
    assert row.n_undefined == 2
    assert np.isnan(by_region(normalised([0.1], [0.0])).score[0])


def test_regions_come_in_the_order_of_the_targets():
    table = by_region(scores([0.1, 0.2, 0.3], region=["V1", "A1", "V1"]), by="region")
    assert table.region.tolist() == ["V1", "A1"]


def test_groups_may_overlap_and_are_selectors_or_names():
    given = scores([0.1, 0.2, 0.6], region=["A1", "A4", "V1"])
    groups = {"hearing": ["A1", "A4"], "all": RegionSelector()}
    table = by_region(given, by="participant", groups=groups)
    assert table.group.tolist() == ["hearing", "all"]
    np.testing.assert_allclose(table.score, [0.15, 0.3])
    assert table.n_targets.tolist() == [2, 3]


def test_other_dimensions_are_kept_apart_and_never_averaged_over_silently():
    layers = xr.concat([scores([0.1, 0.3]), scores([0.5, 0.7])], dim="layer")
    layers = layers.assign_coords(layer=[2, 5])
    table = by_region(layers, by=["layer", "region"])
    np.testing.assert_allclose(table.score, [0.2, 0.6])
    with pytest.raises(ValueError, match="the dimension 'layer', which by="):
        by_region(layers)


def test_an_unknown_coordinate_is_answered_with_close_matches():
    with pytest.raises(ValueError, match=r"unknown coordinate of scores 'regoin'.*'region'"):
        by_region(scores([0.1]), by="regoin")


def test_region_scores_return_the_true_normalised_value():
    rng = np.random.default_rng(0)
    ceiling = rng.uniform(0.2, 0.7, 2000)
    estimated = np.clip(ceiling + rng.normal(0, 0.15, 2000), 0, None)
    raw = 0.35 * ceiling + rng.normal(0, 0.05, 2000)
    assert by_region(normalised(raw, estimated)).score[0] == pytest.approx(0.35, abs=0.02)


@pytest.mark.parametrize("n_repeats", [5, 10])
def test_region_scores_return_the_true_value_at_realistic_signal(n_repeats):
    """Shares of one repeat: log-normal, median .02 (whole-cortex estimates in real people)."""
    rng = np.random.default_rng(1)
    share = np.clip(0.02 * np.exp(0.8 * rng.standard_normal(1500)), 0, 0.5)
    signal = rng.standard_normal((291, share.size))
    noise = rng.standard_normal((n_repeats, 291, share.size))
    repeats = np.sqrt(share) * signal + np.sqrt(1 - share) * noise
    guess = 0.35 * signal + np.sqrt(1 - 0.35**2) * rng.standard_normal(signal.shape)
    found = ek.noise_ceiling(repeats)
    squared = found.ceiling_squared.values
    r = ek.correlation(repeats.mean(axis=0), guess)
    of_targets = normalised(r, found.ceiling.values, ceiling_squared=squared)
    assert by_region(of_targets).score[0] == pytest.approx(0.35, abs=0.02)


def test_scores_without_labels_are_refused():
    with pytest.raises(TypeError, match="takes scores with labels.*got a ndarray"):
        by_region(np.zeros(3))
