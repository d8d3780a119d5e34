"""One grid of TRs for all who heard a sound, whose logged onsets differ a little."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import refuse
from encodekit_adapters._bids_runs import BoldRun
from encodekit_adapters._bids_shift import shift_weights
from encodekit_adapters._events import Heard
from encodekit_adapters._fmriprep import Bold

Floats = NDArray[np.float64]

_CLOSE = 1e-6  # s
_SAID = 5e-5  # s; what is less is rounding
_SAME_T_R = 1e-5  # s: 10 ms over a run of 1,000 TRs
_SHOWN = 8


@dataclass(frozen=True)
class Part:
    """One run of one participant, in seconds of what was heard in it."""

    run: BoldRun
    bold: Bold
    heard: Heard
    t_r: float
    offset: float  # s, where in a TR it is sampled
    onsets: Floats  # s of audio, of each volume of the scan
    window: tuple[float, float]  # s of audio that count

    @cached_property
    def sampled(self) -> Floats:
        """When each volume is sampled, s of audio."""
        return self.onsets + self.offset

    @cached_property
    def kept(self) -> NDArray[np.intp]:
        """The volumes that are sampled in the window."""
        return np.flatnonzero(_within(self.sampled, self.window))


@dataclass(frozen=True)
class Onsets:
    """How far from a common grid a scan may be sampled, in TRs, and whether more is resampled."""

    tolerance: float = 0.05
    resample: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance <= 0.5:
            raise ValueError(
                f"onset_tolerance is {self.tolerance}, expected a share of a TR from 0 to 0.5 "
                "(more than half a TR is another TR)"
            )


@dataclass(frozen=True)
class Placed:
    """A part on the common grid: which rows it has, and its volumes or what weighs them."""

    part: Part
    shift: float  # s that the scan was sampled after its rows
    first: int  # the row on the grid
    n_rows: int
    volume: int  # of the first row
    weights: Floats | None = None  # (row, volume), where the scan is resampled

    @property
    def rows(self) -> range:
        """The rows on the grid."""
        return range(self.first, self.first + self.n_rows)


@dataclass(frozen=True)
class Grid:
    """The rows of a run: when they are sampled, s of audio, and the parts placed on them."""

    sampled: Floats
    t_r: float
    offset: float
    placed: list[Placed]

    @property
    def onsets(self) -> Floats:
        """The onsets of the rows' TRs, s of audio."""
        return self.sampled - self.offset


