"""Scores by run for ``scoring=`` of scikit-learn's tools."""

from typing import Any

from encodekit.data import one_array
from encodekit.linear._predictions import mean_defined
from encodekit.regions import select_targets
from encodekit.scoring import correlation, r2


def correlation_scorer(estimator: Any, X: Any, y: Any) -> float:
    """Return the mean over targets of `encodekit.correlation`, undefined ones left out.

    Parameters
    ----------
    estimator : fitted estimator or pipeline
        Its targets are scored, whichever y has besides.
    X : list of Stimulus, or DataArray (time, feature)
    y : list of DataArray (one per run), or DataArray (time, target)

    Examples
    --------
    >>> import encodekit as ek
    >>> from sklearn.model_selection import KFold, cross_validate
    >>> cross_validate(
    ...     model, study.stimuli, study.responses(), cv=KFold(4), scoring=ek.correlation_scorer
    ... )  # doctest: +SKIP
    """
    return _mean(correlation, estimator, X, y)


def r2_scorer(estimator: Any, X: Any, y: Any) -> float:
    """Return the mean over targets of `encodekit.r2`, against the training mean of the estimator.

    Parameters are those of `correlation_scorer`.
    """
    return _mean(r2, estimator, X, y)


def _mean(metric: Any, estimator: Any, X: Any, y: Any) -> float:
    predicted = estimator.predict(X)
    names = predicted.coords["target"].values.tolist()
    return mean_defined(metric(select_targets(one_array(y, "y"), names), predicted))
