"""The mean response of a group of people, at the places of others."""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import unknown_name
from encodekit.data import (
    RunList,
    by_stimulus,
    is_constant,
    is_labelled,
    one_array,
    places_heard,
    split_runs,
)
from encodekit.scoring._groups import Groups
from encodekit.scoring._intersubject import places


def group_mean(responses: Any, *, participants: Iterable[str] | None = None) -> RunList:
    """Return, for each target, the mean response of OTHER people at its place.

    A model that is fitted on it has weights of the group, and predicts the same targets as
    ``responses`` has: it is scored on people whose data were never fitted. One call scores
    everybody by the weights of all others at left-out time::

        predicted = ek.cross_val_predict(model, stimuli, ek.group_mean(y), purge="16s")
        ek.correlation(y, predicted)

    Parameters
    ----------
    responses : DataArray (time, target), or a list of them (one per run)
        With ``participant``, and ``vertex`` (and ``hemisphere``), ``voxel`` or ``region`` to say
        which targets are of the same place. Bring them to one scale before (`encodekit.RunScaler`).
    participants : names, optional
        The group; all if not given. Its members' own targets get the mean of the rest of it.

    Returns
    -------
    RunList of DataArray (time, target)
        As ``responses``, float64. The mean is over those who have a row, and a living channel (one
        that varies in the run), in whatever run they heard the same; NaN where nobody does. A
        target that is NaN in some of its rows only, because everybody else's channel is dead in one
        run, is fitted by no ridge: leave such places out.

    Raises
    ------
    ValueError
        If a name is unknown, the group is empty, or it is not known whose or where targets are.
    TypeError
        If ``responses`` have no labels.

    Examples
    --------
    >>> import xarray as xr
    >>> y = xr.DataArray([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]], dims=("time", "target"), coords={
    ...     "run": ("time", ["a", "a"]), "tr": ("time", [0, 1]), "target": ["P1", "P2", "P3"],
    ...     "participant": ("target", ["P1", "P2", "P3"]), "region": ("target", ["A"] * 3)})
    >>> group_mean(y)[0].values.tolist()
    [[4.0, 3.5, 1.5], [1.5, 1.5, 0.0]]
    >>> group_mean(y, participants=["P1", "P2"])[0].values[0].tolist()
    [2.0, 1.0, 1.5]
    """
    if not is_labelled(responses):
        raise TypeError(
            f"group_mean: responses is a {type(responses).__name__} without labels, which say "
            "whose a target is, and where: encodekit.data.make_response writes them"
        )
    rows = one_array(responses, "responses")
    groups = places(rows, "group_mean")
    people = rows.coords["participant"].values
    known = list(dict.fromkeys(people.tolist()))
    members = known if participants is None else _named(participants)
    for name in members:
        if name not in known:
            raise ValueError(f"group_mean: {unknown_name('participant', name, known)}")
    if not members:
        raise ValueError("group_mean: participants= names nobody: name the people of the group")
    in_group = np.isin(people, members)
    runs, merged = split_runs(rows), by_stimulus(rows, "group_mean")
    means = [_of_others(run, groups, in_group) for run in merged]
    # Of a story that was heard in several runs, a target has the mean where it has a response; in
    # the first run if it has none, so that no story counts twice.
    answered = [np.isfinite(run.values).any(axis=0) for run in runs]
    numbers, places_in = places_heard(rows)
    first = [int(np.flatnonzero(rows.coords["run"].values == run.run.values[0])[0]) for run in runs]
    story = numbers[first].tolist()
    made = []
    for number, (run, here) in enumerate(zip(runs, answered, strict=True)):
        same = [k for k, other in enumerate(story) if other == story[number]]
        nowhere = ~np.any([answered[k] for k in same], axis=0)
        at = places_in[rows.coords["run"].values == run.run.values[0]]
        at = at - places_in[numbers == story[number]].min()
        wanted = here | (nowhere & (number == same[0]))
        made.append(run.copy(data=np.where(wanted, means[story[number]][at], np.nan)))
    return RunList(made)


def _of_others(run: xr.DataArray, groups: Groups, in_group: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the mean (time, target) of those of the group who are not whose the target is."""
    values = np.asarray(run.data, dtype=np.float64)
    # A dead channel is constant, whatever it is scaled to: no response, and no part of a mean.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of targets without a row
        most, least = np.nanmax(values, axis=0), np.nanmin(values, axis=0)
    there = np.isfinite(values) & in_group & ~is_constant(most, least, np.float32)
    known_values = np.where(there, values, 0.0)
    total, n = (groups.sum(side)[:, groups.codes] for side in (known_values, there * 1.0))
    # A member's own part is taken out of the sum, so that nobody is in the mean of others.
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (total - known_values) / (n - there)
    return np.where(n - there > 0, mean, np.nan)


def _named(participants: Iterable[str]) -> list[str]:
    return [participants] if isinstance(participants, str) else list(participants)
