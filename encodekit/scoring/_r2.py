"""Explained variance against the training mean."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from encodekit.data import (
    N_TARGETS_AT_ONCE,
    check_same_targets,
    column_blocks,
    group_targets,
    is_constant,
    load_columns,
    participants_of,
)
from encodekit.scoring._correlation import finish, pair


def r2(true: Any, predicted: Any, *, mean: Any | None = None, runs: ArrayLike | None = None) -> Any:
    """``R2 = 1 - sum (y - y_hat)^2 / sum (y - mean)^2`` over all rows, ``mean`` from training.

    Against the mean of the test data itself, a model would be charged for what no prediction can
    know; the mean of the training responses is what a model without features predicts.

    Parameters
    ----------
    true, predicted : DataArray (time, target), a list of them, or NumPy arrays
        As for `encodekit.correlation`.
    mean : DataArray (target), array (target,) or float, optional
        The mean of the training responses; 0 where these are z-scored. If not given: the
        coordinate ``training_mean`` that an encodekit model's ``predict`` writes, or
        `encodekit.cross_val_predict`, by row.
    runs : array (time,), optional
        Accepted for NumPy arrays as in `encodekit.correlation`; R2 does not depend on it.

    Returns
    -------
    DataArray (target), array (target,) or float
        NaN as in `encodekit.correlation`; a constant response has no R2.

    Raises
    ------
    ValueError
        If rows or targets differ, or no training mean is known.
    TypeError
        If one side is labelled and the other is not, or values are not real numbers. Whole numbers
        are scored as float64.

    Examples
    --------
    >>> import numpy as np
    >>> r2(np.array([1.0, 2, 3]), np.array([1.0, 2, 2]), mean=1.0)
    np.float64(0.8)
    """
    truth, guess = pair(true, predicted, runs, "r2")
    base = _training_mean(truth, guess, mean)
    return finish(_score(truth, guess.data, base), truth, true, "r2")


def _training_mean(
    truth: xr.DataArray, guess: xr.DataArray, mean: Any | None
) -> NDArray[np.float64]:
    if mean is None and "training_mean" not in guess.coords:
        raise ValueError(
            "r2 is measured against the mean of the training responses, and predicted does not "
            "carry it: pass mean= (one value per target, or 0 for z-scored responses)"
        )
    base = guess.coords["training_mean"] if mean is None else mean
    if isinstance(base, xr.DataArray) and "target" in base.coords and "target" in truth.coords:
        check_same_targets(truth, base, "true", "mean")
    if isinstance(base, xr.DataArray) and base.ndim == 2:
        base = base.transpose("time", "target")
    values = np.asarray(base, dtype=np.float64)
    n_targets = truth.sizes["target"]
    if mean is None and values.shape == truth.shape:
        return values
    if values.shape not in ((), (1,), (n_targets,)):
        raise ValueError(
            f"r2: mean has shape {values.shape}, expected one number or one for each of "
            f"{n_targets} targets"
        )
    return np.broadcast_to(values, (n_targets,))


def _score(truth: xr.DataArray, predicted: Any, base: NDArray[np.float64]) -> NDArray[np.float64]:
    scores = np.full(truth.sizes["target"], np.nan)
    for group in group_targets(truth.data, participants_of(truth.coords, scores.size)):
        for columns in column_blocks(group.columns, N_TARGETS_AT_ONCE):
            true = load_columns(truth.data, columns)[group.present]
            guess = load_columns(predicted, columns)[group.present]
            scores[columns] = _explained(
                true, guess, base[..., columns][_rows_of(base, group.present)]
            )
    return scores


def _rows_of(base: NDArray[np.float64], present: NDArray[np.bool_]) -> Any:
    """Return what selects the rows that are there of a mean by row, and all of one for all rows."""
    return present if base.ndim == 2 else slice(None)


def _explained(
    true: NDArray[Any], predicted: NDArray[Any], base: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not len(true):
        return np.full(true.shape[1], np.nan)
    error = true.astype(np.float64) - predicted
    spread = true - base
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = 1 - np.einsum("ij,ij->j", error, error) / np.einsum("ij,ij->j", spread, spread)
    constant = is_constant(true.max(axis=0), true.min(axis=0), true.dtype)
    return np.where(constant, np.nan, scores)
