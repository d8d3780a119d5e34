"""What noise does to signal powers, for a stimulus that stays as it is."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from encodekit.scoring._ceiling_spread import MOST_PIECES, NoiseSpread, folded
from encodekit.scoring._jackknife import block_starts

_SHORTEST = 8  # TRs of a piece: it says how targets go together, not how far
_SLOWEST = 0.95  # autocorrelation at lag 1: a trend is no signal to widen an interval for
_PER_FREEDOM = 3  # TRs (as many as independent ones) per degree of freedom of a variance

Floats = NDArray[np.float64]
Measures = dict[str, Floats]


def noise_of_run(values: Floats) -> Measures:
    """Return how far noise moves A = Var(mean) and B = the noise power, of one run.

    With Gaussian noise of autocovariance R over lags, the residuals are independent of the mean
    and ``Var(B) = 2 sum R^2 / ((N - 1) T)``. For a fixed signal, Bartlett's formula is
    ``Var(A) = (4 sum R_mean R / N - 2 sum R^2 / N^2) / T``, where R_mean is the autocovariance of
    the mean over repeats. Sums over lags are sums over frequencies of products of periodograms.

    Parameters
    ----------
    values : array (repeat, time, target)
        Each repeat of mean 0.

    Returns
    -------
    dict
        ``mean_variance``, ``noise_variance``: Var(A) and Var(B), (target,). ``mean_pieces``,
        ``noise_pieces``: what stretches of time add to A and B, (piece, target), so far only in
        proportion. ``n_independent``: as how many independent TRs the noise counts, (target,).
    """
    n, n_trs, _ = values.shape
    mean = values.mean(axis=0)
    contrasts = np.tensordot(helmert(n), values, axes=1)  # (n - 1, time, target), all of noise R
    of_mean = np.square(np.abs(np.fft.fft(mean, axis=0))) / n_trs
    of_noise = np.square(np.abs(np.fft.fft(contrasts, axis=1))).mean(axis=0) / n_trs
    freedom = n - 1
    # A periodogram of `freedom` series is S chi2(2 freedom) / (2 freedom): its mean square is
    # (1 + 1 / freedom) S^2.
    squares = np.square(of_noise).mean(axis=0) * freedom / (freedom + 1)
    crossed = (of_mean * of_noise).mean(axis=0)
    # Without signal Var(A) is 2 sum R^2 / N^2; estimates vary about it, and none may be negative.
    of_a = np.maximum(4 * crossed / n - 2 * squares / n**2, squares / n**2)
    mean_pieces, noise_pieces = _pieces(mean, contrasts)
    with np.errstate(divide="ignore", invalid="ignore"):
        independent = n_trs * np.square(of_noise.mean(axis=0)) / squares
    return {
        "mean_variance": of_a / n_trs, "noise_variance": 2 * squares / freedom / n_trs,
        "mean_pieces": mean_pieces, "noise_pieces": noise_pieces, "n_independent": independent,
    }  # fmt: skip


def _pieces(mean: Floats, contrasts: Floats) -> tuple[Floats, Floats]:
    """Return (piece, target) twice: what noise in stretches of time adds to A and to B."""
    # The noise in the mean is not seen, but each contrast of repeats is noise like it, sqrt(N)
    # times as large: mean x contrast summed over a stretch has the variance (and over targets the
    # covariance) of signal x noise there. Stretches take contrasts in turn.
    freedom, n_trs, n_targets = contrasts.shape
    n_pieces = min(max(n_trs // _SHORTEST, 1), MOST_PIECES)
    ends = np.arange(n_pieces + 1) * n_trs // n_pieces
    power = np.square(contrasts).mean(axis=(0, 1))
    of_mean, of_noise = np.empty((2, n_pieces, n_targets))
    for piece, (start, stop) in enumerate(pairwise(ends)):
        one = contrasts[piece % freedom, start:stop]
        of_mean[piece] = 2 * (mean[start:stop] * one).sum(axis=0) / np.sqrt(freedom + 1)
        of_noise[piece] = (one**2 - power).sum(axis=0) / np.sqrt(freedom)
    return of_mean / n_trs, of_noise / n_trs


def joined_noise(
    runs: Sequence[Measures], n_repeats: Sequence[int], n_trs: Sequence[int], n: int
) -> NoiseSpread:
    """Return the spread of ``log(1 + n SP / NP)``, SP and NP summed over runs by their TRs."""
    signal = sum(run["signal"][0] for run in runs)
    noise: Any = sum(run["total"][0] - run["signal"][0] for run in runs)
    pieces, variance = [], 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        # SP = A - B / N and NP = B, each times TRs; log(1 + n SP / NP) by the chain rule.
        by_signal = n / (noise + n * signal)
        by_noise = n * signal / (noise * (noise + n * signal))
        for run, number, length in zip(runs, n_repeats, n_trs, strict=True):
            of_a, of_b = length * by_signal, -length * (by_signal / number + by_noise)
            of_run = of_a**2 * run["mean_variance"] + of_b**2 * run["noise_variance"]
            rough = of_a * run["mean_pieces"] + of_b * run["noise_pieces"]
            # A few pieces guess the variance badly: they say how targets go together, and
            # Bartlett's formula how far they go.
            pieces.append(rough * np.sqrt(of_run / np.square(rough).sum(axis=0)))
            variance = variance + of_run
        independent = sum(run["n_independent"] for run in runs)
        together = folded(np.concatenate(pieces))
        together *= np.sqrt(variance / np.square(together).sum(axis=0))
    return NoiseSpread(together, np.maximum(independent / _PER_FREEDOM, 3.0))


def slowness(mean: Floats) -> Floats:
    """Return by which factor blocks of 20 TRs see too little of the variance of Var(mean).

    Products of an AR(1) with coefficient phi are correlated by ``a = phi^2`` from TR to TR. Over
    all lags this sums to ``(1 + a) / (1 - a)``, and within blocks of L to
    ``2 a (1 - a^L) / (L (1 - a)^2)`` less: 3 % at phi .5, 12 % at .8, 31 % at .9.

    Parameters
    ----------
    mean : array (time, target)
        Mean over repeats, itself of mean 0. Its lag-1 autocorrelation is taken for phi.
    """
    n_trs = len(mean)
    length = n_trs / block_starts(n_trs).size
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = (mean[1:] * mean[:-1]).sum(axis=0) / np.square(mean).sum(axis=0)
    a = np.square(np.clip(phi, 0, _SLOWEST))
    whole = (1 + a) / (1 - a)
    return np.asarray(whole / (whole - 2 * a * (1 - a**length) / (length * (1 - a) ** 2)))
