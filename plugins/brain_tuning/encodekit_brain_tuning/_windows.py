"""Which audio is encoded together, and how its frames become one row per TR.

A clip is what one forward pass sees: samples ``start`` to ``stop``, the TRs it answers for
(``rows``) and ``mixing`` (n_rows, n_frames), the weights of its frames in each of those TRs.

``streamed``: a long window encoded once; frames are averaged within each TR, then delayed by fixed
haemodynamic weights. A window answers for the TRs whose 0-8 s of history it holds (or whose
history reaches back before the audio's start).

``exact``: 10 s that end with the TR, one clip per TR, plain mean over time (as published by
Moussa & Toneva 2025, arXiv 2510.21520). Clips near the start are shorter, never padded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from encodekit.features import Stem, stream_windows

Floats = NDArray[np.floating[Any]]
WindowKind = Literal["streamed", "exact"]
EXACT_SECONDS = 10.0
_SECONDS = np.array([0.0, 2.0, 4.0, 6.0, 8.0])
_WEIGHTS = np.array([0.01, 0.09, 0.33, 0.36, 0.21])
SUPPORT = float(_SECONDS[-1])


@dataclass(frozen=True)
class FrameGrid:
    """Where a stem's frames lie in audio of ``rate`` Hz."""

    rate: int
    stem: Stem

    def n_frames(self, n_samples: int) -> int:
        """How many frames the stem makes of ``n_samples``."""
        return self.stem.n_frames(n_samples)

    def centres(self, start: int, stop: int) -> Floats:
        """Seconds of the frames' centres within the audio, for the samples start to stop."""
        first = start + (self.stem.field - 1) / 2
        return (first + self.stem.stride * np.arange(self.n_frames(stop - start))) / self.rate


@dataclass(frozen=True)
class Clip:
    """Samples ``start:stop``, the TRs ``rows`` it answers for and their frame weights."""

    start: int
    stop: int
    rows: NDArray[np.intp]
    mixing: NDArray[np.float32]


def haemodynamic_weights(t_r: float) -> Floats:
    """Weights of the TRs 0, 1, 2, ... back, over 0-8 s, summing to 1.

    At a TR of 2 s they are .01 .09 .33 .36 .21; at others the same curve, read in seconds.

    Examples
    --------
    >>> haemodynamic_weights(2.0)
    array([0.01, 0.09, 0.33, 0.36, 0.21])
    >>> haemodynamic_weights(4.0).round(3)
    array([0.018, 0.6  , 0.382])
    """
    lags = np.arange(int(np.floor(SUPPORT / t_r + 1e-9)) + 1) * t_r
    weights = np.interp(lags, _SECONDS, _WEIGHTS)
    scaled: Floats = weights / weights.sum()
    return scaled


def make_clips(
    kind: WindowKind,
    n_samples: int,
    grid: FrameGrid,
    onsets: Floats,
    t_r: float,
    *,
    chunk: float = 30.0,
    overlap: float = 8.0,
) -> list[Clip]:
    """Return the clips of one run, every TR in at most one of them.

    Parameters
    ----------
    kind : "streamed" or "exact"
    n_samples : int
        Length of the audio at ``grid.rate``.
    onsets : array (n_trs,)
        Onset of each TR within the audio, s.
    t_r, chunk, overlap : float
        Seconds.
    """
    if kind == "exact":
        return list(_exact_clips(n_samples, grid, onsets, t_r))
    windows = stream_windows(n_samples, grid.rate, chunk, overlap)
    return list(_streamed_clips(windows, n_samples, grid, onsets, t_r))


def exact_bounds(n_samples: int, rate: int, onset: float, t_r: float) -> tuple[int, int]:
    """Samples of the 10 s that end with the TR at ``onset``, less at the audio's start."""
    stop = min(round((onset + t_r) * rate), n_samples)
    return max(0, stop - round(EXACT_SECONDS * rate)), stop


def _exact_clips(n_samples: int, grid: FrameGrid, onsets: Floats, t_r: float) -> Iterator[Clip]:
    for row, onset in enumerate(onsets):
        start, stop = exact_bounds(n_samples, grid.rate, float(onset), t_r)
        n_frames = grid.n_frames(stop - start)
        if n_frames > 0:
            mixing = np.full((1, n_frames), 1 / n_frames, dtype=np.float32)
            yield Clip(start, stop, np.array([row]), mixing)


def _streamed_clips(
    windows: Sequence[tuple[int, int, int]],
    n_samples: int,
    grid: FrameGrid,
    onsets: Floats,
    t_r: float,
) -> Iterator[Clip]:
    pending = np.arange(len(onsets))
    for start, stop, _ in windows:
        mixing, held = _mix(start, stop, n_samples, grid, onsets[pending], t_r)
        if held.any():
            yield Clip(start, stop, pending[held], mixing[held].astype(np.float32))
        pending = pending[~held]


def _mix(
    start: int, stop: int, n_samples: int, grid: FrameGrid, onsets: Floats, t_r: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Frame weights (n_onsets, n_frames), and whether the window holds each TR's whole history."""
    centres = grid.centres(start, stop)
    window, audio = (start / grid.rate, stop / grid.rate), (0.0, n_samples / grid.rate)
    mixing = np.zeros((len(onsets), len(centres)))
    held = np.ones(len(onsets), dtype=bool)
    for lag, weight in enumerate(haemodynamic_weights(t_r)):
        begin = onsets - lag * t_r
        heard = _overlap(begin, begin + t_r, audio)
        held &= _overlap(begin, begin + t_r, window) >= 0.5 * heard - 1e-9
        mixing += weight * _interval_mean(centres, begin, begin + t_r)
    return mixing, held


def _overlap(begin: Floats, end: Floats, span: tuple[float, float]) -> Floats:
    """Seconds that each interval shares with ``span``."""
    seconds: Floats = np.clip(np.minimum(end, span[1]) - np.maximum(begin, span[0]), 0.0, None)
    return seconds


def _interval_mean(centres: Floats, begin: Floats, end: Floats) -> Floats:
    """Weights (n_intervals, n_frames) of the mean over each interval; zeros where it is empty."""
    inside = (centres >= begin[:, None]) & (centres < end[:, None])
    weights: Floats = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    return weights
