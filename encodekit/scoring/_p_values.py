"""p values from draws of a null, the rare ones by a generalised Pareto tail; and over a map."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_FEW = 10  # exceedances below which counting is too coarse (Knijnenburg et al.)
_TAIL = 0.1  # the share of the draws that the tail is fitted to
_MOST = 250  # of them: more draws put the threshold further out instead

Floats = NDArray[np.float64]


def count_p(null: NDArray[np.float32], observed: NDArray[np.float32]) -> Floats:
    """``p = (1 + #{null >= observed}) / (1 + n)`` per column of ``null`` (draw, target)."""
    p: Floats = (1.0 + (null >= observed).sum(axis=0)) / (1 + len(null))
    return p


def pareto_p(null: NDArray[np.float32], observed: NDArray[np.float32]) -> Floats:
    """``p`` as of `count_p`; from a tail where fewer than ten draws reach the observed value.

    The tail is a generalised Pareto distribution over the largest tenth of the draws (250 at most),
    fitted by probability-weighted moments [1]_, as Knijnenburg et al. do by likelihood [2]_; not to
    their excesses but to those of their squares (from the mean of the null), which are nearly
    exponential where the null is nearly normal, as one of correlations is. A shape below 0 would
    end the tail, and make p 0 beyond its end; an exponential tail is taken instead. With fewer than
    100 draws it is the count.

    References
    ----------
    .. [1] Hosking & Wallis (1987), Technometrics 29:339-349.
    .. [2] Knijnenburg et al. (2009), Bioinformatics 25:i161-i168.
    """
    p = count_p(null, observed)
    n_tail = min(int(_TAIL * len(null)), _MOST)
    rare = np.flatnonzero(p * (1 + len(null)) < 1 + _FEW)
    if n_tail < _FEW or not rare.size:
        return p
    # One value more than the tail: the threshold lies between its smallest and the next one.
    top = np.partition(null[:, rare], -n_tail - 1, axis=0)[-n_tail - 1 :].astype(np.float64)
    top.sort(axis=0)
    mean = null[:, rare].mean(axis=0, dtype=np.float64)
    squares = np.square(top - mean)
    threshold = squares[:2].mean(axis=0)
    share = _survival(np.square(observed[rare] - mean) - threshold, squares[1:] - threshold)
    # P(beyond the observed) = P(beyond the threshold) P(beyond the observed | beyond it).
    p[rare] = share * (1 + n_tail) / (1 + len(null))
    return p


def _survival(excess: Floats, excesses: Floats) -> Floats:
    """Return P(excess or more) of a generalised Pareto distribution with the given excesses."""
    n = len(excesses)
    mean = excesses.mean(axis=0)
    above = (n - np.arange(1.0, n + 1)) / (n - 1)  # the share of a sample that is larger
    weighted = np.einsum("i,ij->j", above, excesses) / n
    # Hosking & Wallis's estimates, with a_0 the mean, a_1 the weighted one, and shape = -k.
    shape = 2 - mean / (mean - 2 * weighted)
    scale = 2 * mean * weighted / (mean - 2 * weighted)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        heavy = (1 + shape * excess / scale) ** (-1 / shape)
        light = np.exp(-excess / mean)
    survival: Floats = np.where(shape > 0, heavy, light)
    return survival


def adjust(p: Floats) -> Floats:
    """Return Benjamini-Hochberg's adjusted p of those that are defined."""
    q = np.full(p.shape, np.nan)
    defined = np.isfinite(p)
    if defined.any():
        q[defined] = stats.false_discovery_control(p[defined])
    return q
