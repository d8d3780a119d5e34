"""What a head learns from: several participants' fMRI, aligned target by target."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import RunList, check_run_names, drop_history, split_runs

Values = NDArray[np.float32]
TargetWeights = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class RunTargets:
    """One run's fMRI on its grid of TRs.

    Attributes
    ----------
    values : array (n_participants, n_trs, n_targets)
        0 where ``weights`` is 0. One row of participants when they were combined.
    weights : array (n_participants, n_trs, n_targets)
        0 where the participant lacks the value, else 1 or the weight asked for; of a weighted
        mean, the sum over those who have it.
    heard : array of bool (n_people, n_trs)
        Which of the people, combined or not, have any value.
    spread : array (n_trs,)
        Weighted squares within participants that a mean leaves out, summed over targets.
    """

    values: Values
    weights: Values
    heard: NDArray[np.bool_]
    spread: NDArray[np.float64]


@dataclass(frozen=True)
class SharedTargets:
    """Targets of all participants, one `RunTargets` a run.

    Attributes
    ----------
    keys : tuple of str
        ``left/00123``, the same place in everybody; ``P1/left/00123`` if each has its own.
    participants : tuple of str
    runs : dict of str to RunTargets
    slots : dict of (participant, key) to int, or None
        Place of each participant's own targets on the target axis; None if ``keys`` are shared.
    """

    keys: tuple[str, ...]
    participants: tuple[str, ...]
    runs: dict[str, RunTargets]
    slots: Mapping[tuple[str, str], int] | None = None

    @property
    def n_slots(self) -> int:
        """Length of the target axis."""
        return len(self.keys) if self.slots is None else max(self.slots.values()) + 1

    def place(self, person: str, key: str) -> int | None:
        """Return where a participant's target is on the target axis; None if it is not there."""
        return self._places.get((person, key) if self.slots is not None else key)

    @cached_property
    def _places(self) -> Mapping[Any, int]:
        if self.slots is not None:
            return self.slots
        return {key: number for number, key in enumerate(self.keys)}


Combine = Callable[[RunTargets], RunTargets]


def run_list(responses: Any) -> RunList:
    """Return responses as a list of runs: a RunList, a list of DataArrays or a joined DataArray."""
    if isinstance(responses, xr.DataArray):
        return split_runs(responses)
    runs = [part for item in responses for part in split_runs(item)]
    check_run_names([run_name(run) for run in runs], "responses")
    if not runs:
        raise ValueError("responses hold no run: pass at least one")
    return RunList(runs)


def run_name(response: xr.DataArray) -> str:
    """Return the run of a response that has one."""
    return str(response.coords["run"].values[0])


def select_targets(responses: RunList, targets: Any) -> RunList:
    """Keep the targets that ``targets`` says, see `encodekit.regions.select_targets`.

    Names of targets are those of any run: somebody may lack a run.
    """
    from encodekit.regions import select_targets as selected

    if targets is None or hasattr(targets, "transform") or callable(targets):
        return RunList(selected(run, targets) for run in responses)
    every = {str(name) for run in responses for name in run.coords["target"].values}
    if not isinstance(targets, str) and every.issuperset(map(str, targets)):
        return RunList(
            run.isel(target=np.isin(run.coords["target"].values.astype(str), list(targets)))
            for run in responses
        )
    return RunList(selected(run, targets) for run in responses)


