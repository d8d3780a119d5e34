"""The runs that tuning and validation see, matched and checked at the door."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from encodekit.data import RunList, Stimulus, check_run_names, hearings, runs_heard_in
from encodekit_brain_tuning.targets._align import (
    TargetWeights,
    run_list,
    run_name,
    select_targets,
    target_keys,
)


@dataclass(frozen=True)
class Runs:
    """Stimuli and their responses, run by run in one order."""

    stimuli: list[Stimulus]
    responses: RunList

    @property
    def n_trs(self) -> dict[str, int]:
        """Length of each run's grid."""
        return {stimulus.run_name: stimulus.n_trs for stimulus in self.stimuli}


def match_runs(stimuli: Iterable[Stimulus], responses: Any, targets: Any, what: str) -> Runs:
    """Return stimuli with the selected targets of their responses, in the order of the stimuli.

    What was heard in several runs, as where people hear the stories in other orders, is one run.

    Raises
    ------
    ValueError
        If there is no response, a run lacks its stimulus or its response, or two stimuli share
        a run.
    """
    if responses is None:
        raise ValueError(
            f"{what} needs fMRI: pass fit(stimuli, responses), such as study.responses()"
        )
    stimuli = list(stimuli)
    check_run_names([stimulus.run_name for stimulus in stimuli], what)
    heard = {stimulus.run_name: stimulus for stimulus in stimuli}
    measured = {run_name(run): run for run in run_list(responses)}
    mistakes = [f"run {name!r} has no response" for name in heard if name not in measured]
    mistakes += [f"run {name!r} has no stimulus" for name in measured if name not in heard]
    if mistakes:
        raise ValueError(f"{what}: {'; '.join(mistakes)}: pass both for every run")
    runs = select_targets(RunList(measured[name] for name in heard), targets)
    return Runs(*hearings(list(heard.values()), runs))


def validation_runs(
    validation: Any, participants: Sequence[str], targets: Any, tuning: Runs
) -> Runs | None:
    """Return the validation runs, with the tuning participants' targets alone.

    Raises
    ------
    ValueError
        If a validation story is also tuned on, or no tuning participant heard any of them.
    """
    if validation is None:
        return None
    stimuli, responses = validation_parts(validation)
    responses = RunList(_of(run, participants) for run in run_list(responses))
    if not any(run.sizes["target"] for run in responses):
        raise ValueError(
            f"validation has no fMRI of the tuning participants {', '.join(participants)}: early "
            "stop uses their runs only; pass stories that they heard, or validation=None"
        )
    held = match_runs(stimuli, responses, targets, "validation")
    both = runs_heard_in(held.stimuli, [stimulus.heard_hash for stimulus in tuning.stimuli])
    if both:
        raise ValueError(
            f"the validation runs {', '.join(map(repr, both))} have audio that is also tuned on: "
            "split by story, study.split(tune=, validate=, ...)"
        )
    return held


def validation_parts(validation: Any) -> tuple[Iterable[Stimulus], Any]:
    """Return the stimuli and the responses of a part of a study, or of a pair."""
    if hasattr(validation, "stimuli") and hasattr(validation, "responses"):
        return validation.stimuli, validation.responses()
    if isinstance(validation, tuple) and len(validation) == 2:
        return validation
    raise TypeError(
        f"validation is a {type(validation).__name__}, expected a part of study.split(...), or "
        "(stimuli, responses)"
    )


def _of(run: xr.DataArray, participants: Sequence[str]) -> xr.DataArray:
    people = run.coords["participant"].values.astype(str)
    return run.isel(target=np.flatnonzero(np.isin(people, participants)))


def target_weights(weights: Any, runs: Runs) -> TargetWeights | None:
    """Return the weight of every (participant, key) of the runs, from a DataArray (target,).

    Raises
    ------
    ValueError
        If a target has no weight, or one is not a number of 0 or more.
    """
    if weights is None:
        return None
    given = dict(zip(target_keys(weights), np.asarray(weights, dtype=float).tolist(), strict=True))
    wrong = [f"{'/'.join(name)} has {value}" for name, value in given.items() if not value >= 0]
    needed = dict.fromkeys(name for run in runs.responses for name in target_keys(run))
    wrong += [f"{'/'.join(name)} has none" for name in needed if name not in given]
    if wrong:
        raise ValueError(
            f"weights: {'; '.join(wrong[:4])}{'; ...' if len(wrong) > 4 else ''}: give each of "
            f"the {len(needed)} tuned targets a weight of 0 or more, such as ceiling.fillna(0)"
        )
    return given
