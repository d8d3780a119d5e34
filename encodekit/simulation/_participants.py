"""Simulated participants: a brain of their own, and what a scanner measures of it."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import make_response
from encodekit.simulation._brain import latent_weights, mix, shares_by_kind
from encodekit.simulation._haemodynamics import respond, within_run_covariance
from encodekit.simulation._noise import draw_noise, noise_loadings
from encodekit.simulation._world import World

Scanned = dict[str, dict[str, xr.DataArray]]  # participant -> run -> response


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
        The haemodynamic latents of every run, around the mean of the run.
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

    def signal(self, run: int) -> NDArray[np.float32]:
        """Return the noiseless response (time, target) to one run."""
        return self.heard[run] @ self.weights


def scan(world: World, tick: Callable[[float], None]) -> tuple[list[Participant], Scanned]:
    """Draw all participants, and measure what each responds."""
    numbers = range(world.design.n_participants)
    people = [simulate_participant(world, number) for number in numbers]
    responses = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        measured = pool.map(lambda person: measured_responses(world, person), people)
        for person, runs in zip(people, measured, strict=True):
            responses[person.name] = runs
            tick(1)
    return people, responses


def simulate_participant(world: World, number: int) -> Participant:
    """Draw a participant's brain, and what it makes of every run."""
    design = world.design
    rng = design.rng("own map", number)
    late = float(rng.uniform(-design.late, design.late))
    own = world.places.smooth_fields(rng, world.latents.n_fields)
    fields = mix(world.fields, own, design.shared)
    heard = haemodynamic(world, late)
    covariance = within_run_covariance(heard)
    share = shares_by_kind(world.places.follows, world.follows, fields[-1], design.snr)
    weights = latent_weights(world.latents, world.kinds, fields, world.smoothing, covariance)
    return Participant(
        number,
        design.participants[number],
        share,
        world.follows,
        late,
        heard=[(run - run.mean(axis=0)).astype(np.float32) for run in heard],
        weights=(weights * np.sqrt(share)).astype(np.float32),
    )


def haemodynamic(world: World, late: float) -> list[NDArray[np.float64]]:
    """Return what a response that is late by so many seconds makes of the latents of each run."""
    pairs = zip(world.heard, world.times, strict=True)
    return [respond(latents, times, late) for latents, times in pairs]


def measured_responses(world: World, person: Participant) -> dict[str, xr.DataArray]:
    """Return run -> response (repeat, time, target): signal and noise, z-scored per repeat."""
    design = world.design
    loadings = noise_loadings(design.rng("noise", person.number), len(world.places))
    lacking = design.lacking(person.number)
    names = world.places.target_names(person.name)
    measured = {}
    for run, name in enumerate(design.runs):
        if name in lacking:
            continue
        n_trs = len(world.times[run])
        rng = design.rng("noise", person.number, run)
        values = draw_noise(rng, loadings, design.n_repeats(name), n_trs, design.noise)
        values *= np.sqrt(1 - person.share).astype(np.float32)
        values += person.signal(run)
        measured[name] = _response(world, person, run, _z_score(values), names)
        names = measured[name].coords["target"].values
    return measured


def _z_score(values: NDArray[np.float32]) -> NDArray[np.float32]:
    values -= values.mean(axis=1, keepdims=True)
    values /= values.std(axis=1, keepdims=True)
    return values


def _response(
    world: World,
    person: Participant,
    run: int,
    values: NDArray[np.float32],
    names: list[str] | NDArray[np.str_] | None,
) -> xr.DataArray:
    stimulus = world.stimuli[run]
    assert stimulus.t_r is not None
    return make_response(
        values,
        run=stimulus.run_name,
        stimulus=stimulus.name,
        participant=person.name,
        tr_times=stimulus.grid,
        t_r=stimulus.t_r,
        **world.places.coords(),
        target=names,
        space=world.places.space,
        sample_offset=stimulus.offset,
    )
