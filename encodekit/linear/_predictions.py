"""What a fitted linear model does: predict, score, and put the labels back."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from encodekit.linear._callers import refuse_lossy_callers
from encodekit.linear._inputs import Training, heard_in_fit, read_features
from encodekit.linear._targets import select_targets
from encodekit.scoring import correlation, one_array
from encodekit.scoring._join import is_labelled, target_coords


class LinearPredictions:
    """``X @ coef_ + intercept_``, with the labels of X and of the targets.

    Of a class whose ``fit`` sets ``coef_``, ``intercept_`` and ``training_mean_``, and that has
    ``targets``.
    """

    targets: Any
    coef_: Any
    intercept_: Any
    training_mean_: Any
    bands_: Any
    fitted_on_: dict[str, str]

    def predict(self, X: Any) -> Any:
        """Return predictions (time, target), labelled as X is; NaN for degenerate targets.

        Raises
        ------
        ValueError
            If X has other features than those of the fit, or holds NaN.
        TypeError
            If called by a tool of scikit-learn's that would lose the runs of the prediction.
        """
        check_is_fitted(self)
        values, features = read_features(self, X)
        coef = self.coef_.data if isinstance(self.coef_, xr.DataArray) else self.coef_
        predicted = values @ coef + np.asarray(self.intercept_)
        if features is None:
            return predicted
        refuse_lossy_callers()
        return self._label(predicted.reshape(len(values), -1), features)

    def score(self, X: Any, y: Any, sample_weight: None = None, runs: Any = None) -> float:
        """Return the mean over targets of `score_targets`; undefined ones are left out.

        Raises
        ------
        TypeError
            If ``sample_weight`` is given; scikit-learn's pipelines need the name.
        """
        refuse_weights(sample_weight)
        return mean_defined(self.score_targets(X, y, runs))

    def score_targets(self, X: Any, y: Any, runs: Any = None) -> Any:
        """Return the `encodekit.correlation` of each target, those of ``targets`` in y."""
        predicted = self.predict(X)
        if is_labelled(y):
            return correlation(select_targets(one_array(y, "y"), self.targets), predicted)
        true = np.asarray(y)
        if true.ndim == 2:
            true = select_targets(true, self.targets)
        return correlation(true, predicted, runs=runs)

    def _label(self, predicted: NDArray[Any], features: xr.DataArray) -> xr.DataArray:
        """Label predictions (time, target), or those of each band, (band, time, target)."""
        coords = _coords_on("time", features)
        attrs = {
            key: features.attrs[key] for key in ("t_r", "sample_offset") if key in features.attrs
        }
        if isinstance(self.coef_, xr.DataArray):
            coords |= target_coords(self.coef_)
            attrs |= self.coef_.attrs
        if predicted.ndim == 3:
            coords["band"] = self.bands_
            return xr.DataArray(predicted, coords, ("band", "time", "target"), attrs=attrs)
        coords["training_mean"] = ("target", np.atleast_1d(np.asarray(self.training_mean_)))
        return xr.DataArray(predicted, coords, ("time", "target"), attrs=attrs)

    def _mark(self, training: Training, fitted: NDArray[np.bool_]) -> None:
        """Keep which runs were heard and which targets not fitted, and give ``coef_`` y's attrs."""
        self.fitted_on_ = heard_in_fit(training)
        places, rows = np.flatnonzero(~fitted), training.responses
        self.degenerate_ = places if rows is None else rows.coords["target"].values[places]
        if rows is not None:
            self.coef_.attrs = {
                key: rows.attrs[key] for key in ("space", "units") if key in rows.attrs
            }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.multi_output = True
        return tags


def refuse_weights(sample_weight: Any) -> None:
    """Refuse weights of TRs in a score."""
    if sample_weight is not None:
        raise TypeError(
            "sample_weight is not supported: every TR of a run counts alike. Leave out TRs by "
            "setting them to NaN for all targets of a participant"
        )


def mean_defined(scores: Any) -> float:
    """Return the mean of the scores that are defined, NaN if none is."""
    defined = np.asarray(scores)[np.isfinite(np.asarray(scores))]
    return float(defined.mean()) if defined.size else float("nan")


def labeller(training: Training) -> Any:
    """Return the function that labels a fitted array, or drops the axis of a single target."""
    features, responses = training.features, training.responses
    if features is None or responses is None:
        return lambda values, *_: values[..., 0] if training.one_target else values
    on_target = target_coords(responses, drop=("n_repeats",))
    on_feature = _coords_on("feature", features)

    def label(values: NDArray[Any], *dims: str) -> xr.DataArray:
        coords = on_target | on_feature if "feature" in dims else on_target
        return xr.DataArray(values, dims=dims, coords=coords)

    return label


def _coords_on(dim: str, features: xr.DataArray) -> dict[str, Any]:
    return {
        str(name): coord.variable for name, coord in features.coords.items() if coord.dims == (dim,)
    }
