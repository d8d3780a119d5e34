"""What a fitted linear model does: predict and score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from encodekit.linear._inputs import Training, read_features, read_true
from encodekit.linear._labels import array_of
from encodekit.scoring import correlation

_COARSE = 1e-3  # of a prediction's range: rounding steps above it are seen in r


class LinearPredictions:
    """``X @ coef_ + intercept_``, with the labels of X and of the targets.

    Of a class whose ``fit`` sets ``coef_``, ``intercept_`` and ``training_mean_``, and that has
    ``targets``.
    """

    targets: Any
    coef_: Any
    intercept_: Any
    training_mean_: Any
    fitted_on_: dict[str, str]

    def predict(self, X: Any) -> Any:
        """Return predictions (time, target), labelled as X is; NaN for degenerate targets.

        In the dtype of the fit; in float64 where the means of the responses are so large, as those
        of raw BOLD, that float32 would round away what varies.

        Raises
        ------
        ValueError
            If X has other features than those of the fit, or holds NaN.
        TypeError
            If called by a tool of scikit-learn's that would lose the runs of the prediction.
        """
        check_is_fitted(self)
        rows = read_features(self, X)
        predicted = _sum(rows.values @ array_of(self.coef_), np.asarray(self.intercept_))
        mean = np.atleast_1d(np.asarray(self.training_mean_))
        return rows.labels.wrap(predicted, "time", "target", training_mean=("target", mean))

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
        return correlation(read_true(y, self.targets), predicted, runs=runs)

    def _mark(self, training: Training, fitted: NDArray[np.bool_]) -> None:
        """Keep which runs were heard, and which targets were not fitted."""
        self.fitted_on_ = training.heard
        self.degenerate_ = training.target_names[~fitted]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.multi_output = True
        return tags


def _sum(product: Any, intercept: NDArray[Any]) -> Any:
    """Return ``product + intercept``, wide enough that a large intercept rounds no variation away.

    A target that features do not predict gets a large penalty, and its prediction varies by a
    millionth of its mean: in float32 that is a few rounding steps, whose r is noise. A lazy product
    is not looked at, and is always widened.
    """
    if product.dtype != np.float32 or not product.size:
        return product + intercept
    if isinstance(product, np.ndarray):
        varies = product.max(axis=0) - product.min(axis=0)
        steps = np.finfo(np.float32).eps * np.abs(intercept)
        if not ((varies > 0) & (steps > _COARSE * varies)).any():
            return product + intercept
    return product.astype(np.float64) + intercept


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
