"""What a comparison over cohorts says: paired intervals, sign flips, equivalence, passing.

A difference has one value per cohort. Cohorts are independent, and N was fixed beforehand.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

MARGIN = 0.01  # of r over the ceiling: less is "the same", and a control stays below it
F1_MARGIN = 0.02  # of a probe: a smaller loss is no loss
LEVEL = 0.95


@dataclass(frozen=True)
class Paired:
    """A mean difference over cohorts.

    Attributes
    ----------
    mean, low, high, sd : float
        Of the difference; 95 % interval by t.
    p_t, p_flip : float
        Two-sided: of t, and of flipping the signs of whole cohorts (exact).
    p_same : float
        Of the larger of two one-sided t tests against +-`MARGIN`; below .05 means "the same".
    above, n : int
        Cohorts whose difference is above 0, and all.
    """

    mean: float
    low: float
    high: float
    sd: float
    p_t: float
    p_flip: float
    p_same: float
    above: int
    n: int

    @property
    def verdict(self) -> str:
        """In words: higher, lower, the same (within the margin) or unclear."""
        same = self.p_same < 1 - LEVEL
        if self.low > 0 or self.high < 0:
            way = "higher" if self.low > 0 else "lower"
            return f"{way}, by less than {MARGIN:g}" if same else way
        return f"the same (+-{MARGIN:g})" if same else "unclear"

    @property
    def as_control(self) -> str:
        """In words: whether a control gains less than the margin, or more, or is unclear."""
        if self.high < MARGIN:
            return f"below +{MARGIN:g}"
        return f"above +{MARGIN:g}" if self.low > MARGIN else "not shown"

    @property
    def as_probe(self) -> str:
        """In words: whether the loss of a probe is shown to be smaller than its margin."""
        if self.high < -F1_MARGIN:
            return "inferior"
        return "not inferior" if self.low > -F1_MARGIN else "unclear"


def paired(differences: ArrayLike) -> Paired:
    """Return what differences (n_cohorts,) say.

    Raises
    ------
    ValueError
        For fewer than two cohorts, or a value that is no number.

    Examples
    --------
    >>> found = paired([0.02, 0.03, 0.025, 0.035])
    >>> round(found.mean, 4), round(found.low, 4), round(found.high, 4), found.p_flip
    (0.0275, 0.0172, 0.0378, 0.125)
    >>> found.verdict
    'higher'
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise ValueError(f"{values.size} differences, not all finite: 2 cohorts or more are needed")
    n, mean, sd = values.size, float(values.mean()), float(values.std(ddof=1))
    error = sd / float(np.sqrt(n))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * error)
    if sd == 0:  # all cohorts agree to the digit
        p_t, p_same = float(mean == 0), float(abs(mean) >= MARGIN)
    else:
        p_t = float(2 * stats.t.sf(abs(mean) / error, n - 1))
        p_same = float(stats.t.sf((MARGIN - abs(mean)) / error, n - 1))
    return Paired(
        mean, mean - half, mean + half, sd, p_t, sign_flip(values), p_same,
        int((values > 0).sum()), n,
    )  # fmt: skip


def sign_flip(values: NDArray[np.float64]) -> float:
    """Return the two-sided p value of the mean under all flips of the cohorts' signs.

    >>> sign_flip(np.array([1.0, 2.0, 3.0, 4.0]))
    0.125
    """
    least = abs(values.sum()) - 1e-12 * np.abs(values).sum()
    # 2^n sums are all pairs of the 2^(n / 2) sums of either half
    one, other = (_signed_sums(part) for part in np.array_split(values, 2))
    other.sort()
    above = other.size - np.searchsorted(other, least - one, side="left")
    below = np.searchsorted(other, -least - one, side="right")
    return float((above + below).sum() / (one.size * other.size)) if least > 0 else 1.0


def _signed_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    signs = np.array(list(product((1.0, -1.0), repeat=values.size)))
    sums: NDArray[np.float64] = signs @ values
    return sums


def passing(n_passed: int, n: int) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson) 95 % interval of a share.

    >>> low, high = passing(5, 10)
    >>> round(low, 3), round(high, 3)
    (0.187, 0.813)
    """
    found = stats.binomtest(n_passed, n).proportion_ci(LEVEL, method="exact")
    return float(found.low), float(found.high)


def cohorts_needed(sd: float, half_width: float) -> int:
    """Return the least number of cohorts whose 95 % interval is no wider than +-``half_width``.

    >>> cohorts_needed(0.0075, 0.01)
    5
    """
    n = 2
    while stats.t.ppf((1 + LEVEL) / 2, n - 1) * sd / np.sqrt(n) > half_width:
        n += 1
    return n


def slopes(scores: NDArray[np.float64], x: ArrayLike) -> NDArray[np.float64]:
    """Return each cohort's least-squares slope (n_cohorts,) of scores (n_cohorts, n_x) over x."""
    centred = np.asarray(x) - np.mean(x)
    found: NDArray[np.float64] = scores @ centred / (centred**2).sum()
    return found
