"""Whether scores are above what chance reaches, over stimulus and over people."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from encodekit.core import progress, unknown_name
from encodekit.scoring._correlation import pair, score
from encodekit.scoring._doubts import Loudness, chance_spread, refuse_disorder, warn_of_onsets
from encodekit.scoring._groups import Groups, in_areas, make_groups
from encodekit.scoring._null_statistics import Block, Piece, group_means, pieces, statistics
from encodekit.scoring._nulls import Null, Scramblings, scramblings
from encodekit.scoring._p_values import count_p, pareto_p
from encodekit.scoring._participant_t_test import over_people
from encodekit.scoring._sequential import sequential_test

_VALUES_AT_ONCE = 2**22  # draws times targets
_TAILS: dict[str, Callable[..., NDArray[np.float64]]] = {"pareto": pareto_p, "count": count_p}
_FDR = 0.05

Floats = NDArray[np.float64]


def permutation_test(
    true: Any,
    predicted: Any,
    *,
    runs: ArrayLike | None = None,
    by: str | Iterable[str] | None = None,
    n_permutations: int = 1000,
    null: str | Null = "sign",
    tail: str = "pareto",
    stop_after: int | None = None,
    block_size: int | None = None,
    random_state: int = 0,
) -> xr.Dataset:
    """Test whether r is above chance, per target or per group of targets; one-sided.

    Everybody hears the same stimulus, and so shares chance. ``p_over_stimulus`` asks whether
    predictions of another stimulus would do as well: the time of the predictions is scrambled
    within runs, in the same way for all participants. Predictions of `encodekit.cross_val_predict`
    depend on the responses of all runs: two runs predict each other, and what they have in common
    by chance counts twice, so the null is taken sqrt(2) times as wide (without, .05 would be .13 to
    .17). ``p_over_people`` asks whether other people
    would show it with this very stimulus (a t test over participants); where people share
    responses that the model does not explain, it finds effects in nothing.

    Parameters
    ----------
    true, predicted, runs
        As for `encodekit.correlation`.
    by : str or sequence of str, optional
        Coordinates of the targets, such as ``"region"`` or ``["hemisphere", "vertex"]``: test the
        mean r over the targets that share them. Each target by itself if not given. By region,
        targets in no area (region "") are left out.
    n_permutations : int
    null : {"sign", "phase", "shift", "block", "product"}, or a null
        How time is scrambled: signs of cosine coefficients, Fourier phases, lags (with the
        overlap's r over its standard error), the order of blocks of 20 TRs, or signs of the
        products of both sides by blocks of 15 TRs: the only one that is right where both sides
        share spikes or are loud in the same parts of a run, and the least powerful.
        ``docs/statistics.md`` has the false-positive rates of each.
    tail : {"pareto", "count"}
        Where fewer than ten draws reach r, p is from a generalised Pareto tail, or from the count.
    stop_after : int, optional
        Stop a target's permutations once that many have reached its r, at most ``n_permutations``
        of them: p is Besag and Clifford's [1]_, which only FDR can follow (not max-T, no tail).
    block_size : int, optional
        Targets at a time; from a budget of 4 million draws times targets if not given. It changes
        the memory that is needed, not the result.
    random_state : int
        Seed of the scramblings.

    Returns
    -------
    Dataset over target, or over group with the coordinates ``by``
        ``r``: of `encodekit.correlation`, or its mean over defined targets. ``z``: the statistic
        over the mean and standard deviation of its null. ``p_over_stimulus``,
        ``p_fwe_over_stimulus``: of one, and corrected for the family-wise error (maximum of z).
        ``q_over_stimulus``: p adjusted for the false discovery rate (Benjamini-Hochberg).
        ``p_over_people``, ``q_over_people``, ``n_people``; NaN where there are fewer than two.
        NaN where r is.

    Raises
    ------
    ValueError
        If ``null``, ``tail`` or ``by`` is unknown, or a number is not positive.
    TypeError
        As `encodekit.correlation`.

    Warns
    -----
    UserWarning
        If a run is scored from less than 20 s after its sound begins (`Study.trim`); if both sides
        share spikes, or are loud in the same parts of a run (the variance of chance is larger than
        the null assumes); if no target alone can pass the false discovery rate of .05 with so few
        permutations.

    References
    ----------
    .. [1] Besag & Clifford (1991), Sequential Monte Carlo p-values, Biometrika 78:301-304.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> guess = rng.standard_normal((300, 2))
    >>> truth = guess * [0, 0.5] + rng.standard_normal((300, 2))
    >>> (permutation_test(truth, guess).q_over_stimulus < 0.05).values.tolist()
    [False, True]
    """
    _check(n_permutations, tail, stop_after, block_size, by)
    truth, guess = in_areas(by, *pair(true, predicted, runs, "permutation_test"))
    r = score(truth.data, guess.data, truth.coords["run"].values, truth.coords)
    groups = make_groups(truth, by)
    chance, loudness = scramblings(null, truth, random_state), Loudness()
    refuse_disorder(truth, "permutation_test")
    warn_of_onsets(truth, "permutation_test")
    if stop_after is None:
        at_once = block_size or max(_VALUES_AT_ONCE // (1 + n_permutations), 1)
        found = _test(
            truth, guess, r, groups, chance, n_permutations, _TAILS[tail], at_once, loudness
        )
    else:
        found = sequential_test(
            truth, guess, r, chance, n_permutations, stop_after, block_size, loudness
        )
    loudness.warn(chance.null.name, "permutation_test")
    if stop_after is None and tail == "count":
        _warn_of_coarse_p(found["p_over_stimulus"], n_permutations)
    found = {"r": groups.mean(r)} | found | over_people(r, groups, truth)
    how = "count" if stop_after else tail
    return groups.dataset(found, chance, n_permutations=n_permutations, tail=how)


def _check(
    n_permutations: int, tail: str, stop_after: int | None, block_size: int | None, by: Any
) -> None:
    if tail not in _TAILS:
        raise ValueError(f"permutation_test: {unknown_name('tail', tail, _TAILS)}")
    for name, number in (
        ("n_permutations", n_permutations),
        ("stop_after", stop_after),
        ("block_size", block_size),
    ):
        if number is not None and number < 1:
            raise ValueError(f"permutation_test: {name}={number}, expected 1 or more")
    if stop_after is not None and by is not None:
        raise ValueError(
            "permutation_test: stop_after= stops target by target, and by= averages over targets "
            "first: leave one of them out"
        )


def _test(
    truth: xr.DataArray,
    guess: xr.DataArray,
    r: Floats,
    groups: Groups,
    chance: Scramblings,
    n: int,
    tail: Callable[..., Floats],
    at_once: int,
    loudness: Loudness,
) -> dict[str, Floats]:
    """Return z and p over stimulus of each group, from ``n`` scramblings."""
    draws = chance.draw(n)
    wanted = np.isfinite(r)
    parts = pieces(truth, guess, wanted, at_once)
    scrambled = _scrambled(parts, chance, draws, wanted.sum(), loudness)
    if groups.dim == "group":
        scrambled = group_means(scrambled, groups, wanted, at_once)
    z, studentised_r, p = np.full((3, groups.size), np.nan)
    largest = np.full(n, -np.inf)  # of each draw over all targets so far
    spread = np.float32(chance_spread(guess))
    for columns, values in scrambled:
        values[1:] *= spread
        null = values[1:]
        z[columns] = (values[0] - null.mean(axis=0)) / null.std(axis=0)
        # For the maximum, what was observed is one of 1 + n like any other: under the null all are
        # exchangeable, which standardising by the n others alone would break.
        studentised = (values - values.mean(axis=0)) / values.std(axis=0)
        studentised_r[columns] = studentised[0]
        np.maximum(largest, studentised[1:].max(axis=1), out=largest)
        p[columns] = tail(null, values[0])
    # (1 + #{largest >= observed}) / (1 + n): n less those that stand before it in order.
    p_fwe = (1 + n - np.searchsorted(np.sort(largest), studentised_r)) / (1 + n)
    return {"z": z, "p_over_stimulus": p, "p_fwe_over_stimulus": np.where(np.isnan(z), z, p_fwe)}


def _scrambled(
    parts: Iterable[Piece],
    chance: Scramblings,
    draws: dict[Any, NDArray[Any]],
    n_targets: int,
    loudness: Loudness,
) -> Iterator[Block]:
    with progress("permutations", float(n_targets)) as tick:
        for piece in parts:
            loudness.add(piece)
            yield piece.columns, statistics(piece, chance, draws)
            tick(float(piece.columns.size))


def _warn_of_coarse_p(p: Floats, n: int) -> None:
    """Warn where Benjamini-Hochberg asks more of a target than ``n`` draws can give."""
    m = int(np.isfinite(p).sum())
    needed = int(np.ceil(m / (_FDR * (1 + n)) - 1e-9))
    if needed > 1:
        warnings.warn(
            f"permutation_test: with {n} permutations p is at least {1 / (1 + n):.2g}, so that "
            f"{needed} of {m} targets must sit there before any passes a false discovery rate of "
            f"{_FDR}: use tail='pareto', or n_permutations={int(np.ceil(m / _FDR))} with "
            "stop_after=20",
            stacklevel=3,
        )
