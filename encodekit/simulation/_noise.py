"""Noise of one participant: autocorrelated, half of it shared between targets, with slow drift."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RANK = 6  # time courses of the common part
_N_DRIFTS = 3  # cosines over the run: half a cycle, one, one and a half

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Noise:
    """What the noise of a simulated response is made of.

    Parameters
    ----------
    autocorrelation : float
        From one TR to the next, in [0, 1), of what is not drift.
    drift : float
        Of the noise's variance, what is slower than the run, in [0, 1].
    common : float
        Of the rest, what the targets of a person have in common, in [0, 1].

    Examples
    --------
    >>> Noise(autocorrelation=0.6)
    Noise(autocorrelation=0.6, drift=0.15, common=0.5)
    """

    autocorrelation: float = 0.4
    drift: float = 0.15
    common: float = 0.5

    def __post_init__(self) -> None:
        one_more = self.autocorrelation < 1
        if not (one_more and all(0 <= x <= 1 for x in vars(self).values())):
            raise ValueError(f"{self}: expected numbers from 0 to 1, autocorrelation below 1")


NOISE = Noise()


def noise_loadings(rng: np.random.Generator, n_targets: int) -> Array:
    """Return (RANK, target) with unit columns: how the common noise spreads in a brain."""
    loadings = rng.standard_normal((RANK, n_targets), dtype=np.float32)
    unit: Array = loadings / np.linalg.norm(loadings, axis=0)
    return unit


def draw_noise(
    rng: np.random.Generator,
    loadings: Array,
    n_repeats: int,
    n_trs: int,
    noise: Noise = NOISE,
) -> Array:
    """Return (repeat, time, target) of variance 1 within a run, independent between repeats.

    By default 85 % is AR(1) with a coefficient of .4, half of it the same few time courses in all
    targets; 15 % is `_N_DRIFTS` cosines slower than the run.
    """
    n_targets = loadings.shape[1]
    phi, steady = noise.autocorrelation, 1 - noise.drift
    common = _autoregressive(rng, (n_repeats, n_trs, RANK), phi)
    common *= np.float32(np.sqrt(steady * noise.common))
    drifts = rng.standard_normal((n_repeats, _N_DRIFTS, n_targets), dtype=np.float32)
    cosines = _cosines(n_trs, noise.drift)
    values = _autoregressive(rng, (n_repeats, n_trs, n_targets), phi)
    values *= np.float32(np.sqrt(steady * (1 - noise.common)))
    for repeat in range(n_repeats):
        values[repeat] += common[repeat] @ loadings
        values[repeat] += cosines @ drifts[repeat]
    return values


def _autoregressive(rng: np.random.Generator, shape: tuple[int, int, int], phi: float) -> Array:
    n_trs = shape[1]
    steps = rng.standard_normal(shape, dtype=np.float32)
    # x_t = a x_(t-1) + sqrt(1 - a^2) e_t has a variance of 1 from the first row on.
    steps[:, 1:] *= np.float32(np.sqrt(1 - phi**2))
    for row in range(1, n_trs):
        steps[:, row] += np.float32(phi) * steps[:, row - 1]
    steps /= np.float32(np.sqrt(_share_within_run(n_trs, phi)))
    return steps


def _share_within_run(n_trs: int, phi: float) -> float:
    """Return what is left of an AR(1) variance of 1 when the mean of a run is taken away."""
    lags = np.arange(1, n_trs)
    return float(1 - (n_trs + 2 * ((n_trs - lags) * phi**lags).sum()) / n_trs**2)


def _cosines(n_trs: int, drift: float) -> Array:
    """Return (time, _N_DRIFTS): with weights of variance 1, drifts of that variance."""
    order = np.arange(1, _N_DRIFTS + 1)
    # Slower ones are stronger, amplitude 1 / order; a cosine has a variance of half its square.
    cosines = np.cos(np.pi * order * (np.arange(n_trs)[:, None] + 0.5) / n_trs) / order
    scaled: Array = (cosines * np.sqrt(drift / (0.5 / order**2).sum())).astype(np.float32)
    return scaled
