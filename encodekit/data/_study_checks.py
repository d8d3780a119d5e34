"""Check the responses that a study is made of, and bring them to one form."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from encodekit.core import refuse, unknown_name
from encodekit.data._response import time_coords
from encodekit.data._run_names import check_run_names
from encodekit.data._stimulus import Stimulus
from encodekit.data._study_contents import ByRun
from encodekit.data._validate import validate

Given = Mapping[str, Mapping[str, xr.DataArray] | Iterable[xr.DataArray]]
_SAME = ("space", "units")
_CLOSE = 1e-3  # s; TR onsets within the audio


def check_stimuli(name: str, stimuli: Sequence[Stimulus]) -> None:
    """Raise where a study has no stimuli, something else among them, or runs with one name."""
    for item in stimuli:
        if not isinstance(item, Stimulus):
            raise TypeError(
                f"study {name!r}: its stimuli hold a {type(item).__name__}: make each run one, "
                "ek.Stimulus(name, audio, tr_times=...)"
            )
    if not stimuli:
        refuse(f"study {name!r}", ["it has no stimuli: give one Stimulus per run"])
    check_run_names((stimulus.run_name for stimulus in stimuli), f"study {name!r}")


def take_responses(name: str, stimuli: Sequence[Stimulus], given: Given) -> dict[str, ByRun]:
    """Return participant -> run -> DataArray (repeat, time, target), or raise with every mistake.

    Repeats of an array in memory that hold nothing but NaN are left out: they are lacking.
    """
    if not isinstance(given, Mapping):
        raise TypeError(
            f"study {name!r}: responses are a {type(given).__name__}, expected "
            "{participant: {run: response}}"
        )
    by_run = {stimulus.run_name: stimulus for stimulus in stimuli}
    taken = {
        str(participant): _keyed(runs, f"study {name!r}, participant {participant!r}")
        for participant, runs in given.items()
    }
    mistakes = [
        f"participant {participant!r} has no run: leave them out"
        for participant, runs in taken.items()
        if not runs
    ]
    for participant, runs in taken.items():
        for run, array in runs.items():
            where = f"response of {participant!r} in run {run!r}"
            if run not in by_run:
                mistakes.append(f"{where}: {unknown_name('run', run, by_run)}")
            else:
                found = _run_mistakes(array, participant, by_run[run])
                mistakes += [f"{where}: {mistake}" for mistake in found]
    refuse(f"study {name!r}", mistakes)
    refuse(f"study {name!r}", _across_mistakes(taken))
    order = [stimulus.run_name for stimulus in stimuli]
    return {
        participant: {run: _stand(runs[run], by_run[run]) for run in order if run in runs}
        for participant, runs in taken.items()
    }


def _keyed(runs: Mapping[str, xr.DataArray] | Iterable[xr.DataArray], subject: str) -> ByRun:
    if isinstance(runs, xr.DataArray):
        raise TypeError(
            f"{subject}: the responses are one DataArray, expected one for each run: {{run: "
            "response}, a list, or split_runs(responses)"
        )
    arrays = list(runs.values()) if isinstance(runs, Mapping) else list(runs)
    for array in arrays:
        if not isinstance(array, xr.DataArray):
            raise TypeError(
                f"{subject}: a response is a {type(array).__name__}, which does not say its "
                "targets and TRs: make it by encodekit.data.make_response(values, run=, "
                "participant=, tr_times=, t_r=)"
            )
    if isinstance(runs, Mapping):
        return dict(runs)
    names = [str(array.coords["run"].values[0]) for array in arrays]
    check_run_names(names, subject)
    return dict(zip(names, arrays, strict=True))


def _run_mistakes(array: xr.DataArray, participant: str, stimulus: Stimulus) -> list[str]:
    try:
        validate(array, "repeats" if "repeat" in array.dims else "response")
    except (ValueError, TypeError) as error:
        return [str(error)]
    mistakes = []
    people = array.coords["participant"].values
    if (people != participant).any():
        mistakes.append(f"its coordinate participant says {sorted(set(people.tolist()))}")
    runs = set(array.coords["run"].values.tolist())
    if runs != {stimulus.run_name}:
        mistakes.append(f"its coordinate run says {sorted(runs)}")
    mistakes += _grid_mistakes(array, stimulus)
    return mistakes


def _grid_mistakes(array: xr.DataArray, stimulus: Stimulus) -> list[str]:
    heard = set(array.coords["stimulus"].values.tolist())
    mistakes = []
    if heard != {stimulus.name}:
        mistakes.append(f"its coordinate stimulus says {sorted(heard)}, not {stimulus.name!r}")
    for name, stated in (("t_r", stimulus.t_r), ("sample_offset", stimulus.offset)):
        if abs(array.attrs[name] - (stated or 0)) > 1e-6:
            mistakes.append(
                f"its {name} is {array.attrs[name]:g} s but its stimulus has {stated:g} s: "
                "state the same in both"
            )
    trs = array.coords["tr"].values
    if trs.min() < 0 or trs.max() >= stimulus.n_trs:
        return [
            *mistakes,
            f"its TRs go from {trs.min()} to {trs.max()} but its stimulus has {stimulus.n_trs} "
            f"TRs (0 to {stimulus.n_trs - 1}): drop the rows outside, or give tr_times for all",
        ]
    off = np.abs(array.coords["seconds"].values - stimulus.grid[trs]) > _CLOSE
    if off.any():
        row = int(np.flatnonzero(off)[0])
        mistakes.append(
            f"its TR {trs[row]} is at {array.coords['seconds'].values[row]:g} s but the stimulus "
            f"has it at {stimulus.grid[trs[row]]:g} s: give both the same tr_times"
        )
    return mistakes


def _across_mistakes(taken: dict[str, ByRun]) -> list[str]:
    mistakes = []
    owner: dict[str, str] = {}
    for participant, runs in taken.items():
        arrays = list(runs.values())
        names = [array.indexes["target"] for array in arrays]
        for run, targets in zip(runs, names, strict=True):
            if not targets.equals(names[0]):
                mistakes.append(
                    f"response of {participant!r} in run {run!r} has other targets than in run "
                    f"{next(iter(runs))!r}, or another order: give the same targets in each run"
                )
        for target in names[0].tolist() if names else []:
            if owner.setdefault(target, participant) != participant:
                mistakes.append(
                    f"target {target!r} belongs to {owner[target]!r} and {participant!r}: "
                    "begin target names with the participant"
                )
                break
        for key in _SAME:
            stated = sorted({str(array.attrs.get(key)) for array in arrays})
            if len(stated) > 1:
                mistakes.append(
                    f"the responses of {participant!r} have {key} {' and '.join(stated)}: one "
                    "is needed for a participant"
                )
    return mistakes


def _stand(array: xr.DataArray, stimulus: Stimulus) -> xr.DataArray:
    stood = array if "repeat" in array.dims else array.expand_dims("repeat")
    if stood.chunks is None and stood.sizes["repeat"] > 1:
        there = [k for k, repeat in enumerate(stood.values) if not np.isnan(repeat).all()]
        if len(there) < stood.sizes["repeat"]:
            stood = stood.isel(repeat=there or [0])
    return relabel(stood, stimulus, stood.coords["tr"].values)


def relabel(array: xr.DataArray, stimulus: Stimulus, trs: Any) -> xr.DataArray:
    """Return ``array`` with the time coordinates of ``stimulus`` at its TRs ``trs``."""
    trs = np.asarray(trs, dtype=np.int64)
    coords = time_coords(stimulus.run_name, stimulus.name, trs, stimulus.grid[trs])
    return array.assign_coords(coords)


def take_confounds(
    name: str, given: Mapping[str, Mapping[str, Any]] | None, responses: dict[str, ByRun]
) -> dict[str, dict[str, list[Any]]]:
    """Return participant -> run -> one table of confounds (time, confound) per repeat."""
    mistakes: list[str] = []
    taken: dict[str, dict[str, list[Any]]] = {}
    for participant, runs in (given or {}).items():
        if participant not in responses:
            mistakes.append(unknown_name("participant", participant, responses))
            continue
        taken[participant] = {}
        for run, tables in runs.items():
            where = f"confounds of {participant!r} in run {run!r}"
            if run not in responses[participant]:
                mistakes.append(f"{where}: {unknown_name('run', run, responses[participant])}")
                continue
            listed = list(tables) if isinstance(tables, list | tuple) else [tables]
            taken[participant][run] = listed
            mistakes += _confound_mistakes(where, listed, responses[participant][run])
    refuse(f"study {name!r}", mistakes)
    return taken


def _confound_mistakes(where: str, tables: list[Any], response: xr.DataArray) -> list[str]:
    n_repeats, n_rows = response.sizes["repeat"], response.sizes["time"]
    if len(tables) != n_repeats:
        return [
            f"{where}: {len(tables)} tables for {n_repeats} repeats: give a list with a table for "
            "each repeat"
        ]
    return [
        f"{where}: a table has {len(table)} rows but the response has {n_rows} TRs"
        for table in tables
        if len(table) != n_rows
    ]
