"""The product measure: scores of a joint model as a sum over its bands."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.data import column_blocks, group_targets, is_constant, load_columns

_AT_ONCE = 512  # targets


def split_correlation(
    true: NDArray[Any], predicted: NDArray[Any], parts: NDArray[Any], runs: NDArray[Any]
) -> NDArray[np.float64]:
    """``r_b = sum_run n_run cov(y, p_b) / (sd(y) sd(p)) / n``, so that ``sum_b r_b = r``.

    ``p = sum_b p_b`` is the whole prediction; covariances and deviations are within the run. A
    band that hurts is negative.

    Parameters
    ----------
    true, predicted : array (time, target)
    parts : array (band, time, target)
        Their sum is ``predicted`` but for a constant.
    runs : array (time,)

    Returns
    -------
    array (band, target)
        NaN where `encodekit.correlation` is.

    References
    ----------
    Dupré la Tour, Eickenberg, Nunez-Elizalde, Gallant (2022), Feature-space selection with banded
    ridge regression, NeuroImage 264:119728, which splits R2 by the product measure;
    ``himalaya.scoring.correlation_score_split`` splits r in the same way.
    """
    total = np.zeros((len(parts), true.shape[1]))
    for run in np.unique(runs):
        rows = runs == run
        left = _centred(true[rows])  # (time, target)
        right = _centred(parts[:, rows], axis=1)  # (band, time, target)
        # Norms, not deviations: the numbers of TRs cancel. All bands share the norm of their sum.
        size = _norm(left) * _norm(right.sum(axis=0))
        shares = np.einsum("ij,bij->bj", left, right)
        with np.errstate(divide="ignore", invalid="ignore"):
            r = shares / size
        r[:, _flat(true[rows]) | _flat(predicted[rows])] = np.nan
        total += np.count_nonzero(rows) * r
    return total / len(runs)


def split_r2(
    true: NDArray[Any], parts: NDArray[Any], mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``R2_b = p_b' (2 (y - m) - p) / ||y - m||^2``, so that ``sum_b R2_b = R2`` against ``m``.

    Parameters
    ----------
    true : array (time, target)
    parts : array (band, time, target)
        ``p = sum_b p_b``; ``m + p`` is the prediction.
    mean : array (target,)
        The training mean m.

    Returns
    -------
    array (band, target)
        NaN where `encodekit.r2` is.

    References
    ----------
    The product measure of R2 as in Dupré la Tour et al. (2022), NeuroImage 264:119728.
    """
    wide = parts.astype(np.float64)
    left = true - mean
    # ||l||^2 - ||l - p||^2 = p' (2 l - p), which is linear in the first p and so sums over bands.
    shares = np.einsum("bij,ij->bj", wide, 2 * left - wide.sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scores: NDArray[np.float64] = shares / np.square(_norm(left))
    scores[:, _flat(true)] = np.nan
    return scores


def by_participant(
    score: Callable[[NDArray[np.bool_], NDArray[np.intp]], NDArray[np.float64]],
    true: Any,
    participants: NDArray[Any],
    n_bands: int,
) -> NDArray[np.float64]:
    """Return ``score(rows, columns)`` (band, some targets) for the rows each participant has."""
    scores = np.full((n_bands, true.shape[1]), np.nan)
    for group in group_targets(true, participants):
        if group.present.any():
            for columns in column_blocks(group.columns, _AT_ONCE):
                scores[:, columns] = score(group.present, columns)
    return scores


def columns_of(values: Any, rows: NDArray[np.bool_], columns: NDArray[np.intp]) -> NDArray[Any]:
    """Return ``values[..., rows, columns]`` in memory."""
    return load_columns(values, columns)[..., rows, :]


def _centred(values: NDArray[Any], axis: int = 0) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = values - values.mean(axis, dtype=np.float64, keepdims=True)
    return centred


def _norm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("ij,ij->j", values, values)
    return np.sqrt(squares)


def _flat(values: NDArray[Any]) -> NDArray[np.bool_]:
    return is_constant(values.max(axis=0), values.min(axis=0), values.dtype)
