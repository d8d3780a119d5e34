"""What plot_fir draws: the same of coefficients and of what fir makes of them."""

import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.linear import fir
from encodekit.reports import plot_fir

DELAYS, NAMES = [2.0, 4.0, 6.0], ["pitch", "power"]
VALUES = np.random.default_rng(0).standard_normal((3, 2, 4))  # delay, feature, target


def coef():
    return xr.DataArray(
        VALUES.reshape(6, 4),
        dims=("feature", "target"),
        coords={
            "name": ("feature", NAMES * 3),
            "delay": ("feature", np.repeat(DELAYS, 2)),
            "region": ("target", ["A1", "A1", "V1", "A1"]),
        },
    )


def banded():
    two = [coef().assign_coords(band=("feature", [band] * 6)) for band in ("low", "high")]
    two[1] = (two[1] * 3).assign_coords(delay=("feature", np.repeat([4.0, 6.0, 8.0], 2)))
    return xr.concat(two, "feature")


def sizes(values):
    """Root mean square over features (delay, feature, target), then the mean over targets."""
    return np.sqrt((values**2).mean(axis=1)).mean(axis=1)


def drawn(axes):
    return [line.get_xydata().T for line in axes.lines if line.get_marker() == "o"]


WAYS = {
    "coef_": lambda: coef(),
    "fir of it": lambda: fir(coef()),
    "fir twice": lambda: fir(fir(coef())),
    "axes swapped": lambda: coef().transpose("target", "feature"),
    "fir with axes swapped": lambda: fir(coef()).transpose("target", "delay", "feature"),
    "delays the other way round": lambda: fir(coef()).isel(delay=slice(None, None, -1)),
    "rows in another order": lambda: coef().isel(feature=[5, 0, 3, 2, 1, 4]),
}


@pytest.mark.parametrize("way", WAYS)
def test_all_forms_of_weights_draw_one_line(way):
    ((delays, line),) = drawn(plot_fir(WAYS[way](), normalised=False))
    assert delays.tolist() == DELAYS
    np.testing.assert_allclose(line, sizes(VALUES))


@pytest.mark.parametrize("way", WAYS)
def test_all_forms_draw_a_feature_by_region(way):
    axes = plot_fir(WAYS[way](), feature="power", by="region", normalised=False)
    lines = [line for _, line in drawn(axes)]
    power = VALUES[:, 1]
    expected = [power[:, [0, 1, 3]].mean(axis=1), power[:, 2]]
    np.testing.assert_allclose(lines, expected)


@pytest.mark.parametrize("select", [{"target": 2}, {"target": [2]}])
@pytest.mark.parametrize("arrange", [fir, lambda weights: weights])
def test_one_target_is_drawn_with_its_axis_and_without(select, arrange):
    for weights in (arrange(coef()).isel(select), arrange(coef().isel(select))):
        ((_, line),) = drawn(plot_fir(weights, normalised=False))
        np.testing.assert_allclose(line, sizes(VALUES[..., [2]]))


@pytest.mark.parametrize(
    "weights", [lambda: fir(banded(), "high"), lambda: fir(fir(banded()), "high")]
)
def test_one_band_is_drawn_at_its_own_delays(weights):
    ((delays, line),) = drawn(plot_fir(weights(), normalised=False))
    assert delays.tolist() == [4.0, 6.0, 8.0]
    np.testing.assert_allclose(line, 3 * sizes(VALUES))


def test_weights_that_are_arranged_are_arranged_alike_again():
    xr.testing.assert_identical(fir(fir(banded())), fir(banded()))
    xr.testing.assert_identical(fir(fir(banded()), "low"), fir(banded(), "low"))


def test_lines_are_scaled_to_their_largest_size():
    axes = plot_fir(fir(coef()), by="region")
    assert [np.abs(line).max() for _, line in drawn(axes)] == [1.0, 1.0]


def test_a_feature_of_two_bands_is_refused_with_what_to_write():
    with pytest.raises(ValueError, match=r"2 features are named 'power' \(band .*fir\(coef, band="):
        plot_fir(banded(), feature="power")
    ((_, line),) = drawn(plot_fir(fir(banded(), "low"), feature="power", normalised=False))
    np.testing.assert_allclose(line, VALUES[:, 1].mean(axis=1))


def test_what_is_no_weights_says_which_are_wanted():
    for odd in (VALUES, ek.RidgeCV(), [coef()]):
        with pytest.raises(TypeError, match=r"expected the coef_ of a model"):
            plot_fir(odd)
    with pytest.raises(ValueError, match=r"keep the dimension .*isel\(feature=\[0\]\)"):
        plot_fir(fir(coef()).isel(feature=0))
    with pytest.raises(ValueError, match=r"no coordinate delay: fit the model on features"):
        plot_fir(fir(coef()).drop_vars("delay"))
    with pytest.raises(ValueError, match=r"dimension 'fold' beside .*coef.isel\(fold=0\)"):
        plot_fir(xr.concat([coef(), coef()], "fold"))
    with pytest.raises(ValueError, match=r"by: unknown coordinate of the targets 'rgion'.*region"):
        plot_fir(coef(), by="rgion")
    with pytest.raises(ValueError, match=r"unknown feature 'pwer': did you mean 'power'"):
        plot_fir(fir(coef()), feature="pwer")
