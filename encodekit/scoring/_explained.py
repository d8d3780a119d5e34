"""Explained variance of groups of targets, with the influence of blocks of time on it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.scoring._blocks import Blocks, Influence, grouped
from encodekit.scoring._correlation import is_flat
from encodekit.scoring._groups import Groups
from encodekit.scoring._null_statistics import each_run, pieces

_AT_ONCE = 4096  # targets

Floats = NDArray[np.float64]


class Explained(NamedTuple):
    """Explained variance (group,), and the influence of blocks on it (block, group)."""

    values: Floats
    influence: Floats

    def __add__(self, other: "Explained") -> "Explained":  # type: ignore[override]
        return Explained(self.values + other.values, self.influence + other.influence)

    def __sub__(self, other: "Explained") -> "Explained":
        return Explained(self.values - other.values, self.influence - other.influence)


def squared_correlation(
    truth: xr.DataArray, guess: xr.DataArray, groups: Groups, blocks: Blocks
) -> Explained:
    """Return ``r |r|``, r within runs: the share of variance that a rescaled prediction explains.

    Of the sign of r, so that what predicts the wrong way does not count as explained. A prediction
    that is constant in a run explains nothing of it, and counts as r = 0 there.
    """
    r = np.full(truth.sizes["target"], np.nan)
    influence = np.full((blocks.size, r.size), np.nan)
    for piece in pieces(truth, guess, np.ones(r.size, bool), _AT_ONCE):
        part = Influence(blocks, piece.columns.size)
        for rows in each_run(piece):
            part.add(rows, is_flat(piece.predicted[rows.places][rows.there]))
        r[piece.columns] = part.whole()
        # The slope of r |r| is 2 |r|.
        influence[:, piece.columns] = 2 * np.abs(r[piece.columns]) * part.values()
    return Explained(groups.mean(r * np.abs(r)), grouped(influence, groups, np.isfinite(r)))


def r2_of_residuals(
    truth: xr.DataArray, guess: xr.DataArray, groups: Groups, blocks: Blocks
) -> Explained:
    """Return ``R2 = 1 - sum (y - p)^2 / sum y^2`` of rows that are relative to a training mean."""
    values = np.full(truth.sizes["target"], np.nan)
    influence = np.full((blocks.size, values.size), np.nan)
    for piece in pieces(truth, guess, np.ones(values.size, bool), _AT_ONCE):
        there = piece.present
        y, p = (side[there].astype(np.float64) for side in (piece.true, piece.predicted))
        here, starts = np.unique(blocks.of_row[there], return_inverse=True)
        # Sums over the rows of each block: (block, row) @ (row, target).
        member = (starts == np.arange(here.size)[:, None]).astype(np.float64)
        error, spread = member @ (y - p) ** 2, member @ y**2
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = error.sum(axis=0) / spread.sum(axis=0)
            moved = -(error - ratio * spread) / spread.sum(axis=0)
        values[piece.columns] = np.where(spread.sum(axis=0) > 0, 1 - ratio, np.nan)
        influence[np.ix_(here, piece.columns)] = moved
    wanted = np.isfinite(values)
    return Explained(groups.mean(values), grouped(influence, groups, wanted))


EXPLAINED: dict[str, Callable[..., Explained]] = {
    "correlation": squared_correlation,
    "r2": r2_of_residuals,
}
