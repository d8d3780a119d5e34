"""What a simulated study is made from: its parameters, its seeds, its stories' names."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

import numpy as np

from encodekit.core import unknown_name
from encodekit.simulation._brain import Snr, check_snr
from encodekit.simulation._design import Design, missing_mistakes, stream
from encodekit.simulation._speech import HELD_OUT_VOICE, VOICES

NULLS = ("nothing", "acoustics", "unrelated")
STUDY_VOICES = tuple(voice for voice in VOICES if voice != HELD_OUT_VOICE)
_FORMAT = 1  # of everything that decides about the values: raise it when one seed gives others


@dataclass(frozen=True)
class Recipe:
    """The parameters of `simulate_study`, checked; equal recipes give equal studies."""

    n_participants: int
    n_stories: int
    minutes: float
    t_r: float
    snr: Snr
    null: str | None
    n_test: int
    test_repeats: int
    vertices: int | None
    missing: float
    voices: tuple[str, ...]
    words_held_out: tuple[str, ...]
    seed: int

    def __post_init__(self) -> None:
        mistakes = self._mistakes()
        if mistakes:
            raise ValueError("simulate_study: " + "; ".join(mistakes))
        check_snr(self.snr)

    def _mistakes(self) -> list[str]:
        counts = ("n_participants", "n_stories", "test_repeats")
        mistakes = [
            f"{name}={getattr(self, name)}, expected 1 or more"
            for name in counts
            if getattr(self, name) < 1
        ]
        if not 0 <= self.n_test <= self.n_stories:
            mistakes.append(f"n_test={self.n_test} of n_stories={self.n_stories}: take 0 to all")
        if not (self.t_r > 0 and self.seconds >= 4 * self.t_r):
            mistakes.append(
                f"minutes={self.minutes:g} and t_r={self.t_r:g} s: a story needs 4 TRs or more"
            )
        if self.null is not None and self.null not in NULLS:
            mistakes.append(unknown_name("null", self.null, NULLS))
        if not self.voices:
            mistakes.append("voices is empty: name at least one")
        mistakes += missing_mistakes(self.missing, self.n_participants)
        return mistakes

    @property
    def seconds(self) -> float:
        """Length of a story."""
        return 60 * self.minutes

    @property
    def stories(self) -> list[str]:
        """Names of all stories, in order."""
        width = max(2, len(str(self.n_stories)))
        return [f"story-{number:0{width}d}" for number in range(1, self.n_stories + 1)]

    @property
    def test_stories(self) -> list[str]:
        """Names of the repeated stories: the last one, and others spread before it."""
        step = max(1, int(0.375 * self.n_stories / max(self.n_test - 1, 1)))
        numbers = [self.n_stories - place * step for place in range(self.n_test)]
        return [self.stories[number - 1] for number in sorted(numbers)]

    @property
    def design(self) -> Design:
        """Who heard what how often."""
        return Design(
            n_participants=self.n_participants,
            runs=tuple(self.stories),
            repeats=dict.fromkeys(self.test_stories, self.test_repeats),
            snr=self.snr,
            missing=self.missing,
            seed=self.seed,
        )

    def rng(self, name: str, *which: int) -> np.random.Generator:
        """Return the generator of one source of chance; ``which`` counts stories."""
        return stream(self.seed, name, *which)

    def key(self, *others: str) -> str:
        """Return what names the study in the cache."""
        parts = json.dumps([_FORMAT, asdict(self), *others], sort_keys=True)
        return sha256(parts.encode()).hexdigest()[:20]
