"""Whether one model predicts better than another: paired, over stimulus and over people."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from encodekit.core import progress
from encodekit.data._segments import parent_run
from encodekit.scoring._blocks import (
    LEVEL,
    Blocks,
    Influence,
    grouped,
    half_width,
    make_blocks,
    standard_error,
    warn_of_few_blocks,
)
from encodekit.scoring._correlation import pair, score
from encodekit.scoring._doubts import Loudness, chance_spread, refuse_disorder, warn_of_onsets
from encodekit.scoring._groups import Groups, in_areas, make_groups
from encodekit.scoring._null_statistics import Block, each_run, group_means, pieces
from encodekit.scoring._nulls import Null, Scramblings, scramblings
from encodekit.scoring._p_values import count_p
from encodekit.scoring._participant_t_test import mean_and_error, participant_means

_VALUES_AT_ONCE = 2**21  # draws times targets

Floats = NDArray[np.float64]


def compare_models(
    true: Any,
    first: Any,
    second: Any,
    *,
    runs: ArrayLike | None = None,
    by: str | Iterable[str] | None = None,
    n_permutations: int = 1000,
    null: str | Null = "sign",
    random_state: int = 0,
) -> xr.Dataset:
    """``r_first - r_second`` per target or group of targets: two-sided tests, and intervals.

    Over stimulus, r of both models are compared on the same TRs: p asks whether the difference of
    the standardised predictions goes with the responses more than when its time is scrambled within
    runs, alike for all participants (too large rather than too small where both models predict
    well: .03 for .05); the interval is a t interval from a jackknife over blocks of about 20 TRs,
    at least four to a stimulus, paired over models and participants. For predictions of
    `encodekit.cross_val_predict` both are for chance sqrt(2) times as wide, as in
    `encodekit.permutation_test`. Over people it is a paired t
    test: whether other people who hear THIS stimulus would show the difference. It says nothing of
    another stimulus: where people share responses that neither model explains, equally good models
    differ "significantly" for a quarter of the stimuli (the table is in ``docs/statistics.md``).
    ``low`` and ``high`` are for other people AND other stimuli.

    Parameters
    ----------
    true : DataArray (time, target), a list of them (one per run), or an array
    first, second : the same
        Predictions of the two models.
    runs : array (time,), optional
        For NumPy arrays: the run of each row.
    by : str or sequence of str, optional
        Coordinates of the targets, as in `encodekit.permutation_test`.
    n_permutations : int
        Scramblings for ``p_over_stimulus``.
    null : {"sign", "phase", "block", "product"}, or a null
        As in `encodekit.permutation_test`.
    random_state : int
        Seed of the scramblings.

    Returns
    -------
    Dataset over target, or over group with the coordinates ``by``
        ``difference``; ``first``, ``second``: r of each. ``p_over_stimulus``,
        ``q_over_stimulus`` (Benjamini-Hochberg), ``low_over_stimulus``, ``high_over_stimulus``.
        ``p_over_people``, ``q_over_people``, ``low_over_people``, ``high_over_people``: with
        ``n_people`` - 1 degrees of freedom. ``low``, ``high``: t intervals from the spread over
        people and over stimuli, with min(``n_people``, ``n_stimuli``) - 1 degrees of freedom.
        All 95 %; NaN where there is one person, or one stimulus, and so no interval.

    Raises
    ------
    ValueError
        If rows or targets differ, ``by`` or ``null`` is unknown, or ``n_permutations`` is below 1.
    TypeError
        As `encodekit.correlation`.

    Warns
    -----
    UserWarning
        If there are fewer than three blocks, and so no interval over stimulus; and as
        `encodekit.permutation_test`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.standard_normal((300, 1))
    >>> good, bad = (truth + noise * rng.standard_normal((300, 1)) for noise in (1, 3))
    >>> found = compare_models(truth, good, bad)
    >>> float(found.difference[0].round(1)), bool(found.p_over_stimulus[0] < 0.01)
    (0.4, True)
    """
    if n_permutations < 1:
        raise ValueError(f"compare_models: n_permutations={n_permutations}, expected 1 or more")
    truth, one = pair(true, first, runs, "compare_models")
    truth, one, other = in_areas(by, truth, one, pair(true, second, runs, "compare_models")[1])
    refuse_disorder(truth, "compare_models")
    warn_of_onsets(truth, "compare_models")
    of_row = truth.coords["run"].values
    groups = make_groups(truth, by)
    r = [score(truth.data, guess.data, of_row, truth.coords) for guess in (one, other)]
    difference = r[0] - r[1]
    wanted = np.isfinite(difference)
    chance = scramblings(null, truth, random_state)
    found = {
        "difference": groups.mean(difference),
        "first": groups.mean(np.where(wanted, r[0], np.nan)),
        "second": groups.mean(np.where(wanted, r[1], np.nan)),
    }
    of_stimulus, over_stimuli = _over_stimulus(
        (truth, one, other), difference, groups, chance, n_permutations
    )
    found |= of_stimulus
    found |= _over_people(truth, difference, over_stimuli, groups)
    return groups.dataset(found, chance, n_permutations=n_permutations, level=LEVEL)


class _Found(NamedTuple):
    """What the scramblings leave behind, (..., target): filled block of targets by block."""

    influence: Floats  # of each block of time on the difference
    over_stimuli: Floats  # the difference in each stimulus, times TRs
    n_trs: Floats  # of each stimulus
    loudness: Loudness


def _over_stimulus(
    sides: tuple[xr.DataArray, xr.DataArray, xr.DataArray],
    difference: Floats,
    groups: Groups,
    chance: Scramblings,
    n: int,
) -> tuple[dict[str, Floats], Floats]:
    """Return p and interval over stimulus, and the difference (stimulus, target) in each."""
    wanted, blocks = np.isfinite(difference), make_blocks(sides[0])
    heard = np.zeros((2, len(_stories(chance)), wanted.size))
    of_blocks = np.full((blocks.size, wanted.size), np.nan)
    left = _Found(of_blocks, heard[0], heard[1], Loudness())
    at_once = max(_VALUES_AT_ONCE // (1 + n), 1)
    parts = _scrambled(sides, wanted, chance, n, blocks, left, at_once)
    if groups.dim == "group":
        parts = group_means(parts, groups, wanted, at_once)
    p, spread = np.full(groups.size, np.nan), chance_spread(*sides[1:])
    for columns, values in parts:
        p[columns] = count_p(np.float32(spread) * np.abs(values[1:]), np.abs(values[0]))
    left.loudness.warn(chance.null.name, "compare_models", stacklevel=4)
    influence = grouped(left.influence, groups, wanted)
    warn_of_few_blocks(influence, "compare_models")
    half = spread * half_width(*standard_error(influence, blocks))
    centre = groups.mean(difference)
    return {
        "p_over_stimulus": p,
        "low_over_stimulus": centre - half,
        "high_over_stimulus": centre + half,
    }, _per_stimulus(left)


def _stories(chance: Scramblings) -> list[str]:
    """Return what was heard; the segments of one run (`Study.segment`) are one story."""
    return list(dict.fromkeys(parent_run(str(name)) for name in chance.heard.values()))


def _per_stimulus(left: _Found) -> Floats:
    """Return the difference (stimulus, target): NaN where a target has no row of a stimulus."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = left.over_stimuli / left.n_trs
    return mean


