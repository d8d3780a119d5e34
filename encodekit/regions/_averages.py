"""Means over the targets of an area."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray


def averaged(
    values: Any, area: NDArray[np.str_], side: NDArray[Any] | None, kept: NDArray[np.intp]
) -> Any:
    """Return the mean over the ``kept`` targets of each participant, hemisphere and area.

    Parameters
    ----------
    values : DataArray (..., target) or array (..., target)
    area, side : arrays (target,)
        Where each target lies; ``side`` is None where hemispheres are not known.
    kept : array of positions

    Returns
    -------
    DataArray or array (..., area), in order of appearance
        Named ``P1/left/A1``, with ``participant``, ``hemisphere``, ``region``, ``n_targets``.
    """
    labelled = isinstance(values, xr.DataArray)
    columns: dict[str, Any] = {}
    if labelled and "participant" in values.coords:
        columns["participant"] = values.coords["participant"].values[kept]
    if side is not None:
        columns["hemisphere"] = side[kept]
    columns["region"] = area[kept]
    keys = pd.DataFrame(columns).astype(str)
    number = keys.groupby(list(columns), sort=False).ngroup().to_numpy()
    groups = keys.drop_duplicates()
    members = [kept[number == k] for k in range(len(groups))]
    rows = values.transpose(..., "target").data if labelled else np.asarray(values)
    stack: Any = np.stack([rows[..., some].mean(axis=-1) for some in members], axis=-1)
    if not labelled:
        return stack
    dims = tuple(str(dim) for dim in values.dims if dim != "target")
    coords: dict[str, Any] = {
        str(name): coord for name, coord in values.coords.items() if "target" not in coord.dims
    }
    for name in columns:
        coords[name] = ("target", groups[name].to_numpy().astype(str))
    coords["target"] = ["/".join(key) for key in groups.itertuples(index=False)]
    coords["n_targets"] = ("target", [some.size for some in members])
    if "n_repeats" in values.coords:
        repeats = values.coords["n_repeats"].values
        coords["n_repeats"] = ("target", [int(repeats[some[0]]) for some in members])
    return xr.DataArray(stack, dims=(*dims, "target"), coords=coords, attrs=values.attrs)
