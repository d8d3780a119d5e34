"""Whether one model predicts better than another: paired, over stimulus, people and runs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from encodekit.core import progress
from encodekit.scoring._bootstrap import draw_counts, resampled
from encodekit.scoring._correlation import pair, score
from encodekit.scoring._groups import Groups, make_groups
from encodekit.scoring._null_statistics import Block, each_run, group_means, pieces
from encodekit.scoring._nulls import Null, Scramblings, scramblings
from encodekit.scoring._p_values import count_p
from encodekit.scoring._participant_t_test import mean_and_error, participant_means

_BLOCK = 20  # TRs, beyond which responses hardly remember
_VALUES_AT_ONCE = 2**21  # draws times targets
_LEVEL = 0.95

Floats = NDArray[np.float64]


def compare_models(
    true: Any,
    first: Any,
    second: Any,
    *,
    runs: ArrayLike | None = None,
    by: str | Iterable[str] | None = None,
    n_draws: int = 1000,
    null: str | Null = "sign",
    random_state: int = 0,
) -> xr.Dataset:
    """``r_first - r_second`` per target or group of targets: two-sided tests, and intervals.

    Over stimulus, r of both models are compared on the same TRs: p asks whether the difference of
    the standardised predictions goes with the responses more than when its time is scrambled within
    runs, alike for all participants (too large rather than too small where both models predict
    well: .03 for .05); the interval is from a bootstrap of blocks of 20 TRs within runs, paired
    over models and participants, with t for as many blocks as there are. Over people it is a paired
    t test. ``low`` and ``high`` are for other people AND other runs.

    Parameters
    ----------
    true : DataArray (time, target), a list of them (one per run), or an array
    first, second : the same
        Predictions of the two models.
    runs : array (time,), optional
        For NumPy arrays: the run of each row.
    by : str or sequence of str, optional
        Coordinates of the targets, as in `encodekit.permutation_test`.
    n_draws : int
        Scramblings, and bootstrap samples.
    null : {"sign", "phase", "block"}, or a null
        As in `encodekit.permutation_test`.
    random_state : int

    Returns
    -------
    Dataset over target, or over group with the coordinates ``by``
        ``difference``; ``first``, ``second``: r of each. ``p_over_stimulus``,
        ``q_over_stimulus`` (Benjamini-Hochberg), ``low_over_stimulus``, ``high_over_stimulus``.
        ``p_over_people``, ``q_over_people``, ``low_over_people``, ``high_over_people``: with
        ``n_people`` - 1 degrees of freedom. ``low``, ``high``: t intervals from the spread over
        people and over runs, with min(``n_people``, ``n_runs``) - 1 degrees of freedom. All 95 %;
        NaN where there is one person, or one run, and so no interval.

    Raises
    ------
    ValueError
        If rows or targets differ, ``by`` or ``null`` is unknown, or ``n_draws`` is below 2.
    TypeError
        As `encodekit.correlation`.

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
    if n_draws < 2:
        raise ValueError(f"compare_models: n_draws={n_draws}, expected 2 or more")
    truth, one = pair(true, first, runs, "compare_models")
    other = pair(true, second, runs, "compare_models")[1]
    of_row = truth.coords["run"].values
    groups = make_groups(truth, by)
    r = [score(truth.data, guess.data, of_row, truth.coords) for guess in (one, other)]
    difference = r[0] - r[1]
    wanted = np.isfinite(difference)
    chance = scramblings(null, of_row, random_state)
    over_runs = np.full((len(chance.lengths), difference.size), np.nan)
    scrambled = _scrambled((truth, one, other), wanted, chance, n_draws, over_runs)
    found = {
        "difference": groups.mean(difference),
        "first": groups.mean(np.where(wanted, r[0], np.nan)),
        "second": groups.mean(np.where(wanted, r[1], np.nan)),
    }
    found |= _over_stimulus(scrambled, wanted, groups, chance.lengths, n_draws)
    found |= _over_people(truth, difference, over_runs, groups)
    return groups.dataset(found, chance, n_draws=n_draws, block=_BLOCK, level=_LEVEL)


