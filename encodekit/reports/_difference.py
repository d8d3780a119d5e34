"""Where one model predicts better than another."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from encodekit.reports._surface import plot_surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_difference(
    scores: xr.DataArray,
    reference: xr.DataArray,
    *,
    significant: xr.DataArray | None = None,
    label: str = "difference in r",
    **options: Any,
) -> "Figure":
    """Plot scores minus those of a reference on the cortex, vertex by vertex, mean over people.

    Normalised scores are compared before the ceiling: a difference over a ceiling near zero is
    nothing but noise.

    Parameters
    ----------
    scores, reference : DataArray (target,)
        Of the same targets, in the same order.
    significant : DataArray (target,) of bool, optional
        Only these targets are coloured, such as ``tests.q < 0.05`` of `encodekit.compare_models`.
    label : str
    **options
        Of `plot_surface`.

    Raises
    ------
    ValueError
        If the targets differ.
    """
    sides = [_raw(side) for side in (scores, reference)]
    for other in [sides[1], *([significant] if significant is not None else [])]:
        if not np.array_equal(other.coords["target"].values, sides[0].coords["target"].values):
            raise ValueError("plot_difference: both sides need the same targets in the same order")
    difference = sides[0].copy(data=sides[0].values - sides[1].values)
    if significant is not None:
        difference = difference.where(significant.values.astype(bool))
    return plot_surface(difference, diverging=True, label=label, **options)


def _raw(scores: xr.DataArray) -> xr.DataArray:
    if "raw" not in scores.coords:
        return scores
    return scores.copy(data=scores.coords["raw"].values).drop_vars(
        ["raw", "ceiling", "ceiling_squared", "signal_share"], errors="ignore"
    )
