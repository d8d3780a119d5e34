"""Means over participants with their t interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Interval(NamedTuple):
    """A mean, the ends of its interval (NaN for fewer than two values), and how many it is of."""

    mean: float
    low: float
    high: float
    n: int


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """``mean +- t(n - 1) * sd / sqrt(n)`` over the defined values.

    >>> t_interval([1.0, 2.0, 3.0])
    Interval(mean=2.0, low=-0.484..., high=4.484..., n=3)
    """
    given = np.asarray(values, dtype=float)
    defined = given[np.isfinite(given)]
    n = len(defined)
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0)
    mean = float(defined.mean())
    if n == 1:
        return Interval(mean, np.nan, np.nan, 1)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * defined.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)