def _scrambled(
    sides: tuple[xr.DataArray, xr.DataArray, xr.DataArray],
    wanted: NDArray[np.bool_],
    chance: Scramblings,
    n: int,
    blocks: Blocks,
    left: _Found,
    at_once: int,
) -> Iterator[Block]:
    """Yield (1 + n, column): the scrambled difference of predictions; fill what is ``left``."""
    truth, first, second = sides
    draws = chance.draw(n)
    place = {name: i for i, name in enumerate(_stories(chance))}
    both = (pieces(truth, guess, wanted, at_once) for guess in (first, second))
    # Blocks and draws are of a stimulus, whoever heard it: people stay paired, and models are.
    with progress("comparing models", float(wanted.sum())) as tick:
        for one, other in zip(*both, strict=True):
            values = np.zeros((1 + n, one.columns.size), np.float32)
            parts = [Influence(blocks, one.columns.size) for _ in range(2)]
            for mine, its in zip(each_run(one), each_run(other), strict=True):
                # The difference of standardised predictions goes with the response as r does:
                # y' (p_1 - p_2) = r_1 - r_2.
                apart = mine.predicted - its.predicted
                scrambled = chance.statistics(mine.run, mine.true, apart, draws)
                values += mine.weight * scrambled
                r = [part.add(rows) for part, rows in zip(parts, (mine, its), strict=True)]
                n_trs, where = mine.there.sum(), place[parent_run(str(chance.heard[mine.run]))]
                left.over_stimuli[where, one.columns] += n_trs * (r[0] - r[1])
                left.n_trs[where, one.columns] += n_trs
            left.influence[:, one.columns] = parts[0].values() - parts[1].values()
            left.loudness.add(one)
            yield one.columns, values
            tick(float(one.columns.size))


def _over_people(
    truth: xr.DataArray, difference: Floats, over_stimuli: Floats, groups: Groups
) -> dict[str, Any]:
    """Return p and interval over people, and the interval over people and stimuli."""
    named = groups.dim == "group" and "participant" in truth.coords
    people = truth.coords["participant"].values if named else np.zeros(difference.size, np.int8)
    mean, error, n_people = mean_and_error(participant_means(difference, groups, people))
    table = np.stack([participant_means(one, groups, people) for one in over_stimuli])
    # Both factors are random: the scarcer of them bounds what is known of the spread.
    both, n_stimuli = _crossed_error(table)
    wide = half_width(both, np.minimum(n_people, n_stimuli) - 1)
    half, centre = half_width(error, n_people - 1), groups.mean(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(mean / error), n_people - 1)
    return {
        "p_over_people": p,
        "low_over_people": mean - half,
        "high_over_people": mean + half,
        "low": centre - wide,
        "high": centre + wide,
        "n_people": n_people,
        "n_stimuli": n_stimuli,
    }


def _crossed_error(table: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the standard error (group,) of means of (stimulus, person, group); how many stimuli.

    ``V_people + V_stimuli - V_rest``: people and stimuli are crossed and both random, and what is
    left of a cell is in both of the first; never less than either of them.
    """
    of_person, of_stimulus = (mean_and_error(side)[0] for side in (table, table.swapaxes(0, 1)))
    mean, over_people, n_people = mean_and_error(of_person)
    _, over_stimuli, n_stimuli = mean_and_error(of_stimulus)
    # (stimulus, person, group): what neither the person nor the stimulus says.
    rest = table - of_person - of_stimulus[:, None] + mean
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = n_people * n_stimuli * (n_people - 1) * (n_stimuli - 1)
        variance = over_people**2 + over_stimuli**2 - np.nansum(rest**2, axis=(0, 1)) / cells
    return np.sqrt(np.maximum(variance, np.maximum(over_people, over_stimuli) ** 2)), n_stimuli
