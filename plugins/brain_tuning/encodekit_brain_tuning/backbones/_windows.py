"""Which audio is encoded together, and how its frames become one row per TR.

A clip is audio that gives rows together: its ``windows`` (start, stop), in samples, each encoded
by itself, the TRs it answers for (``rows``) and ``pooling_weights`` (n_rows, n_frames), the weights
of the frames of all its windows, one after the other, in each of those TRs.

`Streamed`: a long window encoded once. A window answers for the TRs whose 0-8 s of history it
holds (or whose history reaches back before the audio's start). With ``join`` a clip has several
windows: their frames are joined, as `transform` joins them, before the history is weighed, so that
windows overlap by their acoustic context alone and the history is encoded twice once a clip.

`Exact`: 10 s that end with the TR, one clip per TR, each by itself (as published by Moussa &
Toneva 2025, arXiv 2510.21520). Clips near the start are shorter, never padded.

How frames are pooled: ``haemodynamic`` averages them within each TR and weighs the TRs of the last
8 s; ``mean`` weighs these TRs evenly (an exact clip's frames); ``last`` takes the TR's last frame
alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from encodekit.features import Exact, Stem, Streamed, stream_windows

Floats = NDArray[np.floating[Any]]
TuningWindows = Streamed | Exact
Pooling = Literal["haemodynamic", "mean", "last"]
EXACT_SECONDS = 10.0
_SECONDS = np.array([0.0, 2.0, 4.0, 6.0, 8.0])
_WEIGHTS = np.array([0.01, 0.09, 0.33, 0.36, 0.21])
SUPPORT = float(_SECONDS[-1])
Span = tuple[int, int]
Window = tuple[int, int, int]  # start, stop and keep_from, see `stream_windows`


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
    """Windows (start, stop) of equal length, the TRs ``rows`` and their frame weights."""

    windows: tuple[Span, ...]
    rows: NDArray[np.intp]
    pooling_weights: NDArray[np.float32]

    @property
    def start(self) -> int:
        """The first sample."""
        return self.windows[0][0]

    @property
    def stop(self) -> int:
        """The sample after the last."""
        return self.windows[-1][1]

    @property
    def n_samples(self) -> int:
        """How many samples are encoded, those of overlaps twice."""
        return sum(stop - start for start, stop in self.windows)


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
    windows: TuningWindows, n_samples: int, grid: FrameGrid, onsets: Floats, t_r: float
) -> list[Clip]:
    """Return the clips of one run, every TR in at most one of them.

    Parameters
    ----------
    windows : Streamed or Exact
    n_samples : int
        Length of the audio at ``grid.rate``.
    onsets : array (n_trs,)
        Onset of each TR within the audio, s.
    t_r : float
        s.
    """
    pool = _Pool(windows.pooling, n_samples, grid, t_r)
    if isinstance(windows, Exact):
        return list(_exact_clips(pool, onsets))
    cut = stream_windows(n_samples, grid.rate, windows.chunk, windows.overlap)
    if windows.join is None:
        joined = [[(start, stop, start)] for start, stop, _ in cut]
    else:
        n_windows, n_shared, _ = _sizes_of_join(windows, grid.rate)
        joined = join_windows(cut, max(n_windows, n_shared + 1), n_shared)
    return list(_streamed_clips(pool, joined, onsets))


def check_tuning_windows(windows: Any) -> Iterator[str]:
    """Say which windows tuning cannot learn from: those that lose TRs between them."""
    if isinstance(windows, Exact):
        return
    if not isinstance(windows, Streamed):
        yield f"windows={windows!r} are for features: pass Streamed(...) or Exact()"
    elif windows.join is not None:
        yield from _mistakes_of_join(windows)
    elif windows.overlap < SUPPORT:
        yield (
            f"overlap={windows.overlap:g} s is shorter than the {SUPPORT:g} s of haemodynamic "
            f"history, so TRs would be lost between windows: pass at least {SUPPORT:g}, or join="
        )


def say_short_windows(windows: TuningWindows, grid: FrameGrid, name: str) -> str | None:
    """Say that windows are shorter than what a model encodes at once whatever it is given.

    They are left as they are: how much a frame may hear is the user's choice.

    Parameters
    ----------
    windows : Streamed or Exact
    grid : FrameGrid
    name : str
        The model's.
    """
    encoded = grid.stem.fill / grid.rate
    seconds = EXACT_SECONDS if isinstance(windows, Exact) else windows.chunk
    if seconds >= encoded:
        return None
    return (
        f"windows={windows!r}: {name!r} fills every window with silence to {encoded:g} s, so that "
        f"one of {seconds:g} s costs as much as one of {encoded:g} s. Unless frames are to hear no "
        f"more than {seconds:g} s, pass Streamed({encoded:g}, {SUPPORT:g}), or "
        f"Streamed({encoded:g}, 1, join=...), which encodes the {SUPPORT:g} s of history once "
        "every join seconds"
    )


def _mistakes_of_join(windows: Streamed) -> Iterator[str]:
    """Say what is wrong with a join of no more windows than two clips share."""
    join, rate = windows.join, 16000
    assert join is not None
    if not np.isfinite(join):
        yield f"join={join:g}: expected a number of seconds, or None"
        return
    n_windows, n_shared, hop = _sizes_of_join(windows, rate)
    if not n_windows > n_shared:
        least = np.ceil(100 * (windows.chunk + n_shared * hop / rate) - 1e-6) / 100
        yield (
            f"join={join:g} s is too short to join windows of {windows.chunk:g} s that overlap by "
            f"{windows.overlap:g} s: pass at least {least:g}, or None"
        )


def _sizes_of_join(windows: Streamed, rate: int) -> tuple[int, int, int]:
    """Windows of a clip, those that the next one has again (8 s of history), and their hop."""
    hop = round((windows.chunk - windows.overlap) * rate)  # as `stream_windows` counts
    seconds = (windows.join or 0) - windows.chunk
    n_windows = 1 + int(np.floor(seconds * rate / hop + 1e-9))
    return n_windows, -(-round(SUPPORT * rate) // hop), hop


def join_windows(windows: Sequence[Window], n_windows: int, n_shared: int) -> list[list[Window]]:
    """Return ``n_windows`` consecutive windows at a time, at the end of the audio those left.

    Examples
    --------
    >>> windows = [(0, 4, 0), (3, 7, 4), (6, 10, 7), (8, 12, 10)]
    >>> for joined in join_windows(windows, n_windows=3, n_shared=1):
    ...     print(joined)
    [(0, 4, 0), (3, 7, 4), (6, 10, 7)]
    [(6, 10, 7), (8, 12, 10)]
    """
    firsts = range(0, max(1, len(windows) - n_shared), n_windows - n_shared)
    return [list(windows[first : first + n_windows]) for first in firsts]


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

    def weights(
        self, windows: Sequence[Window], onsets: Floats
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Frame weights (n_onsets, n_frames), and whether the windows have each TR's history.

        Of each window the frames from its ``keep_from`` on count.
        """
        rate, t_r = self.grid.rate, self.t_r
        centres = np.concatenate([self._centres(*window) for window in windows])
        window = (windows[0][2] / rate, windows[-1][1] / rate)
        audio = (0.0, self.n_samples / rate)
        weights = np.zeros((len(onsets), len(centres)))
        held = np.ones(len(onsets), dtype=bool)
        for lag, weight in enumerate(lag_weights(self.pooling, t_r)):
            begin = onsets - lag * t_r
            heard = _overlap(begin, begin + t_r, audio)
            held &= _overlap(begin, begin + t_r, window) >= 0.5 * heard - 1e-9
            weights += weight * _interval_mean(centres, begin, begin + t_r)
        return (_last_of_each(weights) if self.pooling == "last" else weights), held

    def _centres(self, start: int, stop: int, keep_from: int) -> Floats:
        """Seconds of a window's frames; never, where the window before has them."""
        centres = self.grid.centres(start, stop)
        centres[: self.grid.n_frames(keep_from - start)] = np.nan
        return centres

    def one(self, start: int, stop: int, onset: float) -> Floats:
        """Frame weights (1, n_frames) of an exact clip."""
        n_frames = self.grid.n_frames(stop - start)
        if self.pooling == "mean":
            return np.full((1, n_frames), 1 / n_frames)
        return self.weights([(start, stop, start)], np.array([onset]))[0]


