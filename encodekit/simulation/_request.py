"""What `simulate_responses` is asked for, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from encodekit.core import refuse, unknown_name
from encodekit.data import Stimulus
from encodekit.simulation._brain import Snr, check_snr
from encodekit.simulation._design import Design, missing_mistakes
from encodekit.simulation._noise import Noise
from encodekit.simulation._places import NOTHING, UNRELATED

NULLS = (NOTHING, UNRELATED)
_LATEST = 3.0  # s; the response peaks after 5
_FEWEST = 4  # TRs of a run


@dataclass(frozen=True)
class Request:
    """The parameters of `simulate_responses`; ``regions`` says which of them follow something."""

    stimuli: list[Stimulus]
    regions: Mapping[str, bool]
    n_targets: int | Mapping[str, int]
    repeats: int | Mapping[str, int]
    null: str | None
    n_participants: int
    snr: Snr | Mapping[str, Snr]
    missing: float
    shared: float
    late: float
    noise: Noise
    seed: int

    def __post_init__(self) -> None:
        mistakes = [*self._region_mistakes(), *self._number_mistakes(), *self._run_mistakes()]
        refuse("simulate_responses", mistakes)
        for snr in self._snrs.values():
            check_snr(snr)

    @property
    def _snrs(self) -> Mapping[str, Snr]:
        if isinstance(self.snr, Mapping):
            return self.snr
        return {region: self.snr for region, follows in self.regions.items() if follows}

    @property
    def counts(self) -> dict[str, int]:
        """How many targets each region has."""
        given = self.n_targets
        if isinstance(given, Mapping):
            return {region: int(given[region]) for region in self.regions}
        return dict.fromkeys(self.regions, int(given))

    @property
    def often(self) -> Mapping[str, int]:
        """How often each run was heard."""
        given = self.repeats
        if isinstance(given, Mapping):
            return given
        return {stimulus.run_name: given for stimulus in self.stimuli}

    @cached_property
    def design(self) -> Design:
        """Who heard what how often."""
        snr = self.snr
        return Design(
            n_participants=int(self.n_participants),
            runs=tuple(stimulus.run_name for stimulus in self.stimuli),
            repeats={run: int(n) for run, n in self.often.items() if n > 1},
            snr=snr if isinstance(snr, str | Mapping) else (float(snr[0]), float(snr[1])),
            missing=float(self.missing),
            seed=int(self.seed),
            shared=float(self.shared),
            late=float(self.late),
            noise=self.noise,
        )

    @property
    def attrs(self) -> dict[str, Any]:
        """What the truth says of it; text, numbers and lists alone, which every file holds."""
        said = {
            region: snr if isinstance(snr, str) else f"{snr[0]:g} to {snr[1]:g}"
            for region, snr in self._snrs.items()
        }
        return {
            "snr": "; ".join(f"{region}: {snr}" for region, snr in said.items()),
            "repeated": sorted(self.design.repeats),
            "shared": float(self.shared),
            "null": self.null or "none",
            "seed": int(self.seed),
        }

    def _region_mistakes(self) -> list[str]:
        mistakes = [
            f"a region called {name!r} follows something: call it otherwise"
            for name in (NOTHING, UNRELATED)
            if self.regions.get(name)
        ]
        if not any(self.regions.values()):
            mistakes.append("follow names no region that follows something: name one at least")
        following = [region for region, follows in self.regions.items() if follows]
        for what, given, known in (
            ("n_targets", self.n_targets, list(self.regions)),
            ("snr", self.snr, following),
        ):
            if isinstance(given, Mapping):
                odd = [region for region in given if region not in self.regions]
                mistakes += [f"{what}: {unknown_name('region', name, known)}" for name in odd]
                mistakes += [f"{what} lacks region {name!r}" for name in known if name not in given]
        if self.null is not None and self.null not in NULLS:
            mistakes.append(unknown_name("null", self.null, NULLS))
        return mistakes

    def _number_mistakes(self) -> list[str]:
        given = self.n_targets
        counts = list(given.values()) if isinstance(given, Mapping) else [given]
        expected = {
            f"n_participants={self.n_participants}, expected 1 or more": self.n_participants >= 1,
            f"n_targets={given}, expected 1 or more": min(counts, default=1) >= 1,
            f"shared={self.shared}, expected 0 to 1": 0 <= self.shared <= 1,
            f"late={self.late}, expected 0 to {_LATEST:g} s": 0 <= self.late <= _LATEST,
        }
        mistakes = [message for message, holds in expected.items() if not holds]
        return mistakes + missing_mistakes(self.missing, self.n_participants)

    def _run_mistakes(self) -> list[str]:
        runs = [stimulus.run_name for stimulus in self.stimuli]
        mistakes = [
            f"repeats: {unknown_name('run', run, runs)}" for run in self.often if run not in runs
        ]
        mistakes += [f"repeats={n}, expected 1 or more" for n in {*self.often.values()} if n < 1]
        once = len(runs) - sum(n > 1 for n in self.often.values())
        if self.missing and not once:
            mistakes.append(
                f"missing={self.missing:g}, but every run is repeated, and repeated runs are heard "
                "by all: leave some to be heard once"
            )
        mistakes += [
            f"run {stimulus.run_name!r} has {stimulus.n_trs} TRs: a run needs {_FEWEST} or more"
            for stimulus in self.stimuli
            if stimulus.n_trs < _FEWEST
        ]
        return mistakes
