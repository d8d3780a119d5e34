"""Scores of targets as maps: one value per vertex of fsaverage5."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.regions import by_region

SIDES = ("left", "right")
N_VERTICES = 10242
_SIZES = (N_VERTICES, 40962)  # whose vertices begin with those of fsaverage5
_NESTED = ("fsaverage5", "fsaverage6", "fsaverage7", "fsaverage")
Maps = dict[str, NDArray[np.float64]]


def vertex_maps(scores: Any) -> Maps:
    """Return, per hemisphere, one score per fsaverage5 vertex (10242,), NaN where there is none.

    Participants at the same vertex are averaged as `encodekit.by_region` does. Finer fsaverage
    meshes begin with the vertices of fsaverage5.

    Parameters
    ----------
    scores : DataArray (target,), mapping of "left" and "right" to arrays, or array (20484,)

    Raises
    ------
    ValueError
        If the scores have no place on fsaverage5.
    """
    if isinstance(scores, xr.DataArray):
        return _from_targets(scores)
    if isinstance(scores, Mapping):
        return {side: _map(scores.get(side, np.full(N_VERTICES, np.nan)), side) for side in SIDES}
    values = np.asarray(scores, dtype=float)
    if values.shape != (2 * N_VERTICES,):
        raise ValueError(
            f"an array of scores needs {2 * N_VERTICES} values (fsaverage5, left then right), "
            f"got shape {values.shape}: give a DataArray with hemisphere and vertex"
        )
    return {"left": values[:N_VERTICES], "right": values[N_VERTICES:]}


def _map(values: Any, side: str) -> NDArray[np.float64]:
    found = np.asarray(values, dtype=float)
    if found.ndim != 1 or len(found) not in _SIZES:
        raise ValueError(
            f"{side} has shape {found.shape}, expected ({_SIZES[0]},) for fsaverage5 or "
            f"({_SIZES[1]},) for fsaverage6: give a DataArray with hemisphere, vertex and "
            "attrs['space'] for other meshes, as 163,842 vertices may be fsaverage7 or fsLR-164k"
        )
    return found[:N_VERTICES]


def _from_targets(scores: xr.DataArray) -> Maps:
    if scores.dims != ("target",) or not {"hemisphere", "vertex"} <= set(scores.coords):
        raise ValueError(
            f"a map needs scores (target,) with the coordinates hemisphere and vertex, got dims "
            f"{scores.dims} and coordinates {sorted(str(name) for name in scores.coords)}"
        )
    space = scores.attrs.get("space", "fsaverage5")
    if space not in _NESTED:
        raise ValueError(
            f"scores are in space {space!r}, but maps are drawn on fsaverage5: bring the "
            "responses to an fsaverage mesh first"
        )
    with warnings.catch_warnings():
        # A map is of single vertices, and shows those whose ceiling is weak as what they are.
        warnings.filterwarnings("ignore", "by_region: the noise ceiling cannot carry")
        means = by_region(scores, by=["hemisphere", "vertex"])
    maps = {side: np.full(N_VERTICES, np.nan) for side in SIDES}
    for side in SIDES:
        here = means[(means["hemisphere"] == side) & (means["vertex"] < N_VERTICES)]
        maps[side][here["vertex"]] = here["score"]
    return maps
