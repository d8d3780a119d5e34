"""himalaya's estimators as regressors of encodekit: runs in, runs out, its backend left alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.utils.validation import check_is_fitted

from encodekit.data import concat_runs, drop_history
from encodekit.plugins import unknown_name
from encodekit_adapters._need import need

SOLVERS = ("RidgeCV", "KernelRidgeCV")


class HimalayaRidge(RegressorMixin, BaseEstimator):
    """himalaya's ``RidgeCV`` or ``KernelRidgeCV`` on runs, cross-validated by leaving stimuli out.

    ``min_B ||XB - Y||^2 + alpha ||B||^2`` with an alpha for each target. Rows of history are
    dropped. A target must have every run: himalaya knows no missing rows (`encodekit.RidgeCV`
    does). For banded ridge see `encodekit.BandedRidgeCV`.

    Parameters
    ----------
    estimator : "RidgeCV" or "KernelRidgeCV"
    alphas : array
    fit_intercept : bool
    kernel : str
        Of ``KernelRidgeCV``.
    backend : str
        himalaya's; set while fitting and predicting, then put back.
    solver_params : dict, optional

    Attributes
    ----------
    estimator_ : the fitted estimator of himalaya
    best_alphas_ : array (target,)

    Examples
    --------
    >>> import encodekit as ek
    >>> ek.make_regressor("himalaya-ridge", alphas=[1.0, 10.0])
    HimalayaRidge(alphas=[1.0, 10.0])
    """

    def __init__(
        self,
        estimator: str = "RidgeCV",
        *,
        alphas: ArrayLike = (0.1, 1.0, 10.0, 100.0, 1000.0),
        fit_intercept: bool = True,
        kernel: str = "linear",
        backend: str = "numpy",
        solver_params: dict[str, Any] | None = None,
    ) -> None:
        self.estimator = estimator
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.kernel = kernel
        self.backend = backend
        self.solver_params = solver_params

    def fit(self, X: xr.DataArray, Y: Any) -> Self:
        """Fit features (time, feature) of several runs to their responses, one per run.

        Raises
        ------
        ValueError
            Where rows do not match, a target lacks a run, or only one stimulus is there.
        """
        features = drop_history(X)
        responses = Y if isinstance(Y, xr.DataArray) else concat_runs(Y)
        _check_rows(features, responses)
        values = np.asarray(responses.values)
        lacking = np.isnan(values).any(axis=0)
        if lacking.any():
            raise ValueError(
                f"{int(lacking.sum())} of {lacking.size} targets have missing rows, which himalaya "
                "does not know: use encodekit.RidgeCV, or fit each participant by themselves"
            )
        stimuli = features.coords["stimulus"].values
        if np.unique(stimuli).size < 2:
            raise ValueError(f"cross-validation needs 2 or more stimuli, got {stimuli[0]!r} alone")
        splits = list(LeaveOneGroupOut().split(stimuli, groups=stimuli))
        with _backend(self.backend):
            self.estimator_ = self._make(splits).fit(np.asarray(features.values), values)
            self.best_alphas_ = np.asarray(self.estimator_.best_alphas_)
        self._targets = responses.isel(time=0, drop=True).coords
        self._attrs = dict(responses.attrs)
        return self

    def predict(self, X: xr.DataArray) -> xr.DataArray:
        """Return the predicted responses (time, target) of the runs of ``X``."""
        check_is_fitted(self, "estimator_")
        features = drop_history(X)
        with _backend(self.backend):
            values = np.asarray(self.estimator_.predict(np.asarray(features.values)))
        of_time = {
            name: coord for name, coord in features.coords.items() if coord.dims == ("time",)
        }
        targets = {n: c for n, c in self._targets.items() if c.dims == ("target",)}
        coords = {**targets, **of_time}
        attrs = {**self._attrs, **{k: features.attrs[k] for k in ("t_r", "sample_offset")}}
        return xr.DataArray(values, dims=("time", "target"), coords=coords, attrs=attrs)

    def score(self, X: xr.DataArray, Y: Any) -> float:
        """Return the mean correlation over targets, within runs."""
        import encodekit as ek

        return float(ek.correlation(Y, self.predict(X)).mean())

    def _make(self, splits: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> Any:
        if self.estimator not in SOLVERS:
            raise ValueError(unknown_name("estimator", self.estimator, SOLVERS))
        alphas = np.asarray(self.alphas, dtype=np.float64)
        given: dict[str, Any] = {
            "alphas": alphas,
            "cv": splits,
            "fit_intercept": self.fit_intercept,
            "solver_params": self.solver_params,
            "warn": False,
        }
        if self.estimator == "RidgeCV":
            ridge = need("himalaya.ridge", extra="himalaya", purpose="himalaya's RidgeCV")
            return ridge.RidgeCV(**given)
        kernels = need("himalaya.kernel_ridge", extra="himalaya", purpose="himalaya's kernels")
        return kernels.KernelRidgeCV(kernel=self.kernel, **given)


def _check_rows(features: xr.DataArray, responses: xr.DataArray) -> None:
    for name in ("run", "tr"):
        mine, theirs = features.coords[name].values, responses.coords[name].values
        if not np.array_equal(mine, theirs):
            raise ValueError(
                f"features and responses have other rows ({mine.size} and {theirs.size}, compared "
                f"by {name}): give the runs in one order"
            )


@contextmanager
def _backend(name: str) -> Iterator[None]:
    """Set himalaya's backend, which is global to the process, and put the old one back."""
    module = need("himalaya.backend", extra="himalaya", purpose="himalaya")
    old = module.get_backend()
    module.set_backend(name, on_error="raise")
    try:
        yield
    finally:
        module.set_backend(old)
