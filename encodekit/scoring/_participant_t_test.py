"""Whether other people would show it: t tests over participants."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from encodekit.scoring._groups import Groups

Floats = NDArray[np.float64]


def participant_means(values: Floats, groups: Groups, participants: NDArray[Any]) -> Floats:
    """Return (person, group): mean values (target,) of each one's targets; NaN without any."""
    people = list(dict.fromkeys(participants.tolist()))
    return np.stack([groups.mean(np.where(participants == one, values, np.nan)) for one in people])


def mean_and_error(values: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Return mean, standard error and number of the defined values (person, ...)."""
    n = np.isfinite(values).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nansum(values, axis=0) / n
        spread = np.nansum((values - mean) ** 2, axis=0) / (n - 1)  # NaN of one: 0 / 0
        error = np.where(n > 1, np.sqrt(spread / n), np.nan)
    return mean, error, n


def over_people(r: Floats, groups: Groups, truth: xr.DataArray) -> dict[str, Any]:
    """Return the one-sided p of a t test over the participants of each group, and how many."""
    n_people, p = np.ones(groups.size, int), np.full(groups.size, np.nan)
    if groups.dim == "group" and "participant" in truth.coords:
        table = participant_means(r, groups, truth.coords["participant"].values)
        mean, error, n_people = mean_and_error(table)
        with np.errstate(divide="ignore", invalid="ignore"):
            p = stats.t.sf(mean / error, n_people - 1)
    return {"p_over_people": p, "n_people": n_people}