def by_t_r(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parts that share a repetition time together, in order of appearance."""
    groups: list[list[Part]] = []
    for part in parts:
        same = [group for group in groups if abs(group[0].t_r - part.t_r) <= _SAME_T_R]
        if same:
            same[0].append(part)
        else:
            groups.append([part])
    return groups


def common_grid(name: str, parts: Sequence[Part], onsets: Onsets, sound_end: float | None) -> Grid:
    """Return the grid of all parts that heard a sound at one repetition time.

    Its phase is the one among the parts' from which all of them are least far (the median, on
    the circle of one TR). A part within the tolerance has its volumes as rows; one beyond is
    resampled, or refused.

    Raises
    ------
    ValueError
        Where a part is beyond the tolerance, or rows lie after the end of the sound.
    """
    t_r = parts[0].t_r
    phases = np.array([part.sampled[0] for part in parts])
    apart = _wrapped(phases[:, None] - phases, t_r)  # (part, grid's phase)
    median = int(np.abs(apart).sum(axis=0).round(9).argmin())
    shifts = apart[:, median]
    beyond = np.abs(shifts) > onsets.tolerance * t_r + _CLOSE
    if beyond.any() and not onsets.resample:
        raise ValueError(_beyond(name, parts, shifts, beyond, t_r, onsets.tolerance))
    base = float(phases[median])
    low, high = _window(name, parts, onsets.tolerance * t_r, sound_end)
    placed = []
    for part, shift, resampled in zip(parts, shifts.tolist(), beyond.tolist(), strict=True):
        place = _resampled if resampled else _as_is
        placed.append(place(part, shift, base, (low, high)))
    first = min(item.first for item in placed)
    last = max(item.rows.stop for item in placed)
    rebased = [_moved(item, -first) for item in placed]
    return Grid(
        base + t_r * np.arange(first, last, dtype=np.float64), t_r, parts[0].offset, rebased
    )


def _within(seconds: Floats, window: tuple[float, float]) -> NDArray[np.bool_]:
    return (seconds >= window[0] - _CLOSE) & (seconds <= window[1] + _CLOSE)


def _wrapped(seconds: Any, t_r: float) -> Any:
    """Return seconds less whole TRs, from minus to plus half a TR."""
    return seconds - t_r * np.round(seconds / t_r)


def _window(
    name: str, parts: Sequence[Part], tolerance: float, sound_end: float | None
) -> tuple[float, float]:
    """Return the seconds of audio in which rows may be sampled.

    Logged durations, as onsets, may be longer than the sound by the tolerance.
    """
    low = min(part.window[0] for part in parts)
    high = max(part.window[1] for part in parts)
    if sound_end is None or high <= sound_end:
        return low, high
    late = [
        f"{part.run.where}: {n} TRs are sampled after the end of {name!r} ({sound_end:g} s), the "
        f"last at {part.sampled[part.kept[-1]]:.3f} s: its events last {part.window[1]:g} s; "
        "mend its onsets and durations, or choose rows by trial_type= where it was played twice"
        for part in parts
        if (n := int((part.sampled[part.kept] > sound_end + tolerance + _CLOSE).sum()))
    ]
    refuse("bids", late)
    return low, sound_end


def _as_is(part: Part, shift: float, base: float, window: tuple[float, float]) -> Placed:
    rows = np.round((part.sampled - shift - base) / part.t_r).astype(int)
    common = base + rows * part.t_r
    kept = part.kept[_within(common[part.kept], window)]
    return Placed(part, shift, int(rows[kept[0]]), kept.size, int(kept[0]))


def _resampled(part: Part, shift: float, base: float, window: tuple[float, float]) -> Placed:
    """Return the rows that lie between volumes of the scan and in the part's own window."""
    low = max(window[0], part.window[0], float(part.sampled[0]))
    high = min(window[1], part.window[1], float(part.sampled[-1]))
    first = int(np.ceil((low - base - _CLOSE) / part.t_r))
    last = int(np.floor((high - base + _CLOSE) / part.t_r))
    rows = np.arange(first, last + 1)
    if rows.size == 0:
        raise ValueError(f"{part.run.where}: no row of the common grid lies in its scan")
    places = (base + rows * part.t_r - part.sampled[0]) / part.t_r
    weights = shift_weights(places, part.sampled.size)
    return Placed(part, shift, first, rows.size, int(np.floor(places[0])), weights)


def _moved(item: Placed, rows: int) -> Placed:
    return Placed(item.part, item.shift, item.first + rows, item.n_rows, item.volume, item.weights)


def _beyond(
    name: str,
    parts: Sequence[Part],
    shifts: Floats,
    beyond: NDArray[np.bool_],
    t_r: float,
    tolerance: float,
) -> str:
    found = [
        f"{part.run.where} by {1000 * shift:+.1f} ms ({abs(shift) / t_r:.2f} of a TR)"
        for part, shift in zip(parts, shifts, strict=True)
        if abs(shift) > tolerance * t_r + _CLOSE
    ]
    more = "" if len(found) <= _SHOWN else f" and {len(found) - _SHOWN} more"
    need = float(np.abs(shifts).max()) / t_r
    allow = f"allow {min(np.ceil(100 * need) / 100, 0.5):g} by onset_tolerance=, " if need else ""
    return (
        f"{name!r}: {int(beyond.sum())} of {len(parts)} scans are sampled away from the TRs that "
        f"the others share, by more than onset_tolerance={tolerance:g} of a TR of {t_r:g} s: "
        f"{', '.join(found[:_SHOWN])}{more}. Pass resample=True to shift them in time, {allow}"
        "or leave them out by participants= or entities="
    )


def say_shifts(name: str, grid: Grid, onsets: Onsets) -> list[str]:
    """Return in sentences which scans of a run are off its grid, and what was done."""
    off = [item for item in grid.placed if abs(item.shift) > _SAID]
    taken = [item for item in off if item.weights is None]
    moved = [item for item in off if item.weights is not None]
    said = []
    if taken:
        said.append(
            f"{name}: TRs within onset_tolerance={onsets.tolerance:g} of a TR are taken as at one "
            f"grid; sampled before (-) or after (+) it: {_listed(taken)}."
        )
    if moved:
        said.append(f"{name}: resampled in time onto one grid: {_listed(moved)}.")
    return said


def _listed(items: Sequence[Placed]) -> str:
    texts = [f"{item.part.run.where} {1000 * item.shift:+.1f} ms" for item in items[:_SHOWN]]
    if len(items) > _SHOWN:
        most = max(abs(item.shift) for item in items)
        texts.append(f"{len(items) - _SHOWN} more, at most {1000 * most:.1f} ms")
    return ", ".join(texts)
