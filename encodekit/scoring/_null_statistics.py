"""Statistics of scrambled predictions, block of targets by block, over the runs of each person."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import column_blocks, group_targets, load_columns, participants_of
from encodekit.scoring._groups import Groups
from encodekit.scoring._nulls import Floats, Scramblings

Block = tuple[NDArray[np.intp], NDArray[Any]]  # columns, and values (..., column)


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
        for columns in column_blocks(group.columns[wanted[group.columns]], at_once):
            sides = (load_columns(side.data, columns) for side in (truth, guess))
            yield Piece(columns, next(sides), next(sides), runs, group.present)


class RunRows(NamedTuple):
    """One run of a `Piece`, its columns of mean 0 and norm 1 over the rows that are there."""

    run: Any
    places: NDArray[np.intp]  # its rows within all
    true: Floats
    predicted: Floats
    there: NDArray[np.bool_]
    weight: np.float32  # of sums of products in the mean over runs


def each_run(piece: Piece) -> Iterator[RunRows]:
    """Yield the runs of which the participant has any row.

    Rows that the participant lacks are 0 in the response; the prediction keeps its norm over the
    whole run, where it is scrambled as for everybody else.
    """
    for run in dict.fromkeys(piece.runs.tolist()):
        rows = np.flatnonzero(piece.runs == run)
        there = piece.present[rows]
        if not there.any():
            continue
        predicted = piece.predicted[rows]
        known = there | np.isfinite(predicted).all(axis=1)
        true, predicted = _unit(piece.true[rows], there), _unit(predicted, known)
        n, n_all = there.sum(), piece.present.sum()
        # The prediction has norm 1 over all known rows, and so about sqrt(n / known) over those
        # that meet the response: y' p sqrt(known / n) is r, and n / n_all its share of the mean.
        weight = np.sqrt(n * known.sum()) / n_all
        yield RunRows(run, rows, true, predicted, there, np.float32(weight))


def statistics(piece: Piece, chance: Scramblings, draws: Mapping[Any, NDArray[Any]]) -> Floats:
    """Return (1 + n, column): the TR-weighted mean over runs of the statistics of ``draws``."""
    total: Any = 0
    for rows in each_run(piece):
        total += rows.weight * chance.statistics(rows.run, rows.true, rows.predicted, draws)
    return np.asarray(total)


def group_means(
    parts: Iterable[Block], groups: Groups, wanted: NDArray[np.bool_], at_once: int
) -> Iterator[Block]:
    """Yield (..., group) at most ``at_once`` at a time: means over the wanted targets of each."""
    # Groups cut across blocks and participants: sums are whole when all blocks have passed.
    total: Any = 0
    for columns, values in parts:
        total = total + groups.sum(values, columns)
    n = groups.sum(wanted.astype(np.float32))
    for some in column_blocks(np.flatnonzero(n), at_once):
        yield some, total[:, some] / n[some]


def _unit(values: NDArray[Any], rows: NDArray[np.bool_]) -> Floats:
    """Return ``values`` with mean 0 and norm 1 over ``rows``, and 0 in all others."""
    kept = values[rows]
    centred = kept - kept.mean(axis=0, dtype=np.float64)
    out = np.zeros(values.shape, np.float32)
    out[rows] = centred / np.sqrt(np.einsum("ij,ij->j", centred, centred))
    return out