def _exact_clips(pool: _Pool, onsets: Floats) -> Iterator[Clip]:
    for row, onset in enumerate(onsets):
        start, stop = exact_bounds(pool.n_samples, pool.grid.rate, float(onset), pool.t_r)
        if pool.grid.n_frames(stop - start) > 0:
            weights = pool.one(start, stop, float(onset)).astype(np.float32)
            yield Clip(((start, stop),), np.array([row]), weights)


def _streamed_clips(
    pool: _Pool, joined: Sequence[Sequence[Window]], onsets: Floats
) -> Iterator[Clip]:
    pending = np.arange(len(onsets))
    for windows in joined:
        is_last = windows is joined[-1]
        end = np.inf if is_last else windows[-1][1] / pool.grid.rate
        rows = pending[onsets[pending] < end]  # no clip holds what comes after it
        weights, held = pool.weights(windows, onsets[rows])
        if held.any():
            spans = tuple((start, stop) for start, stop, _ in windows)
            yield Clip(spans, rows[held], weights[held].astype(np.float32))
        pending = np.setdiff1d(pending, rows[held])


def _last_of_each(weights: Floats) -> Floats:
    """Give all of a row's weight to the last frame that has any."""
    frame = np.arange(weights.shape[1])
    last = np.where(weights > 0, frame, -1).max(axis=1, initial=-1)
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
