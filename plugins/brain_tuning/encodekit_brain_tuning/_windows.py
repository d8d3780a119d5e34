"""Which audio is encoded together, and how its frames become one row per TR.

A clip is what one forward pass sees: samples ``start`` to ``stop``, the TRs it answers for
(``rows``) and ``mixing`` (n_rows, n_frames), the weights of its frames in each of those TRs.

``streamed``: a long window encoded once. A window answers for the TRs whose 0-8 s of history it
holds (or whose history reaches back before the audio's start).

``exact``: 10 s that end with the TR, one clip per TR, each by itself (as published by Moussa &
Toneva 2025, arXiv 2510.21520). Clips near the start are shorter, never padded.

How frames are pooled: ``haemodynamic`` averages them within each TR and weighs the TRs of the last
8 s; ``mean`` weighs these TRs evenly (an exact clip's
frames); ``last`` takes the TR's last frame alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from encodekit.features import Stem, stream_windows

Floats = NDArray[np.floating[Any]]
WindowKind = Literal["streamed", "exact"]
Pooling = Literal["haemodynamic", "mean", "last"]
POOLING: dict[str, Pooling] = {"streamed": "haemodynamic", "exact": "mean"}  # unless another is set
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
        centres: Floats = (start + self.stem.centres(self.n_frames(stop - start))) / self.rate
        return centres


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


def lag_weights(pooling: Pooling, t_r: float) -> Floats:
    """Weights of the TRs 0, 1, 2, ... back under a way of pooling, summing to 1.

    Examples
    --------
    >>> lag_weights("mean", 2.0)
    array([0.2, 0.2, 0.2, 0.2, 0.2])
    """
    if pooling == "last":
        return np.ones(1)
    weights = haemodynamic_weights(t_r)
    return weights if pooling == "haemodynamic" else np.full(weights.size, 1 / weights.size)


def make_clips(
    kind: WindowKind,
    n_samples: int,
    grid: FrameGrid,
    onsets: Floats,
    t_r: float,
    *,
    chunk: float = 30.0,
    overlap: float = 8.0,
    pooling: Pooling | None = None,
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
    pooling : "haemodynamic", "mean" or "last", optional
        ``"haemodynamic"`` for streamed windows and ``"mean"`` for exact ones, if not given.
    """
    pool = _Pool(pooling or POOLING[kind], n_samples, grid, t_r)
    if kind == "exact":
        return list(_exact_clips(pool, onsets))
    return list(_streamed_clips(pool, stream_windows(n_samples, grid.rate, chunk, overlap), onsets))


def exact_bounds(n_samples: int, rate: int, onset: float, t_r: float) -> tuple[int, int]:
    """Samples of the 10 s that end with the TR at ``onset``, less at the audio's start."""
    stop = min(round((onset + t_r) * rate), n_samples)
    return max(0, stop - round(EXACT_SECONDS * rate)), stop


@dataclass(frozen=True)
class _Pool:
    """How the frames of one run's audio are weighed."""

    pooling: Pooling
    n_samples: int
    grid: FrameGrid
    t_r: float

    def mix(self, start: int, stop: int, onsets: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Frame weights (n_onsets, n_frames), and whether the window has each TR's history."""
        rate, t_r = self.grid.rate, self.t_r
        centres = self.grid.centres(start, stop)
        window, audio = (start / rate, stop / rate), (0.0, self.n_samples / rate)
        mixing = np.zeros((len(onsets), len(centres)))
        held = np.ones(len(onsets), dtype=bool)
        for lag, weight in enumerate(lag_weights(self.pooling, t_r)):
            begin = onsets - lag * t_r
            heard = _overlap(begin, begin + t_r, audio)
            held &= _overlap(begin, begin + t_r, window) >= 0.5 * heard - 1e-9
            mixing += weight * _interval_mean(centres, begin, begin + t_r)
        return (_last_of_each(mixing) if self.pooling == "last" else mixing), held

    def one(self, start: int, stop: int, onset: float) -> Floats:
        """Frame weights (1, n_frames) of an exact clip."""
        n_frames = self.grid.n_frames(stop - start)
        if self.pooling == "mean":
            return np.full((1, n_frames), 1 / n_frames)
        return self.mix(start, stop, np.array([onset]))[0]


def _exact_clips(pool: _Pool, onsets: Floats) -> Iterator[Clip]:
    for row, onset in enumerate(onsets):
        start, stop = exact_bounds(pool.n_samples, pool.grid.rate, float(onset), pool.t_r)
        if pool.grid.n_frames(stop - start) > 0:
            mixing = pool.one(start, stop, float(onset)).astype(np.float32)
            yield Clip(start, stop, np.array([row]), mixing)


def _streamed_clips(
    pool: _Pool, windows: Sequence[tuple[int, int, int]], onsets: Floats
) -> Iterator[Clip]:
    pending = np.arange(len(onsets))
    for start, stop, _ in windows:
        mixing, held = pool.mix(start, stop, onsets[pending])
        if held.any():
            yield Clip(start, stop, pending[held], mixing[held].astype(np.float32))
        pending = pending[~held]


def _last_of_each(mixing: Floats) -> Floats:
    """Give all of a row's weight to the last frame that has any."""
    frame = np.arange(mixing.shape[1])
    last = np.where(mixing > 0, frame, -1).max(axis=1, initial=-1)
    only: Floats = (frame == last[:, None]).astype(float)
    return only


def _overlap(begin: Floats, end: Floats, span: tuple[float, float]) -> Floats:
    """Seconds that each interval shares with ``span``."""
    seconds: Floats = np.clip(np.minimum(end, span[1]) - np.maximum(begin, span[0]), 0.0, None)
    return seconds


def _interval_mean(centres: Floats, begin: Floats, end: Floats) -> Floats:
    """Weights (n_intervals, n_frames) of the mean over each interval; zeros where it is empty."""
    inside = (centres >= begin[:, None]) & (centres < end[:, None])
    weights: Floats = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
    return weights
