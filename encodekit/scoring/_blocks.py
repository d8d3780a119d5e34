"""How uncertain a mean over runs is: the influence of blocks of time, and intervals from them.

The influence of a block is how far the estimate falls when the block is left out, on the scale of
the whole: an estimate is its mean over blocks, as a mean is of single values. Influences of
differences, means over targets and smooth functions are those differences, means and (by the delta
method) slopes times the influences, so that one table (block, target) serves them all.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from encodekit.data import moments_heard
from encodekit.scoring._groups import Groups
from encodekit.scoring._jackknife import correlations_without, count_blocks
from encodekit.scoring._null_statistics import RunRows
from encodekit.scoring._nulls import nearest_place

_SHORTEST = 3  # TRs of a block
_ENOUGH = 3  # blocks in all; of two, the spread is a guess
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Stretches of the stimuli, the same for all who heard them, in whatever run and order.

    Attributes
    ----------
    of_row : array (time,) of int
        The block of each row.
    stimulus : array (block,) of int
        The stimulus that each is cut from; -1 for those that are one block as a whole.
    """

    of_row: NDArray[np.intp]
    stimulus: NDArray[np.intp]

    @property
    def size(self) -> int:
        """How many blocks there are."""
        return self.stimulus.size

    def starts(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the blocks of the ``rows`` of one run, and where within these each begins."""
        return np.unique(self.of_row[rows], return_index=True)


def make_blocks(rows: xr.DataArray) -> Blocks:
    """Cut what was heard into blocks of about 20 TRs, at least four to a stimulus."""
    heard, seconds, t_r = moments_heard(rows)
    of_row = np.zeros(heard.size, np.intp)
    stimulus: list[int] = []
    for number, name in enumerate(dict.fromkeys(heard.tolist())):
        here = np.flatnonzero(heard == name)
        place = nearest_place(seconds[here] - seconds[here].min(), float(t_r[here].min()))
        length = int(place.max()) + 1
        n = count_blocks(length, _SHORTEST)
        of_row[here] = len(stimulus) + place * n // length
        stimulus += [number if n > 1 else -1] * n
    return Blocks(of_row, np.asarray(stimulus, np.intp))


class Influence:
    """The influence of each block on r of each target, summed up run by run.

    r is the TR-weighted mean over runs. Blocks in which a target has no row have none.
    """

    def __init__(self, blocks: Blocks, n_columns: int) -> None:
        self._blocks = blocks
        # Sums over runs of n r and of n: of all rows, then what each block takes away from them.
        self._weighted, self._n = np.zeros((2, 1 + blocks.size, n_columns))

    def add(self, rows: RunRows, flat: NDArray[np.bool_] | None = None) -> Floats:
        """Add one run, and return r (target,) in it; 0 for targets that are ``flat`` (target,)."""
        blocks, starts = self._blocks.starts(rows.places)
        sides = (side.astype(np.float64) for side in (rows.true, rows.predicted))
        r, n = correlations_without(next(sides), next(sides), starts, rows.there)
        # A block that is the whole run leaves nothing behind, and takes it all.
        r = np.where(n > 0, r, 0.0)
        if flat is not None:
            r = np.where(flat, 0.0, r)
        self._weighted[0] += r[0] * n[0]
        self._n[0] += n[0]
        self._weighted[1 + blocks] += r[0] * n[0] - r[1:] * n[1:]
        self._n[1 + blocks] += n[0] - n[1:]
        of_run: Floats = r[0]
        return of_run

    def whole(self) -> Floats:
        """Return r of each target."""
        with np.errstate(divide="ignore", invalid="ignore"):
            r: Floats = self._weighted[0] / self._n[0]
        return r

    def values(self) -> Floats:
        """Return (block, target): NaN where the target has no row of a block."""
        weighted, n = self._weighted, self._n
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = weighted[0] / n[0]
            without = (weighted[0] - weighted[1:]) / (n[0] - n[1:])
            # Without m of N rows, an estimate that is a mean moves by m / (N - m) of the block's
            # distance from it: (N - m) / N scales this to the block's part in the whole.
            moved = (whole - without) * (n[0] - n[1:]) / n[0]
        return np.where(n[1:] > 0, np.where(n[1:] < n[0], moved, 0.0), np.nan)


def grouped(influence: Floats, groups: Groups, weights: NDArray[Any]) -> Floats:
    """Return (block, group): means over the targets with ``weights`` (target,) 1, of those 0 not.

    NaN where no target of the group has a row of the block; a target without one adds 0, since
    leaving the block out does not move its r.
    """
    here = np.isfinite(influence) & (weights > 0)
    totals = groups.sum(np.where(here, influence, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = totals / groups.sum(weights.astype(np.float64))
    return np.where(groups.sum(here.astype(np.float64)) > 0, mean, np.nan)


def standard_error(influence: Floats, blocks: Blocks) -> tuple[Floats, NDArray[np.intp]]:
    """Return the standard error (target,) of the sum of ``influence``, and degrees of freedom.

    ``se^2 = sum_stimulus k / (k - 1) sum_block (influence - mean)^2``: the influences of the k
    blocks of one stimulus have a mean of their own (near 0, since r within a run is relative to
    the run's mean), which takes one degree of freedom of each. NaN below three blocks.
    """
    variance = np.zeros(influence.shape[1])
    freedom = np.zeros(influence.shape[1], np.intp)
    there = np.isfinite(influence)
    for stimulus in np.unique(blocks.stimulus):
        some = blocks.stimulus == stimulus
        n = there[some].sum(axis=0)
        values = np.where(there[some], influence[some], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = (values**2).sum(axis=0) - values.sum(axis=0) ** 2 / n
            variance += np.where(n > 1, n / (n - 1) * squares, 0.0)
        freedom += np.maximum(n - 1, 0)
    few = there.sum(axis=0) < _ENOUGH
    return np.where(few | (freedom == 0), np.nan, np.sqrt(variance)), freedom


def half_width(error: Floats, freedom: NDArray[Any], level: float = LEVEL) -> Floats:
    """Return half the t interval; NaN without a degree of freedom."""
    t = stats.t.ppf((1 + level) / 2, np.maximum(freedom, 1))
    half: Floats = np.where(freedom > 0, t, np.nan) * error
    return half


def warn_of_few_blocks(influence: Floats, who: str) -> None:
    """Warn of columns (block, column) with too few blocks for an interval."""
    n = np.isfinite(influence).sum(axis=0)
    few = np.count_nonzero((n > 0) & (n < _ENOUGH))
    if few:
        warnings.warn(
            f"{who}: {few} of {n.size} intervals over stimulus are NaN: there are fewer than three "
            "blocks of time, and the spread of two is a guess: score longer or more runs",
            stacklevel=4,
        )
