"""The Lanczos interpolation of the Huth lab as its formula says, dense, one weight at a time."""

import math

import numpy as np


def lanczos_weight(u, window):
    if u == 0:
        return 1.0
    if abs(u) > window:
        return 0.0
    return window * math.sin(math.pi * u) * math.sin(math.pi * u / window) / (math.pi * u) ** 2


def dense_lanczos(values, old_times, new_times, window=3, cutoff_mult=1.0):
    cutoff = cutoff_mult / np.mean(np.diff(new_times))
    weights = [
        [lanczos_weight((new - old) * cutoff, window) for old in old_times] for new in new_times
    ]
    return np.array(weights) @ values
