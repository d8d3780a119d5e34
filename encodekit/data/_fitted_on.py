"""The warning that a model is scored on what it was fitted on, and its texts."""

from collections.abc import Sequence


class FittedOnWarning(UserWarning):
    """A model is scored on runs that it was fitted on, or that chose its weights.

    The score says nothing of new ones.
    """


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
