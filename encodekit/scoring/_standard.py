"""Statistics of scrambled predictions, block of targets by block, over the runs of each person."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.scoring._missing import blocks, group_targets, load_columns, participants_of
from encodekit.scoring._nulls import Floats, Null


class Piece(NamedTuple):
    """Responses and predictions (time, column) of some targets of one participant."""

    columns: NDArray[np.intp]
    true: NDArray[Any]
    predicted: NDArray[Any]
    runs: NDArray[Any]
    present: NDArray[np.bool_]


def pieces(
    truth: xr.DataArray, guess: xr.DataArray, wanted: NDArray[np.bool_], at_once: int
) -> Iterator[Piece]:
    """Yield the ``wanted`` targets, at most ``at_once`` of them at a time."""
    runs = truth.coords["run"].values
    for group in group_targets(truth.data, participants_of(truth.coords, wanted.size)):
        for columns in blocks(group.columns[wanted[group.columns]], at_once):
            sides = (load_columns(side.data, columns) for side in (truth, guess))
            yield Piece(columns, next(sides), next(sides), runs, group.present)


def statistics(piece: Piece, null: Null, draws: Mapping[Any, NDArray[Any]]) -> Floats:
    """Return (1 + n, column): the TR-weighted mean over runs of the statistics of ``null``.

    Rows that the participant lacks are left out of the products; the prediction is scrambled over
    the whole run, as for everybody else, and keeps its norm there.
    """
    total: Any = 0
    for run, draw in draws.items():
        rows = np.flatnonzero(piece.runs == run)
        there = piece.present[rows]
        if not there.any():
            continue
        predicted = piece.predicted[rows]
        known = there | np.isfinite(predicted).all(axis=1)
        found = null.statistics(_unit(piece.true[rows], there), _unit(predicted, known), draw)
        weight = np.sqrt(there.sum() * known.sum()) / piece.present.sum()
        total += np.float32(weight) * found
    return np.asarray(total)


def _unit(values: NDArray[Any], rows: NDArray[np.bool_]) -> Floats:
    """Return ``values`` with mean 0 and norm 1 over ``rows``, and 0 in all others."""
    kept = values[rows]
    centred = kept - kept.mean(axis=0, dtype=np.float64)
    out = np.zeros(values.shape, np.float32)
    out[rows] = centred / np.sqrt(np.einsum("ij,ij->j", centred, centred))
    return out
