"""What a simulation knows: noiseless responses, shares, and who follows what."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.simulation._participants import Participant, haemodynamic
from encodekit.simulation._world import World

_PLACES = ("target", "participant", "hemisphere", "vertex", "region")


def truth_of(
    world: World, people: Sequence[Participant], responses: Mapping[str, Mapping[str, xr.DataArray]]
) -> xr.Dataset:
    """Return what every simulated study knows; see `simulate_study` for its variables."""
    by_target = {
        "share": np.concatenate([person.share for person in people]),
        "follows": np.concatenate([person.follows for person in people]),
        "smoothing": np.tile(_smoothing(world), len(people)),
        "late": np.repeat([person.late for person in people], len(world.places)),
    }
    return xr.Dataset(
        {
            "response": (("time", "target"), _noiseless(world, people)),
            **{name: ("target", values) for name, values in by_target.items()},
        },
        coords={**_time_coords(world), **_target_coords(responses)},
    )


def latents_of(world: World, people: Sequence[Participant]) -> xr.Dataset:
    """Return the latents without lateness, the weights on them, and the names of both."""
    parts = world.latents.parts
    blocks = [(part, seconds) for part in parts for seconds in part.seconds]
    sizes = [part.n_features for part, _ in blocks]
    heard = [run - run.mean(axis=0) for run in haemodynamic(world, late=0.0)]
    weights = np.concatenate([person.weights for person in people], axis=1)
    return xr.Dataset(
        {
            "latent": (("time", "column"), np.concatenate(heard).astype(np.float32)),
            "weight": (("column", "target"), weights),
        },
        coords={
            "part": ("column", np.repeat([part.name for part, _ in blocks], sizes)),
            "gathered": ("column", np.repeat([seconds for _, seconds in blocks], sizes)),
            "feature": ("column", np.concatenate([np.arange(size) for size in sizes])),
        },
    )


def _smoothing(world: World) -> NDArray[np.float64]:
    """Return the seconds over which each target gathers the first that it follows."""
    seconds = np.full(len(world.places), np.nan)
    for kind, followed in world.latents.followed.items():
        of_kind = world.places.follows == kind
        seconds[of_kind] = world.smoothing[followed[0][0], of_kind]
    return np.where(seconds > 0, seconds, np.nan)


def _noiseless(world: World, people: Sequence[Participant]) -> Any:
    n_targets, ends = len(world.places), np.cumsum([len(times) for times in world.times])
    response = np.empty((ends[-1], n_targets * len(people)), dtype=np.float32)
    for person in people:
        columns = slice(person.number * n_targets, (person.number + 1) * n_targets)
        for run, end in enumerate(ends):
            response[end - len(world.times[run]) : end, columns] = person.signal(run)
    return response


def _time_coords(world: World) -> dict[str, tuple[str, Any]]:
    stimuli = world.stimuli
    n_trs = [stimulus.n_trs for stimulus in stimuli]
    return {
        "run": ("time", np.repeat([stimulus.run_name for stimulus in stimuli], n_trs)),
        "stimulus": ("time", np.repeat([stimulus.name for stimulus in stimuli], n_trs)),
        "tr": ("time", np.concatenate([np.arange(n) for n in n_trs])),
        "seconds": ("time", np.concatenate([stimulus.grid for stimulus in stimuli])),
    }


def _target_coords(
    responses: Mapping[str, Mapping[str, xr.DataArray]],
) -> dict[str, tuple[str, Any]]:
    first = [next(iter(runs.values())).coords for runs in responses.values()]
    return {
        name: ("target", np.concatenate([coords[name].values for coords in first]))
        for name in _PLACES
        if name in first[0]
    }
