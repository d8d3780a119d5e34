"""Noise of one participant: autocorrelated, half of it shared between targets, with slow drift."""

import numpy as np
from numpy.typing import NDArray

AR = 0.4  # from one TR to the next
DRIFT = 0.15  # of the noise's variance
LOW_RANK = 0.5  # of the rest is common to targets
RANK = 6  # time courses of the common part
_N_DRIFTS = 3  # cosines over the run: half a cycle, one, one and a half

Array = NDArray[np.float32]


def noise_loadings(rng: np.random.Generator, n_targets: int) -> Array:
    """Return (RANK, target) with unit columns: how the common noise spreads in a brain."""
    loadings = rng.standard_normal((RANK, n_targets), dtype=np.float32)
    unit: Array = loadings / np.linalg.norm(loadings, axis=0)
    return unit


def draw_noise(rng: np.random.Generator, loadings: Array, n_repeats: int, n_trs: int) -> Array:
    """Return (repeat, time, target) of variance 1 within a run, independent between repeats.

    85 % is AR(1) with a coefficient of `AR`, half of it the same few time courses in all targets;
    15 % is `_N_DRIFTS` cosines slower than the run.
    """
    n_targets = loadings.shape[1]
    common = _autoregressive(rng, (n_repeats, n_trs, RANK))
    common *= np.float32(np.sqrt((1 - DRIFT) * LOW_RANK))
    drifts = rng.standard_normal((n_repeats, _N_DRIFTS, n_targets), dtype=np.float32)
    cosines = _cosines(n_trs)
    noise = _autoregressive(rng, (n_repeats, n_trs, n_targets))
    noise *= np.float32(np.sqrt((1 - DRIFT) * (1 - LOW_RANK)))
    for repeat in range(n_repeats):
        noise[repeat] += common[repeat] @ loadings
        noise[repeat] += cosines @ drifts[repeat]
    return noise


def _autoregressive(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    n_trs = shape[1]
    steps = rng.standard_normal(shape, dtype=np.float32)
    # x_t = a x_(t-1) + sqrt(1 - a^2) e_t has a variance of 1 from the first row on.
    steps[:, 1:] *= np.float32(np.sqrt(1 - AR**2))
    for row in range(1, n_trs):
        steps[:, row] += np.float32(AR) * steps[:, row - 1]
    steps /= np.float32(np.sqrt(_share_within_run(n_trs)))
    return steps


def _share_within_run(n_trs: int) -> float:
    """Return what is left of an AR(1) variance of 1 when the mean of a run is taken away."""
    lags = np.arange(1, n_trs)
    return float(1 - (n_trs + 2 * ((n_trs - lags) * AR**lags).sum()) / n_trs**2)


def _cosines(n_trs: int) -> Array:
    """Return (time, _N_DRIFTS): with weights of variance 1, drifts of variance `DRIFT`."""
    order = np.arange(1, _N_DRIFTS + 1)
    # Slower ones are stronger, amplitude 1 / order; a cosine has a variance of half its square.
    cosines = np.cos(np.pi * order * (np.arange(n_trs)[:, None] + 0.5) / n_trs) / order
    scaled: Array = (cosines * np.sqrt(DRIFT / (0.5 / order**2).sum())).astype(np.float32)
    return scaled
