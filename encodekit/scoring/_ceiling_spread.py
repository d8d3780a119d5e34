"""How far a ceiling may be off: over other stories, or over other noise on this very story."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from encodekit.scoring._jackknife import t_limits

# More pieces than this add little to the degrees of freedom of a t interval, and memory.
MOST_PIECES = 16

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NoiseSpread:
    """How the noise alone would move ``log F`` of each target, the stimulus being as it was.

    ``F = N Var(mean) / NP = 1 + N share / (1 - share)``, the ratio of variances of a one-way
    analysis of variance with N repeats.

    Attributes
    ----------
    pieces : array (piece, target)
        Of stretches of time; their squares sum to the variance.
    freedom : array (target,)
        Degrees of freedom of that variance.
    """

    pieces: Floats
    freedom: Floats


def share_limits(
    estimates: Floats, n: Any, noise: NoiseSpread | None, stretch: Any = 1.0
) -> tuple[Floats, Floats, Floats]:
    """Return the share (target,) and the ends of its 95 % interval, by the spread of ``log F``.

    Parameters
    ----------
    estimates : array (1 + block, target)
        Shares from all rows, then without each block.
    n : int or array (target,)
        Number of repeats.
    noise : NoiseSpread or None
        The spread over other noise; over blocks of time (a jackknife) where it is None.
    stretch : float or array (target,)
        Factor of the jackknife's variance, for responses that remember longer than a block.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        # The logarithm of a ratio of variances is more nearly normal than the share, and its ends
        # turn back into shares below 1.
        log_f = np.log1p(n * estimates / (1 - estimates))
        if noise is None:
            low, high = t_limits(log_f[0] + np.sqrt(stretch) * (log_f - log_f[0]))
        else:
            error = np.sqrt(np.square(noise.pieces).sum(axis=0))
            half = stats.t.ppf(0.975, noise.freedom) * error
            low, high = log_f[0] - half, log_f[0] + half
        low, high = (np.expm1(end) / (np.expm1(end) + n) for end in (low, high))
    return estimates[0], low, high


def squared_pieces(
    estimates: Floats, n: Any, number: Floats, noise: NoiseSpread | None, stretch: Any = 1.0
) -> Floats:
    """Return (piece, target): deviations of CCmax^2 of the mean of ``number``, over time.

    The squares of a target's pieces sum to the variance of its CCmax^2. Those of targets' mean
    pieces sum to the variance of their mean CCmax^2, whatever the targets share.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = number * estimates / (1 + (number - 1) * estimates)
        if noise is None:
            without = squared[1:]
            n_blocks = len(without)
            # The jackknife's variance, (n - 1) / n sum (estimate - mean)^2.
            pieces = np.sqrt(stretch * (n_blocks - 1) / n_blocks) * (without - without.mean(axis=0))
        else:
            # CCmax^2 = m (F - 1) / (n + m (F - 1)), so d CCmax^2 / d log F = m n F / (...)^2.
            f = 1 + n * estimates[0] / (1 - estimates[0])
            pieces = noise.pieces * (number * n * f / (n + number * (f - 1)) ** 2)
    return folded(pieces)


def folded(pieces: Floats) -> Floats:
    """Return at most 16 sums of neighbouring pieces (piece, target): their variance is the same.

    Neighbours are of neighbouring stretches of time and hardly correlated, so the square of
    their sum is on average the sum of their squares.
    """
    n = len(pieces)
    if n <= MOST_PIECES:
        return pieces
    sums: Floats = np.add.reduceat(pieces, np.arange(MOST_PIECES) * n // MOST_PIECES, axis=0)
    return sums
