"""Cut runs into segments, or trim them, and the rows of responses and truth with them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from encodekit.data._stimulus import Stimulus
from encodekit.data._study_checks import relabel
from encodekit.data._study_contents import ByRun

_PART = re.compile(r"(/part-\d+)+$")


@dataclass(frozen=True)
class Segment:
    """A segment's stimulus and the TRs ``start <= tr < stop`` of the run it was cut from."""

    stimulus: Stimulus
    start: int
    stop: int


Cuts = Mapping[str, Sequence[Segment]]  # run to its segments


def read_seconds(given: str | float, name: str) -> float:
    """Return the seconds of something such as ``"16s"`` or ``16``; ``name`` is for the message."""
    try:
        seconds = float(given.strip().removesuffix("s") if isinstance(given, str) else given)
    except (ValueError, TypeError):
        seconds = float("nan")
    if not (np.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name} is {given!r}, expected seconds, such as '16s' or 16")
    return seconds


def parent_run(name: str) -> str:
    """Return the name of the run that a segment was cut from; another run is its own."""
    return _PART.sub("", name)


def trimmed(stimulus: Stimulus, start: float, end: float) -> Segment:
    """Return a stimulus without the TRs of its first ``start`` and last ``end`` seconds.

    It keeps the whole audio, so that delays see what was heard before; its TRs count from 0.
    """
    onsets, t_r = stimulus.grid, float(stimulus.t_r or 0)
    rounding = 1e-6 * t_r
    kept = onsets >= onsets[0] + start - rounding
    kept &= onsets + t_r <= onsets[-1] + t_r - end + rounding
    places = np.flatnonzero(kept)
    if not places.size:
        raise ValueError(
            f"run {stimulus.run_name!r} lasts {onsets[-1] + t_r - onsets[0]:g} s, and nothing is "
            f"left of it without its first {start:g} s and last {end:g} s: trim less, or leave it "
            "out by study.select"
        )
    first, stop = int(places[0]), int(places[-1]) + 1
    digest = stimulus.audio_hash
    short = replace(stimulus, tr_times=onsets[first:stop], duration=None)
    return Segment(short._state_hash(digest), first, stop)


def cut(stimulus: Stimulus, n: int, gap: float) -> list[Segment]:
    """Return ``n`` segments of about equal length with at least ``gap`` seconds between them.

    Each keeps the whole audio, so that delays see what was heard before it; its TRs count from 0.
    """
    if n < 2:
        raise ValueError(f"segment got n={n}, expected 2 or more segments")
    t_r = float(stimulus.t_r or 0)
    purged = int(np.ceil(gap / t_r - 1e-9))
    n_kept = stimulus.n_trs - (n - 1) * purged
    if n_kept < 2 * n:
        raise ValueError(
            f"run {stimulus.run_name!r} has {stimulus.n_trs} TRs, too few for {n} segments with "
            f"{purged} TRs ({gap:g} s) purged between them: ask for fewer segments"
        )
    lengths = [len(part) for part in np.array_split(np.arange(n_kept), n)]
    starts = [sum(lengths[:k]) + k * purged for k in range(n)]
    digest = stimulus.audio_hash
    segments = []
    for k, (start, length) in enumerate(zip(starts, lengths, strict=True), 1):
        label = f"part-{k:0{len(str(n))}d}"
        part = replace(
            stimulus,
            name=f"{stimulus.name}/{label}",
            run=f"{stimulus.run_name}/{label}",
            tr_times=stimulus.grid[start : start + length],
            duration=None,
            gap=max(gap, stimulus.gap or 0.0),
        )
        segments.append(Segment(part._state_hash(digest), start, start + length))
    return segments


def cut_runs(runs: ByRun, cuts: Cuts) -> ByRun:
    """Return one participant's responses with runs cut into segments."""
    pieces: ByRun = {}
    for name, array in runs.items():
        if name not in cuts:
            pieces[name] = array
            continue
        trs = array.coords["tr"].values
        for segment in cuts[name]:
            rows = _rows_of(trs, segment)
            if rows.size:
                part = array.isel(time=slice(int(rows[0]), int(rows[-1]) + 1))
                stimulus = segment.stimulus
                pieces[stimulus.run_name] = relabel(part, stimulus, trs[rows] - segment.start)
    return pieces


def cut_tables(
    tables: Mapping[str, list[Any]], cuts: Cuts, responses: ByRun
) -> dict[str, list[Any]]:
    """Return one participant's confounds with runs cut into segments."""
    pieces: dict[str, list[Any]] = {}
    for name, listed in tables.items():
        if name not in cuts:
            pieces[name] = listed
            continue
        for segment in cuts[name]:
            rows = _rows_of(responses[name].coords["tr"].values, segment)
            if rows.size:
                first, last = int(rows[0]), int(rows[-1]) + 1
                pieces[segment.stimulus.run_name] = [table[first:last] for table in listed]
    return pieces


def _rows_of(trs: Any, segment: Segment) -> Any:
    return np.flatnonzero((np.asarray(trs) >= segment.start) & (np.asarray(trs) < segment.stop))


def keep_runs(truth: xr.Dataset, runs: Sequence[str]) -> xr.Dataset:
    """Return the rows of ``truth`` that belong to ``runs``."""
    if "run" not in truth.coords or truth.coords["run"].dims != ("time",):
        return truth
    return truth.isel(time=np.flatnonzero(np.isin(truth.coords["run"].values, list(runs))))


def keep_participants(truth: xr.Dataset, participants: Sequence[str]) -> xr.Dataset:
    """Return the targets of ``truth`` that belong to ``participants``."""
    if "participant" not in truth.coords or truth.coords["participant"].dims != ("target",):
        return truth
    kept = np.isin(truth.coords["participant"].values, list(participants))
    return truth.isel(target=np.flatnonzero(kept))


def cut_truth(truth: xr.Dataset, cuts: Cuts) -> xr.Dataset:
    """Return ``truth`` with the rows of runs named after the segments they fall into."""
    coords = truth.coords
    if "run" not in coords or coords["run"].dims != ("time",) or "tr" not in coords:
        return truth
    runs, trs = coords["run"].values.astype(object), coords["tr"].values.copy()
    heard = coords["stimulus"].values.astype(object) if "stimulus" in coords else None
    whole, before = runs.copy(), trs.copy()
    kept = ~np.isin(whole.astype(str), list(cuts))
    for run, segments in cuts.items():
        for segment in segments:
            inside = (whole == run) & (before >= segment.start) & (before < segment.stop)
            kept |= inside
            runs[inside], trs[inside] = segment.stimulus.run_name, before[inside] - segment.start
            if heard is not None:
                heard[inside] = segment.stimulus.name
    named = {"run": ("time", runs.astype(str)), "tr": ("time", trs)}
    if heard is not None:
        named["stimulus"] = ("time", heard.astype(str))
    return truth.assign_coords(named).isel(time=np.flatnonzero(kept))
