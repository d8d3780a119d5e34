"""Which runs a model was tuned on, and the warning when they are used again."""

from collections.abc import Sequence

import xarray as xr

from encodekit.core import warn_caller
from encodekit.data import say_runs


class TunedOnWarning(UserWarning):
    """Features of a run that tuned the model: a ridge or a score on it is biased."""


def warn_of(runs: Sequence[str], participants: Sequence[str]) -> None:
    """Warn that the model was tuned on ``runs`` of ``participants``; nothing if there are none."""
    if not runs:
        return
    warn_caller(
        f"the model was tuned on {len(runs)} of these runs ({say_runs(runs)}) with the fMRI of "
        f"{', '.join(participants)}: a ridge fitted or a score taken on them uses their noise "
        "twice, for everyone who heard them. Use other stories: study.split(tune=, fit=, test=)",
        TunedOnWarning,
    )


def warn_if_tuned_on(features: xr.DataArray) -> list[str]:
    """Warn if ``features`` hold runs that tuned the model that made them; return those runs.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rows = xr.DataArray(np.zeros((2, 1)), dims=("time", "feature"),
    ...                     coords={"run": ("time", ["a", "b"])}, attrs={"tuned_on_runs": []})
    >>> warn_if_tuned_on(rows)
    []
    """
    there = set(features.coords["run"].values.astype(str).tolist())
    runs = [run for run in features.attrs.get("tuned_on_runs", []) if run in there]
    warn_of(runs, features.attrs.get("tuned_participants", []))
    return runs
