"""What a study holds: the one value that its helpers take and return."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from encodekit.data._stimulus import Stimulus

ByRun = dict[str, xr.DataArray]
TargetCoords = dict[str, NDArray[Any]]
Truth = xr.Dataset | Callable[[], xr.Dataset] | None


@dataclass(frozen=True, eq=False)
class StudyContents:
    """What was heard and how participants responded, checked and in one form.

    Helpers of `Study` (its description, its folder, its joins) know this and not `Study`, so that
    `Study` can import them.

    Attributes
    ----------
    name : str
    description : str or None
    stimuli : list of Stimulus
        One per run.
    responses : participant -> run -> DataArray (repeat, time, target)
    targets : participant -> coordinate -> array (target,)
        The coordinates on ``target`` that hold for every run.
    confounds : participant -> run -> list of tables (time, confound), one per repeat
    truth : Dataset, callable that reads it, or None
    """

    name: str
    description: str | None
    stimuli: list[Stimulus]
    responses: Mapping[str, ByRun]
    targets: Mapping[str, TargetCoords]
    confounds: Mapping[str, Mapping[str, list[Any]]]
    truth: Truth = None

    def load_truth(self) -> xr.Dataset | None:
        """Return what a simulation knows, read now if it is not in memory."""
        return self.truth() if callable(self.truth) else self.truth

    @property
    def participants(self) -> list[str]:
        """Names of the participants."""
        return list(self.targets)

    @property
    def runs(self) -> list[str]:
        """Names of the runs."""
        return [stimulus.run_name for stimulus in self.stimuli]

    @property
    def t_rs(self) -> list[float]:
        """The repetition times of the runs, s, each once."""
        return sorted({float(stimulus.t_r or 0) for stimulus in self.stimuli})

    @property
    def minutes(self) -> float:
        """How long all runs last together, each at its own TR."""
        return sum(s.n_trs * float(s.t_r or 0) for s in self.stimuli) / 60
