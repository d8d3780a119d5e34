"""The study of runs that were heard: named by the sound, on one grid, confounds taken out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import encodekit as ek
from encodekit.data import make_response, response_like
from encodekit_adapters._bids_grid import (
    Grid,
    Onsets,
    Part,
    Placed,
    by_t_r,
    common_grid,
    say_shifts,
)
from encodekit_adapters._bids_shift import between_kept, weighted
from encodekit_adapters._bids_sounds import Words, find_sounds, name_sounds
from encodekit_adapters._confounds import Strategy, cleaned, load_confounds
from encodekit_adapters._fmriprep import space_name
from encodekit_adapters._lazy import dask_array

_VOLUME = "volume"


@dataclass(frozen=True)
class StudyPlan:
    """What a study is called, where its sounds are, and what is done to its responses."""

    name: str
    description: str
    stimuli: Path
    space: str
    words: Words
    confounds: Strategy | None
    onsets: Onsets


@dataclass(frozen=True)
class _Run:
    """A run of the study: a sound at one repetition time, and the scans of it by participant."""

    name: str
    stimulus: str
    grid: Grid
    scans: dict[str, list[Placed]]

    @cached_property
    def rows(self) -> dict[str, range]:
        """The rows of the grid that all scans of a participant have."""
        return {person: _common_rows(self.name, scans) for person, scans in self.scans.items()}

    @cached_property
    def span(self) -> range:
        """The rows of the grid from the first to the last that anybody has."""
        rows = self.rows.values()
        return range(min(of.start for of in rows), max(of.stop for of in rows))


def make_study(plan: StudyPlan, parts: Mapping[str, Sequence[Part]]) -> ek.Study:
    """Return the study of all who heard a sound, whatever scan they heard it in.

    Raises
    ------
    FileNotFoundError, ValueError
        Where a sound or its confounds are lacking, or scans of a sound lie on no common grid.
    """
    every = list(chain.from_iterable(parts.values()))
    heard: dict[str, str] = {}
    for part in every:
        heard.setdefault(part.heard.stim_file, part.run.where)
    found = find_sounds(plan.stimuli, heard)
    sounds: dict[Path, list[Part]] = {}
    for part in every:
        sounds.setdefault(found[part.heard.stim_file], []).append(part)
    names = name_sounds(sounds, plan.stimuli)
    said: list[str] = []
    runs: list[_Run] = []
    stimuli: list[ek.Stimulus] = []
    for sound, theirs in sounds.items():
        plain = _plain_stimulus(plan, sound, names[sound])
        for run_name, group in _by_timing(names[sound], theirs):
            grid = common_grid(run_name, group, plan.onsets, plain.audio_duration)
            run = _Run(run_name, names[sound], grid, _by_person(grid))
            said += say_shifts(run_name, grid, plan.onsets) + _say_rows(run)
            runs.append(run)
            stimuli.append(_stimulus(plain, run))
    responses = {person: _responses(plan, person, runs) for person in parts}
    text = " ".join([plan.description, *said])
    return ek.Study(plan.name, stimuli, responses, description=text)


def _plain_stimulus(plan: StudyPlan, sound: Path, name: str) -> ek.Stimulus:
    words, phones = plan.words(plan.stimuli, sound, name)
    return ek.Stimulus(name, sound, words=words, phones=phones)


def _stimulus(plain: ek.Stimulus, run: _Run) -> ek.Stimulus:
    grid = run.grid
    return replace(
        plain, tr_times=grid.onsets[run.span], t_r=grid.t_r, run=run.name, sample_offset=grid.offset
    )


def _by_timing(name: str, parts: Sequence[Part]) -> list[tuple[str, list[Part]]]:
    """Return (name of the run, its parts) for each repetition time of a sound.

    Several are told apart by the entities that all scans of one share and no other has all of; if
    there are none, by the repetition time.
    """
    groups = by_t_r(parts)
    if len(groups) == 1:
        return [(name, groups[0])]
    shared = [
        set.intersection(*(set(part.run.acquired.items()) for part in group)) for group in groups
    ]
    everywhere = set.intersection(*shared)
    told = [
        "_".join(f"{key}-{value}" for key, value in sorted(own - everywhere) if key != "sub")
        for own in shared
    ]
    if len(set(told)) < len(told) or "" in told:
        told = [f"tr-{group[0].t_r:g}s" for group in groups]
    return [(f"{name}_{more}", group) for more, group in zip(told, groups, strict=True)]


def _by_person(grid: Grid) -> dict[str, list[Placed]]:
    scans: dict[str, list[Placed]] = {}
    for item in grid.placed:
        scans.setdefault(item.part.run.participant, []).append(item)
    return scans


def _common_rows(run: str, scans: Sequence[Placed]) -> range:
    rows = range(max(scan.first for scan in scans), min(scan.rows.stop for scan in scans))
    if len(rows) == 0:
        where = ", ".join(scan.part.run.label for scan in scans)
        raise ValueError(
            f"{scans[0].part.run.participant}: the scans of {run!r} ({where}) share no TR, so they "
            "are no repeats: choose one by entities=, or make each part of the sound a file of its "
            "own"
        )
    return rows


def _say_rows(run: _Run) -> list[str]:
    """Return in words who has repeats of unequal length, of which the common rows are kept."""
    said = []
    for person, scans in run.scans.items():
        lengths = [scan.n_rows for scan in scans]
        n = len(run.rows[person])
        if max(lengths) > n:
            listed = ", ".join(map(str, lengths))
            said.append(
                f"{run.name}: the repeats of {person} have {listed} TRs, of which the {n} that "
                "all have are kept."
            )
    return said


def _responses(plan: StudyPlan, person: str, runs: Sequence[_Run]) -> dict[str, xr.DataArray]:
    made: dict[str, xr.DataArray] = {}
    for run in runs:
        if person not in run.scans:
            continue
        rows = run.rows[person]
        blocks = [_values(plan, run, scan, rows) for scan in run.scans[person]]
        values = blocks[0] if len(blocks) == 1 else dask_array().stack(blocks)
        given: dict[str, Any] = {
            "run": run.name,
            "stimulus": run.stimulus,
            "tr_times": run.grid.onsets[rows],
            "tr": np.asarray(rows) - run.span.start,
        }
        timing = {"t_r": run.grid.t_r, "sample_offset": run.grid.offset}
        first = next(iter(made.values()), None)
        if first is not None:
            made[run.name] = response_like(first, values, **given).assign_attrs(timing)
            continue
        part = run.scans[person][0].part
        space = _VOLUME if "voxel" in part.bold.places else space_name(plan.space, part.run)
        more: dict[str, Any] = {"space": space, "units": "BOLD", **timing, **part.bold.places}
        made[run.name] = make_response(values, participant=person, **given, **more)
    return made


def _values(plan: StudyPlan, run: _Run, scan: Placed, rows: range) -> Any:
    """Return the lazy values of a scan in ``rows`` of the run, its confounds taken out.

    All of its own rows take part in the fit of the confounds. A scan that is resampled has its
    confounds resampled alike, so that they explain as much of it as before.
    """
    part = scan.part
    values, n_volumes = part.bold.values, part.bold.values.shape[0]
    own = slice(scan.volume, scan.volume + scan.n_rows)
    weights = scan.weights
    if plan.confounds is None:
        taken = values[own] if weights is None else weighted(weights, values)
    else:
        table, mask = load_confounds(part.run, plan.confounds, n_volumes, part.t_r)
        if weights is None:
            taken, table, mask = values[own], table[own], mask[own]
        else:
            weights, mask = between_kept(weights, mask, scan.volume)
            taken, table = weighted(weights, values), weights @ table.to_numpy(np.float64)
        clean = partial(cleaned, plan.confounds.remover, t_r=run.grid.t_r, where=part.run.where)
        taken = clean(taken, np.asarray(table, np.float64), mask)
    return taken[rows.start - scan.first : rows.stop - scan.first]
