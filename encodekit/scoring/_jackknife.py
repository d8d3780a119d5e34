"""Estimates without one block of time at a time, and intervals from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_BLOCK = 20  # TRs, beyond which responses hardly remember
_FEWEST = 4  # blocks of a run, or the interval knows nothing of its own width

Floats = NDArray[np.float64]


def count_blocks(n_trs: int, shortest: int = 1) -> int:
    """Return into how many blocks of about 20 TRs a run is cut: at least four, or what fits."""
    return max(min(max(round(n_trs / _BLOCK), _FEWEST), n_trs // shortest), 1)


def block_starts(n_trs: int) -> NDArray[np.intp]:
    """Return where the blocks of a run begin."""
    n_blocks = count_blocks(n_trs)
    return np.arange(n_blocks) * n_trs // n_blocks


def sums_without(values: Floats, starts: NDArray[np.intp], axis: int = 0) -> Floats:
    """Return (1 + block, ...): sums of ``values`` along time, of all, then without each block."""
    # reduceat sums from each start to the next: (block, ...), of which the total less one is what
    # is left without it.
    parts = np.moveaxis(np.add.reduceat(values, starts, axis=axis), axis, 0)
    total = parts.sum(axis=0, keepdims=True)
    sums: Floats = np.concatenate([total, total - parts])
    return sums


def counts_without(n_trs: int, starts: NDArray[np.intp]) -> Floats:
    """Return (1 + block,): how many rows are left."""
    return sums_without(np.ones(n_trs), starts)


def correlations_without(
    left: Floats, right: Floats, starts: NDArray[np.intp], there: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Return r (1 + block, target) of columns (time, target), of all rows, then without each block.

    And how many rows each is from. Rows that are not ``there`` are 0 in ``left``, and left out.
    """
    rows = np.ones(len(left)) if there is None else there.astype(np.float64)
    right = right * rows[:, None]
    n = sums_without(rows, starts)[:, None] * np.ones(left.shape[1])
    one, other = (sums_without(side, starts) for side in (left, right))
    with np.errstate(divide="ignore", invalid="ignore"):
        product = sums_without(left * right, starts) - one * other / n
        squares = [
            sums_without(side**2, starts) - total**2 / n
            for side, total in ((left, one), (right, other))
        ]
        return product / np.sqrt(squares[0] * squares[1]), n


def join_runs(by_run: Sequence[Floats]) -> Floats:
    """Return sums over runs of (1 + block, target): of all, then without each block of each run."""
    # Without a block, a run has its own sum and the others have theirs whole.
    total = sum(run[:1] for run in by_run)
    rows: Floats = np.concatenate([total, *(total - run[:1] + run[1:] for run in by_run)])
    return rows


def t_limits(estimates: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the ends of the t interval of ``estimates`` (1 + block, target)."""
    without = estimates[1:]
    n = len(without)
    # The jackknife's variance, (n - 1) / n sum (estimate - mean)^2.
    spread = np.sqrt((n - 1) * np.square(without - without.mean(axis=0)).mean(axis=0))
    half = stats.t.ppf((1 + level) / 2, n - 1) * spread
    return estimates[0] - half, estimates[0] + half