def _scrambled(
    sides: tuple[xr.DataArray, xr.DataArray, xr.DataArray],
    wanted: NDArray[np.bool_],
    chance: Scramblings,
    n: int,
    over_runs: Floats,
) -> Iterator[Block]:
    """Yield (2 + 2 n, column): the scrambled difference of predictions, and of r of drawn rows.

    ``over_runs`` (run, target) is filled with the difference of r in each run.
    """
    truth, first, second = sides
    rng = np.random.default_rng([chance.seed, n])
    counts = {run: draw_counts(rng, n_trs, _BLOCK, n) for run, n_trs in chance.lengths.items()}
    draws, place = chance.draw(n), {run: i for i, run in enumerate(chance.lengths)}
    at_once = max(_VALUES_AT_ONCE // (1 + n), 1)
    both = (pieces(truth, guess, wanted, at_once) for guess in (first, second))
    # Counts and draws are of a run, whoever heard it: people stay paired, and models are.
    with progress("comparing models", float(wanted.sum())) as tick:
        for one, other in zip(*both, strict=True):
            scrambled, drawn = np.zeros((2, 1 + n, one.columns.size), np.float32)
            for mine, its in zip(each_run(one), each_run(other), strict=True):
                # The difference of standardised predictions goes with the response as r does:
                # y' (p_1 - p_2) = r_1 - r_2.
                apart = mine.predicted - its.predicted
                scrambled += mine.weight * chance.null.statistics(mine.true, apart, draws[mine.run])
                rows = {"true": mine.true, "first": mine.predicted, "second": its.predicted}
                r = resampled(rows, counts[mine.run] * mine.there)  # rows that are missing: 0
                drawn += mine.share * (r["first"] - r["second"])
                over_runs[place[mine.run], one.columns] = r["first"][0] - r["second"][0]
            yield one.columns, np.concatenate([scrambled, drawn])
            tick(float(one.columns.size))


def _over_stimulus(
    scrambled: Iterable[Block],
    wanted: NDArray[np.bool_],
    groups: Groups,
    lengths: Mapping[Any, int],
    n: int,
) -> dict[str, Floats]:
    """Return p of the scrambled difference, and the interval of the paired bootstrap."""
    if groups.dim == "group":
        scrambled = group_means(scrambled, groups, wanted, max(_VALUES_AT_ONCE // (1 + n), 1))
    p, low, high = np.full((3, groups.size), np.nan)
    # As many independent values as there are whole blocks, less one for the mean.
    freedom = np.array(sum(n_trs // _BLOCK for n_trs in lengths.values()) - 1)
    for columns, values in scrambled:
        apart, drawn = np.split(values, 2)
        p[columns] = count_p(np.abs(apart[1:]), np.abs(apart[0]))
        half = _half_width(drawn[1:].std(axis=0, ddof=1, dtype=np.float64), freedom)
        low[columns], high[columns] = drawn[0] - half, drawn[0] + half
    return {"p_over_stimulus": p, "low_over_stimulus": low, "high_over_stimulus": high}


def _over_people(
    truth: xr.DataArray, difference: Floats, over_runs: Floats, groups: Groups
) -> dict[str, Any]:
    """Return p and interval over people, and the interval over people and runs."""
    named = groups.dim == "group" and "participant" in truth.coords
    people = truth.coords["participant"].values if named else np.zeros(difference.size, np.int8)
    mean, error, n_people = mean_and_error(participant_means(difference, groups, people))
    table = np.stack([participant_means(run, groups, people) for run in over_runs])
    # Both factors are random: the scarcer of them bounds what is known of the spread.
    both, n_runs = _crossed_error(table)
    wide = _half_width(both, np.minimum(n_people, n_runs) - 1)
    half, centre = _half_width(error, n_people - 1), groups.mean(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(mean / error), n_people - 1)
    return {
        "p_over_people": p,
        "low_over_people": mean - half,
        "high_over_people": mean + half,
        "low": centre - wide,
        "high": centre + wide,
        "n_people": n_people,
        "n_runs": n_runs,
    }


def _crossed_error(table: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the standard error (group,) of the mean of (run, person, group), and how many runs.

    ``V_people + V_runs - V_rest``: people and runs are crossed and both random, and what is left
    of a cell is in both of the first; never less than either of them.
    """
    of_person, of_run = (mean_and_error(side)[0] for side in (table, table.swapaxes(0, 1)))
    mean, over_people, n_people = mean_and_error(of_person)
    _, over_runs, n_runs = mean_and_error(of_run)
    # (run, person, group): what neither the person nor the run says.
    rest = table - of_person - of_run[:, None] + mean
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = n_people * n_runs * (n_people - 1) * (n_runs - 1)
        variance = over_people**2 + over_runs**2 - np.nansum(rest**2, axis=(0, 1)) / cells
    return np.sqrt(np.maximum(variance, np.maximum(over_people, over_runs) ** 2)), n_runs


def _half_width(error: Floats, freedom: NDArray[Any]) -> Floats:
    """Return half the t interval; NaN without a degree of freedom."""
    half: Floats = np.where(
        freedom > 0, stats.t.ppf((1 + _LEVEL) / 2, np.maximum(freedom, 1)), np.nan
    )
    return half * error
