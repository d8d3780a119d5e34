"""Surrogates one at a time: scramble the prediction, then correlate, as it is written down."""

import numpy as np


def pearson(y, p):
    return np.corrcoef(y, p)[0, 1]


def turned(p, angles):
    """Return ``p`` with the phase of each frequency but 0 turned by its angle."""
    spectrum = np.fft.rfft(p)
    spectrum[1:] *= np.exp(1j * angles)
    return np.fft.irfft(spectrum, len(p))


def overlap_t(y, p, lag):
    """Return r of what overlaps after a shift by ``lag``, over Bartlett's standard error."""
    n = len(y) - abs(lag)
    left, right = (y[:n], p[-n:]) if lag >= 0 else (y[-n:], p[:n])
    variance = 0.0
    for m in range(n):
        together = autocorrelation(y, m) * autocorrelation(p, m)
        variance += (1 if m == 0 else 2) * (1 - m / n) * together / n
    return pearson(left, right) / np.sqrt(variance)


def autocorrelation(x, m):
    centred = x - x.mean()
    return (centred[: len(x) - m] * centred[m:]).sum() / (centred**2).sum()
