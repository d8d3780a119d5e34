"""The base of a linear model of one's own: a subclass writes ``solve`` alone."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from encodekit.data import load_columns
from encodekit.linear._folds import purge_mistakes
from encodekit.linear._inputs import read_training
from encodekit.linear._patterns import Pair, find_patterns, folds_of_pattern, reusable
from encodekit.linear._predictions import LinearPredictions


@dataclass(frozen=True, eq=False)
class Weights:
    """What ``solve`` found: ``X @ coef + intercept`` is the prediction.

    Attributes
    ----------
    coef : array (feature, target)
    intercept : array (target,)
    fitted : mapping of name to array (..., target)
        Attributes to keep, such as ``best_alphas_``.
    """

    coef: NDArray[Any]
    intercept: NDArray[Any]
    fitted: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class LinearRegressor(LinearPredictions, RegressorMixin, BaseEstimator):
    """``X B + b`` of any solver, on runs of several participants.

    A subclass writes ``solve(X, Y, folds, bands)`` for plain arrays without gaps. The base joins
    runs by (run, tr), drops rows of history, solves for targets that have the same rows together,
    makes folds that leave stimuli out, and labels what comes back. Constant targets are not
    solved for and predict NaN.

    A subclass that takes ``cv``, ``purge`` or ``targets`` in its ``__init__`` sets them as
    `encodekit.RidgeCV` does; without, stimuli are left out and all targets are fitted.
    ``needs_bands = True`` asks for the coordinate ``band`` of `encodekit.FeatureSpaces`.

    Attributes
    ----------
    coef_, intercept_, training_mean_ : as of `encodekit.RidgeCV`
    degenerate_ : array
        Names (positions, for arrays) of targets that were not fitted.
    fitted_on_ : dict of str to str
        `Stimulus.heard_hash` to run name of the runs of the fit; empty where X does not say it of
        every run, as what extractors make does.

    Examples
    --------
    >>> import numpy as np
    >>> class LeastSquares(LinearRegressor):
    ...     def solve(self, X, Y, folds, bands):
    ...         coef = np.linalg.lstsq(X - X.mean(0), Y - Y.mean(0))[0]
    ...         return Weights(coef, Y.mean(0) - X.mean(0) @ coef)
    >>> X = np.random.default_rng(0).standard_normal((30, 2))
    >>> model = LeastSquares().fit(X, X @ [[1.0], [2.0]] + 3, runs=np.repeat(["a", "b"], 15))
    >>> model.coef_.ravel().round(6).tolist(), model.intercept_.round(6).tolist()
    ([1.0, 2.0], [3.0])
    """

    __metadata_request__fit: ClassVar[dict[str, bool]] = {
        "groups": True,
        "runs": True,
        "bands": True,
    }
    __metadata_request__score: ClassVar[dict[str, bool]] = {"runs": True}
    needs_bands: ClassVar[bool] = False
    cv: Any = None
    purge: int = 0
    targets: Any = None

    @abstractmethod
    def solve(
        self,
        X: NDArray[Any],
        Y: NDArray[Any],
        folds: Sequence[Pair],
        bands: NDArray[np.intp],
    ) -> Weights:
        """Return the weights of ``min ||X B + b - Y||^2 + ...``.

        Parameters
        ----------
        X : array (time, feature)
        Y : array (time, target)
            Neither has NaN.
        folds : list of (train, held-out) rows
        bands : array (feature,) of int
            The number of each feature's band; 0 for all without bands.
        """

    def fit(
        self, X: Any, y: Any, groups: Any = None, runs: Any = None, bands: ArrayLike | None = None
    ) -> Self:
        """Solve for all targets.

        Parameters
        ----------
        X : DataArray (time, feature), or array
        y : list of DataArray (one per run), DataArray (time, target), or array
        groups, runs, bands : array, optional
            As of `encodekit.BandedRidgeCV.fit`.

        Raises
        ------
        ValueError
            If the rows of X and y differ, X holds NaN, or ``cv`` needs stimuli and none are known.
        TypeError
            If one of X and y is labelled and the other is not.
        """
        mistakes = purge_mistakes(self.purge)
        if mistakes:
            raise ValueError(f"{type(self).__name__}: {'; '.join(mistakes)}")
        training = read_training(self, X, y, groups=groups, runs=runs, targets=self.targets)
        problem, cv = training.problem, reusable(self.cv)
        n_features, n_targets = problem.features.shape[1], problem.targets.shape[1]
        zeros = np.zeros(n_features)
        given = training.labels.bands(bands, n_features) if self.needs_bands else zeros
        bands_there, numbers = np.unique(given, return_inverse=True)
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)  # of an earlier fit, to other targets
        if self.needs_bands:
            self.bands_ = bands_there
        patterns, _ = find_patterns(problem)
        found = _Found(n_targets)
        nothing = np.zeros(0, dtype=np.intp)
        found.put(nothing, {"coef_": np.zeros((n_features, 0)), "intercept_": np.zeros(0),
                            "training_mean_": np.zeros(0)})  # fmt: skip
        for pattern in patterns:
            folds = folds_of_pattern(problem, pattern, cv, purge=self.purge, scoring="r2_pooled")
            values = load_columns(problem.targets, pattern.columns)[pattern.rows]
            weights = self.solve(problem.features[pattern.rows], values, folds, numbers)
            means = {"training_mean_": values.mean(axis=0, dtype=np.float64)}
            known = {"coef_": weights.coef, "intercept_": weights.intercept}
            found.put(pattern.columns, {**known, **means, **weights.fitted})
        self.n_features_in_ = n_features
        for name, whole in found.arrays.items():
            dims = ("feature",) if name == "coef_" else [f"dim_{k}" for k in range(whole.ndim - 1)]
            setattr(self, name, training.labels.wrap(whole, *dims, "target"))
        self._mark(training, found.fitted)
        return self


class _Found:
    """Arrays (..., target), NaN where a target was not solved for."""

    def __init__(self, n_targets: int) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.fitted = np.zeros(n_targets, dtype=bool)

    def put(self, columns: NDArray[np.intp], values: Mapping[str, NDArray[Any]]) -> None:
        self.fitted[columns] = True
        for name, item in values.items():
            if name not in self.arrays:
                shape = (*item.shape[:-1], self.fitted.size)
                self.arrays[name] = np.full(shape, np.nan, np.result_type(item, np.float32))
            self.arrays[name][..., columns] = item
