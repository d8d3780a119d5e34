"""From neural time courses at fine steps to their haemodynamic response at the TRs."""

import numpy as np
from numpy.typing import NDArray

from encodekit.simulation._steps import STEP

_LENGTH = 32.0  # s, after which the canonical response is below a thousandth of its peak


def respond(
    latents: NDArray[np.float64], times: NDArray[np.float64], shift: float = 0.0
) -> NDArray[np.float64]:
    """y(t) = integral of h(u - shift) x(t - u) du at each of ``times``.

    Parameters
    ----------
    latents : array (step, latent)
        At steps of `STEP` s from the audio's start; 0 before it.
    times : array (time,)
        Seconds within the audio, the middle of each TR.
    shift : float
        By how many seconds this participant's response is late.
    """
    from scipy.signal import fftconvolve

    from encodekit.features import canonical_hrf

    curve = canonical_hrf(np.arange(0.0, _LENGTH, STEP) - shift, "spm") * STEP
    late = fftconvolve(latents, curve[:, None], axes=0)
    # A TR whose middle is after the end of the sound has the last step's value.
    rows = np.minimum(np.round(times / STEP).astype(int), len(latents) - 1)
    response: NDArray[np.float64] = late[rows]
    return response


def within_run_covariance(runs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the covariance (latent, latent) around each run's own mean, pooled over runs."""
    centred = np.concatenate([run - run.mean(axis=0) for run in runs])
    covariance: NDArray[np.float64] = centred.T @ centred / len(centred)
    return covariance
