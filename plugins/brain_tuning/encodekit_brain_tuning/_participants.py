"""What a shared head learns from: several participants' fMRI, aligned target by target."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import RunList, drop_history, split_runs

Values = NDArray[np.float32]


@dataclass(frozen=True)
class RunTargets:
    """One run's fMRI on its grid of TRs.

    Attributes
    ----------
    values : array (n_participants, n_trs, n_targets)
        0 where ``weights`` is 0. One row of participants when it is their mean.
    weights : array (n_participants, n_trs, n_targets)
        1 where the participant has the value, else 0; of a mean, how many have it.
    spread : array (n_trs,)
        Squares within participants that a mean leaves out, summed over targets.
    """

    values: Values
    weights: Values
    spread: NDArray[np.float64]


@dataclass(frozen=True)
class SharedTargets:
    """Targets of all participants under common keys (``left/00123``), one `RunTargets` a run."""

    keys: tuple[str, ...]
    participants: tuple[str, ...]
    runs: dict[str, RunTargets]


def run_list(responses: Any) -> RunList:
    """Return responses as a list of runs: a RunList, a list of DataArrays or a joined DataArray."""
    if isinstance(responses, xr.DataArray):
        return split_runs(responses)
    runs = [part for item in responses for part in split_runs(item)]
    names = [run_name(run) for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"responses hold the runs {twice} twice: pass each run once")
    if not runs:
        raise ValueError("responses hold no run: pass at least one")
    return RunList(runs)


def run_name(response: xr.DataArray) -> str:
    """Return the run of a response that has one."""
    return str(response.coords["run"].values[0])


def select_targets(responses: RunList, targets: Any) -> RunList:
    """Keep the targets that ``targets`` names: None, region names, or a region selector."""
    if targets is None:
        return responses
    if not hasattr(targets, "transform"):
        from encodekit import RegionSelector

        targets = RegionSelector(regions=targets)
    return RunList(_transformed(targets, run) for run in responses)


def align(
    responses: Iterable[xr.DataArray],
    n_trs: Mapping[str, int],
    *,
    z_score: bool,
    reduce: bool,
    like: SharedTargets | None = None,
) -> SharedTargets:
    """Bring participants' responses under common keys.

    Parameters
    ----------
    responses : runs of (time, target)
        Each holds any of the participants and any of their targets.
    n_trs : dict of run to int
        Length of each run's grid; a row's place in it is its ``tr``.
    z_score : bool
        Scale each target within its run; one that is constant in a run is left out of it.
    reduce : bool
        Keep the participants' mean, weighted by how many have each value.
    like : SharedTargets, optional
        Take its keys and participants (for validation) instead of all that are there.
    """
    runs = [drop_history(run) for run in responses]
    columns = [target_keys(run) for run in runs]
    if like is None:
        people = _ordered(person for found in columns for person, _ in found)
        keys = _ordered(key for found in columns for _, key in found)
        _check_space(runs, people)
    else:
        people, keys = like.participants, like.keys
    place = {name: {item: i for i, item in enumerate(names)}
             for name, names in (("person", people), ("key", keys))}  # fmt: skip
    aligned = {}
    for run, found in zip(runs, columns, strict=True):
        placed = _place(run, found, place["person"], place["key"], n_trs[run_name(run)], z_score)
        aligned[run_name(run)] = _mean(placed) if reduce else placed
    return SharedTargets(keys, people, aligned)


def _transformed(selector: Any, run: xr.DataArray) -> xr.DataArray:
    selected: xr.DataArray = selector.transform(run)
    return selected


def _ordered(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def target_keys(run: xr.DataArray) -> list[tuple[str, str]]:
    """(participant, key) of each target; the key is the same place in everybody."""
    people = run.coords["participant"].values.astype(str)
    if "vertex" in run.coords and "hemisphere" in run.coords:
        places = zip(run.coords["hemisphere"].values, run.coords["vertex"].values, strict=True)
        return [(p, f"{side}/{int(v):05d}") for p, (side, v) in zip(people, places, strict=True)]
    names = run.coords["target"].values.astype(str)
    return [(p, name.removeprefix(f"{p}/")) for p, name in zip(people, names, strict=True)]


def _check_space(runs: Sequence[xr.DataArray], people: Sequence[str]) -> None:
    if len(people) < 2:
        return
    for run in runs:
        regions = "vertex" not in run.coords and "voxel" not in run.coords
        if run.attrs.get("space") == "native" and not regions:
            raise ValueError(
                f"run {run_name(run)!r} is in native space, where vertex or voxel numbers of "
                f"{len(people)} participants do not correspond: bring them to a common space "
                "(fsaverage), average regions, or tune on one participant"
            )


def _place(
    run: xr.DataArray,
    found: Sequence[tuple[str, str]],
    people: Mapping[str, int],
    keys: Mapping[str, int],
    n_trs: int,
    z_score: bool,
) -> RunTargets:
    trs = run.coords["tr"].values
    _check_trs(run, n_trs)
    known = [i for i, (person, key) in enumerate(found) if person in people and key in keys]
    rows = np.asarray(run.isel(target=known).values, dtype=np.float32)
    if z_score:
        rows = _z_scored(rows)
    shape = (len(people), n_trs, len(keys))
    values, weights = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    who = np.array([people[found[i][0]] for i in known], dtype=int)
    where = np.array([keys[found[i][1]] for i in known], dtype=int)
    there = np.isfinite(rows)
    values[who[None, :], trs[:, None], where[None, :]] = np.where(there, rows, 0)
    weights[who[None, :], trs[:, None], where[None, :]] = there
    return RunTargets(values, weights, np.zeros(n_trs))


def _check_trs(run: xr.DataArray, n_trs: int) -> None:
    trs = run.coords["tr"].values
    if trs.size and trs.max() >= n_trs:
        raise ValueError(
            f"run {run_name(run)!r} has a response for TR {trs.max()} but its stimulus has "
            f"{n_trs} TRs: give the stimulus the tr_times of the response"
        )


def _z_scored(rows: Values) -> Values:
    """Scale over the TRs that are there; constants (max == min) become NaN."""
    wide = rows.astype(np.float64)
    there = np.isfinite(wide)
    n = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, wide, 0).sum(axis=0) / n
    squares = np.where(there, wide - mean, 0) ** 2
    low = np.where(there, wide, np.inf).min(axis=0)
    high = np.where(there, wide, -np.inf).max(axis=0)
    deviation = np.where(high > low, np.sqrt(squares.sum(axis=0) / n), np.nan)
    scaled: Values = ((wide - mean) / deviation).astype(np.float32)
    return scaled


def _mean(run: RunTargets) -> RunTargets:
    """Return the participants' weighted mean: for L2 and a shared head it has the same gradient.

    sum_p (P - R_p)^2 = n (P - mean R)^2 + sum_p (R_p - mean R)^2, target by target, with n the
    number of participants that have the value; the last term is ``spread``.
    """
    counts = run.weights.sum(axis=0, keepdims=True)
    mean = (run.values * run.weights).sum(axis=0, keepdims=True) / np.maximum(counts, 1)
    spread = (run.weights * (run.values - mean).astype(np.float64) ** 2).sum(axis=(0, 2))
    return RunTargets(mean.astype(np.float32), counts, spread)
