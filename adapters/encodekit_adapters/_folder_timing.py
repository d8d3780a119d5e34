"""When a scan was, relative to its sound: which rows of a file lie in it, and at which TRs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encodekit_adapters._study_file import ResponseFile, StimulusFile

_CLOSE = 5e-7  # s; half of what a stimulus allows at either end of its sound
_NEAR = 0.05  # TRs; how far from the grid of its run a scan may begin
_SHIFTED = 1e-3  # s; less is rounding
# Of the wrong sign, a scan ends twice its start later; a late one of as many rows as others, once.
_TWICE = 5 / 3
_FEW = 0.2  # of the rows of a file; fewer in the sound is another sound, or another unit
STATE = (
    "scan_starts, the time in the sound of row 0 of the file in s (-6 of a scan that began 6 s "
    "before the sound)"
)


@dataclass(frozen=True)
class Clock:
    """What the placing of rows needs to know of a run: seconds, but for ``item``.

    Parameters
    ----------
    item : StimulusFile
    t_r, offset : float
        Repetition time, and where within a TR it is sampled.
    duration : float or None
        Of the sound.
    """

    item: StimulusFile
    t_r: float
    offset: float
    duration: float | None

    def start(self, entry: ResponseFile, *, base: bool = False) -> float | None:
        """Return the time of row 0 of a file, or of the run's grid; None with ``tr_times``."""
        own = self.item if base or not entry.is_timed else entry
        starts = own.starts if isinstance(own, StimulusFile) else own.scan_starts
        if starts is not None:
            return starts
        if self.item.tr_times is not None or own.rows is None:
            return None
        return -own.rows[0] * self.t_r

    def rows(self, entry: ResponseFile, n_rows: int) -> tuple[int, int]:
        """Return the rows of a file that count: from the first up to, not including, the second."""
        own = entry.rows if entry.is_timed else self.item.rows
        return (0, n_rows) if own is None else (own[0], min(own[1], n_rows))

    def expected(self, entry: ResponseFile) -> float | None:
        """Return the TRs from row 0 to the end of the sound, as far as it is known."""
        if self.item.tr_times is not None:
            return float(len(self.item.tr_times))
        start = self.start(entry)
        if self.duration is not None and start is not None:
            return (self.duration - start) / self.t_r
        return None


@dataclass(frozen=True)
class Scan:
    """The rows of one file, and what is said of when they were."""

    person: str
    entry: ResponseFile
    n_rows: int


@dataclass(frozen=True)
class Placed:
    """The rows ``first <= row < stop`` of a file, which are the TRs of a run from ``tr`` on.

    ``before`` and ``after`` are the rows that were left out outside the sound, ``shift`` the
    seconds by which the scan began after the TR of the run's grid that it is taken for.
    """

    first: int
    stop: int
    tr: int
    before: int
    after: int
    shift: float = 0.0


def refuse_timing(clock: Clock, scans: Sequence[Scan]) -> Iterator[tuple[str, str]]:
    """Yield (participant, problem) where what is said of a run's scans cannot be, or is doubtful.

    A problem of the run itself has the participant "".
    """
    item = clock.item
    for scan in scans:
        rows = scan.entry.rows
        if rows is None or scan.entry.scan_starts is not None or item.starts is None:
            continue
        if abs(item.starts + rows[0] * clock.t_r) > _NEAR * clock.t_r:
            yield scan.person, _own_rows(item.starts, rows[0] * clock.t_r)
    longest = _longest(scan for scan in scans if not scan.entry.is_timed)
    if longest is not None and not item.is_timed:
        yield "", f"say when its scan began: {STATE}"
    if longest is not None and (told := _wrong(clock, longest, "")):
        yield "", told
    for scan in scans:
        if scan.entry.is_timed and (told := _wrong(clock, scan, scan.person)):
            yield scan.person, told


def _own_rows(start: float, first: float) -> str:
    return (
        f"has rows of its own, and by the stimulus the first is at {start + first:g} s of the "
        f"sound: say scan_starts here too, {start:g} if that is so, or {-first:g} if it is at 0 s"
    )


def _longest(scans: Iterable[Scan]) -> Scan | None:
    return max(scans, key=lambda scan: scan.n_rows, default=None)


