"""The scores of `RidgeCV`, in the form in which himalaya asks for them: fold by fold."""

from collections.abc import Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.data import is_constant
from encodekit.linear._criteria import CRITERIA
from encodekit.linear._patterns import Pair

# himalaya adds 1e-10 log(alpha), so that the largest of equally good alphas wins. Twice as much
# the other way lets the smallest win.
_TIE_BREAK = -2e-10


class FoldScores:
    """``score_func(true, predicted)`` whose mean over folds is the score of `RidgeCV`.

    himalaya averages over folds, whatever their sizes. That is what ``r2_folds`` and
    ``correlation_folds`` are; a fold in which the target is constant counts as 0. For the others
    each fold's share is scaled by the number of folds over the total: of the TRs, for
    ``correlation`` (r within each held-out run, weighted by its TRs; runs in which the target is
    constant are left out), or of the squared deviations from the training means, for
    ``r2_pooled``. A prediction that is constant in a run counts as r = 0.

    Of alphas that score alike to less than 1e-9 the smallest is to win, as in `RidgeCV`; where no
    alpha predicts anything, the largest.

    himalaya says neither which fold nor which targets it asks about: it walks the folds, within
    them the batches of alphas, and within these the batches of targets, and so does this.

    Parameters
    ----------
    targets : array (time, target)
        As they came: in float32 a constant is one up to the rounding of float32.
    folds : sequence of (train, held-out) rows
    runs : array (time,) or None
        None: the held-out rows of a fold are one run.
    scoring : {"correlation", "correlation_folds", "r2_pooled", "r2_folds"}
    fit_intercept : bool
    grid : array (alpha,)
    alphas, columns : sequence of slice
        The batches.
    backend : module
        himalaya's.
    """

    def __init__(
        self,
        targets: NDArray[Any],
        folds: Sequence[Pair],
        runs: NDArray[Any] | None,
        *,
        scoring: str,
        fit_intercept: bool,
        grid: NDArray[np.float64],
        alphas: Sequence[slice],
        columns: Sequence[slice],
        backend: Any,
    ) -> None:
        self._steps = cycle(product(range(len(folds)), alphas, columns))
        self._backend = backend
        self._criterion = CRITERIA[scoring]
        by_fold = self._criterion.by_fold
        self._runs = [_stretches(held_out, None if by_fold else runs) for _, held_out in folds]
        if self._criterion.correlates:
            weights = [_run_weights(targets[held_out], rows)
                       for (_, held_out), rows in zip(folds, self._runs, strict=True)]  # fmt: skip
        else:
            weights = [_spread(targets, *pair, own_mean=by_fold, fit_intercept=fit_intercept)
                       for pair in folds]  # fmt: skip
        total = sum(weight.sum(axis=0) for weight in weights)
        self.defined: NDArray[np.bool_] = total > 0
        self._tie_break = _TIE_BREAK * np.log(grid)[:, None]  # (alpha, 1)
        # What an R2 subtracts from: 1, but 0 for a fold that by itself has no R2.
        self._tops = [weight > 0 if by_fold else np.ones_like(weight) for weight in weights]
        self._weights = self._scaled(weights, total)

    def _scaled(
        self, weights: list[NDArray[np.float64]], total: NDArray[np.float64]
    ) -> list[NDArray[np.float64]]:
        """Return what the r of a run, or the squared error of a fold, is multiplied by."""
        if self._criterion.by_fold and self._criterion.correlates:
            return [(weight > 0).astype(np.float64) for weight in weights]
        if self._criterion.by_fold:
            return [1 / np.where(weight > 0, weight, np.inf) for weight in weights]
        # himalaya's mean over folds times their number is the sum, which over the total weight
        # is the score of all held-out rows. The scale of a target without any weight is 0.
        scale = len(weights) / np.where(self.defined, total, np.inf)[None]
        # R2 divides every fold by the same total; the weights of runs differ.
        return [scale * (weight if self._criterion.correlates else [1.0]) for weight in weights]

    def __call__(self, true: Any, predicted: Any) -> Any:
        """Return the share (alpha, target) of one fold for predictions (alpha, time, target)."""
        fold, alphas, columns = next(self._steps)
        weights = self._weights[fold][..., columns]  # (run, target), or (1, target) for r2
        # Shapes are all that can show a walk in another order before it gives wrong scores.
        expected = (alphas.stop - alphas.start, len(true), weights.shape[-1])
        if tuple(predicted.shape) != expected:
            raise RuntimeError(
                f"himalaya asks for the score of predictions {tuple(predicted.shape)} where "
                f"{expected} were due: this version walks its folds in another order; use 0.4.11"
            )
        weights = self._backend.asarray_like(weights, predicted)
        tie_break = self._backend.asarray_like(self._tie_break[alphas], predicted)
        if not self._criterion.correlates:
            top = self._backend.asarray_like(self._tops[fold][0, columns], predicted)
            return top - weights[0] * ((predicted - true) ** 2).sum(1) + tie_break
        shares = [
            weight * _correlate(true[rows], predicted[:, rows], tie_break)
            for rows, weight in zip(self._runs[fold], weights, strict=True)
        ]
        return sum(shares[1:], shares[0])


def _correlate(true: Any, predicted: Any, tie_break: Any) -> Any:
    """Return r plus ``tie_break``, (alpha, target), in himalaya's arrays; 0 where undefined."""
    left = true - true.mean(0)  # (time, target)
    right = predicted - predicted.mean(1)[:, None]  # (alpha, time, target)
    size = ((left * left).sum(0) * (right * right).sum(1)) ** 0.5  # (alpha, target)
    nothing = size == 0
    # Adding True makes 0 / 0 into 0 / 1. Without a prediction there is no tie to break either, and
    # himalaya's own rule takes the largest alpha.
    return (left * right).sum(1) / (size + nothing) + tie_break * ~nothing


def _stretches(rows: NDArray[np.intp], runs: NDArray[Any] | None) -> list[Any]:
    """Return where within the held-out rows each run is; a slice where it is in one piece."""
    if runs is None:
        return [slice(0, rows.size)]
    found = [np.flatnonzero(runs[rows] == run) for run in np.unique(runs[rows])]
    return [
        slice(int(at[0]), int(at[-1]) + 1) if at[-1] - at[0] == at.size - 1 else at for at in found
    ]


def _run_weights(targets: NDArray[Any], runs: list[Any]) -> NDArray[np.float64]:
    """Return the TRs of each run, 0 for targets that are constant in it: (run, target)."""
    weights = []
    for rows in runs:
        part = targets[rows]
        flat = is_constant(part.max(axis=0), part.min(axis=0), part.dtype)
        weights.append(len(part) * ~flat)
    return np.asarray(weights, dtype=np.float64)


def _spread(
    targets: NDArray[Any],
    train: NDArray[np.intp],
    held_out: NDArray[np.intp],
    *,
    own_mean: bool,
    fit_intercept: bool,
) -> NDArray[np.float64]:
    """Return the squared deviations from the training mean, or the rows' own, (1, target)."""
    rows = targets[held_out]
    of = rows if own_mean else targets[train]
    mean = of.mean(axis=0, dtype=np.float64) if own_mean or fit_intercept else 0.0
    squares: NDArray[np.float64] = np.square(rows - mean).sum(axis=0)
    if own_mean:  # in float32 a constant differs from its mean by rounding
        squares[is_constant(rows.max(axis=0), rows.min(axis=0), rows.dtype)] = 0
    return squares[None]
