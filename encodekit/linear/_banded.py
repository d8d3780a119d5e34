"""BandedRidgeCV: ridge regression with a penalty for each feature space."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from encodekit.core import unknown_name
from encodekit.data import participants_of
from encodekit.linear._banded_solve import BandedSettings, BandedSolution, solve_banded
from encodekit.linear._criteria import scoring_mistakes
from encodekit.linear._fir import fir
from encodekit.linear._folds import purge_mistakes
from encodekit.linear._himalaya import BACKENDS
from encodekit.linear._inputs import (
    Training,
    array_like,
    read_features,
    read_training,
    read_true,
)
from encodekit.linear._labels import array_of
from encodekit.linear._predictions import LinearPredictions
from encodekit.linear._product_measure import (
    by_participant,
    columns_of,
    split_correlation,
    split_r2,
)
from encodekit.linear._ridge import DEFAULT_ALPHAS, read_alphas
from encodekit.scoring import correlation, r2
from encodekit.scoring._correlation import finish, pair

_CONVENTIONS = ("ridge", "huth")
_METRICS = ("correlation", "r2")


class BandedRidgeCV(LinearPredictions, RegressorMixin, BaseEstimator):
    """``min ||sum_b X_b B_b - Y||^2 + sum_b (alpha / gamma_b) ||B_b||^2``, a penalty per band.

    A band is a feature space. For every target, the shares ``gamma_b`` of the bands (they sum to
    one) and ``alpha`` are chosen by leaving stimuli out, over random shares and a grid of alphas.
    The search is himalaya's; ``pip install 'encodekit[banded]'`` brings it.

    Parameters
    ----------
    alphas : array (alpha,)
        Positive; every target tries all of them with all shares.
    n_iter : int
        How many shares to try; the first are equal ones. One band needs no more than one.
    concentration : sequence of float
        Of the Dirichlet distributions that the shares are drawn from, in turn: below 1 mostly one
        band, 1 uniform.
    random_state : int, RandomState or None
        Of these draws.
    cv, purge, targets, fit_intercept, alpha_convention, scoring
        As in `encodekit.RidgeCV`.
    backend : {"numpy", "torch", "torch_cuda", "cupy"}
        What himalaya computes with, in float64; it has its former backend again after the fit.

    Attributes
    ----------
    coef_ : (feature, target)
        `fir` has them by delay.
    intercept_, training_mean_ : (target,)
    bands_ : array (band,)
        In the order in which they come; ``feature_bands_`` has the one of each feature.
    deltas_ : (band, target)
        ``log(gamma_b / alpha)``, as himalaya defines them, alpha in the convention "ridge".
    best_alphas_ : (target,)
        In the convention of ``alphas``; NaN for degenerate targets. Of alphas whose scores are
        equal up to rounding, the smallest.
    gammas_ : array (candidate, band)
        What was tried.
    cv_scores_ : (candidate, target)
        Each with its best alpha.
    best_scores_ : (target,)
        The score of the choice, optimistic as any maximum.
    band_means_ : (band, target)
        Mean over the training rows of what each band predicts.
    fitted_on_ : dict of str to str
        `Stimulus.heard_hash` to run name of the runs of the fit; empty where X does not say it of
        every run, as what extractors make does.
    degenerate_ : array
        As in `encodekit.RidgeCV`.

    Notes
    -----
    Runs, missing rows, folds and labels are treated as in `encodekit.RidgeCV`, and so is the score
    that chooses, but that a prediction which is constant in a run counts as r = 0 there. Threads
    fit one after the other: himalaya's backend is one for the process.

    References
    ----------
    Nunez-Elizalde, Huth, Gallant (2019), NeuroImage 197:482-492. Dupré la Tour, Eickenberg,
    Nunez-Elizalde, Gallant (2022), NeuroImage 264:119728.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X, runs = rng.standard_normal((90, 5)), np.repeat(["a", "b", "c"], 30)
    >>> Y = X[:, :2] @ rng.standard_normal((2, 3)) + rng.standard_normal((90, 3))
    >>> bands = ["mel", "mel", "speech", "speech", "speech"]
    >>> model = BandedRidgeCV([1, 10, 100], n_iter=5).fit(X, Y, runs=runs, bands=bands)
    >>> model.bands_.tolist(), model.deltas_.shape, model.predict(X, split=True).shape
    (['mel', 'speech'], (2, 3), (2, 90, 3))
    """

    # Asked for wherever metadata routing is on, so that nested cross-validation gets them.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {
        "groups": True,
        "runs": True,
        "bands": True,
    }
    __metadata_request__score: ClassVar[dict[str, bool]] = {"runs": True}

    def __init__(
        self,
        alphas: ArrayLike = DEFAULT_ALPHAS,
        *,
        n_iter: int = 100,
        concentration: Sequence[float] = (0.1, 1.0),
        random_state: Any = 0,
        cv: Any = None,
        purge: int = 0,
        targets: Any = None,
        fit_intercept: bool = True,
        alpha_convention: str = "ridge",
        scoring: str = "correlation",
        backend: str = "numpy",
    ) -> None:
        self.alphas = alphas
        self.n_iter = n_iter
        self.concentration = concentration
        self.random_state = random_state
        self.cv = cv
        self.purge = purge
        self.targets = targets
        self.fit_intercept = fit_intercept
        self.alpha_convention = alpha_convention
        self.scoring = scoring
        self.backend = backend

    def fit(
        self, X: Any, y: Any, groups: Any = None, runs: Any = None, bands: ArrayLike | None = None
    ) -> Self:
        """Choose shares and alphas, and fit.

        Parameters
        ----------
        X : DataArray (time, feature) with ``band`` on feature, or array
            `encodekit.FeatureSpaces` writes the bands.
        y : list of DataArray (one per run), DataArray (time, target), or array
        groups, runs : array, optional
            As in `encodekit.RidgeCV.fit`.
        bands : array (feature,), optional
            For arrays: the band of each feature. One band for all if not given.

        Raises
        ------
        ValueError
            If a parameter is not what it may be, the features have no bands, the rows of X and y
            differ, X holds NaN, or ``cv`` needs stimuli and none are known.
        TypeError
            If one of X and y is labelled and the other is not.
        MissingExtraError
            If himalaya is not installed.
        """
        settings = self._settings()
        training = read_training(self, X, y, groups=groups, runs=runs, targets=self.targets)
        of_feature = training.labels.bands(bands, training.problem.features.shape[1])
        names = np.asarray(list(dict.fromkeys(of_feature.tolist())))
        members = [np.flatnonzero(of_feature == name) for name in names]
        solution = solve_banded(training.problem, members, names.tolist(), settings)
        self.n_features_in_ = of_feature.size
        self.bands_, self.feature_bands_ = names, of_feature
        self._store(solution, training)
        return self

    def predict(self, X: Any, split: bool = False) -> Any:
        """Return predictions (time, target), labelled as X is; NaN for degenerate targets.

        Parameters
        ----------
        X : DataArray (time, feature), or array
        split : bool
            Return what each band predicts, (band, time, target); their sum and ``intercept_`` are
            the prediction.

        Raises
        ------
        ValueError
            If X has other features than those of the fit, or holds NaN.
        TypeError
            If called by a tool of scikit-learn's that would lose the runs of the prediction.
        """
        if not split:
            return super().predict(X)
        check_is_fitted(self)
        rows, coef = read_features(self, X), array_of(self.coef_)
        members = [np.flatnonzero(self.feature_bands_ == name) for name in self.bands_]
        parts = np.stack([rows.values[:, some] @ coef[some] for some in members])
        return rows.labels.wrap(parts, "band", "time", "target", band=self.bands_)

    def fir(self, band: str | None = None) -> xr.DataArray:
        """Return ``coef_`` as (feature, delay, target), of one band at its delays, or of all.

        With bands that have other delays, weights that the model does not have are NaN.

        Raises
        ------
        TypeError
            If the model was fitted on plain arrays.
        ValueError
            If the features have no delays, or there is no such band.
        """
        check_is_fitted(self)
        return fir(self.coef_, band)

    def score_targets(
        self, X: Any, y: Any, runs: Any = None, *, split: bool = False, metric: str = "correlation"
    ) -> Any:
        """Return the score of each target, those of ``targets`` in y.

        Parameters
        ----------
        X, y, runs
            As in `fit`.
        split : bool
            Return (band, target) instead: the product measure, which sums over bands to the score.
            A band that makes the prediction worse has a negative share.
        metric : {"correlation", "r2"}
            `encodekit.correlation` or, against ``training_mean_``, `encodekit.r2`.

        Raises
        ------
        ValueError
            If the metric is unknown, or the split R2 of a model without intercept is asked for.

        References
        ----------
        Dupré la Tour et al. (2022), NeuroImage 264:119728.
        """
        if metric not in _METRICS:
            raise ValueError(f"{type(self).__name__}: {unknown_name('metric', metric, _METRICS)}")
        predicted = self.predict(X)
        true = read_true(y, self.targets)
        if split:
            return self._score_bands(X, true, predicted, runs, metric)
        if metric == "correlation":
            return correlation(true, predicted, runs=runs)
        return r2(true, predicted, mean=np.atleast_1d(np.asarray(self.training_mean_)), runs=runs)

    def _score_bands(self, X: Any, y: Any, predicted: Any, runs: Any, metric: str) -> Any:
        if metric == "r2" and not self.fit_intercept:
            raise ValueError(
                "without an intercept the distance of the prediction from the training mean "
                "belongs to no band: fit with fit_intercept=True, or use metric='correlation'"
            )
        truth, guess = pair(y, predicted, runs, metric)
        parts = array_like(self.predict(X, split=True), truth)
        parts = parts.reshape((len(self.bands_), *guess.shape))
        names = truth.coords["run"].values
        means = np.asarray(self.band_means_).reshape(len(parts), -1)
        training_mean = np.atleast_1d(np.asarray(self.training_mean_))

        def shares(rows: NDArray[np.bool_], columns: NDArray[np.intp]) -> NDArray[np.float64]:
            left, some = columns_of(truth.data, rows, columns), columns_of(parts, rows, columns)
            if metric == "r2":
                return split_r2(left, some - means[:, None, columns], training_mean[columns])
            return split_correlation(left, columns_of(guess.data, rows, columns), some, names[rows])

        participants = participants_of(truth.coords, truth.sizes["target"])
        scores = by_participant(shares, truth.data, participants, len(parts))
        return finish(scores, truth, y, metric, band=self.bands_)

    def _settings(self) -> BandedSettings:
        alphas, mistakes = read_alphas(self.alphas, self.alpha_convention)
        concentration = np.atleast_1d(np.asarray(self.concentration, dtype=np.float64))
        if not isinstance(self.n_iter, int | np.integer) or self.n_iter < 1:
            mistakes.append(f"n_iter must be a number of shares to try, got {self.n_iter!r}")
        if not concentration.size or not np.all((concentration > 0) & np.isfinite(concentration)):
            mistakes.append(f"concentration must be positive, got {self.concentration!r}")
        for name, known in (
            ("alpha_convention", _CONVENTIONS),
            ("backend", BACKENDS),
        ):
            if getattr(self, name) not in known:
                mistakes.append(unknown_name(name, getattr(self, name), known))
        mistakes += scoring_mistakes(self.scoring)
        mistakes += purge_mistakes(self.purge)
        if mistakes:
            raise ValueError(f"{type(self).__name__}: {'; '.join(mistakes)}")
        return BandedSettings(
            alphas,
            int(self.n_iter),
            tuple(concentration.tolist()),
            self.random_state,
            self.cv,
            self.purge,
            self.scoring,
            self.fit_intercept,
            self.backend,
        )

    def _store(self, solution: BandedSolution, training: Training) -> None:
        fitted = solution.chosen >= 0
        alphas = np.asarray(self.alphas, dtype=np.float64)
        wrap = training.labels.wrap
        self.coef_ = wrap(solution.coef, "feature", "target")
        self.intercept_ = wrap(solution.intercept, "target")
        self.training_mean_ = wrap(solution.mean, "target")
        self.deltas_ = wrap(solution.deltas, "band", "target", band=self.bands_)
        self.band_means_ = wrap(solution.band_means, "band", "target", band=self.bands_)
        self.best_alphas_ = wrap(np.where(fitted, alphas[solution.chosen], np.nan), "target")
        self.gammas_ = solution.gammas
        self.cv_scores_ = wrap(solution.scores, "candidate", "target")
        # NaN where the target is degenerate or no held-out run defines a score: for all alike.
        self.best_scores_ = wrap(solution.scores.max(axis=0), "target")
        self._mark(training, fitted)
