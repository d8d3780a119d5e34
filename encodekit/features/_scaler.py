"""Z-scores within each run."""

from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.utils.validation import validate_data

from encodekit.data import as_floats
from encodekit.features._containers import LabelledOrArray, is_labelled_rows
from encodekit.features._runs import runs_of, runs_of_array


class RunScaler(LabelledOrArray, OneToOneFeatureMixin, BaseEstimator):
    """Z-score every feature or target within each run, by the run's own mean and deviation.

    ``z = (x - mean of the run) / standard deviation of the run``. A constant column (max equals
    min, to rounding) becomes 0. NaN (censored TRs) stays NaN and does not count. Rows of history
    are scaled by the statistics of the rows of ``tr >= 0``.

    It is transductive on a test run: the scale of a run is taken from that run, also where it is
    held out. That is what the field does, since scanner units differ between runs; it needs the
    whole run at once.

    ``set_output(transform="pandas")`` concerns arrays; DataArrays stay DataArrays.

    Examples
    --------
    >>> import numpy as np
    >>> RunScaler().fit_transform(np.array([[1.0], [3.0], [10.0], [30.0]]), runs=[1, 1, 2, 2])
    array([[-1.],
           [ 1.],
           [-1.],
           [ 1.]])
    """

    def fit(self, X: Any, y: Any = None, runs: ArrayLike | None = None) -> Self:
        """Return self: every run brings its own statistics."""
        if not is_labelled_rows(X):
            validate_data(self, X, reset=True, ensure_all_finite="allow-nan")
        return self

    def transform(self, X: Any, runs: ArrayLike | None = None) -> Any:
        """Return z-scores in the shape of ``X``.

        Parameters
        ----------
        X : DataArray (time, ...), list of them, or array (n_rows, n_columns)
        runs : sequence (n_rows,), optional
            For arrays: the run of each row. Without it all rows are one run.
        """
        if isinstance(X, xr.DataArray):
            return _scaled(X)
        if is_labelled_rows(X):
            return type(X)(_scaled(run) for run in X)
        dtypes = [np.float64, np.float32]
        values = validate_data(self, X, reset=False, dtype=dtypes, ensure_all_finite="allow-nan")
        out = np.empty_like(values)
        for run in runs_of_array(values.shape[0], runs):
            out[run.rows] = z_score(values[run.rows], values[run.rows])
        return out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.allow_nan = True
        return tags


def z_score(values: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any]:
    """Return ``values`` scaled by mean and deviation of ``reference`` over its first axis."""
    known = np.isfinite(reference)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, reference, 0).sum(axis=0, dtype=np.float64) / n
    centred = np.where(known, reference - mean, 0)
    deviation = np.sqrt((centred**2).sum(axis=0, dtype=np.float64) / n)
    lowest = np.where(known, reference, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, reference, -np.inf).max(axis=0, initial=-np.inf)
    noise = 4 * np.finfo(values.dtype).eps * np.maximum(np.abs(lowest), np.abs(highest))
    constant = ~(highest - lowest > noise)
    scaled = (values - mean) / np.where(constant | (deviation == 0), 1.0, deviation)
    out: NDArray[Any] = np.where(constant & np.isfinite(values), 0.0, scaled)
    return out.astype(values.dtype)


def _scaled(X: xr.DataArray) -> xr.DataArray:
    rows_first = X.transpose("time", ...)
    values = as_floats(rows_first, "RunScaler").values
    out = np.empty_like(values)
    for run in runs_of(X):
        out[run.rows] = z_score(values[run.rows], values[run.rows[run.tr >= 0]])
    scaled = rows_first.copy(data=out).transpose(*X.dims)
    return scaled.assign_attrs(units="z") if "units" in X.attrs else scaled
