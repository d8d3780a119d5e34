"""Fitted features whose rows are made once, however many regressions read them."""

from collections.abc import Sequence
from typing import Any

from sklearn.frozen import FrozenEstimator

from encodekit.data import Stimulus


class RememberedFeatures(FrozenEstimator):
    """A fitted extractor that a pipeline leaves as it is, and that reads the same runs only once.

    Clones and pipelines share the rows: areas of one model are fitted on the same features.

    Parameters
    ----------
    estimator : fitted FeatureExtractor
    """

    def __init__(self, estimator: Any) -> None:
        super().__init__(estimator)
        self._rows: dict[tuple[tuple[str, str], ...], Any] = {}

    def transform(self, X: Sequence[Stimulus]) -> Any:
        """Return the features (time, feature) of the runs ``X``, computed at the first call."""
        key = tuple((stimulus.run_name, stimulus.heard_hash) for stimulus in X)
        if key not in self._rows:
            self._rows[key] = self.estimator.transform(X)
        return self._rows[key]
