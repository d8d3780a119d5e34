"""Which alpha wins: the best score, and the smallest alpha of those that are as good to rounding.

The correlation with one feature is the same at every alpha, and so it is at all alphas far above
the largest eigenvalue. Rounding must not choose how far such predictions shrink: with nothing to
say for a penalty, the least is taken.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEPS = 16  # of the precision of the products, by which equal scores may differ


def choose(scores: NDArray[Any], alphas: NDArray[np.float64], dtype: Any) -> NDArray[np.intp]:
    """Return the position of the smallest alpha whose score is the best one, up to rounding.

    The largest alpha where no score is defined.

    Parameters
    ----------
    scores : array (alpha, target)
        NaN where undefined.
    alphas : array (alpha,)
    dtype : numpy dtype
        The precision in which the products under the scores were taken.
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = known.max(axis=0)
    # Without any score all alphas are tied, and the smallest would win: set right below.
    tied = known >= best - rounding(best, dtype)
    chosen: NDArray[np.intp] = np.argmin(np.where(tied, alphas[:, None], np.inf), axis=0)
    chosen[np.isneginf(best)] = np.argmax(alphas)
    return chosen


def without_repeats(
    scores: NDArray[Any], alphas: NDArray[np.float64], dtype: Any
) -> NDArray[np.intp]:
    """Return the positions of alphas, less those that score all targets as a smaller one does.

    Parameters
    ----------
    scores : array (alpha, target)
        Targets with an undefined score do not count.
    alphas, dtype
        As in `choose`.
    """
    defined = scores[:, np.isfinite(scores).all(axis=0)]
    kept: list[int] = []
    for place in np.argsort(alphas, kind="stable").tolist():
        here = defined[place]
        step = rounding(here, dtype)
        if not here.size or not any(np.all(abs(here - defined[one]) <= step) for one in kept):
            kept.append(place)
    return np.sort(np.asarray(kept, dtype=np.intp))


def rounding(scores: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return by how much equal scores may differ."""
    return np.asarray(_STEPS * np.finfo(dtype).eps * np.maximum(1, np.abs(scores)))
