"""Correlation of responses and predictions, run by run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from encodekit.data import (
    N_TARGETS_AT_ONCE,
    as_floats,
    check_same_targets,
    column_blocks,
    group_targets,
    is_constant,
    is_labelled,
    join_rows,
    load_columns,
    one_array,
    participants_of,
    target_coords,
)


def correlation(true: Any, predicted: Any, *, runs: ArrayLike | None = None) -> Any:
    """Pearson's r within each run, then the mean over runs weighted by their TRs.

    ``r = sum_run n_run r_run / sum_run n_run``. Over concatenated held-out runs r is biased
    (-.03 with 5 runs of 150 TRs and nothing to find), because every run is predicted from the
    mean of the others; within runs it is not.

    Parameters
    ----------
    true, predicted : DataArray (time, target), or a list of them (one per run)
        Joined exactly on (run, tr); the targets must be the same, in the same order.
        Or both NumPy arrays, (time,) or (time, target), with ``runs`` at the borders.
    runs : array (time,), optional
        For NumPy arrays: the run of each row. One run if not given.

    Returns
    -------
    DataArray (target), array (target,) or float
        With the coordinates of ``true`` and attrs ``metric``, ``runs``, ``space``. Rows in which
        all targets of a participant are NaN in ``true`` were not measured and are left out for
        that participant. Any other NaN, and a constant response or prediction within a run, give
        NaN.

    Raises
    ------
    ValueError
        If a row or target is missing on either side; the message says what is missing where.
    TypeError
        If one side is labelled and the other is not, or values are not real numbers. Whole numbers
        are scored as float64.

    Examples
    --------
    >>> import numpy as np
    >>> correlation(np.array([0, 1, 2, 9, 8, 7]), np.array([1, 2, 3, 5, 4, 3]), runs=list("aaabbb"))
    np.float64(1.0)
    """
    truth, guess = pair(true, predicted, runs, "correlation")
    scores = score(truth.data, guess.data, truth.coords["run"].values, truth.coords)
    return finish(scores, truth, true, "correlation")


def pair(
    true: Any, predicted: Any, runs: ArrayLike | None, metric: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return both sides as DataArrays with the same rows and targets."""
    if is_labelled(true) != is_labelled(predicted):
        plain = "predicted" if is_labelled(true) else "true"
        raise TypeError(
            f"{metric}: {plain} has no labels, the other side has: pass DataArrays on both sides, "
            "or plain arrays on both"
        )
    if not is_labelled(true):
        return _plain_pair(true, predicted, runs, metric)
    if runs is not None:
        raise TypeError(f"{metric}: runs= is for plain arrays; DataArrays carry `run`")
    truth, guess = one_array(true, "true"), one_array(predicted, "predicted")
    check_same_targets(truth, guess, "true", "predicted")
    return truth, join_rows(truth, guess, "true", "predicted")


def _plain_pair(
    true: Any, predicted: Any, runs: ArrayLike | None, metric: str
) -> tuple[xr.DataArray, xr.DataArray]:
    truth, guess = np.asarray(true), np.asarray(predicted)
    if truth.shape != guess.shape or truth.ndim not in (1, 2):
        raise ValueError(
            f"{metric}: true has shape {truth.shape} and predicted {guess.shape}, expected the "
            "same (time,) or (time, target)"
        )
    names = np.zeros(len(truth), dtype=int) if runs is None else np.asarray(runs)
    if names.shape != (len(truth),):
        raise ValueError(
            f"{metric}: runs has shape {names.shape} but the arrays have {len(truth)} rows: give "
            "the run of each row"
        )
    truth, guess = (
        as_floats(side, f"{metric}: {name}")
        for side, name in ((truth, "true"), (guess, "predicted"))
    )
    coords = {"run": ("time", names)}
    shape = (len(truth), -1)
    rows = (
        xr.DataArray(side.reshape(shape), dims=("time", "target"), coords=coords)
        for side in (truth, guess)
    )
    return next(rows), next(rows)


def finish(
    scores: NDArray[Any], truth: xr.DataArray, true: Any, metric: str, **leading: Any
) -> Any:
    """Return ``scores`` (..., target) in the form of the input: DataArray or array.

    Where ``true`` is (time,), without the axis for targets: a float. ``leading`` are coordinates
    of the axes before it, in their order.
    """
    if not is_labelled(true):
        return scores[..., 0][()] if np.ndim(true) == 1 else scores
    names: Sequence[Any] = list(dict.fromkeys(truth.coords["run"].values.tolist()))
    return xr.DataArray(
        scores,
        dims=(*leading, "target"),
        coords={**leading, **target_coords(truth)},
        name=metric,
        attrs={"metric": metric, "runs": [str(name) for name in names], **_space(truth)},
    )


def _space(truth: xr.DataArray) -> dict[str, Any]:
    return {key: truth.attrs[key] for key in ("space",) if key in truth.attrs}


def score(true: Any, predicted: Any, runs: NDArray[Any], coords: Any) -> NDArray[np.float64]:
    """Return r of each target (time, target); ``runs`` are of the rows, ``coords`` of `true`."""
    scores = np.full(true.shape[1], np.nan)
    for group in group_targets(true, participants_of(coords, true.shape[1])):
        for columns in column_blocks(group.columns, N_TARGETS_AT_ONCE):
            left, right = load_columns(true, columns), load_columns(predicted, columns)
            scores[columns] = correlate_runs(
                left[group.present], right[group.present], runs[group.present]
            )
    return scores


def correlate_runs(
    true: NDArray[Any], predicted: NDArray[Any], runs: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the TR-weighted mean over runs of r per column, of arrays (time, target)."""
    if not len(runs):
        return np.full(true.shape[1], np.nan)
    total = np.zeros(true.shape[1])
    for run in np.unique(runs):
        rows = runs == run
        total += np.count_nonzero(rows) * correlate(true[rows], predicted[rows])
    return total / len(runs)


def correlate(true: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    """Return r per column of two arrays (time, target); NaN where either is constant."""
    # Tested before anything is subtracted: rounding leaves a constant with a spread.
    flat = is_flat(true) | is_flat(predicted)
    left = true - true.mean(axis=0, dtype=np.float64)
    right = predicted - predicted.mean(axis=0, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.einsum("ij,ij->j", left, right) / np.sqrt(
            np.einsum("ij,ij->j", left, left) * np.einsum("ij,ij->j", right, right)
        )
    return np.where(flat, np.nan, r)


def is_flat(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which columns of (time, target) are constant."""
    return is_constant(values.max(axis=0), values.min(axis=0), values.dtype)
