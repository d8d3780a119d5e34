"""Simulated participants: a brain of their own, and what a scanner measures of it."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import make_response
from encodekit.simulation._brain import MAX_SHIFT, draw_maps, follows_under, latent_weights, shares
from encodekit.simulation._cortex import SPACE
from encodekit.simulation._haemodynamics import respond, within_run_covariance
from encodekit.simulation._noise import draw_noise, noise_loadings
from encodekit.simulation._world import World


@dataclass(frozen=True, eq=False)
class Participant:
    """A participant's brain: what each target follows, how strongly and how late.

    Attributes
    ----------
    share : ndarray, (target,)
        The signal's share of the variance of one noisy run.
    follows : ndarray of str, (target,)
    late : float
        Shift of the haemodynamic response, s.
    heard : list of ndarray, (time, latent)
        The haemodynamic latents of every story, around the mean of the story.
    weights : ndarray, (latent, target)
        Give the noiseless response, in standard deviations of one noisy run.
    """

    number: int
    name: str
    share: NDArray[np.float64]
    follows: NDArray[np.str_]
    late: float
    heard: list[NDArray[np.float32]]
    weights: NDArray[np.float32]

    def signal(self, story: int) -> NDArray[np.float32]:
        """Return the noiseless response (time, target) to one story."""
        return self.heard[story] @ self.weights


def simulate_participant(world: World, number: int) -> Participant:
    """Draw a participant's brain, and what it makes of every story."""
    recipe = world.recipe
    rng = recipe.rng("own map", number)
    late = float(rng.uniform(-MAX_SHIFT, MAX_SHIFT))
    maps = world.maps.mixed_with(draw_maps(world.cortex, rng))
    heard = [respond(latents, world.times, late) for latents in world.latents]
    covariance = within_run_covariance(heard)
    follows = follows_under(world.cortex, recipe.null)
    share = shares(follows, maps.strength, recipe.snr)
    weights = latent_weights(world.cortex, maps, world.smoothing, recipe.null, covariance)
    return Participant(
        number,
        recipe.participants[number],
        share,
        follows,
        late,
        heard=[(run - run.mean(axis=0)).astype(np.float32) for run in heard],
        weights=(weights * np.sqrt(share)).astype(np.float32),
    )


def measured_responses(world: World, person: Participant) -> dict[str, xr.DataArray]:
    """Return run -> response (repeat, time, target): signal and noise, z-scored per repeat."""
    recipe = world.recipe
    loadings = noise_loadings(recipe.rng("noise", person.number), len(world.cortex))
    lacking = recipe.lacking(person.number)
    names: NDArray[np.str_] | None = None
    measured = {}
    for story, name in enumerate(recipe.stories):
        if name in lacking:
            continue
        n_repeats = recipe.test_repeats if name in recipe.test_stories else 1
        rng = recipe.rng("noise", person.number, story)
        values = draw_noise(rng, loadings, n_repeats, len(world.times))
        values *= np.sqrt(1 - person.share).astype(np.float32)
        values += person.signal(story)
        response = _response(world, person, story, _z_score(values), names)
        names = response.coords["target"].values
        measured[name] = response
    return measured


def _z_score(values: NDArray[np.float32]) -> NDArray[np.float32]:
    values -= values.mean(axis=1, keepdims=True)
    values /= values.std(axis=1, keepdims=True)
    return values


def _response(
    world: World,
    person: Participant,
    story: int,
    values: NDArray[np.float32],
    names: NDArray[np.str_] | None,
) -> xr.DataArray:
    stimulus, cortex = world.stimuli[story], world.cortex
    return make_response(
        values,
        run=stimulus.run_name,
        stimulus=stimulus.name,
        participant=person.name,
        tr_times=stimulus.grid,
        t_r=world.recipe.t_r,
        hemisphere=cortex.hemisphere,
        vertex=cortex.vertex,
        region=cortex.region,
        target=names,
        space=SPACE,
        sample_offset=stimulus.offset,
    )
