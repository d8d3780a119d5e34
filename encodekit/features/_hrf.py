"""The canonical haemodynamic response, by which features of neural time become predictors."""

from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from encodekit.core import unknown_name
from encodekit.data import as_floats
from encodekit.features._runs import earlier_rows, needed_t_r, runs_of, take_rows

# delay and dispersion of the peak, of the undershoot (s), and the undershoot's share
_SHAPES = {
    "glover": (6.0, 0.9, 12.0, 0.9, 0.48),
    "spm": (6.0, 1.0, 16.0, 1.0, 1 / 6),
}


def canonical_hrf(seconds: ArrayLike, shape: str = "spm") -> NDArray[np.float64]:
    """h(t) = g(t; a1 / b1, b1) - c g(t; a2 / b2, b2), with g the gamma density.

    ``g(t; k, b) = t^(k - 1) exp(-t / b) / (b^k Gamma(k))``, t in seconds after the event.
    ``"spm"``: a1, b1, a2, b2 = 6, 1, 16, 1 and c = 1/6 (SPM's canonical response: peak at 5 s,
    shallow undershoot at 16 s); ``"glover"``: 6, 0.9, 12, 0.9 and c = 0.48 (Glover 1999, as nilearn
    uses it: peak at 5 s, deep undershoot at 12 s).

    Raises
    ------
    ValueError
        For another shape.
    """
    from scipy.stats import gamma

    if shape not in _SHAPES:
        raise ValueError(unknown_name("haemodynamic response", shape, _SHAPES))
    a1, b1, a2, b2, share = _SHAPES[shape]
    times = np.asarray(seconds, dtype=np.float64)
    peak = gamma.pdf(times, a1 / b1, scale=b1)
    curve: NDArray[np.float64] = peak - share * gamma.pdf(times, a2 / b2, scale=b2)
    return curve


class CanonicalHRF(TransformerMixin, BaseEstimator):
    """Features through a fixed haemodynamic response: y(t) = sum_d h(d TR) x(t - d TR).

    ``h`` is `canonical_hrf` at whole TRs from 0 to ``length``, divided by its sum, so that a
    constant feature keeps its value. It never crosses the border of a run; rows of history are
    used and then dropped. Zeros stand only where the audio had not begun; with too little
    history an error says which ``history=`` to ask of the extractor. Runs of several TRs are each
    taken at their own.

    Parameters
    ----------
    shape : "spm" or "glover"
        Word rate predicts language regions better through the first (people listening to Alice in
        Wonderland, Brennan et al. 2016: mean r .42 against .35).
    length : float
        Seconds after which the response is over.

    Examples
    --------
    >>> import pandas as pd
    >>> from encodekit.data import Stimulus
    >>> from encodekit.features import WordRate
    >>> words = pd.DataFrame({"word": ["now"], "onset": [4.5], "duration": [0.3]})
    >>> story = Stimulus("story-1", words=words, t_r=2.0, duration=30.0)
    >>> rows = CanonicalHRF().fit_transform(WordRate().transform([story]))
    >>> int(rows.values[:, 0].argmax())  # the word is in TR 2, the peak 4 to 6 s later
    4
    """

    def __init__(self, shape: str = "spm", length: float = 32.0) -> None:
        self.shape = shape
        self.length = length

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Return self: the response is fixed."""
        return self

    def weights(self, t_r: float) -> NDArray[np.float64]:
        """Return the weight of each lag 0, 1, 2, ... TRs, summing to 1."""
        curve = canonical_hrf(np.arange(0.0, self.length, t_r), self.shape)
        total = curve.sum()
        if not total > 0:
            raise ValueError(
                f"a response of length {self.length:g} s has no weight at a TR of {t_r:g} s: "
                "use length=32"
            )
        weights: NDArray[np.float64] = curve / total
        return weights

    def transform(self, X: xr.DataArray) -> xr.DataArray:
        """Return the features through the response, rows of ``tr >= 0`` alone.

        Raises
        ------
        ValueError
            If the history is too short although the audio had begun.
        """
        if not isinstance(X, xr.DataArray):
            raise TypeError(
                f"CanonicalHRF takes the DataArray of an extractor, got {type(X).__name__}: an "
                "array carries neither a TR nor a history"
            )
        X = as_floats(X, "CanonicalHRF")
        parts = []
        for run in runs_of(X):
            t_r = needed_t_r(run)
            weights = self.weights(t_r)
            lags = np.arange(weights.size)
            rows = earlier_rows(run, lags, t_r, needed=float(lags[-1]) * t_r)
            parts.append(sum(w * take_rows(X.values, rows[:, d]) for d, w in enumerate(weights)))
        kept = np.concatenate([run.rows[run.tr >= 0] for run in runs_of(X)])
        out = X.isel(time=kept).copy(data=np.concatenate(parts).astype(X.dtype))
        return out.assign_attrs(history=0.0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
