"""Delayed copies of features: a finite impulse response."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from encodekit.data import as_floats
from encodekit.data._timing import say_seconds
from encodekit.features._containers import LabelledOrArray
from encodekit.features._runs import (
    Run,
    earlier_rows,
    needed_t_r,
    runs_of,
    runs_of_array,
    take_rows,
)

DEFAULT_SECONDS = (2.0, 4.0, 6.0, 8.0)
_LONGEST = 60.0  # s
_WHOLE = 1e-6  # TRs; a delay this close to a whole number of TRs is one


class Delayer(LabelledOrArray, BaseEstimator):
    """Features at several delays: row t holds x(t - d1), x(t - d2), ... of the same run.

    Delays never cross the border of a run. The rows of history (``tr < 0``) are used and then
    dropped. Zeros stand only where the audio had not begun; where it had, and the history is too
    short, an error says which ``history=`` to ask of the extractor. A delay in seconds that is
    not a whole number of TRs is interpolated linearly between the two rows around it.

    A plain array does not say where runs begin: give ``runs=``, or it is taken for one run.

    The order of the output is delay-major: all features at the first delay, then all at the
    second. ``set_output(transform="pandas")`` concerns arrays, whose columns are then named
    ``x0_delay1``; a DataArray stays one, with ``name`` and ``delay`` on feature.

    Parameters
    ----------
    delays : sequence of int, optional
        In TRs; for runs that share one. Either these or ``seconds``; without both, 2, 4, 6 and
        8 s.
    seconds : sequence of float, optional
        In seconds; where runs have several TRs, the same in each of them.

    Examples
    --------
    >>> import numpy as np
    >>> Delayer(delays=[0, 1]).fit_transform(np.array([[1.0], [2.0], [3.0]]), runs=["a", "a", "b"])
    array([[1., 0.],
           [2., 1.],
           [3., 0.]])
    """

    def __init__(
        self, delays: Sequence[int] | None = None, seconds: Sequence[float] | None = None
    ) -> None:
        self.delays = delays
        self.seconds = seconds

    def fit(self, X: Any, y: Any = None, runs: ArrayLike | None = None) -> Self:
        """Check the delays; nothing is learnt."""
        if not isinstance(X, xr.DataArray):
            validate_data(self, X, reset=True)
            self._lags(None)
        return self

    def transform(self, X: Any, runs: ArrayLike | None = None) -> Any:
        """Return the delayed features.

        Parameters
        ----------
        X : DataArray (time, feature), or array (n_rows, n_features)
            An array carries no history: zeros stand before each run.
        runs : sequence (n_rows,), optional
            For arrays: the run of each row. Without it all rows are one run.

        Returns
        -------
        DataArray (time, feature * delay) with ``delay`` (s) on feature and ``tr >= 0``, or array

        Raises
        ------
        ValueError
            If the history is too short although the audio had begun; if a run is interrupted; if
            delays are in TRs but the runs have several.
        """
        if isinstance(X, xr.DataArray):
            return self._delayed(X)
        values = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        lags = self._lags(None)
        out = np.empty((values.shape[0], lags.size * values.shape[1]), dtype=values.dtype)
        for run in runs_of_array(values.shape[0], runs):
            out[run.rows] = _lagged(values, run, lags, 1.0)
        return out

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return ``x0_delay1, x1_delay1, ..., x0_delay2, ...`` of arrays, delays in TRs.

        Parameters
        ----------
        input_features : sequence of str, optional
            The columns' names; those of the DataFrame of the fit, or x0, x1, ..., if not given.
        """
        check_is_fitted(self, "n_features_in_")
        names = _check_feature_names_in(self, input_features)
        lags = self._lags(None)
        return np.asarray([f"{name}_delay{lag:g}" for lag in lags for name in names], dtype=object)

    def _delayed(self, X: xr.DataArray) -> xr.DataArray:
        values = as_floats(X, "Delayer").values
        runs = runs_of(X)
        delays = self._seconds(runs)
        kept = np.concatenate([run.rows[run.tr >= 0] for run in runs])
        out = np.concatenate(
            [_lagged(values, run, self._lags(run.t_r), needed_t_r(run)) for run in runs]
        )
        coords: dict[str, Any] = {
            str(name): ("time", X.coords[name].values[kept])
            for name in X.coords
            if X.coords[name].dims == ("time",)
        }
        for name in X.coords:
            if X.coords[name].dims == ("feature",):
                coords[str(name)] = ("feature", np.tile(X.coords[name].values, delays.size))
        n_features = X.sizes["feature"]
        before = coords["delay"][1] if "delay" in coords else 0.0
        coords["delay"] = ("feature", before + np.repeat(delays, n_features))
        attrs = {**X.attrs, "history": 0.0}
        return xr.DataArray(out, dims=("time", "feature"), coords=coords, attrs=attrs)

    def _seconds(self, runs: Sequence[Run]) -> NDArray[np.float64]:
        """Return the delays in seconds, which are those of every run."""
        if self.delays is None:
            return _checked(DEFAULT_SECONDS if self.seconds is None else self.seconds, "seconds")
        lags, lengths = self._lags(None), sorted({needed_t_r(run) for run in runs})
        if len(lengths) > 1 and lags.any():
            raise ValueError(
                f"Delayer(delays={list(self.delays)}) counts TRs, but the runs have TRs of "
                f"{say_seconds(lengths)}, so one weight would stand for other delays in each: use "
                f"Delayer(seconds=...), such as seconds={(lags * lengths[-1]).tolist()}"
            )
        return lags * lengths[0]

    def _lags(self, t_r: float | None) -> NDArray[np.float64]:
        """Return the delays in TRs (not always whole)."""
        if self.delays is not None and self.seconds is not None:
            raise ValueError("Delayer got delays= (TRs) and seconds=: give one of them")
        if self.delays is not None:
            lags = _checked(self.delays, "delays")
            if (lags != np.round(lags)).any():
                raise ValueError(f"delays={list(self.delays)} are in TRs, expected whole numbers: "
                                 "use seconds= for times")  # fmt: skip
            return lags
        given = DEFAULT_SECONDS if self.seconds is None else self.seconds
        if t_r is None:
            raise ValueError(
                "an array does not say how long a TR is, nor where runs begin. Where "
                "StandardScaler, PCA or FeatureUnion took the labels off, wrap the transformer, "
                "ek.FeatureTransformer(StandardScaler()), and join with ek.FeatureSpaces; for "
                "arrays of your own give Delayer(delays=[...]) in TRs and runs= to transform"
            )
        lags = _checked(given, "seconds") / t_r
        if max(given) > _LONGEST:
            raise ValueError(
                f"seconds={list(given)}: no response comes a minute late, are these milliseconds?"
            )
        whole = np.abs(lags - np.round(lags)) < _WHOLE
        return np.where(whole, np.round(lags), lags)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _checked(delays: Sequence[float], name: str) -> NDArray[np.float64]:
    lags = np.asarray(delays, dtype=np.float64)
    if lags.ndim != 1 or lags.size == 0 or not (np.isfinite(lags) & (lags >= 0)).all():
        raise ValueError(f"{name}={delays!r}: expected a list of numbers of 0 or more (features "
                         "come before the response)")  # fmt: skip
    if np.unique(lags).size < lags.size:
        raise ValueError(f"{name}={delays!r} names a delay twice: give each once")
    return lags


def _lagged(values: NDArray[Any], run: Run, lags: NDArray[np.float64], t_r: float) -> NDArray[Any]:
    below, above = np.floor(lags).astype(np.int64), np.ceil(lags).astype(np.int64)
    both = np.unique(np.concatenate([below, above]))
    rows = earlier_rows(run, both, t_r, needed=float(lags.max()) * t_r)
    out = np.empty((rows.shape[0], lags.size, values.shape[1]), dtype=values.dtype)
    for i, lag in enumerate(lags):
        out[:, i] = take_rows(values, rows[:, np.searchsorted(both, below[i])])
        share = lag - below[i]
        if share > 0:
            later = take_rows(values, rows[:, np.searchsorted(both, above[i])])
            out[:, i] += values.dtype.type(share) * (later - out[:, i])
    return out.reshape(rows.shape[0], -1)
