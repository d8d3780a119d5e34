"""BandedRidgeCV: ridge regression with a penalty for each feature space."""

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from encodekit.core import unknown_name
from encodekit.data import participants_of
from encodekit.linear._band_shares import read_search
from encodekit.linear._banded_solve import (
    LEAST_SHARE,
    BandedSettings,
    BandedSolution,
    refit_banded,
    solve_banded,
)
from encodekit.linear._blocks import lazy_weights
from encodekit.linear._criteria import scoring_mistakes
from encodekit.linear._fir import fir
from encodekit.linear._folds import purge_mistakes
from encodekit.linear._inputs import (
    Training,
    array_like,
    read_features,
    read_training,
    read_true,
)
from encodekit.linear._labels import Labelled, array_of
from encodekit.linear._predictions import LinearPredictions
from encodekit.linear._product_measure import (
    by_participant,
    columns_of,
    split_correlation,
    split_r2,
)
from encodekit.linear._ridge import DEFAULT_ALPHAS, read_alphas
from encodekit.linear._solve import Settings
from encodekit.scoring import correlation, r2
from encodekit.scoring._correlation import finish, pair

_CONVENTIONS = ("ridge", "huth")
_METRICS = ("correlation", "r2")


class BandedRidgeCV(LinearPredictions, RegressorMixin, BaseEstimator):
    """``min ||sum_b X_b B_b - Y||^2 + sum_b (alpha / gamma_b) ||B_b||^2``, a penalty per band.

    A band is a feature space. For every target, the shares ``gamma_b`` of the bands (they sum to
    one) and ``alpha`` are chosen by leaving stimuli out, over shares that are tried and a grid of
    alphas.

    Parameters
    ----------
    alphas : array (alpha,)
        Positive.
    search : "random" or BandSearch
        Which shares are tried: "random" draws 100, as himalaya's random search does; `BandSearch`
        has how many, and takes shares of one's own.
    single_alpha : bool
        One choice of shares and alpha for all targets, the best on average.
    cv, purge, targets, fit_intercept, alpha_convention, scoring, block_size, device, coef_store
        As in `encodekit.RidgeCV`.

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
        Each with its best alpha; NaN for shares that a target did not try.
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
    Runs, missing rows, folds, labels and the score that chooses are those of `encodekit.RidgeCV`.

    With given shares this is ridge on the features of each band times ``sqrt(gamma_b)``: alphas are
    tried as in `encodekit.RidgeCV`, by one decomposition for all targets, alphas and folds. With
    2,048 targets or more, 256 of them, evenly spread, try everything, and say, by least squares,
    which alphas of the same shares, and which shares after the first eight, can be the best of
    another target. Shares are left out where the predicted score plus four standard errors of a
    prediction is no better than the best known one.

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
    >>> model = BandedRidgeCV([1, 10, 100]).fit(X, Y, runs=runs, bands=bands)
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
        search: Any = "random",
        single_alpha: bool = False,
        cv: Any = None,
        purge: int = 0,
        targets: Any = None,
        fit_intercept: bool = True,
        alpha_convention: str = "ridge",
        scoring: str = "correlation",
        block_size: int | None = None,
        device: str | None = None,
        coef_store: Any = None,
    ) -> None:
        self.alphas = alphas
        self.search = search
        self.single_alpha = single_alpha
        self.cv = cv
        self.purge = purge
        self.targets = targets
        self.fit_intercept = fit_intercept
        self.alpha_convention = alpha_convention
        self.scoring = scoring
        self.block_size = block_size
        self.device = device
        self.coef_store = coef_store

    def fit(
        self, X: Any, y: Any, groups: Any = None, runs: Any = None, bands: ArrayLike | None = None,
        deltas: Any = None,
    ) -> Self:  # fmt: skip
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
        deltas : (band, target), optional
            Penalties of every target, as in ``deltas_`` of another fit with the same bands and
            targets. Nothing is searched for then, and ``cv_scores_`` are NaN.

        Raises
        ------
        ValueError
            If a parameter is not what it may be, the features have no bands, the rows of X and y
            differ, X holds NaN, or ``cv`` needs stimuli and none are known.
        TypeError
            If one of X and y is labelled and the other is not.
        """
        settings = self._settings()
        training = read_training(self, X, y, groups=groups, runs=runs, targets=self.targets)
        of_feature = training.labels.bands(bands, training.problem.features.shape[1])
        names = np.asarray(list(dict.fromkeys(of_feature.tolist())))
        members = [np.flatnonzero(of_feature == name) for name in names]
        settings = replace(settings, gammas=read_search(self.search)[0].shares(names))
        if deltas is None:
            solution = solve_banded(training.problem, members, names.tolist(), settings)
        else:
            given = _deltas_of(deltas, names, training)
            solution = refit_banded(training.problem, members, given, settings)
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
        search, wrong = read_search(self.search)
        mistakes += wrong
        if self.alpha_convention not in _CONVENTIONS:
            mistakes.append(unknown_name("alpha_convention", self.alpha_convention, _CONVENTIONS))
        if self.block_size is not None and self.block_size < 1:
            mistakes.append(f"block_size must be a number of targets, got {self.block_size!r}")
        mistakes += scoring_mistakes(self.scoring)
        mistakes += purge_mistakes(self.purge)
        if mistakes:
            raise ValueError(f"{type(self).__name__}: {'; '.join(mistakes)}")
        ridge = Settings(
            alphas, self.cv, self.purge, self.scoring, self.fit_intercept, self.single_alpha,
            search.exhaustive, self.block_size, self.device, self.coef_store,
        )  # fmt: skip
        concentration = tuple(np.atleast_1d(search.concentration).astype(float).tolist())
        return BandedSettings(ridge, int(search.n_iter), concentration, search.random_state, None)

    def _store(self, solution: BandedSolution, training: Training) -> None:
        wrap = training.labels.wrap
        # As they were given: a square root would not give back the last digit.
        given = np.asarray(self.alphas, dtype=np.float64)
        alphas = solution.alphas
        if self.alpha_convention == "huth":
            alphas = np.sqrt(alphas)
        near = np.abs(given[:, None] - alphas).argmin(axis=0)
        alphas = np.where(np.isclose(given[near], alphas, rtol=1e-9), given[near], alphas)
        self.coef_ = wrap(lazy_weights(solution.coef), "feature", "target")
        self.intercept_ = wrap(solution.intercept, "target")
        self.training_mean_ = wrap(solution.mean, "target")
        self.deltas_ = wrap(solution.deltas, "band", "target", band=self.bands_)
        self.band_means_ = wrap(solution.band_means, "band", "target", band=self.bands_)
        self.best_alphas_ = wrap(alphas, "target")
        self.gammas_ = solution.gammas
        self.cv_scores_ = wrap(solution.scores, "candidate", "target")
        self.best_scores_ = wrap(solution.best, "target")
        self._mark(training, np.isfinite(solution.alphas))


def _deltas_of(given: Any, bands: NDArray[Any], training: Training) -> NDArray[np.float64]:
    """Return deltas (band, target) in the order of the bands and targets of a fit.

    Raises
    ------
    ValueError
        If they are of other bands or targets.
    """
    n_targets = training.problem.targets.shape[1]
    if isinstance(given, xr.DataArray) and isinstance(training.labels, Labelled):
        names = training.labels.coords["target"]["target"].values
        missing = set(names.tolist()) - set(given["target"].values.tolist())
        if missing or set(given["band"].values.tolist()) != set(bands.tolist()):
            raise ValueError(
                f"deltas are of the bands {', '.join(map(str, given['band'].values))} and lack "
                f"{len(missing)} of the targets of y: take deltas_ of a fit on the same ones"
            )
        given = given.sel(band=bands, target=names).values
    values = np.asarray(given, dtype=np.float64).reshape(bands.size, -1)
    if values.shape[1] != n_targets:
        raise ValueError(
            f"deltas has {values.shape[1]} targets but y has {n_targets}: take deltas_ of a fit on "
            "the same ones"
        )
    return np.asarray(np.maximum(values, values.max(axis=0) + np.log(LEAST_SHARE)))
