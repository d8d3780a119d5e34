"""Which runs were heard before, by the content of their audio, and the warning that says so."""

import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence

from encodekit.data._stimulus import Stimulus

_INSIDE = ("encodekit", "encodekit_brain_tuning", "encodekit_adapters", "joblib", "sklearn")


class FittedOnWarning(UserWarning):
    """A model is scored on runs that it was fitted on: the score says nothing of new ones."""


def runs_heard_in(stimuli: Iterable[Stimulus], known: Mapping[str, str]) -> list[str]:
    """Return the runs among ``stimuli`` whose audio is in ``known`` (audio hash to run)."""
    return [stimulus.run_name for stimulus in stimuli if stimulus.audio_hash in known]


def say_fitted_on(runs: Sequence[str], model: str) -> str:
    """Return the text of a `FittedOnWarning`."""
    shown = ", ".join(map(repr, runs[:4])) + (" ..." if runs[4:] else "")
    return (
        f"{model} was fitted on {len(runs)} of the runs that it is scored on ({shown}): its score "
        "on them says nothing of new ones. Score other stories"
    )


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called encodekit, through pipelines of scikit-learn too."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in _INSIDE
