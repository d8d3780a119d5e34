"""Time courses at fine steps: impulses at the onsets of words, moving sums, frames averaged."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encodekit.data import Stimulus

STEP = 0.1  # s
_TINY = 1e-9  # of a step: rounding of seconds that are whole steps

Floats = NDArray[np.float64]


def n_steps_of(stimulus: Stimulus) -> int:
    """Return how many steps a stimulus lasts: its sound, or until its last TR is sampled."""
    end = stimulus.audio_duration
    if end is None:
        end = float(stimulus.grid[-1]) + stimulus.offset + STEP
    return int(np.ceil(end / STEP - _TINY))


def impulses(onsets: Floats, rows: Floats, n_steps: int) -> Floats:
    """Return (step, feature): each row at the step of its onset; later ones are left out."""
    steps = np.zeros((n_steps, rows.shape[1]))
    heard = onsets / STEP < n_steps
    # add.at, not +=: of several words within one step, each counts.
    np.add.at(steps, (onsets[heard] / STEP).astype(int), rows[heard])
    return steps


def word_impulses(words: pd.DataFrame, vectors: Mapping[str, Floats], n_steps: int) -> Floats:
    """Return (step, dimension): the vector of each word that has one, at the step of its onset."""
    n_dimensions = len(next(iter(vectors.values())))
    known = words["word"].isin(list(vectors)).to_numpy(dtype=bool)
    onsets = words["onset"].to_numpy(dtype=np.float64)[known]
    rows = [vectors[word] for word in words["word"][known]]
    return impulses(onsets, np.reshape(rows, (len(rows), n_dimensions)).astype(float), n_steps)


def averaged(seconds: Floats, values: Floats, n_steps: int) -> Floats:
    """Return (step, feature): the mean of the frames in each step; between frames, a line."""
    step = np.minimum((seconds / STEP + _TINY).astype(int), n_steps - 1)
    kept = (seconds >= 0) & (seconds / STEP < n_steps)
    step, values = step[kept], values[kept]
    sums = np.zeros((n_steps, values.shape[1]))
    np.add.at(sums, step, values)
    counts = np.bincount(step, minlength=n_steps)
    filled = counts > 0
    means = sums[filled] / counts[filled, None]
    if filled.all():
        return means
    centres = (np.arange(n_steps) + 0.5) * STEP
    columns = [np.interp(centres, centres[filled], column) for column in means.T]
    return np.stack(columns, axis=1)


def gather(steps: Floats, seconds: float) -> Floats:
    """y(t) = sum of x over the ``seconds`` up to t: what was heard so recently."""
    width = round(seconds / STEP)
    if width == 0:
        return steps
    # A moving sum is the difference of two running totals: no cost per second gathered.
    total = np.cumsum(steps, axis=0)
    gathered = total.copy()
    gathered[width:] -= total[:-width]
    return gathered
