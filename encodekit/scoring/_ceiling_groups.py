"""What the mean response of one group of people says of another group's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import unknown_name
from encodekit.scoring._intersubject import (
    IntersubjectCorrelation,
    People,
    Standardised,
    intersubject_correlation,
    masked_correlation,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TwoGroups:
    """Group means at each place, and how alike they are.

    Attributes
    ----------
    between : array (place,)
        r of the two means, within runs and weighted by TRs.
    n_model, n_scored : array (place,)
        People of either group who are there.
    """

    between: Floats
    n_model: NDArray[np.intp]
    n_scored: NDArray[np.intp]

    def measures(self, rho: Floats) -> dict[str, Any]:
        """Return what stands beside the ceiling, (place,) each.

        ``between_expected = rho sqrt(m n) / sqrt((1 + (m - 1) rho) (1 + (n - 1) rho))`` with m
        people in the model's mean and n in the scored one (Spearman and Brown); ``one_expected``
        is the same with n = 1. They have the sign of rho.
        """
        of_model, of_scored = (_signed_root(rho, n) for n in (self.n_model, self.n_scored))
        with np.errstate(invalid="ignore"):
            one = np.sqrt(np.abs(rho))
        return {
            "between": self.between,
            "between_expected": np.sign(rho) * of_model * of_scored,
            "one_expected": np.sign(rho) * of_model * one,
            "n_model": self.n_model,
            "n_scored": self.n_scored,
        }


def _signed_root(rho: Floats, n: NDArray[np.intp]) -> Floats:
    """Return ``sqrt(n |rho| / (1 + (n - 1) rho))``, r of a mean of n with what people share."""
    with np.errstate(divide="ignore", invalid="ignore"):
        root: Floats = np.sqrt(np.where(n > 0, n * np.abs(rho) / (1 + (n - 1) * rho), np.nan))
    return root


def with_groups(
    rows: xr.DataArray, scored: Sequence[Any]
) -> tuple[IntersubjectCorrelation, TwoGroups]:
    """Return what all pairs of people share, and how the means of two groups agree.

    Raises
    ------
    ValueError
        If a scored participant is unknown, or all or none are.
    """
    found = intersubject_correlation(rows)
    people = People(rows)
    is_scored = _mask(people.names, scored)
    between = np.full(people.groups.size, np.nan)
    n_people = np.zeros((2, people.groups.size), int)
    used = np.zeros(people.table.shape, dtype=bool)
    has = people.table >= 0
    used[has] = found.used[people.table[has]]
    for places in people.chunks():
        sums = np.zeros((2, places.size))
        for run in people.by_run(places):
            sums += _between(run, is_scored)
        with np.errstate(divide="ignore", invalid="ignore"):
            between[places] = sums[0] / sums[1]
    n_people = np.stack([used[:, ~is_scored].sum(axis=1), used[:, is_scored].sum(axis=1)])
    return found, TwoGroups(between, *n_people)


def _between(run: Standardised, is_scored: Bools) -> Floats:
    """Return (2, place): r of the means of both groups times TRs, and TRs."""
    counts = [run.there[..., some].sum(axis=2) for some in (~is_scored, is_scored)]
    means = [
        run.values[..., some].sum(axis=2) / np.maximum(count, 1)
        for some, count in zip((~is_scored, is_scored), counts, strict=True)
    ]
    mask = ((counts[0] > 0) & (counts[1] > 0)).astype(np.float64)
    return np.stack(masked_correlation(means[0], means[1], mask))


def _mask(names: list[Any], scored: Sequence[Any]) -> Bools:
    asked = [scored] if isinstance(scored, str) else list(scored)
    known = [str(name) for name in names]
    for one in asked:
        if str(one) not in known:
            raise ValueError(f"noise_ceiling: {unknown_name('participant', str(one), known)}")
    mask = np.isin(known, [str(one) for one in asked])
    if mask.all() or not mask.any():
        raise ValueError(
            f"noise_ceiling: scored={asked} are {int(mask.sum())} of {len(known)} participants: "
            "give some of them, the others are the model"
        )
    return mask
