"""Weights as responses to an impulse: one axis of delays."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.core import unknown_name

_IDENTITY = ("band", "layer", "name")


def fir(coef: Any, band: str | None = None) -> xr.DataArray:
    """Return weights (feature, delay, target): what a feature does ``delay`` seconds later.

    Parameters
    ----------
    coef : DataArray (feature, target), or (feature, delay, target)
        The ``coef_`` of a model that was fitted on the features of `encodekit.Delayer`, its axes in
        any order; or what this function has returned, which it returns again.
    band : str, optional
        The features of one band, at the delays of that band alone.

    Returns
    -------
    DataArray (feature, delay, target)
        ``delay`` in seconds, increasing; ``feature`` keeps ``name``, ``layer`` and ``band``. Where
        bands have other delays, a weight that the model does not have is NaN, not zero.

    Raises
    ------
    TypeError
        If ``coef`` is a plain array, which does not say which weight has which delay.
    ValueError
        If its features have no ``delay`` or no ``name``, there is no such band, or two weights are
        of the same feature at the same delay.

    Examples
    --------
    >>> import numpy as np
    >>> coef = xr.DataArray(
    ...     np.array([[1.0], [2.0], [3.0]]),
    ...     dims=("feature", "target"),
    ...     coords={"name": ("feature", ["a", "b", "a"]), "delay": ("feature", [2.0, 2.0, 4.0])},
    ... )
    >>> fir(coef).isel(target=0).values
    array([[ 1.,  3.],
           [ 2., nan]])
    """
    if not isinstance(coef, xr.DataArray):
        raise TypeError(
            f"fir got a {type(coef).__name__}, expected the coef_ of a model fitted on labelled "
            "features: a plain array does not say which weight has which delay"
        )
    arranged = "delay" in coef.dims
    _check_coords(coef, arranged)
    if band is not None:
        coef = _of_band(coef, band)
    if arranged:
        whole: xr.DataArray = coef if band is None else coef.dropna("delay", how="all")
        return whole.transpose("feature", "delay", ...).sortby("delay")
    known = [name for name in _IDENTITY if name in coef.coords]
    keys = pd.MultiIndex.from_arrays([coef.coords[name].values for name in known])
    places, features = keys.factorize()
    delays, steps = np.unique(coef.coords["delay"].values, return_inverse=True)
    _refuse_twice(places * delays.size + steps, keys, coef)
    rest = [dim for dim in coef.dims if dim != "feature"]
    weights = coef.transpose("feature", *rest)
    values = np.full((len(features), delays.size, *weights.shape[1:]), np.nan, dtype=coef.dtype)
    values[places, steps] = weights.values
    coords: dict[str, Any] = {
        str(name): coord.variable
        for name, coord in coef.coords.items()
        if "feature" not in coord.dims
    }
    first = np.unique(places, return_index=True)[1]
    coords |= {name: ("feature", coef.coords[name].values[first]) for name in known}
    coords["delay"] = ("delay", delays, {"units": "s"})
    return xr.DataArray(values, dims=("feature", "delay", *rest), coords=coords, attrs=coef.attrs)


def _check_coords(coef: xr.DataArray, arranged: bool) -> None:
    if "feature" not in coef.dims:
        raise ValueError(
            f"coef has the dimensions {coef.dims}, expected feature and target: keep the dimension "
            "of one feature with coef.isel(feature=[0])"
        )
    wanted = {"delay": "delay" if arranged else "feature", "name": "feature"}
    lacking = [
        name
        for name, dim in wanted.items()
        if name not in coef.coords or coef.coords[name].dims != (dim,)
    ]
    if lacking:
        raise ValueError(
            f"the features of coef have no coordinate {' and '.join(lacking)}: fit the model on "
            "features that went through ek.Delayer"
        )


def _of_band(coef: xr.DataArray, band: str) -> xr.DataArray:
    bands = coef.coords["band"].values if "band" in coef.coords else np.array([])
    if band not in bands:
        raise ValueError(unknown_name("band", band, dict.fromkeys(bands.tolist())))
    return coef.isel(feature=np.flatnonzero(bands == band))


def _refuse_twice(cells: Any, keys: pd.MultiIndex, coef: xr.DataArray) -> None:
    twice = np.flatnonzero(pd.Index(cells).duplicated())
    if twice.size:
        where = int(twice[0])
        raise ValueError(
            f"two weights are of feature {keys[where]} at a delay of "
            f"{coef.coords['delay'].values[where]:g} s, expected one: give each feature of a band "
            "its own name"
        )
