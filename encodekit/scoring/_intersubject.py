"""Ceilings from other people who heard the same stimulus."""

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import group_targets, is_constant, load_columns, participants_of
from encodekit.scoring._groups import Groups, make_groups
from encodekit.scoring._jackknife import block_starts, join_runs

_PLACES = (("hemisphere", "vertex"), ("vertex",), ("voxel",), ("region",))
_AT_ONCE = 2**15  # pairs of people, and so at most as many floats in each of some arrays per block
_FEWEST = 3  # TRs that a pair has in common, or its r is +-1 or nothing
_SHOWN = 5

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class IntersubjectCorrelation:
    """How alike the responses of people are at each place.

    Attributes
    ----------
    share : array (1 + block, place)
        rho, the share of one person's response that all share: of all rows, then without a block.
    with_others, with_all : array (target,)
        r of a target with the mean of the others at its place, and with the mean of all.
    floor : array (target,)
        What ``with_all`` is where nothing is shared.
    used : array (target,) of bool
        Whether a target is part of a pair.
    n_people, n_left_out : array (place,)
        People whose responses the share is from, and those at the place that it is not from.
    groups : Groups
        The place of each target.
    """

    share: Floats
    with_others: Floats
    with_all: Floats
    floor: Floats
    used: Bools
    n_people: NDArray[np.intp]
    n_left_out: NDArray[np.intp]
    groups: Groups


@dataclass(frozen=True, eq=False)
class Standardised:
    """Responses of one run at some places, each of mean 0 and SD 1.

    Attributes
    ----------
    values : array (time, place, person)
        0 where there is none.
    here : array (time, person) of bool
        Rows that a person has.
    alive : array (place, person) of bool
        Neither constant nor with a stray NaN.
    """

    values: Floats
    here: Bools
    alive: Bools

    @property
    def there(self) -> Floats:
        """1 where there is a value, else 0: (time, place, person)."""
        return (self.here[:, None, :] & self.alive).astype(np.float64)


