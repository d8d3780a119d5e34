"""Which runs were heard before, by the content of their audio, and the warning that says so."""

import sys
import warnings
from collections.abc import Iterable, Sequence

from encodekit.data._stimulus import Stimulus

_CLOSE = 1e-6  # s
_INSIDE = ("encodekit", "encodekit_brain_tuning", "encodekit_adapters", "joblib", "sklearn")


class FittedOnWarning(UserWarning):
    """A model is scored on runs that it was fitted on, or that chose its weights.

    The score says nothing of new ones.
    """


def is_same_sound(mine: str, theirs: str) -> bool:
    """Tell whether two hashes of what was heard (`Stimulus.heard_hash`) overlap.

    They do if their audio is the same; segments of one audio do where less than the larger of
    their gaps lies between them.
    """
    (audio, *when), (other, *elsewhere) = mine.split(), theirs.split()
    if audio != other or not (when and elsewhere):
        return audio == other
    (start, stop, gap), (begin, end, other_gap) = map(float, when), map(float, elsewhere)
    return max(start - end, begin - stop) < max(gap, other_gap) - _CLOSE


def runs_heard_in(stimuli: Iterable[Stimulus], known: Iterable[str]) -> list[str]:
    """Return the runs among ``stimuli`` that overlap with one of ``known`` (hashes)."""
    hashes = list(known)
    return [
        stimulus.run_name
        for stimulus in stimuli
        if any(is_same_sound(stimulus.heard_hash, one) for one in hashes)
    ]


def say_runs(runs: Sequence[str]) -> str:
    """Name the first four runs."""
    return ", ".join(map(repr, runs[:4])) + (" ..." if runs[4:] else "")


def say_fitted_on(runs: Sequence[str], model: str) -> str:
    """Return the text of a `FittedOnWarning`."""
    return (
        f"{model} was fitted on {len(runs)} of the runs that it is scored on ({say_runs(runs)}): "
        "its score on them says nothing of new ones. Score other stories"
    )


def say_chosen_on(runs: Sequence[str], model: str) -> str:
    """Return the text of a `FittedOnWarning` where validation runs are scored."""
    return (
        f"{len(runs)} of the runs that {model} is scored on ({say_runs(runs)}) validated its "
        "tuning, which kept the weights that were best on them: its score on them is too good. "
        "Score other stories"
    )


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called encodekit, through pipelines of scikit-learn too."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in _INSIDE
