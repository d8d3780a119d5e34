"""LayerSelector: the layer that predicts best, chosen inside the training runs."""

from typing import Any, ClassVar, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from encodekit.core import unknown_name
from encodekit.data import one_array
from encodekit.linear._interrupted import refuse_interrupted
from encodekit.linear._predictions import mean_defined, refuse_weights
from encodekit.linear._ridge import RidgeCV
from encodekit.regions import select_targets
from encodekit.scoring import correlation

_BY = ("all", "participant", "target")


class LayerSelector(RegressorMixin, BaseEstimator):
    """One ridge per layer; the layer with the best CV score inside the training runs predicts.

    A layer chosen on the test runs would make the test score too good.

    Parameters
    ----------
    estimator : RidgeCV, optional
        Anything that leaves ``best_scores_`` (target) when fitted; `RidgeCV` if not given.
    by : {"all", "participant", "target"}
        One layer for all targets, or for all of a participant's, the best on average; or one for
        each target. Averages are at one penalty for all of these targets, where the estimator
        leaves ``cv_scores_`` (alpha, target): a penalty of each target's own is chosen by the very
        score that is averaged, and gains most with layers that say nothing. `RidgeCV` tries every
        penalty for that (``exhaustive=True``).

    Attributes
    ----------
    best_layer_ : int for ``by="all"``, else DataArray (target)
    layer_scores_ : DataArray (layer, target)
        CV scores inside the training runs, for a layer profile: those whose average chooses.
    estimators_ : list of fitted estimators
        Those of the layers in ``fitted_layers_``: the ones that some target chose.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from encodekit.data import make_response
    >>> rng = np.random.default_rng(0)
    >>> def run(name):
    ...     X = rng.standard_normal((40, 4))
    ...     Y = make_response(X[:, 2:] + rng.standard_normal((40, 2)), run=name, participant="P1",
    ...                       tr_times=2.0 * np.arange(40), t_r=2.0)
    ...     coords = {k: Y.coords[k] for k in ("run", "stimulus", "tr", "seconds")} | {
    ...         "name": ("feature", list("abcd")), "layer": ("feature", [1, 1, 2, 2])}
    ...     return xr.DataArray(X, dims=("time", "feature"), coords=coords, attrs=Y.attrs), Y
    >>> X, Y = zip(*[run(name) for name in ("a", "b", "c")])
    >>> LayerSelector(RidgeCV([0.1, 1, 10, 100])).fit(list(X), list(Y)).best_layer_
    2
    """

    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    def __init__(self, estimator: Any = None, by: str = "all") -> None:
        self.estimator = estimator
        self.by = by

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit one estimator per layer and keep those that some target chooses.

        Parameters
        ----------
        X : DataArray (time, feature) with coordinate ``layer`` on feature
        y : list of DataArray (one per run), or DataArray (time, target)
        groups : array, optional
            As in `RidgeCV.fit`.

        Raises
        ------
        ValueError
            If X has no layers, ``by`` is unknown, or the TRs of a run are shuffled or interrupted.
        """
        if self.by not in _BY:
            raise ValueError(unknown_name("by", self.by, _BY))
        refuse_interrupted(X, y, type(self).__name__)
        features = _layered(X)
        layers = np.unique(features.coords["layer"].values)
        estimator = clone(RidgeCV() if self.estimator is None else self.estimator)
        if self.by != "target" and "exhaustive" in estimator.get_params(deep=False):
            estimator.set_params(exhaustive=True)
        estimators = [
            clone(estimator).fit(_of_layer(features, layer), y, groups=groups) for layer in layers
        ]
        scores = xr.concat([self._scores(one) for one in estimators], dim="layer", join="exact")
        self.layer_scores_ = scores.assign_coords(layer=layers)
        chosen = self._choose(scores)
        kept = np.unique(chosen)
        self.fitted_layers_ = layers[kept]
        self.estimators_ = [estimators[place] for place in kept]
        self.best_layer_ = (
            layers[chosen[0]].item()
            if self.by == "all"
            else scores.isel(layer=0, drop=True).copy(data=layers[chosen])
        )
        return self

    def predict(self, X: Any) -> xr.DataArray:
        """Return the prediction (time, target), each target from its layer.

        Raises
        ------
        ValueError
            If X lacks a chosen layer.
        """
        check_is_fitted(self)
        features = _layered(X)
        known = np.unique(features.coords["layer"].values)
        for layer in self.fitted_layers_:
            if layer not in known:
                raise ValueError(f"X: {unknown_name('layer', layer, known)}; the fit chose it")
        parts = [
            one.predict(_of_layer(features, layer))
            for one, layer in zip(self.estimators_, self.fitted_layers_, strict=True)
        ]
        predicted: xr.DataArray = parts[0].astype(np.result_type(*(part.dtype for part in parts)))
        for layer, part in zip(self.fitted_layers_[1:], parts[1:], strict=True):
            mine = np.flatnonzero(np.asarray(self.best_layer_) == layer)
            predicted[:, mine] = part[:, mine]
        return predicted

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
        targets = getattr(self.estimators_[0], "targets", None)
        scores: xr.DataArray = correlation(
            select_targets(one_array(y, "y"), targets), self.predict(X)
        )
        return scores

    def _scores(self, fitted: Any) -> xr.DataArray:
        """Return the scores (target) of one layer, at a penalty that those of a group share."""
        best: xr.DataArray = fitted.best_scores_
        every = getattr(fitted, "cv_scores_", None)
        if self.by == "target" or every is None or "alpha" not in every.dims:
            return best
        values, found = every.transpose("alpha", ...).values, best.copy()
        defined = np.isfinite(best.values)
        for group in self._groups(best):
            some = values[:, group & defined]
            if some.size and np.isfinite(some).all():
                found[group] = values[np.argmax(some.mean(axis=1)), group]
        return found

    def _choose(self, scores: xr.DataArray) -> NDArray[np.intp]:
        chosen = np.empty(scores.sizes["target"], dtype=np.intp)
        for group in self._groups(scores):
            chosen[group] = _best_layers(scores.values[:, group], each=self.by == "target")
        return chosen

    def _groups(self, scores: xr.DataArray) -> list[NDArray[np.bool_]]:
        """Return which targets are averaged together."""
        if self.by != "participant":
            return [np.ones(scores.sizes["target"], dtype=bool)]
        people = scores.coords["participant"].values
        return [people == who for who in np.unique(people)]


def _best_layers(scores: NDArray[np.float64], each: bool) -> NDArray[np.intp]:
    """Return the best row of scores (layer, target) for all targets together, or for each."""
    # A target without a score at some layer cannot compare them, and takes what the others take.
    defined = np.where(np.isnan(scores), -np.inf, scores)
    usable = np.isfinite(defined).all(axis=0)
    mean = defined[:, usable].mean(axis=1) if usable.any() else np.zeros(len(scores))
    overall = np.full(scores.shape[1], np.argmax(mean))
    return np.where(usable, np.argmax(defined, axis=0), overall) if each else overall


def _layered(X: Any) -> xr.DataArray:
    features = one_array(X, "X")
    if "layer" not in features.coords:
        raise ValueError(
            "LayerSelector needs the coordinate `layer` on feature, and X has none: extract "
            "several layers, such as ek.SpeechFeatures(model, layer='all')"
        )
    return features


def _of_layer(features: xr.DataArray, layer: Any) -> xr.DataArray:
    return features.isel(feature=np.flatnonzero(features.coords["layer"].values == layer))
