"""Transformers of scikit-learn's over labelled features, such as PCA."""

from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, clone
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from encodekit.data import concat_runs
from encodekit.features._containers import LabelledOrArray, is_labelled_rows

_SPACE = ("band", "layer")


class FeatureTransformer(LabelledOrArray, BaseEstimator):
    """Features through a transformer of scikit-learn's that learns from the runs of ``fit`` alone.

    A test run is transformed by what the training runs taught, and has no part in it. The rows keep
    their labels, which the transformer alone would lose. Each band and each layer is transformed by
    a clone of its own, so that both remain coordinates: ``PCA(50)`` gives 50 features for each.

    Parameters
    ----------
    transformer : transformer
        Such as ``PCA(50)`` or ``StandardScaler()``; it sees all rows of ``fit``, history included,
        and no responses.

    Attributes
    ----------
    spaces_ : list of (band, layer)
        None where the features have no such coordinate.
    transformers_ : list of fitted transformers
        One for each of them.

    See Also
    --------
    RunScaler : z-scores by the run's own statistics, on a test run too.

    Notes
    -----
    Coordinates of the features are kept by transformers whose columns are those that came in
    (``StandardScaler``). Others, such as ``PCA``, name their columns, and a coordinate that varies
    within a band and layer is dropped: put them before a `Delayer`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> reduce = FeatureTransformer(PCA(2))
    >>> reduce.fit_transform(np.random.default_rng(0).standard_normal((20, 5))).shape
    (20, 2)
    """

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a clone of the transformer for each band and layer.

        Parameters
        ----------
        X : DataArray (time, feature), list of them (one per run), or array (time, feature)
        """
        if not is_labelled_rows(X):
            values = validate_data(self, X, dtype=(np.float64, np.float32))
            self.spaces_ = [(None, None)]
            self.transformers_ = [clone(self.transformer).fit(values)]
            return self
        features = _one(X)
        places = _spaces(features)
        self.spaces_ = list(places)
        self.n_features_in_ = features.sizes["feature"]
        self.feature_names_in_ = _names(features)
        self.transformers_ = [
            clone(self.transformer).fit(features.values[:, columns]) for columns in places.values()
        ]
        return self

    def transform(self, X: Any) -> Any:
        """Return the new features, labelled as X is.

        Parameters
        ----------
        X : DataArray (time, feature), list of them, or array (time, feature)

        Raises
        ------
        ValueError
            If these are other features than those of the fit, or in another order.
        """
        check_is_fitted(self)
        if not is_labelled_rows(X):
            values = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
            return np.asarray(self.transformers_[0].transform(values))
        features = _one(X)
        self._check(features)
        parts = [
            _transformed(fitted, features.isel(feature=columns))
            for fitted, columns in zip(self.transformers_, _spaces(features).values(), strict=True)
        ]
        joined: xr.DataArray = xr.concat(
            parts, "feature", coords="minimal", compat="override", join="override",
            combine_attrs="override",
        )  # fmt: skip
        return joined.transpose("time", "feature")

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names that the transformer gives to the columns of an array.

        Raises
        ------
        ValueError
            For a fit to several bands or layers: labelled features say it by ``name``.
        """
        check_is_fitted(self)
        if len(self.transformers_) > 1:
            raise ValueError(
                f"fitted on {len(self.transformers_)} bands and layers: the names are the "
                "coordinate `name` of what transform returns"
            )
        names = _check_feature_names_in(self, input_features)
        fitted = self.transformers_[0]
        if isinstance(fitted, OneToOneFeatureMixin):
            return np.asarray(fitted.get_feature_names_out(names))
        n_columns = fitted.transform(np.zeros((1, names.size))).shape[1]
        return _names_out(fitted, n_columns).astype(object)

    def _check(self, features: xr.DataArray) -> None:
        found, names = list(_spaces(features)), _names(features)
        if found != self.spaces_ or not np.array_equal(names, self.feature_names_in_):
            known = self.feature_names_in_
            raise ValueError(
                f"X has {len(names)} features {_shown(names)} of bands and layers {found}, but the "
                f"transformer was fitted on {len(known)} {_shown(known)} of {self.spaces_}: use "
                "the extractor of the fit"
            )


def _one(X: Any) -> xr.DataArray:
    rows = X if isinstance(X, xr.DataArray) else concat_runs(X)
    return rows.transpose("time", "feature")


def _spaces(features: xr.DataArray) -> dict[tuple[Any, Any], NDArray[np.intp]]:
    """Return the features of each (band, layer), in order of appearance."""
    n_features = features.sizes["feature"]
    by_coord = [
        features.coords[name].values.tolist() if name in features.coords else [None] * n_features
        for name in _SPACE
    ]
    keys = list(zip(*by_coord, strict=True))
    return {key: np.flatnonzero([other == key for other in keys]) for key in dict.fromkeys(keys)}


def _names(features: xr.DataArray) -> NDArray[Any]:
    if "name" in features.coords:
        return np.asarray(features.coords["name"].values)
    return np.full(features.sizes["feature"], "")


def _shown(names: NDArray[Any]) -> str:
    return f"({', '.join(names[:2].tolist())}, ...)"


def _transformed(fitted: Any, features: xr.DataArray) -> xr.DataArray:
    values = np.asarray(fitted.transform(features.values))
    if isinstance(fitted, OneToOneFeatureMixin):
        return features.copy(data=values)
    kept: dict[str, Any] = {
        str(name): coord.variable
        for name, coord in features.coords.items()
        if coord.dims == ("time",)
    }
    n_columns = values.shape[1]
    kept["name"] = ("feature", _names_out(fitted, n_columns))
    for name, coord in features.coords.items():
        if coord.dims == ("feature",) and name != "name" and np.unique(coord.values).size == 1:
            kept[str(name)] = ("feature", np.repeat(coord.values[:1], n_columns))
    return xr.DataArray(values, kept, ("time", "feature"), attrs=features.attrs)


def _names_out(fitted: Any, n_columns: int) -> NDArray[Any]:
    if hasattr(fitted, "get_feature_names_out"):
        return np.asarray(fitted.get_feature_names_out()).astype(str)
    return np.asarray([f"{type(fitted).__name__.lower()}{k}" for k in range(n_columns)])
