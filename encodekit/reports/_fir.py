"""The shape of a finite impulse response."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.linear import fir
from encodekit.reports._axes import (
    in_order,
    label_text,
    legend_text,
    mark_zero,
    own_axes,
    quiet_legend,
)
from encodekit.reports._palette import colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = "plot_fir"


def plot_fir(
    coef: xr.DataArray,
    *,
    by: str | None = None,
    order: Sequence[str] | None = None,
    feature: Any = None,
    normalised: bool = True,
    colours: Mapping[str, str] | None = None,
    label: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Plot how large weights are at each delay, or the weight of one feature itself.

    Over many features the signs of weights cancel, so the size at a delay is the root mean square
    over features, averaged over targets; of one ``feature`` it is the mean weight, with its sign.

    Parameters
    ----------
    coef : DataArray (feature, target)
        ``coef_`` of a model fitted on the features of `encodekit.Delayer`.
    by : str, optional
        A coordinate of the targets, such as ``"region"``: one line for each value.
    order : sequence, optional
        Which values of ``by``, in which order.
    feature : str, optional
        One feature by its ``name``.
    normalised : bool
        Whether each line is divided by its largest size.

    Raises
    ------
    ValueError
        If the weights have no delays, or the feature or a value of ``by`` is unknown.

    Examples
    --------
    >>> coef = xr.DataArray(np.ones((4, 1)), dims=("feature", "target"), coords={
    ...     "name": ("feature", ["a", "b"] * 2), "delay": ("feature", [2.0, 2.0, 4.0, 4.0])})
    >>> plot_fir(coef).get_xlabel()
    'delay (s)'
    """
    weights = fir(coef)
    if feature is not None:
        names = [str(name) for name in weights.coords["name"].values]
        in_order(pd.Series(names, name="feature"), [str(feature)], _NAME)
        weights = weights.isel(feature=[names.index(str(feature))])
    axes = own_axes(ax, 4.0, 3.0)
    values = weights.coords[by].values if by else np.full(weights.sizes["target"], "")
    groups = in_order(pd.Series(values, name=by or ""), order, _NAME)
    colour = colours_of([str(group) for group in groups], colours)
    if len(groups) == 1:
        colour = dict.fromkeys(colour, "#0072b2")
    delays = weights.coords["delay"].values
    for group in groups:
        line = _line(
            weights.isel(target=np.flatnonzero(values == group)), signed=feature is not None
        )
        peak = np.nanmax(np.abs(line)) if normalised else 1.0
        axes.plot(
            delays, line / (peak or 1.0), "-o", color=colour[str(group)], markersize=5,
            linewidth=1.8, label=legend_text(group),
        )  # fmt: skip
    mark_zero(axes)
    axes.set_xticks(delays)
    axes.set_xlabel("delay (s)")
    size = "weight" if feature is not None else "size of the weights"
    axes.set_ylabel(label_text(label or (f"{size}, of the largest" if normalised else size)))
    if by:
        quiet_legend(axes, loc="best")
    return axes


def _line(weights: xr.DataArray, *, signed: bool) -> np.ndarray:
    if signed:
        return np.asarray(weights.mean(("feature", "target")).values)
    size = (weights**2).mean("feature") ** 0.5
    return np.asarray(size.mean("target").values)
