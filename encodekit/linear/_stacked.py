"""StackedRidge: one ridge per feature space, and their predictions averaged with weights."""

from itertools import combinations
from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from encodekit.data import join_rows, one_array, target_coords
from encodekit.linear._arrays import power_of_two
from encodekit.linear._cross_val import cross_val_predict
from encodekit.linear._interrupted import refuse_interrupted
from encodekit.linear._predictions import mean_defined, refuse_weights
from encodekit.linear._ridge import RidgeCV
from encodekit.regions import select_targets
from encodekit.scoring import correlation

_MAX_BANDS = 8


class StackedRidge(RegressorMixin, BaseEstimator):
    """``sum_b w_b X_b B_b`` with ``w >= 0``, ``sum w = 1``, least squared error out of fold.

    Each band (feature space) has a ridge of its own. Every run is predicted by ridges that were
    fitted on other stimuli, alphas included, and the weights are those of the best average of
    these predictions for each target. A run that is scored later has no part in any of it.

    Parameters
    ----------
    estimator : RidgeCV, optional
        For each band; `RidgeCV` if not given. Its ``targets`` say which targets are fitted.
    cv : None, int, splitter or iterable of (train, test) over runs, optional
        Of the predictions that the weights are chosen on; None leaves stimuli out.

    Attributes
    ----------
    weights_ : DataArray (band, target)
        NaN for targets that cannot be predicted, or have no values out of fold.
    estimators_ : list of fitted estimators
        One for each band in ``bands_``.

    Notes
    -----
    The stacking of Lin, Naselaris, Kay & Wehbe (2024), "Stacked regressions and structured variance
    partitioning for interpretable brain maps". The quadratic programme is solved exactly, by the
    closed form on every subset of the bands, of which there may be eight.

    Examples
    --------
    >>> import encodekit as ek
    >>> spaces = ek.FeatureSpaces([("mel", mel), ("speech", speech)])  # doctest: +SKIP
    >>> make_pipeline(spaces, ek.Delayer(), ek.StackedRidge())  # doctest: +SKIP
    """

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    def __init__(self, estimator: Any = None, *, cv: Any = None) -> None:
        self.estimator = estimator
        self.cv = cv

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Choose weights on out-of-fold predictions, then fit every band on all runs.

        Parameters
        ----------
        X : DataArray (time, feature) with coordinate ``band`` on feature
        y : list of DataArray (one per run), or DataArray (time, target)
        groups : array (run,), optional
            What must not be split over folds; the ``stimulus`` of each run if not given.

        Raises
        ------
        ValueError
            If X has no bands, or more than eight; if the TRs of a run are shuffled or interrupted.
        """
        refuse_interrupted(X, y, type(self).__name__)
        features = _banded(X)
        bands = list(dict.fromkeys(features.coords["band"].values.tolist()))
        if len(bands) > _MAX_BANDS:
            raise ValueError(
                f"X has {len(bands)} bands, and stacking takes {_MAX_BANDS} at most: join some of "
                "them, or use BandedRidgeCV"
            )
        estimator = RidgeCV() if self.estimator is None else self.estimator
        responses = one_array(y, "y")
        out_of_fold = [
            cross_val_predict(
                estimator, _of_band(features, band), responses, cv=self.cv, groups=groups
            )
            for band in bands
        ]
        self.bands_ = np.asarray(bands)
        self.weights_ = self._weigh(out_of_fold, responses)
        self.estimators_ = [
            clone(estimator).fit(_of_band(features, band), responses) for band in bands
        ]
        return self

    def _weigh(self, predicted: list[xr.DataArray], responses: xr.DataArray) -> xr.DataArray:
        first = predicted[0]
        chosen = select_targets(responses, self._targets)
        runs = first.coords["run"].values
        held_out = chosen.isel(time=np.flatnonzero(np.isin(chosen.coords["run"].values, runs)))
        true = join_rows(first, held_out, "the prediction", "y").values
        errors = np.stack([true - one.values for one in predicted])
        coords = target_coords(first, drop=("n_repeats", "training_mean"))
        return xr.DataArray(
            simplex_weights(errors),
            dims=("band", "target"),
            coords=coords | {"band": ("band", self.bands_)},
        )

    @property
    def _targets(self) -> Any:
        return getattr(self.estimator, "targets", None)

    def predict(self, X: Any, split: bool = False) -> xr.DataArray:
        """Return the weighted average (time, target), or each band's part (band, time, target).

        Raises
        ------
        ValueError
            If X lacks a band of the fit.
        """
        check_is_fitted(self)
        features = _banded(X)
        missing = sorted(set(self.bands_.tolist()) - set(features.coords["band"].values.tolist()))
        if missing:
            raise ValueError(f"X lacks the bands {missing}, which the model was fitted on")
        parts = [
            one.predict(_of_band(features, band))
            for one, band in zip(self.estimators_, self.bands_.tolist(), strict=True)
        ]
        weighted = [
            part.copy(data=part.values * weight)
            for part, weight in zip(parts, self.weights_.values, strict=True)
        ]
        if split:
            joined: xr.DataArray = xr.concat(weighted, dim="band", join="exact")
            return joined.assign_coords(band=self.bands_)
        total: xr.DataArray = weighted[0].copy(data=sum(part.values for part in weighted))
        return total

    def score(self, X: Any, y: Any, sample_weight: None = None) -> float:
        """Return the mean over targets of `score_targets`; undefined ones are left out.

        Raises
        ------
        TypeError
            If ``sample_weight`` is given; scikit-learn's pipelines need the name.
        """
        refuse_weights(sample_weight)
        return mean_defined(self.score_targets(X, y))

    def score_targets(self, X: Any, y: Any) -> xr.DataArray:
        """Return `encodekit.correlation` of y and the prediction, per target."""
        scores: xr.DataArray = correlation(
            select_targets(one_array(y, "y"), self._targets), self.predict(X)
        )
        return scores


def simplex_weights(errors: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``w >= 0`` (band, target) of sum one that minimise the mean of ``(w' errors)^2``.

    Parameters
    ----------
    errors : array (band, time, target)
        A row in which a target is NaN for any band does not count.
    """
    n_bands, _, n_targets = errors.shape
    there = np.isfinite(errors).all(axis=0)  # (time, target)
    known = np.where(there, errors, 0).astype(np.float64)
    known *= power_of_two(abs(known).max(axis=(0, 1), initial=0.0))  # of each target, for squares
    products = np.einsum("atm,btm->mab", known, known)  # C, (target, band, band)
    best = np.full(n_targets, np.inf)
    weights = np.full((n_bands, n_targets), np.nan)
    usable = there.any(axis=0)
    # The best weights are zero but for some bands, and among these they are the best without the
    # bound: so the best of all subsets whose unbounded weights are not negative is the solution.
    for size in range(1, n_bands + 1):
        for subset in map(list, combinations(range(n_bands), size)):
            found = _on_subset(products[np.ix_(range(n_targets), subset, subset)])
            error = np.einsum("ma,mab,mb->m", found, products[:, subset][:, :, subset], found)
            better = usable & (found >= 0).all(axis=1) & (error < best)
            best[better] = error[better]
            weights[:, better] = 0
            weights[np.ix_(subset, better)] = found[better].T
    return weights


def _on_subset(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights (target, band) of sum one without the bound: ``C^-1 1 / 1' C^-1 1``."""
    n_bands = products.shape[1]
    scale = np.einsum("maa->m", products) / n_bands
    # Two bands that err alike make C singular; with a trace of the identity they share a weight.
    eye = 1e-10 * np.maximum(scale, np.finfo(float).tiny)[:, None, None] * np.eye(n_bands)
    solved = np.linalg.solve(products + eye, np.ones((len(products), n_bands, 1)))[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(solved / solved.sum(axis=1, keepdims=True))


def _banded(X: Any) -> xr.DataArray:
    features = one_array(X, "X")
    if "band" not in features.coords:
        raise ValueError(
            "StackedRidge needs the coordinate `band` on feature, and X has none: join feature "
            "spaces with ek.FeatureSpaces([(name, extractor), ...])"
        )
    return features


def _of_band(features: xr.DataArray, band: Any) -> xr.DataArray:
    return features.isel(feature=np.flatnonzero(features.coords["band"].values == band))
