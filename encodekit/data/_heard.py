"""What was heard when: the rows of one story in one place, in whatever run it was heard."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data._dask import namespace
from encodekit.data._joined_participants import at_rows, coords_of, union_coords
from encodekit.data._response import at_targets, split_runs, target_places, time_coords
from encodekit.data._run_list import RunList
from encodekit.data._stimulus import Stimulus
from encodekit.data._study_checks import relabel
from encodekit.data._study_contents import ByRun, StudyContents, TargetCoords
from encodekit.data._timing import timing

SAME_GRID = 0.05  # of a TR: runs whose TRs lie so close, relative to the sound, are on one grid
_SAME_T_R = 1e-6  # s; of rounding, as of the 32 bits of an image's header
_OTHER_SOUND = 1.0  # s; of one story, encoded in two ways, lengths differ by less
_ROUNDING = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class Story:
    """One stimulus on one grid of TRs, and the runs in which it was heard.

    Attributes
    ----------
    name : str
        Of the stimulus.
    run : str
        What the run of the story is called: as the stimulus, where that is on one grid.
    t_r, start : float
        s; where TR 0 begins in the audio (or in its run, where rows do not say).
    first : dict of run to int
        The TR of the grid that is the run's row of ``tr`` 0.
    """

    name: str
    run: str
    t_r: float
    start: float
    first: dict[str, int]


def match_stories(runs: Iterable[tuple[str, str, float, float]], who: str = "") -> list[Story]:
    """Return the stories of runs (run, stimulus, t_r, where ``tr`` 0 is sampled in the audio, s).

    Warns
    -----
    UserWarning
        If ``who`` is given and a stimulus was heard on several grids, which ``who`` keeps apart.
    """
    stories: dict[str, list[Story]] = {}
    for run, name, t_r, start in runs:
        known = stories.setdefault(name, [])
        for story in known:
            step = (start - story.start) / t_r
            if abs(story.t_r - t_r) <= _SAME_T_R and abs(step - round(step)) <= SAME_GRID:
                story.first[run] = round(step)
                break
        else:
            known.append(Story(name, run, t_r, start, {run: 0}))
    apart = {name: found for name, found in stories.items() if len(found) > 1}
    if who and apart:
        name, found = next(iter(apart.items()))
        grids = "; ".join(
            f"{', '.join(story.first)}: a TR of {story.t_r:g} s at {story.start:g} s of the sound"
            for story in found[:3]
        )
        warnings.warn(
            f"{who}: {name!r} was heard on {len(found)} grids of TRs ({grids}), and TRs of "
            "different grids are not compared: resample the responses to one grid to compare them",
            stacklevel=3,
        )
    return [
        replace(story, run=story.name) if len(found) == 1 else story
        for found in stories.values()
        for story in found
    ]


def stories_of(rows: xr.DataArray, who: str = "") -> list[Story]:
    """Return the stories of joined rows; a run without ``stimulus`` is a story of its own."""
    runs = rows.coords["run"].values
    starts = [np.flatnonzero(runs == run)[0] for run in dict.fromkeys(runs.tolist())]
    return match_stories([_heard_in(rows.isel(time=[row])) for row in starts], who)


def _heard_in(row: xr.DataArray) -> tuple[str, str, float, float]:
    """Return the run of one row, its stimulus, t_r, and where ``tr`` 0 is sampled, s of audio."""
    run = str(row.coords["run"].values[0])
    name = str(row.coords["stimulus"].values[0]) if "stimulus" in row.coords else run
    t_r, offset = timing(row), timing(row, "sample_offset")
    if t_r is None or not {"seconds", "tr"} <= set(row.coords):
        return run, name, 1.0, 0.0
    within = t_r[0] / 2 if offset is None else offset[0]
    before = row.coords["tr"].values[0] * t_r[0]
    return run, name, float(t_r[0]), float(row.coords["seconds"].values[0] - before + within)


def moments_heard(
    rows: xr.DataArray,
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Return of each row (time,) its stimulus, when in it it was sampled, and its t_r; s.

    Whatever the grid of a run: rows of several grids lie between each other. Where rows do not say
    ``seconds`` and ``t_r``, TRs stand for seconds.
    """
    runs = rows.coords["run"].values
    heard = rows.coords["stimulus"].values if "stimulus" in rows.coords else runs
    seconds, t_r = np.zeros(runs.size), np.ones(runs.size)
    for run in dict.fromkeys(runs.tolist()):
        here = np.flatnonzero(runs == run)
        _, _, step, start = _heard_in(rows.isel(time=here[:1]))
        t_r[here] = step
        seconds[here] = start + step * _trs(rows.isel(time=here))
    return heard, seconds, t_r


