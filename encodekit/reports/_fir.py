"""The shape of a finite impulse response."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.core import unknown_name
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
    coef : DataArray (feature, target), or (feature, delay, target)
        ``coef_`` of a model fitted on the features of `encodekit.Delayer`, or what
        `encodekit.linear.fir` made of it; of one target, or of several.
    by : str, optional
        A coordinate of the targets, such as ``"region"``: one line for each value.
    order : sequence, optional
        Which values of ``by``, in which order.
    feature : str, optional
        One feature by its ``name``; where several bands have it, select one first:
        ``plot_fir(fir(coef, band="low"), feature="power")``.
    normalised : bool
        Whether each line is divided by its largest size.

    Raises
    ------
    TypeError
        If ``coef`` is a model or a plain array.
    ValueError
        If the weights have no delays or another axis than targets, if the feature, ``by`` or a
        value of it is unknown, or if the feature is in several bands.

    Examples
    --------
    >>> coef = xr.DataArray(np.ones((4, 1)), dims=("feature", "target"), coords={
    ...     "name": ("feature", ["a", "b"] * 2), "delay": ("feature", [2.0, 2.0, 4.0, 4.0])})
    >>> plot_fir(coef).get_xlabel()
    'delay (s)'
    """
    weights = _weights(coef, feature)
    values = _values(weights, by)
    axes = own_axes(ax, 4.0, 3.0)
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


def _weights(coef: Any, feature: Any) -> xr.DataArray:
    """Return weights (feature, delay, target), of one feature alone if it is named."""
    weights = fir(coef)
    if "target" not in weights.dims:
        weights = weights.expand_dims("target", axis=-1)
    if weights.ndim > 3:
        other = [str(dim) for dim in weights.dims if dim not in ("feature", "delay", "target")]
        raise ValueError(
            f"{_NAME}: coef has the dimension {other[0]!r} beside feature, delay and target: "
            f"select one, coef.isel({other[0]}=0), or take the mean over it"
        )
    if feature is None:
        return weights
    names = [str(name) for name in weights.coords["name"].values]
    in_order(pd.Series(names, name="feature"), [str(feature)], _NAME)
    places = [place for place, name in enumerate(names) if name == str(feature)]
    if len(places) > 1:
        raise ValueError(_several(weights.isel(feature=places), str(feature)))
    return weights.isel(feature=places)


def _several(weights: xr.DataArray, feature: str) -> str:
    beside = [name for name in ("band", "layer") if name in weights.coords]
    found = {name: weights.coords[name].values.tolist() for name in beside}
    said = ", ".join(f"{name} {values}" for name, values in found.items())
    return (
        f"{_NAME}: {weights.sizes['feature']} features are named {feature!r} ({said}): select one, "
        "as fir(coef, band=...) of encodekit.linear does"
    )


def _values(weights: xr.DataArray, by: str | None) -> np.ndarray:
    """Return the value of ``by`` of each target; all alike if it is not given."""
    if not by:
        return np.full(weights.sizes["target"], "")
    known = [str(name) for name, coord in weights.coords.items() if coord.dims == ("target",)]
    if by not in known:
        raise ValueError(f"{_NAME}: by: {unknown_name('coordinate of the targets', by, known)}")
    return np.asarray(weights.coords[by].values)


def _line(weights: xr.DataArray, *, signed: bool) -> np.ndarray:
    if signed:
        return np.asarray(weights.mean(("feature", "target")).values)
    size = (weights**2).mean("feature") ** 0.5
    return np.asarray(size.mean("target").values)
