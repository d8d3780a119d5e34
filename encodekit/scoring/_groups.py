"""Sets of targets whose scores are averaged: a region, a vertex over participants, ..."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from encodekit.core import unknown_name
from encodekit.data import target_coords
from encodekit.scoring._nulls import Scramblings
from encodekit.scoring._p_values import adjust


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each target belongs to.

    Attributes
    ----------
    codes : array (target,) of int
        Positions along the groups.
    coords : dict of str to (dim, array (group,))
        The coordinates that the targets of a group share.
    dim : str
        ``group``, or ``target`` where every target stands for itself.
    """

    codes: NDArray[np.intp]
    coords: dict[str, Any]
    dim: str

    @property
    def size(self) -> int:
        """How many groups there are."""
        return int(self.codes.max(initial=-1)) + 1

    def sum(self, values: NDArray[Any], columns: Any = slice(None)) -> NDArray[Any]:
        """Return (..., group): sums of ``values`` (..., column), those of ``columns``, by group."""
        # A sparse matrix (column, group) of ones: groups may be as many as vertices, and are small.
        codes = self.codes[columns]
        entries = (np.ones(codes.size, values.dtype), (np.arange(codes.size), codes))
        totals: NDArray[Any] = values @ sparse.csr_array(entries, shape=(codes.size, self.size))
        return totals

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return (group,): means over the defined values (target,) of each group."""
        defined = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float64] = self.sum(np.where(defined, values, 0.0)) / self.sum(
                defined.astype(np.float64)
            )
        return mean

    def dataset(self, found: dict[str, Any], chance: Scramblings, **attrs: Any) -> xr.Dataset:
        """Return what was ``found`` of each group, each ``p_over_`` with its q, and the record."""
        adjusted = {
            name.replace("p_", "q_", 1): adjust(p)
            for name, p in found.items()
            if name.startswith("p_over_")
        }
        record = {"null": chance.null.name, "random_state": chance.seed}
        return xr.Dataset(
            {name: (self.dim, values, _said(name)) for name, values in (found | adjusted).items()},
            coords=self.coords,
            attrs={**record, **attrs, "runs": [str(run) for run in chance.heard]},
        )


def _said(name: str) -> dict[str, str]:
    """Return attributes that say what a p or an interval is over."""
    if name.endswith("_over_people"):
        return {"long_name": "over other people who hear these same stimuli"}
    if name.endswith("_over_stimulus"):
        return {"long_name": "over other stimuli that these same people hear"}
    return {}


def in_areas(
    by: str | Iterable[str] | None, rows: xr.DataArray, *more: xr.DataArray
) -> tuple[xr.DataArray, ...]:
    """Return arrays of the same targets without those in no area (region ""), by region.

    Raises
    ------
    ValueError
        If no target lies in an area.
    """
    keys = [by] if isinstance(by, str) else list(by or [])
    if "region" not in keys or "region" not in rows.coords:
        return (rows, *more)
    inside = rows.coords["region"].values.astype(str) != ""
    if inside.all():
        return (rows, *more)
    if not inside.any():
        raise ValueError(
            f"by={by!r}: none of the {inside.size} targets lies in an area (region is '' for all): "
            "is the atlas on the mesh of the responses?"
        )
    return tuple(array.isel(target=np.flatnonzero(inside)) for array in (rows, *more))


def make_groups(rows: xr.DataArray, by: str | Iterable[str] | None) -> Groups:
    """Return the groups of targets that share the coordinates ``by``, in order of appearance.

    Every target is a group of its own where ``by`` is None.

    Raises
    ------
    ValueError
        If the targets have no coordinate of that name.
    """
    if by is None:
        return Groups(np.arange(rows.sizes["target"]), target_coords(rows), "target")
    keys = [by] if isinstance(by, str) else list(by)
    known = [str(name) for name, coord in rows.coords.items() if coord.dims == ("target",)]
    for key in keys:
        if key not in known:
            raise ValueError(unknown_name("coordinate of the targets", key, known))
    table = pd.DataFrame({key: rows.coords[key].values for key in keys})
    codes = np.asarray(table.groupby(keys, sort=False, dropna=False).ngroup(), np.intp)
    first = table.loc[~pd.Series(codes).duplicated()]
    return Groups(codes, {key: ("group", first[key].to_numpy()) for key in keys}, "group")