def places_heard(rows: xr.DataArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of the story of each row (time,), and the TR of the row on its grid."""
    runs = rows.coords["run"].values.astype(str)
    story, place = np.zeros((2, runs.size), np.intp)
    for number, found in enumerate(stories_of(rows)):
        for run, first in found.first.items():
            here = np.flatnonzero(runs == run)
            story[here], place[here] = number, _trs(rows.isel(time=here)) + first
    return story, place


def by_stimulus(responses: xr.DataArray | Sequence[xr.DataArray], who: str = "") -> RunList:
    """Return responses (time, target) with one run per stimulus, whatever runs it was heard in.

    A target that was measured in several hearings of a story gets their mean, each z-scored within
    its run first (a run is the border for scale); those in which it is constant do not count.

    Parameters
    ----------
    responses : DataArray (time, target), or one per run
    who : str, optional
        Who asks, to warn of a stimulus that was heard on several grids of TRs.
    """
    runs = split_runs(responses) if isinstance(responses, xr.DataArray) else list(responses)
    joined = {str(run.coords["run"].values[0]): run for run in runs}
    stories = match_stories([_heard_in(run.isel(time=[0])) for run in runs], who)
    if len(stories) == len(runs):
        return RunList(runs)
    return RunList(_merged(story, [joined[run] for run in story.first]) for story in stories)


def _merged(story: Story, runs: Sequence[xr.DataArray]) -> xr.DataArray:
    """Return the mean hearing of a story, on the TRs that any of its runs has."""
    if len(runs) == 1:
        return runs[0].assign_coords(run=("time", np.full(runs[0].sizes["time"], story.run)))
    origin = min(story.first.values())
    places = [
        _trs(run) + first - origin for run, first in zip(runs, story.first.values(), strict=True)
    ]
    low = min(int(place.min()) for place in places)
    n_trs = max(int(place.max()) for place in places) - low + 1
    targets, columns = _all_targets(runs)
    hearings = [
        at_rows(_columns(run.transpose("time", "target").data, column), place - low, n_trs)
        for run, place, column in zip(runs, places, columns, strict=True)
    ]
    values = _mean_hearing(hearings)
    trs = np.arange(low, low + n_trs, dtype=np.int64)
    first = runs[0]
    seconds = story.t_r * trs.astype(np.float64)
    if "seconds" in first.coords:  # of the first run, on whose grid the others lie
        seconds += float(first.coords["seconds"].values[0]) - story.t_r * int(places[0][0])
    values = values.astype(np.result_type(first.dtype, np.float32))
    coords: dict[str, Any] = dict(time_coords(story.run, story.name, trs, seconds))
    if all("n_repeats" in run.coords for run in runs):
        counts = [
            _columns(run.coords["n_repeats"].values[None] * 1.0, column)[0]
            for run, column in zip(runs, columns, strict=True)
        ]
        coords["n_repeats"] = ("target", np.nansum(counts, axis=0).astype(np.int64))
    onsets = [run.coords["sound_onset"].values[0] for run in runs if "sound_onset" in run.coords]
    if onsets:
        coords["sound_onset"] = ("time", np.full(n_trs, onsets[0]))
    return at_targets(values, targets, first.attrs).assign_coords(coords)


def _trs(run: xr.DataArray) -> NDArray[np.intp]:
    trs = run.coords["tr"].values if "tr" in run.coords else np.arange(run.sizes["time"])
    return np.asarray(trs, np.intp)


def _all_targets(
    runs: Sequence[xr.DataArray],
) -> tuple[xr.Coordinates, list[NDArray[np.intp] | None]]:
    """Return the targets of any run, and of each run their columns; past its end: it has none."""
    first = runs[0].indexes["target"]
    if all(run.indexes["target"].equals(first) for run in runs):
        return target_places(runs[0]), [None] * len(runs)
    known, parts = first[:0], list[TargetCoords]()
    for run in runs:
        names = run.indexes["target"]
        new = run.isel(target=np.flatnonzero(~names.isin(known)))
        known, parts = known.append(new.indexes["target"]), [*parts, coords_of(new)]
    found = [run.indexes["target"].get_indexer(known) for run in runs]
    return union_coords(parts), [
        np.where(at < 0, run.sizes["target"], at) for at, run in zip(found, runs, strict=True)
    ]


def _columns(values: Any, columns: NDArray[np.intp] | None) -> Any:
    """Return values (time, target) at ``columns``; NaN where one is past the end."""
    if columns is None:
        return values
    xp = namespace([values])
    lacking = np.full((values.shape[0], 1), np.nan)
    return xp.take(xp.concatenate([values, lacking], axis=1), columns, axis=1)


def _mean_hearing(hearings: Sequence[Any]) -> Any:
    """Return the mean (time, target) of z-scored hearings; of a target that has one, that one."""
    xp = namespace(hearings)
    total, once, n_there, n_scaled, n_hearings = 0.0, 0.0, 0, 0, 0
    for hearing in hearings:
        scaled = _z_scored(hearing, xp)
        there, is_scaled = xp.isfinite(hearing), xp.isfinite(scaled)
        once, total = once + xp.where(there, hearing, 0.0), total + xp.where(is_scaled, scaled, 0.0)
        n_there, n_scaled = n_there + there, n_scaled + is_scaled
        n_hearings = n_hearings + there.any(axis=0)
    several = xp.where(n_scaled > 0, total / xp.maximum(n_scaled, 1), np.nan)
    return xp.where(n_hearings > 1, several, xp.where(n_there > 0, once, np.nan))


def _z_scored(values: Any, xp: Any) -> Any:
    """Return values (time, target) of mean 0 and SD 1 over the rows there; constants are NaN."""
    wide = values.astype(np.float64)
    there = xp.isfinite(wide)
    n = xp.maximum(there.sum(axis=0), 1)
    known = xp.where(there, wide, 0.0)
    centred = xp.where(there, wide - known.sum(axis=0) / n, 0.0)
    high = xp.where(there, wide, -np.inf).max(axis=0)
    low = xp.where(there, wide, np.inf).min(axis=0)
    # As encodekit.data.is_constant, which computes: float32 rounds constants.
    varies = high - low > 4 * _ROUNDING * xp.maximum(abs(high), abs(low))
    deviation = xp.sqrt((centred**2).sum(axis=0) / n)
    return xp.where(there & varies, centred / xp.where(varies, deviation, 1.0), np.nan)


def hearings(
    stimuli: Sequence[Stimulus], responses: Sequence[xr.DataArray]
) -> tuple[list[Stimulus], RunList]:
    """Return each stimulus once, and its responses (time, target) as `by_stimulus` joins them.

    Parameters
    ----------
    stimuli, responses : list of Stimulus, list of DataArray
        One per run, in one order.
    """
    merged = by_stimulus(responses)
    by_run = {stimulus.run_name: stimulus for stimulus in stimuli}
    stories = _stories(stimuli)
    if len(stories) == len(by_run):
        return list(stimuli), merged
    whole = [_whole(story, by_run) for story in stories]
    of_run = {str(run.coords["run"].values[0]): run for run in merged}
    return whole, RunList(of_run[stimulus.run_name] for stimulus in whole)


def _stories(stimuli: Iterable[Stimulus], who: str = "") -> list[Story]:
    return match_stories(
        [(s.run_name, s.name, float(s.t_r or 0), float(s.grid[0]) + s.offset) for s in stimuli],
        who,
    )


def study_by_stimulus(study: StudyContents, who: str = "") -> StudyContents:
    """Return the study with one run per stimulus and grid; several hearings are repeats.

    Confounds and what a simulation knows, which are of single runs, are left out.
    """
    by_run = {stimulus.run_name: stimulus for stimulus in study.stimuli}
    stories = _stories(study.stimuli, who)
    if len(stories) == len(study.stimuli):
        return study
    _warn_of_other_sounds(stories, by_run, who)
    merged: list[Stimulus] = []
    responses: dict[str, ByRun] = {person: {} for person in study.participants}
    for story in stories:
        stimulus = _whole(story, by_run)
        merged.append(stimulus)
        for person, runs in study.responses.items():
            heard = {run: runs[run] for run in story.first if run in runs}
            if heard:
                array = _stacked(heard, story, stimulus)
                responses[person][stimulus.run_name] = array
    return replace(study, stimuli=merged, responses=responses, confounds={}, truth=None)


def _warn_of_other_sounds(
    stories: Iterable[Story], by_run: Mapping[str, Stimulus], who: str
) -> None:
    """Warn where sounds of one name differ so much in length that they may be two."""
    for story in stories:
        lengths = {run: by_run[run].audio_duration for run in story.first}
        known = {run: seconds for run, seconds in lengths.items() if seconds is not None}
        if who and known and max(known.values()) - min(known.values()) > _OTHER_SOUND:
            said = ", ".join(f"{seconds:g} s in {run}" for run, seconds in known.items())
            warnings.warn(
                f"{who}: the sound of {story.name!r} lasts {said}: it is taken for one sound, cut "
                "short; name another sound otherwise, Stimulus(name, ..., run=)",
                stacklevel=4,
            )


def _whole(story: Story, by_run: Mapping[str, Stimulus]) -> Stimulus:
    """Return a story's stimulus on the TRs of all of its runs."""
    heard = {run: by_run[run] for run in story.first}
    first = next(iter(heard.values()))
    longest = max(heard.values(), key=lambda stimulus: stimulus.audio_duration or 0.0)
    low = min(story.first.values())
    stop = max(story.first[run] + stimulus.n_trs for run, stimulus in heard.items())
    onsets = first.grid[0] + story.t_r * np.arange(low, stop)
    grid = first.grid if len(heard) == 1 else onsets
    whole = replace(longest, run=story.run, tr_times=grid, t_r=first.t_r, duration=None)
    return whole._state_hash(longest.audio_hash)


def _stacked(heard: Mapping[str, xr.DataArray], story: Story, stimulus: Stimulus) -> xr.DataArray:
    """Return all hearings (repeat, time, target) of one participant, NaN where one lacks a TR."""
    if len(story.first) == 1:
        (array,) = heard.values()
        return relabel(array, stimulus, array.coords["tr"].values)
    low = min(story.first.values())
    places = [array.coords["tr"].values + story.first[run] - low for run, array in heard.items()]
    trs = np.unique(np.concatenate(places))
    parts = [
        at_rows(
            array.transpose("repeat", "time", "target").data, np.searchsorted(trs, at), trs.size
        )
        for array, at in zip(heard.values(), places, strict=True)
    ]
    values = namespace(parts).concatenate(parts, axis=0)
    first = next(iter(heard.values()))
    of_time = time_coords(stimulus.run_name, stimulus.name, trs, stimulus.grid[trs])
    counts = np.full(values.shape[-1], values.shape[0], dtype=np.int64)
    array = at_targets(values, target_places(first), first.attrs).assign_coords(of_time)
    return array.assign_coords(n_repeats=("target", counts))
