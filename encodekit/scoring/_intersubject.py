"""Ceilings from other people who heard the same stimulus."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import group_targets, load_columns, participants_of
from encodekit.scoring._groups import Groups, make_groups
from encodekit.scoring._jackknife import join_runs
from encodekit.scoring._repeats import correlations_without

_PLACES = (("hemisphere", "vertex"), ("vertex",), ("voxel",), ("region",))
_AT_ONCE = 256  # places

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class IntersubjectCorrelation:
    """How alike the responses of people are at each place.

    Attributes
    ----------
    share : array (1 + block, place)
        rho, the share of one person's response that all share: of all rows, then without a block.
    with_others, with_all : array (target,)
        r of a target with the mean of the others at its place, and with the mean of all.
    n_people : array (place,)
    groups : Groups
        The place of each target.
    """

    share: Floats
    with_others: Floats
    with_all: Floats
    n_people: NDArray[np.intp]
    groups: Groups


def intersubject_correlation(rows: xr.DataArray) -> IntersubjectCorrelation:
    """Return how alike people are, in the rows that everybody has.

    Raises
    ------
    ValueError
        If it is not known who a target is of, or where, somebody has two targets at a place, or
        people have no row in common.
    """
    groups = _places(rows)
    people = group_targets(rows.data, participants_of(rows.coords, groups.codes.size))
    common = np.logical_and.reduce([one.present for one in people])
    if not common.any():
        raise ValueError(
            f"noise_ceiling: the {len(people)} participants have no TR in common: select people "
            "who heard the same runs"
        )
    rows = rows.isel(time=common)
    n_people = groups.sum(np.ones(groups.codes.size)).astype(int)
    lower, upper = np.full((2, groups.codes.size), np.nan)
    # Target by target of a place, and places that as many people have: (place, person) is then a
    # shape, without gaps.
    order = np.argsort(groups.codes, kind="stable")
    found: list[tuple[NDArray[np.intp], Floats]] = []
    for n in np.unique(n_people[n_people > 1]):
        places = np.flatnonzero(n_people == n)
        for some in np.array_split(places, -(-places.size // _AT_ONCE)):
            targets = order[np.isin(groups.codes[order], some)]
            others, everybody = _leave_one_out(rows, targets, int(n))
            lower[targets], upper[targets] = others[0].ravel(), everybody[0].ravel()
            found.append((some, shared_variance(others.mean(axis=2), int(n))))
    # Blocks of time, and so rows, are the same for all; 3 (all, two blocks) where nothing is found.
    n_rows = max((len(part) for _, part in found), default=3)
    share = np.full((n_rows, groups.size), np.nan)
    for some, part in found:
        share[: len(part), some] = part
    return IntersubjectCorrelation(share, lower, upper, n_people, groups)


def shared_variance(r: Floats, n: int) -> Floats:
    """Return rho from ``r = rho sqrt((n - 1) / (1 + (n - 2) rho))``, of the sign of r."""
    # r^2 (1 + (n - 2) rho) = rho^2 (n - 1), solved for rho; below 0 the other root.
    square = r**2
    root = np.sqrt(square**2 * (n - 2) ** 2 + 4 * (n - 1) * square)
    rho: Floats = (square * (n - 2) + np.sign(r) * root) / (2 * (n - 1))
    return rho


def _leave_one_out(rows: xr.DataArray, targets: NDArray[np.intp], n: int) -> tuple[Floats, Floats]:
    """Return (1 + block, place, person): r with the mean of the others, and with that of all.

    ``targets`` come place by place, ``n`` people each.
    """
    names = rows.coords["run"].values
    weighted: dict[str, list[Floats]] = {"others": [], "all": [], "n": []}
    for run in dict.fromkeys(names.tolist()):
        values = load_columns(rows.data[names == run], targets).astype(np.float64)
        values = (values - values.mean(axis=0)).reshape(len(values), -1, n)  # time, place, person
        deviation = values.std(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            values /= np.where(deviation > 0, deviation, np.nan)
        mean = values.mean(axis=2, keepdims=True)
        others = (n * mean - values) / (n - 1)  # the mean of all, less one's own part
        for name, side in (("others", others), ("all", np.broadcast_to(mean, values.shape))):
            r, n_trs = correlations_without(
                values.reshape(len(values), -1), side.reshape(len(values), -1)
            )
            weighted[name].append(r * n_trs)
        weighted["n"].append(n_trs)
    n_trs = join_runs(weighted["n"])
    others, everybody = (join_runs(weighted[name]) / n_trs for name in ("others", "all"))
    return others.reshape(len(n_trs), -1, n), everybody.reshape(len(n_trs), -1, n)


def _places(rows: xr.DataArray) -> Groups:
    keys = next((keys for keys in _PLACES if all(key in rows.coords for key in keys)), None)
    if keys is None or "participant" not in rows.coords:
        raise ValueError(
            "noise_ceiling: the targets have no coordinate participant, or none of vertex, voxel "
            "and region: method='people' compares the same place in several people"
        )
    groups = make_groups(rows, keys)
    owners = pd.DataFrame({"place": groups.codes, "person": rows.coords["participant"].values})
    twice = owners.duplicated()
    if twice.any():
        where = int(np.flatnonzero(twice)[0])
        raise ValueError(
            f"noise_ceiling: participant {str(owners.person[where])!r} has several targets of the "
            f"same {' and '.join(keys)} (the second is {str(rows.target.values[where])!r}): "
            "average them first, so that each place has one response per person"
        )
    return groups