def align(
    responses: Iterable[xr.DataArray],
    n_trs: Mapping[str, int],
    *,
    z_score: bool,
    combine: Combine | None = None,
    like: SharedTargets | None = None,
    own_targets: bool = False,
    weights: TargetWeights | None = None,
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
    combine : callable, optional
        What becomes of each run's participants, such as `weighted_mean`; they stay apart if None.
    like : SharedTargets, optional
        Take its keys and participants (for validation) instead of all that are there.
    own_targets : bool
        Whether participants in native space may keep targets of their own.
    weights : dict of (participant, key) to float, optional
        How much each target counts; 1 if not given.

    Raises
    ------
    ValueError
        If several participants are in native space and ``own_targets`` is False, a TR is beyond
        its stimulus, or a target lacks its weight.
    """
    runs = [drop_history(run) for run in responses]
    columns = [target_keys(run) for run in runs]
    place = like or _common(runs, columns, own_targets)
    aligned = {}
    for run, found in zip(runs, columns, strict=True):
        placed = _place(run, found, place, n_trs[run_name(run)], z_score, weights)
        aligned[run_name(run)] = combine(placed) if combine else placed
    return replace(place, runs=aligned)


def common_places(responses: Iterable[xr.DataArray], *, own_targets: bool) -> SharedTargets:
    """Return the keys and participants of all runs, no fMRI yet; see `align`."""
    runs = list(responses)
    return _common(runs, [target_keys(run) for run in runs], own_targets)


def _common(
    runs: Sequence[xr.DataArray], columns: Sequence[Sequence[tuple[str, str]]], own_targets: bool
) -> SharedTargets:
    """Return the keys and participants of all runs, no fMRI yet."""
    people = _ordered(person for found in columns for person, _ in found)
    native = next((run for run in runs if len(people) > 1 and is_native(run)), None)
    if native is None:
        keys = _ordered(key for found in columns for _, key in found)
        return SharedTargets(keys, people, {})
    if not own_targets:
        raise ValueError(
            f"run {run_name(native)!r} is in native space, where vertex or voxel numbers of "
            f"{len(people)} participants do not correspond: bring them to a common space "
            "(fsaverage), average regions, tune on one participant, or give each a head of "
            "their own, head='individual'"
        )
    own: dict[str, dict[str, int]] = {person: {} for person in people}
    for person, key in (item for found in columns for item in found):
        own[person].setdefault(key, len(own[person]))
    slots = {(person, key): n for person, places in own.items() for key, n in places.items()}
    return SharedTargets(tuple(f"{person}/{key}" for person, key in slots), people, {}, slots)


def is_native(run: xr.DataArray) -> bool:
    """Whether the numbers of a run's targets mean something within one participant alone."""
    regions = "vertex" not in run.coords and "voxel" not in run.coords
    return run.attrs.get("space") == "native" and not regions


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


def _place(
    run: xr.DataArray,
    found: Sequence[tuple[str, str]],
    place: SharedTargets,
    n_trs: int,
    z_score: bool,
    weights: TargetWeights | None,
) -> RunTargets:
    trs = run.coords["tr"].values  # a row's place on the grid; rows may lack
    _check_trs(run, n_trs)
    people = {person: number for number, person in enumerate(place.participants)}
    known = [
        (column, people[person], slot, 1.0 if weights is None else weights[person, key])
        for column, (person, key) in enumerate(found)
        if person in people and (slot := place.place(person, key)) is not None
    ]
    # one line per known column: its number, participant, place on the target axis, weight; an
    # empty list keeps its four columns
    table = np.array(known, dtype=float).reshape(-1, 4)
    (columns, who, where), weight = table[:, :3].astype(int).T, table[:, 3].astype(np.float32)
    rows = np.asarray(run.isel(target=columns).values, dtype=np.float32)  # (tr, column)
    if z_score:
        rows = _z_scored(rows)
    shape = (
        len(people),
        n_trs,
        place.n_slots,
    )  # everybody, every TR, every target: 0 weighs it out
    values, masks = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    there = np.isfinite(rows)
    # (1, column), (tr, 1), (1, column) broadcast to the rows' shape: one cell for each value
    values[who[None, :], trs[:, None], where[None, :]] = np.where(there, rows, 0)
    masks[who[None, :], trs[:, None], where[None, :]] = there * weight
    return RunTargets(values, masks, np.any(masks > 0, axis=2), np.zeros(n_trs))


def _check_trs(run: xr.DataArray, n_trs: int) -> None:
    trs = run.coords["tr"].values
    if trs.size and trs.max() >= n_trs:
        raise ValueError(
            f"run {run_name(run)!r} has a response for TR {trs.max()} but its stimulus has "
            f"{n_trs} TRs: give the stimulus the tr_times of the response"
        )


def _z_scored(rows: Values) -> Values:
    """Scale over the TRs that are there; constants (max == min) become NaN."""
    wide = rows.astype(np.float64)  # sums of thousands of TRs in float32 lose digits
    there = np.isfinite(wide)
    n = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, wide, 0).sum(axis=0) / n
    squares = np.where(there, wide - mean, 0) ** 2
    # a constant by its values: its computed deviation may be a rounding error above 0
    low = np.where(there, wide, np.inf).min(axis=0)
    high = np.where(there, wide, -np.inf).max(axis=0)
    deviation = np.where(high > low, np.sqrt(squares.sum(axis=0) / n), np.nan)
    scaled: Values = ((wide - mean) / deviation).astype(np.float32)
    return scaled


def weighted_mean(run: RunTargets) -> RunTargets:
    """Return the participants' weighted mean: for L2 and a shared head it has the same gradient.

    sum_p w_p (P - R_p)^2 = W (P - mean R)^2 + sum_p w_p (R_p - mean R)^2, target by target, with W
    the sum of the weights of the participants that have the value; the last term is ``spread``.
    """
    totals, mean = _mean(run)
    apart = (run.values - mean).astype(np.float64)
    spread = (run.weights * apart**2).sum(axis=(0, 2))
    return RunTargets(mean.astype(np.float32), totals, run.heard, spread)


def plain_mean(run: RunTargets) -> RunTargets:
    """Return the participants' mean, each value counting once however many have it."""
    totals, mean = _mean(run)
    n_having = (run.weights > 0).sum(axis=0, keepdims=True)  # (1, tr, target)
    weights = (totals / np.maximum(n_having, 1)).astype(np.float32)
    return RunTargets(mean.astype(np.float32), weights, run.heard, np.zeros(len(run.spread)))


def _mean(run: RunTargets) -> tuple[Values, Values]:
    """Return the sum of the weights and the weighted mean, (1, n_trs, n_targets)."""
    totals = run.weights.sum(axis=0, keepdims=True)
    mean = (run.values * run.weights).sum(axis=0, keepdims=True)
    return totals, mean / np.where(totals > 0, totals, 1)
