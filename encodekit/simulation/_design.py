"""Who was scanned how: what spoken and given stimuli have in common."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from encodekit.simulation._brain import MAX_SHIFT, SHARED, Snr
from encodekit.simulation._noise import NOISE, Noise

# Each source of chance has a stream of its own, so that more people or stories change no other.
_STREAMS = ("vectors", "story", "shared map", "own map", "noise", "latents", "missing")


def stream(seed: int, name: str, *which: int) -> np.random.Generator:
    """Return the generator of one source of chance; ``which`` counts people or stories."""
    key = (_STREAMS.index(name), *which)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


@dataclass(frozen=True)
class Design:
    """The people, what they have in common, and what they heard how often.

    Attributes
    ----------
    n_participants : int
    runs : tuple of str
    repeats : mapping run -> int
        Of the runs that were heard more than once.
    snr : of one region, or one for each
    missing : float
        Fraction of the runs heard once that each participant lacks.
    shared : float
        Of the variance of a map, what is the same in everybody.
    late : float
        s; a person's haemodynamic response is late by up to that, either way.
    """

    n_participants: int
    runs: tuple[str, ...]
    repeats: Mapping[str, int]
    snr: Snr | Mapping[str, Snr]
    missing: float
    seed: int
    shared: float = SHARED
    late: float = MAX_SHIFT
    noise: Noise = NOISE

    def rng(self, name: str, *which: int) -> np.random.Generator:
        """Return the generator of one source of chance."""
        return stream(self.seed, name, *which)

    @property
    def participants(self) -> list[str]:
        """Names of the participants."""
        return [f"P{number}" for number in range(1, self.n_participants + 1)]

    def n_repeats(self, run: str) -> int:
        """Return how often each participant heard a run."""
        return self.repeats.get(run, 1)

    def lacking(self, participant: int) -> set[str]:
        """Return the runs that a participant did not hear; never a repeated one."""
        once = [run for run in self.runs if run not in self.repeats]
        n_lacking = round(self.missing * len(once))
        order = self.rng("missing").permutation(len(once))
        places = participant * n_lacking + np.arange(n_lacking)
        return {once[order[place % len(once)]] for place in places}


def missing_mistakes(missing: float, n_participants: int) -> list[str]:
    """Return what is wrong with the fraction of runs that each participant lacks."""
    if 0 <= missing <= 0.5 and not (missing and n_participants == 1):
        return []
    return [
        f"missing={missing:g} with n_participants={n_participants}: take 0 to "
        "0.5, and two participants or more, so that somebody heard every story"
    ]
