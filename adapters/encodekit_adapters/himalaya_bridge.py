"""himalaya's estimators on runs of several participants, by its own solvers.

They are what himalaya makes of each group of targets that have the same rows, with three things
that a plain call of himalaya's leaves to its user: features and targets are centred
(``fit_intercept=True``; himalaya's default is False, which needs centred arrays), folds leave
stimuli out, and the process-wide backend is as before after each fit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encodekit.core import unknown_name
from encodekit.linear import DEFAULT_ALPHAS, LinearRegressor, Weights
from encodekit_adapters._himalaya_backend import himalaya_backend
from encodekit_adapters._need import need

SCORINGS = {"l2": "l2_neg_loss", "r2": "r2_score", "correlation": "correlation_score"}
Folds = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]


class _Himalaya(LinearRegressor):
    """What himalaya's estimators share."""

    alphas: Any
    scoring: str
    fit_intercept: bool
    backend: str
    solver_params: Mapping[str, Any] | None

    def solve(
        self, X: NDArray[Any], Y: NDArray[Any], folds: Folds, bands: NDArray[np.intp]
    ) -> Weights:
        """Return himalaya's weights."""
        if self.scoring not in SCORINGS:
            name = unknown_name("scoring", self.scoring, SCORINGS)
            raise ValueError(f"{type(self).__name__}: {name}")
        score = getattr(_himalaya("scoring"), SCORINGS[self.scoring])
        params = {"score_func": score, **(self.solver_params or {})}
        given = {"cv": list(folds), "fit_intercept": self.fit_intercept}
        with himalaya_backend(self.backend) as backend:
            model, coef, offset = self._fitted(backend, X, Y, bands, params, given)
            intercept = _numpy(backend, model.intercept_) if self.fit_intercept else 0.0
            names = ("best_alphas_", "cv_scores_", "deltas_")
            kept = {name: _numpy(backend, getattr(model, name))
                    for name in names if hasattr(model, name)}  # fmt: skip
        return Weights(coef, np.broadcast_to(intercept - offset @ coef, Y.shape[1:]), kept)

    def _fitted(
        self,
        backend: Any,
        X: NDArray[Any],
        Y: NDArray[Any],
        bands: NDArray[np.intp],
        params: dict[str, Any],
        given: dict[str, Any],
    ) -> tuple[Any, NDArray[Any], NDArray[Any]]:
        """Return the fitted estimator, its weights, and what it took from the features before."""
        raise NotImplementedError

    def _alphas(self) -> NDArray[np.float64]:
        return np.asarray(self.alphas, dtype=np.float64)

    def _centred(self, X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the features less their means: a kernel is not centred by himalaya."""
        offset = X.mean(axis=0) if self.fit_intercept else np.zeros_like(X[0])
        return X - offset, offset


class HimalayaRidgeCV(_Himalaya):
    """``himalaya.ridge.RidgeCV``: an alpha for each target.

    Parameters
    ----------
    alphas : array (alpha,)
        Of ``||X B - Y||^2 + alpha ||B||^2``.
    scoring : {"l2", "r2", "correlation"}
        What chooses alpha, averaged over folds as himalaya does, whatever their sizes: the squared
        error (himalaya's default), R2 against the mean of the held-out rows, or r.
    fit_intercept : bool
        Centre features and targets, in each fold by its training rows.
    cv, purge, targets
        As of `encodekit.RidgeCV`.
    backend : {"numpy", "torch", "torch_cuda", "cupy"}
        himalaya's, for the time of the fit.
    solver_params : mapping, optional
        More of himalaya's solver, such as ``n_targets_batch``.

    Attributes
    ----------
    coef_, intercept_, training_mean_, degenerate_
        As of `encodekit.RidgeCV`.
    best_alphas_, cv_scores_ : (target,)

    Examples
    --------
    >>> import encodekit as ek
    >>> ek.make_regressor("himalaya-ridge", alphas=[1.0, 10.0])
    HimalayaRidgeCV(alphas=[1.0, 10.0])
    """

    def __init__(
        self,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        *,
        scoring: str = "l2",
        fit_intercept: bool = True,
        cv: Any = None,
        purge: int = 0,
        targets: Any = None,
        backend: str = "numpy",
        solver_params: Mapping[str, Any] | None = None,
    ) -> None:
        self.alphas = alphas
        self.scoring = scoring
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.purge = purge
        self.targets = targets
        self.backend = backend
        self.solver_params = solver_params

    def _fitted(self, backend, X, Y, bands, params, given):  # type: ignore[no-untyped-def]
        params = {"warn": False, **params}
        make = _himalaya("ridge").RidgeCV
        model = make(alphas=self._alphas(), solver_params=params, **given).fit(X, Y)
        return model, _numpy(backend, model.coef_), np.zeros_like(X[0])


class HimalayaKernelRidgeCV(HimalayaRidgeCV):
    """``himalaya.kernel_ridge.KernelRidgeCV`` with a linear kernel: for more features than TRs.

    The same weights as `HimalayaRidgeCV` at the same alpha. Alphas may differ where two are close:
    the kernel is of features centred over all rows, where ridge centres them fold by fold.

    Parameters
    ----------
    alphas, scoring, fit_intercept, cv, purge, targets, backend, solver_params
        As of `HimalayaRidgeCV`.

    Attributes
    ----------
    coef_, intercept_, training_mean_, degenerate_, best_alphas_, cv_scores_
        As of `HimalayaRidgeCV`.
    """

    def _fitted(self, backend, X, Y, bands, params, given):  # type: ignore[no-untyped-def]
        centred, offset = self._centred(X)
        make = _himalaya("kernel_ridge").KernelRidgeCV
        model = make(alphas=self._alphas(), solver_params=params, warn=False, **given)
        model.fit(centred, Y)
        return model, _numpy(backend, model.get_primal_coef()), offset


class HimalayaGroupRidgeCV(_Himalaya):
    """``himalaya.ridge.GroupRidgeCV``: a scale for each band and target, by random search.

    himalaya's groups (of features) are encodekit's bands; features come from
    `encodekit.FeatureSpaces`.

    Parameters
    ----------
    alphas : array (alpha,)
    n_iter : int
        How many shares of the bands are tried.
    random_state : int
    scoring, fit_intercept, cv, purge, targets, backend, solver_params
        As of `HimalayaRidgeCV`.

    Attributes
    ----------
    coef_, intercept_, training_mean_, degenerate_
        As of `encodekit.RidgeCV`.
    deltas_ : (band, target)
        Logarithms of the scales, in the order of ``bands_``.
    best_alphas_ : (target,)
        ``1 / sum_b exp(deltas_)``.
    bands_ : array (band,)
    cv_scores_ : (n_iter, target)
    """

    needs_bands = True

    def __init__(
        self,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        *,
        n_iter: int = 100,
        random_state: int = 0,
        scoring: str = "l2",
        fit_intercept: bool = True,
        cv: Any = None,
        purge: int = 0,
        targets: Any = None,
        backend: str = "numpy",
        solver_params: Mapping[str, Any] | None = None,
    ) -> None:
        self.alphas = alphas
        self.n_iter = n_iter
        self.random_state = random_state
        self.scoring = scoring
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.purge = purge
        self.targets = targets
        self.backend = backend
        self.solver_params = solver_params

    def _search(self, params: dict[str, Any]) -> dict[str, Any]:
        quiet = {"progress_bar": False, "n_iter": self.n_iter, "alphas": self._alphas()}
        return {**quiet, **params}

    def _fitted(self, backend, X, Y, bands, params, given):  # type: ignore[no-untyped-def]
        params = {"warn": False, **self._search(params)}
        make = _himalaya("ridge").GroupRidgeCV
        model = make(
            groups=bands, solver_params=params, random_state=self.random_state, **given
        ).fit(X, Y)
        coef = np.empty((X.shape[1], Y.shape[1]), dtype=X.dtype)
        coef[np.argsort(bands, kind="stable")] = _numpy(backend, model.coef_)  # band by band
        return model, coef, np.zeros_like(X[0])


class HimalayaMultipleKernelRidgeCV(HimalayaGroupRidgeCV):
    """``himalaya.kernel_ridge.MultipleKernelRidgeCV``, one linear kernel for each band.

    The same weights as `HimalayaGroupRidgeCV` at the same scales; features are centred over all
    rows, not fold by fold.

    Parameters
    ----------
    alphas, n_iter, random_state, scoring, fit_intercept, cv, purge, targets, backend, solver_params
        As of `HimalayaGroupRidgeCV`.

    Attributes
    ----------
    coef_, intercept_, training_mean_, degenerate_, deltas_, best_alphas_, cv_scores_, bands_
        As of `HimalayaGroupRidgeCV`.
    """

    def _fitted(self, backend, X, Y, bands, params, given):  # type: ignore[no-untyped-def]
        centred, offset = self._centred(X)
        members = [np.flatnonzero(bands == number) for number in range(bands.max() + 1)]
        parts = [centred[:, some] for some in members]
        model = _himalaya("kernel_ridge").MultipleKernelRidgeCV(
            kernels="precomputed", solver_params=self._search(params),
            random_state=self.random_state, **given,
        )  # fmt: skip
        model.fit(np.stack([part @ part.T for part in parts]), Y)
        primal = model.get_primal_coef([backend.asarray(part) for part in parts])
        coef = np.empty((X.shape[1], Y.shape[1]), dtype=X.dtype)
        for some, weights in zip(members, primal, strict=True):
            coef[some] = _numpy(backend, weights)
        return model, coef, offset


def _himalaya(module: str) -> Any:
    return need(f"himalaya.{module}", extra="himalaya", purpose="himalaya's estimators")


def _numpy(backend: Any, values: Any) -> NDArray[Any]:
    return np.asarray(backend.to_numpy(values))