def _wrong(clock: Clock, scan: Scan, where: str) -> str:
    """Return what is wrong with the rows, the times or the sign of the longest scan of several."""
    own = scan.entry if where else clock.item
    if own.rows is not None and own.rows[1] > scan.n_rows:
        return (
            f"rows are {own.rows} but the file of {scan.person} has {scan.n_rows} rows: write "
            f"rows: [{own.rows[0]}, {scan.n_rows}]"
        )
    n_times = 0 if clock.item.tr_times is None else len(clock.item.tr_times)
    first, stop = clock.rows(scan.entry, scan.n_rows)
    start = clock.start(scan.entry)
    if start is None:
        return (
            ""
            if stop - first <= n_times or not n_times
            else _no_times(scan.person, first, stop, n_times)
        )
    return _wrong_sign(clock, scan, start) if own.rows is None else ""


def _no_times(person: str, first: int, stop: int, n_times: int) -> str:
    return (
        f"the file of {person} has {stop - first} rows but tr_times has {n_times}: give the "
        f"onset of each row, or say which rows of the file count, such as rows: "
        f"[{stop - n_times}, {stop}]"
    )


def _wrong_sign(clock: Clock, scan: Scan, start: float) -> str:
    """Return what to write where the other sign fits: rows beyond the end, and a late row 0."""
    if clock.duration is None or start < clock.t_r / 2:
        return ""
    beyond = start + scan.n_rows * clock.t_r - clock.duration
    n_out = _n_after(clock, start, scan.n_rows)
    if n_out == 0 or beyond < _TWICE * start:
        return ""
    return (
        f"row 0 is said to be {start:g} s after the sound began, and then {n_out} of "
        f"{scan.n_rows} rows lie after its end ({clock.duration:g} s). With scan_starts: "
        f"{-start:g} the scan covers the whole sound: write that if the scan began {start:g} s "
        f"before the sound. If it did begin late and went on after the sound, write scan_starts: "
        f"{start:g} with rows: [0, {scan.n_rows - n_out}]"
    )


def _n_after(clock: Clock, start: float, n_rows: int) -> int:
    sampled = start + np.arange(n_rows) * clock.t_r + clock.offset
    return int((sampled > (clock.duration or np.inf) + _CLOSE).sum())


def place(
    clock: Clock, scans: Sequence[Scan]
) -> tuple[NDArray[np.float64], dict[str, Placed], list[tuple[str, str]]]:
    """Return a run's grid (onset of each TR in the sound, s), and where each scan lies on it.

    The grid has the TRs that anybody's rows lie at, and those between. The third is (participant,
    problem) of the scans that do not lie on it.
    """
    given = clock.item.tr_times
    base = clock.start(scans[0].entry, base=True)
    base = clock.start(scans[0].entry) if base is None and given is None else base
    whole = None if given is None else np.asarray(given, dtype=np.float64)
    found: dict[str, Placed] = {}
    problems = []
    for scan in scans:
        try:
            found[scan.person] = _placed(clock, scan, base or 0.0, whole)
        except ValueError as error:
            problems.append((scan.person, str(error)))
    if not found:
        return np.zeros(0), {}, problems
    low = min(placed.tr for placed in found.values())
    high = max(placed.tr + placed.stop - placed.first for placed in found.values())
    lattice = (base or 0.0) + clock.t_r * np.arange(low, high, dtype=np.float64)
    grid: NDArray[np.float64] = lattice if whole is None else whole[low:high]
    moved = {
        person: Placed(p.first, p.stop, p.tr - low, p.before, p.after, p.shift)
        for person, p in found.items()
    }
    return grid, moved, problems


def _placed(clock: Clock, scan: Scan, base: float, whole: NDArray[np.float64] | None) -> Placed:
    """Return where a scan lies on the grid ``base + t_r * k``, or ``whole[k]``."""
    first, stop = clock.rows(scan.entry, scan.n_rows)
    if first >= stop:
        raise ValueError(f"has {scan.n_rows} rows, and none from row {first} on that counts")
    start = clock.start(scan.entry)
    shift = 0.0
    if whole is None:
        assert start is not None
        tr, shift = _nearest(start, base, clock)
        onsets = base + clock.t_r * np.arange(tr + first, tr + stop, dtype=np.float64)
    elif start is None:
        tr, onsets = -first, whole[: stop - first]
    else:
        row = int(np.abs(whole - start).argmin())
        shift = start - float(whole[row])
        _check_near(shift, start, clock)
        tr, onsets = row, whole[row + first : row + stop]
        stop = first + onsets.size
    inside = _inside(clock, onsets)
    if inside.size < max(1, _FEW * (stop - first)) and (clock.item.rows or scan.entry.rows) is None:
        raise ValueError(_hardly_any(clock, onsets, inside.size))
    if inside.size == 0:
        raise ValueError(_hardly_any(clock, onsets, 0))
    low, high = first + int(inside[0]), first + int(inside[-1]) + 1
    return Placed(low, high, tr + low, low - first, stop - high, shift)


