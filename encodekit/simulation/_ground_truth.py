"""What a simulation knows: noiseless responses, shares, and who follows what."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from encodekit.simulation._participants import Participant
from encodekit.simulation._world import World

_PLACES = ("target", "participant", "hemisphere", "vertex", "region")


def truth_of(
    world: World, people: Sequence[Participant], responses: Mapping[str, Mapping[str, xr.DataArray]]
) -> xr.Dataset:
    """Return the truth of a study; see `simulate_study` for its variables."""
    recipe, words = world.recipe, list(world.vectors)
    by_target = {
        "share": np.concatenate([person.share for person in people]),
        "follows": np.concatenate([person.follows for person in people]),
        "smoothing": np.tile(world.smoothing, len(people)),
        "late": np.repeat([person.late for person in people], len(world.cortex)),
    }
    return xr.Dataset(
        {
            "response": (("time", "target"), _noiseless(world, people)),
            **{name: ("target", values) for name, values in by_target.items()},
            "word_vector": (("word", "dimension"), np.stack([world.vectors[w] for w in words])),
        },
        coords={**_time_coords(world), **_target_coords(responses), "word": words},
        attrs={
            "t_r": recipe.t_r,
            "test_stories": recipe.test_stories,
            "snr": recipe.snr if isinstance(recipe.snr, str) else list(recipe.snr),
            "null": recipe.null or "none",
            "seed": recipe.seed,
            "regions": world.cortex.source,
        },
    )


def _noiseless(world: World, people: Sequence[Participant]) -> Any:
    n_trs, n_targets = len(world.times), len(world.cortex)
    shape = (n_trs * len(world.stimuli), n_targets * len(people))
    response = np.empty(shape, dtype=np.float32)
    for person in people:
        columns = slice(person.number * n_targets, (person.number + 1) * n_targets)
        for story in range(len(world.stimuli)):
            response[story * n_trs : (story + 1) * n_trs, columns] = person.signal(story)
    return response


def _time_coords(world: World) -> dict[str, tuple[str, Any]]:
    n_trs, stimuli = len(world.times), world.stimuli
    return {
        "run": ("time", np.repeat([stimulus.run_name for stimulus in stimuli], n_trs)),
        "stimulus": ("time", np.repeat([stimulus.name for stimulus in stimuli], n_trs)),
        "tr": ("time", np.tile(np.arange(n_trs), len(stimuli))),
        "seconds": ("time", np.concatenate([stimulus.grid for stimulus in stimuli])),
    }


def _target_coords(
    responses: Mapping[str, Mapping[str, xr.DataArray]],
) -> dict[str, tuple[str, Any]]:
    first = [next(iter(runs.values())).coords for runs in responses.values()]
    return {
        name: ("target", np.concatenate([coords[name].values for coords in first]))
        for name in _PLACES
    }