class People:
    """Responses (time, target) by place and person, each target of one of either.

    Attributes
    ----------
    groups : Groups
        The place of each target.
    names : list
        Of people, in order of appearance.
    table : array (place, person)
        The number of the target; -1 where a person has none.
    """

    def __init__(self, rows: xr.DataArray) -> None:
        self.rows, self.groups = rows, places(rows)
        owners = participants_of(rows.coords, self.groups.codes.size)
        person, names = pd.factorize(owners)
        self.names = list(names)
        self.table = np.full((self.groups.size, len(self.names)), -1)
        self.table[self.groups.codes, person] = np.arange(person.size)
        self._here = np.stack([one.present for one in group_targets(rows.data, owners)], axis=1)
        self._check_common()
        #: How many targets of a person were dead in a run.
        self.dead: Counter[tuple[int, str]] = Counter()

    def chunks(self) -> Iterator[NDArray[np.intp]]:
        """Yield places, so many at once that their pairs fit in memory."""
        at_once = max(_AT_ONCE // len(self.names) ** 2, 1)
        for start in range(0, self.groups.size, at_once):
            yield np.arange(start, min(start + at_once, self.groups.size))

    def by_run(self, places: NDArray[np.intp]) -> Iterator[Standardised]:
        """Yield the responses at these places, run by run."""
        names = self.rows.coords["run"].values
        for run in dict.fromkeys(names.tolist()):
            in_run = names == run
            one = self._standardised(places, in_run)
            lost = (self.table[places] >= 0) & ~one.alive & one.here.any(axis=0)
            for person in np.flatnonzero(lost.any(axis=0)):
                self.dead[int(person), str(run)] += int(lost[:, person].sum())
            yield one

    def _standardised(self, places: NDArray[np.intp], in_run: Bools) -> Standardised:
        here = self._here[in_run]
        targets = self.table[places].ravel()
        has, columns = targets >= 0, np.full((len(here), targets.size), np.nan)
        columns[:, has] = load_columns(self.rows.data[in_run], targets[has])
        values: Floats = columns.reshape(len(here), places.size, -1)
        mask = here[:, None, :]
        stray = (np.isnan(values) & mask).any(axis=0)
        values = np.where(mask & ~stray, values, 0.0)
        high, low = (
            end(np.where(mask, values, -sign * np.inf), axis=0)
            for end, sign in ((np.max, 1), (np.min, -1))
        )
        # max < min where a person has no row of the run; float32 rounds constants.
        alive = ~stray & (high > low) & ~is_constant(high, low, np.float32)
        n = np.maximum(here.sum(axis=0), 1)
        centred = np.where(mask & alive, values - values.sum(axis=0) / n, 0.0)
        deviation = np.sqrt(np.square(centred).sum(axis=0) / n)
        return Standardised(centred / np.where(alive, deviation, 1.0), here, alive)

    def _check_common(self) -> None:
        n = len(self.names)
        if n < 2:
            raise ValueError(
                f"noise_ceiling: the responses are of {', '.join(map(str, self.names))} alone, and "
                "a ceiling over people needs two who heard the same: use method='repeats' for one"
            )
        common = self._here.T.astype(np.intp) @ self._here
        if not common[~np.eye(n, dtype=bool)].any():
            raise ValueError(
                f"noise_ceiling: no two of the {n} participants have a TR in common: select "
                "people who heard the same runs"
            )

    def warn_of_lost(self, left_out: Bools) -> None:
        """Name who is left out: ``left_out`` (place, person), and dead targets of single runs."""
        dead: dict[int, list[str]] = {}
        for person, run in self.dead:
            dead.setdefault(person, []).append(run)
        said = [
            f"participant {str(self.names[person])!r} (up to "
            f"{max(self.dead[person, run] for run in runs)} targets that are constant or have a "
            f"stray NaN in {', '.join(runs)})"
            for person, runs in dead.items()
        ]
        said += [
            f"participant {str(self.names[person])!r} (no TR in common with others)"
            for person in np.flatnonzero(left_out.any(axis=0)).tolist()
            if person not in dead
        ]
        if said:
            more = f" and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
            warnings.warn(
                "noise_ceiling: targets are left out of pairs of people, and their place has its "
                f"ceiling from the others: {', '.join(said[:_SHOWN])}{more}. n_left_out counts "
                "them by place; mask dead targets before, or drop these people, if you did not "
                "expect them",
                stacklevel=5,
            )


def intersubject_correlation(rows: xr.DataArray) -> IntersubjectCorrelation:
    """Return how alike people are: mean r over pairs of them, in the rows that both have.

    Raises
    ------
    ValueError
        If it is not known who a target is of, or where, somebody has two targets at a place, or
        no two people have a row in common.

    Warns
    -----
    UserWarning
        If targets are left out of all pairs, or of those of a run.
    """
    people = People(rows)
    n_targets = people.groups.codes.size
    lower, upper, floor = np.full((3, n_targets), np.nan)
    used = np.zeros(people.table.shape, dtype=bool)
    shares = []
    for places in people.chunks():
        pairs: list[tuple[Floats, Floats]] = []
        means = np.zeros((5, *people.table[places].shape))
        for run in people.by_run(places):
            weighted, n_trs, in_pair = _pairs(run)
            pairs.append((weighted, n_trs))
            used[places] |= in_pair
            means += _with_means(run)
        weighted, n_trs = (join_runs(part) for part in zip(*pairs, strict=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            shares.append(weighted / n_trs)
            found = means[[0, 2, 4]] / means[[1, 3, 3]]
        has = people.table[places] >= 0
        for into, values in zip((lower, upper, floor), found, strict=True):
            into[people.table[places][has]] = values[has]
    left_out = _left_out(people.table >= 0, used)
    people.warn_of_lost(left_out)
    by_target = np.zeros(n_targets, dtype=bool)
    by_target[people.table[people.table >= 0]] = used[people.table >= 0]
    n_left_out = left_out.sum(axis=1)
    return IntersubjectCorrelation(
        np.concatenate(shares, axis=1), lower, upper, floor, by_target,
        (people.table >= 0).sum(axis=1) - n_left_out, n_left_out, people.groups,
    )  # fmt: skip


def _left_out(has: Bools, used: Bools) -> Bools:
    """Return (place, person): who has a target that no pair takes; who is alone is not left out."""
    left_out: Bools = has & ~used & (has.sum(axis=1) > 1)[:, None]
    return left_out


def _pairs(run: Standardised) -> tuple[Floats, Floats, Bools]:
    """Return sums over pairs of people of r times TRs, and of TRs: (1 + block, place) each.

    And which people (place, person) are in a pair.
    """
    x, here = np.ascontiguousarray(run.values.transpose(1, 2, 0)), run.here.astype(np.float64)
    starts = block_starts(len(here))
    ends = [*starts[1:].tolist(), len(here)]
    # (block, place, person, person), summed over the rows that both have: values are 0 elsewhere.
    blocks = [
        (
            (here[a:b].T @ here[a:b])[None],
            x[:, :, a:b] @ here[a:b],
            np.square(x[:, :, a:b]) @ here[a:b],
            x[:, :, a:b] @ x[:, :, a:b].swapaxes(1, 2),
        )
        for a, b in zip(starts.tolist(), ends, strict=True)
    ]
    n, sums, squares, products = (_all_then_without(part) for part in zip(*blocks, strict=True))
    both = run.alive[:, :, None] & run.alive[:, None, :] & ~np.eye(here.shape[1], dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = squares - sums**2 / n
        r = products - sums * sums.swapaxes(-1, -2) / n
        r /= np.sqrt(variances * variances.swapaxes(-1, -2))
    # A pair whose common rows are too few, or constant there (up to rounding, SD being 1), is none.
    floor = 1e-9 * n
    kept = both & (n >= _FEWEST) & (variances > floor) & (variances.swapaxes(-1, -2) > floor)
    weighted = np.where(kept, n * r, 0.0).sum(axis=(-2, -1))
    return weighted, (kept * n).sum(axis=(-2, -1)), kept[0].any(axis=-1)


def _all_then_without(blocks: tuple[Floats, ...]) -> Floats:
    total = sum(blocks)
    return np.stack([total, *(total - block for block in blocks)])


def _with_means(run: Standardised) -> Floats:
    """Return (5, place, person): r with the mean of others x TRs, TRs, the same of all, floor."""
    there = run.there
    n_here, total = there.sum(axis=2, keepdims=True), run.values.sum(axis=2, keepdims=True)
    accompanied = there * (n_here > 1)
    others = (total - run.values) / np.maximum(n_here - 1, 1)
    everybody = np.broadcast_to(total / np.maximum(n_here, 1), others.shape)
    # r of a person's noise with a mean of n that it is part of is 1 / sqrt(n).
    of_floor = (accompanied / np.sqrt(np.maximum(n_here, 1))).sum(axis=0)
    with_others, n_trs = masked_correlation(run.values, others, accompanied)
    with_all, _ = masked_correlation(run.values, everybody, accompanied)
    return np.stack([with_others, n_trs, with_all, n_trs, of_floor])


def masked_correlation(left: Floats, right: Floats, mask: Floats) -> tuple[Floats, Floats]:
    """Return r over rows where ``mask`` is 1, times these rows, and how many they are; else 0."""
    n = mask.sum(axis=0)
    sides = [np.where(mask > 0, side, 0.0) for side in (left, right)]
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (mask * (side - side.sum(axis=0) / n) for side in sides)
        squares = (one**2).sum(axis=0) * (other**2).sum(axis=0)
        r = (one * other).sum(axis=0) / np.sqrt(squares)
    known = (n >= _FEWEST) & (squares > 0)
    return np.where(known, r * n, 0.0), np.where(known, n, 0.0)


def places(rows: xr.DataArray, who: str = "noise_ceiling: method='people'") -> Groups:
    """Return the place of each target: its vertex, voxel or region; one target per person each."""
    keys = next((keys for keys in _PLACES if all(key in rows.coords for key in keys)), None)
    if keys is None or "participant" not in rows.coords:
        raise ValueError(
            f"{who} compares the same place in several people, and the targets have no coordinate "
            "participant, or none of vertex, voxel and region"
        )
    groups = make_groups(rows, keys)
    owners = pd.DataFrame({"place": groups.codes, "person": rows.coords["participant"].values})
    twice = owners.duplicated()
    if twice.any():
        where = int(np.flatnonzero(twice)[0])
        raise ValueError(
            f"{who}: participant {str(owners.person[where])!r} has several targets of the "
            f"same {' and '.join(keys)} (the second is {str(rows.target.values[where])!r}): "
            "average them first, so that each place has one response per person"
        )
    return groups