def _inside(clock: Clock, onsets: NDArray[np.float64]) -> NDArray[np.int64]:
    sampled = onsets + clock.offset
    end = np.inf if clock.duration is None else clock.duration
    return np.flatnonzero((sampled >= -_CLOSE) & (sampled <= end + _CLOSE))


def _hardly_any(clock: Clock, onsets: NDArray[np.float64], n_inside: int) -> str:
    end = "from 0 s on" if clock.duration is None else f"within 0 to {clock.duration:g} s"
    milliseconds = clock.duration is not None and np.abs(onsets).max() > 50 * clock.duration
    asked = "are these milliseconds? Otherwise check" if milliseconds else "check"
    return (
        f"{n_inside} of {onsets.size} rows lie in the sound ({end}): row 0 of them is at "
        f"{onsets[0]:g} s, the last at {onsets[-1]:g} s: {asked} scan_starts, t_r and the sound, "
        "or say which rows count, such as rows: [3, 180]"
    )


def _nearest(start: float, base: float, clock: Clock) -> tuple[int, float]:
    """Return the TR of the run's grid that row 0 is taken for, and how much later it was, s."""
    tr = round((start - base) / clock.t_r)
    shift = start - base - tr * clock.t_r
    _check_near(shift, start, clock)
    return tr, shift


def _check_near(shift: float, start: float, clock: Clock) -> None:
    if abs(shift) > _NEAR * clock.t_r:
        raise ValueError(
            f"row 0 is at {start:g} s of the sound, {abs(shift):g} s from the nearest TR of the "
            "run: those who share a run are scanned at the same times of the sound; make it a run "
            'of its own under stimuli, with "heard": the name of what was heard'
        )


def notes(
    run: str,
    clock: Clock,
    scans: Sequence[Scan],
    placed: Mapping[str, Placed],
    grid: NDArray[np.float64],
) -> Iterator[str]:
    """Yield what was done with the rows of a run, those alike in one line."""
    lines: dict[str, list[str]] = {}
    for scan in scans:
        for line in _told(clock, scan, placed[scan.person], grid):
            lines.setdefault(line, []).append(scan.person)
    for line, people in lines.items():
        shown = ", ".join(people[:4]) + (f" and {len(people) - 4} more" if people[4:] else "")
        yield f"run {run!r}, {shown}: {line}"
    if clock.duration is not None and (left := clock.duration - grid[-1] - clock.t_r) > clock.t_r:
        yield f"run {run!r}: the last scan ends {left:.4g} s before the sound does"


def _told(clock: Clock, scan: Scan, placed: Placed, grid: NDArray[np.float64]) -> Iterator[str]:
    first, stop = clock.rows(scan.entry, scan.n_rows)
    if placed.before or placed.after:
        yield (
            f"{placed.before} rows before the sound and {placed.after} after its end are left out, "
            f"of {scan.n_rows}"
        )
    if stop - first < scan.n_rows:
        yield f"{scan.n_rows - stop + first} of {scan.n_rows} rows do not count by rows"
    last = placed.tr + placed.stop - placed.first - 1
    if placed.tr or last < grid.size - 1:
        yield f"has TRs {placed.tr} to {last} of 0 to {grid.size - 1}"
    if abs(placed.shift) > _SHIFTED:
        yield f"began {placed.shift * 1e3:+.0f} ms from the TR that it is taken for"
    if told := _perhaps_early(clock, scan):
        yield told


def _perhaps_early(clock: Clock, scan: Scan) -> str:
    """Say where a scan that began before its sound would end with it if it had begun late."""
    start = clock.start(scan.entry)
    rows = scan.entry.rows if scan.entry.is_timed else clock.item.rows
    if clock.duration is None or start is None or start > -clock.t_r / 2 or rows is not None:
        return ""
    lasted = scan.n_rows * clock.t_r
    if (
        abs(lasted - start - clock.duration) > clock.t_r
        or start + lasted > clock.duration - clock.t_r
    ):
        return ""
    return (
        f"ends {clock.duration - start - lasted:g} s before the sound; it would end with it had it "
        f"begun {-start:g} s late: write scan_starts: {-start:g} if it did"
    )
