"""Delays one row and one feature at a time."""

import numpy as np


def delayed(values, runs, delays):
    n_rows, n_features = values.shape
    out = np.zeros((n_rows, len(delays) * n_features))
    for row in range(n_rows):
        for d, delay in enumerate(delays):
            if row - delay >= 0 and runs[row - delay] == runs[row]:
                for f in range(n_features):
                    out[row, d * n_features + f] = values[row - delay, f]
    return out
