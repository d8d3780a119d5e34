"""Whether the prediction of what was heard is better than predictions of other stimuli."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from encodekit.core import shown
from encodekit.data import (
    N_TARGETS_AT_ONCE,
    check_same_targets,
    column_blocks,
    group_targets,
    load_columns,
    one_array,
    participants_of,
    split_runs,
)
from encodekit.scoring._correlation import correlate, pair, score
from encodekit.scoring._doubts import chance_spread, refuse_disorder
from encodekit.scoring._groups import Groups, in_areas, make_groups
from encodekit.scoring._p_values import adjust

_SHORTEST = 0.5  # of a run, that a prediction of another stimulus must last

Floats = NDArray[np.float64]


def wrong_stimulus_test(
    true: Any,
    predicted: Any,
    *,
    others: Any = None,
    by: str | Iterable[str] | None = None,
) -> xr.Dataset:
    """Test r with what was heard against r with predictions of OTHER stimuli.

    The model's predictions of the other stimuli begin as this one does, with the beginning of
    speech, and have its spectrum and its loudness: what is not about the content of the stimulus is
    in both. Onsets, drifts and variances that change within a run therefore stay out of what is
    found, which scramblings within a run cannot do (`encodekit.permutation_test`).

    For each stimulus, ``d = r - mean_j r_j`` over the m other ones; r and r_j are TR-weighted means
    over the runs in which it was heard. Rows meet at the same time after the sound begins, as far
    as both last. ``t = sum w d / sqrt(sum w^2 s^2 (1 + 1 / m))``, with the stimuli's shares w of
    the TRs and the variance s^2 of the r_j; one-sided p, with Welch's degrees of freedom.

    Parameters
    ----------
    true, predicted : DataArray (time, target), or lists of them (one per run)
        As for `encodekit.correlation`. Predictions of the other stimuli serve each as wrong ones.
    others : DataArray (time, target) or a list, optional
        More wrong predictions, of stimuli that nobody heard here: what ``model.predict`` gives for
        another book. With ``seconds`` from the beginning of its sound.
    by : str or sequence of str, optional
        As in `encodekit.permutation_test`.

    Returns
    -------
    Dataset over target, or over group with the coordinates ``by``
        ``r``; ``r_wrong``, the mean of the wrong ones; ``t``, ``freedom``, ``p_wrong_stimulus``,
        ``q_wrong_stimulus`` (Benjamini-Hochberg); ``n_wrong``, how many r_j there are in all.
        A wrong prediction that is constant has no r_j.

    Raises
    ------
    ValueError
        If a run has fewer than two predictions of other stimuli that last half as long as it, or
        its rows are not in the order of time.
    TypeError
        If there are no labels, which say what was heard.

    Examples
    --------
    >>> import encodekit as ek
    >>> found = ek.wrong_stimulus_test(y, model.predict(test.stimuli), by="region",
    ...                                others=model.predict(another_book))  # doctest: +SKIP
    """
    truth, guess = pair(true, predicted, None, "wrong_stimulus_test")
    if "target" not in truth.coords:
        raise TypeError(
            "wrong_stimulus_test takes DataArrays, which say what was heard in each run: arrays "
            "do not (encodekit.data.make_response labels them)"
        )
    refuse_disorder(truth, "wrong_stimulus_test")
    more = [] if others is None else split_runs(one_array(others, "others"))
    for other in more:
        check_same_targets(truth, other, "true", "others")
    truth, guess, *more = in_areas(by, truth, guess, *more)
    groups = make_groups(truth, by)
    # Those that `encodekit.correlation` defines, in all runs: means of a group are of the same.
    wanted = np.isfinite(score(truth.data, guess.data, truth.coords["run"].values, truth.coords))
    scores = [_grouped(one, groups, wanted) for one in _each_stimulus(truth, guess, more)]
    found = _test(scores, chance_spread(guess))
    found["q_wrong_stimulus"] = adjust(found["p_wrong_stimulus"])
    return xr.Dataset(
        {name: (groups.dim, values) for name, values in found.items()},
        coords=groups.coords,
        attrs={"runs": [str(name) for name in dict.fromkeys(truth.coords["run"].values.tolist())]},
    )


class _Scores(NamedTuple):
    """r of one stimulus with its own prediction and with those of others, by target or group."""

    r: Floats
    wrong: Floats  # (other, ...)
    n_trs: Floats


def _grouped(scores: _Scores, groups: Groups, wanted: NDArray[np.bool_]) -> _Scores:
    def mean(values: Floats) -> Floats:
        return groups.mean(np.where(wanted, values, np.nan))

    return _Scores(
        mean(scores.r), np.stack([mean(one) for one in scores.wrong]), mean(scores.n_trs)
    )


def _each_stimulus(
    truth: xr.DataArray, guess: xr.DataArray, more: Sequence[xr.DataArray]
) -> Iterator[_Scores]:
    own = split_runs(guess)
    _warn_of_unknown_onsets(truth, more)
    runs = split_runs(truth)
    clocks = [_clock(run) for run in runs]
    # A prediction of a run that was heard has that run's rows; others tell their own.
    predictions = [*zip(own, clocks, strict=True), *((other, _clock(other)) for other in more)]
    by_stimulus: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        by_stimulus.setdefault(_heard(run), []).append(place)
    for heard, places in by_stimulus.items():
        right, n, wrong = [], [], []
        for place in places:
            r, weight = _r(runs[place], own[place])
            of_others = _wrong(runs[place], clocks[place], heard, predictions)
            right.append(r)
            n.append(weight)
            wrong.append(of_others)
        names = list(dict.fromkeys(name for of in wrong for name in of))
        nothing = np.full(truth.sizes["target"], np.nan)
        table = [_weighted([of.get(name, nothing) for of in wrong], n) for name in names]
        yield _Scores(_weighted(right, n), np.stack(table), np.sum(n, axis=0))


def _warn_of_unknown_onsets(truth: xr.DataArray, others: Sequence[xr.DataArray]) -> None:
    known = truth.coords.get("sound_onset")
    silent = [str(one.coords["run"].values[0]) for one in others if "sound_onset" not in one.coords]
    if known is not None and known.values.any() and silent:
        names = ", ".join(map(shown, silent[:3]))
        warnings.warn(
            f"wrong_stimulus_test: what was heard begins {known.values.max():.3g} s into its "
            f"audio, and others ({names}) do not say when theirs begin: 0 s is taken. If that is "
            "not so, others.assign_coords(sound_onset=('time', [...])) says it",
            stacklevel=4,
        )


def _wrong(
    run: xr.DataArray,
    clock: NDArray[np.intp],
    heard: str,
    predictions: Sequence[tuple[xr.DataArray, NDArray[np.intp]]],
) -> dict[str, Floats]:
    """Return r (target,) of a run with the predictions of each other stimulus, their mean."""
    found: dict[str, list[Floats]] = {}
    for other, its_clock in predictions:
        if _heard(other) == heard:
            continue
        _, mine, its = np.intersect1d(clock, its_clock, return_indices=True)
        if mine.size >= _SHORTEST * clock.size:
            r, _ = _r(run.isel(time=mine), other.isel(time=its))
            found.setdefault(_heard(other), []).append(r)
    if len(found) < 2:
        raise ValueError(
            f"wrong_stimulus_test: run {str(run.coords['run'].values[0])!r} ({heard!r}, "
            f"{clock.size} TRs) has predictions of {len(found)} other stimuli that last half as "
            "long, expected 2 or more: predict more runs of other stimuli, or pass others="
        )
    return {name: np.mean(of, axis=0) for name, of in found.items()}


def _clock(rows: xr.DataArray) -> NDArray[np.intp]:
    """Return the TR of each row, counted from the beginning of the sound where that is known."""
    t_r = rows.attrs.get("t_r")
    if "seconds" in rows.coords and t_r:
        seconds = rows.coords["seconds"].values
        if "sound_onset" in rows.coords:
            seconds = seconds - rows.coords["sound_onset"].values
        return np.asarray(np.round(seconds / float(t_r)), np.intp)
    if "tr" in rows.coords:
        return np.asarray(rows.coords["tr"].values, np.intp)
    return np.arange(rows.sizes["time"])


def _heard(run: xr.DataArray) -> str:
    name = "stimulus" if "stimulus" in run.coords else "run"
    return str(run.coords[name].values[0])


def _r(run: xr.DataArray, prediction: xr.DataArray) -> tuple[Floats, Floats]:
    """Return r (target,) over the rows that the participant has, and how many these are."""
    r, n = np.full((2, run.sizes["target"]), np.nan)
    for group in group_targets(run.data, participants_of(run.coords, r.size)):
        n[group.columns] = np.count_nonzero(group.present)
        if not group.present.any():
            continue
        for columns in column_blocks(group.columns, N_TARGETS_AT_ONCE):
            sides = (load_columns(side.data, columns)[group.present] for side in (run, prediction))
            r[columns] = correlate(next(sides), next(sides))
    return r, n


def _weighted(values: Sequence[Floats], n_trs: Sequence[Floats]) -> Floats:
    """Return means over runs of the defined values (target,), weighted by their TRs."""
    table = np.stack(values)
    weights = np.where(np.isfinite(table), np.stack(n_trs), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = np.nansum(table * weights, axis=0) / weights.sum(axis=0)
    return mean


def _test(stimuli: Sequence[_Scores], spread: float) -> dict[str, Any]:
    """Return the statistics (group,) over stimuli."""
    r = np.stack([one.r for one in stimuli])
    defined = np.isfinite(r)
    means, variances, counts = (np.empty(r.shape) for _ in range(3))
    for k, one in enumerate(stimuli):
        counts[k] = np.isfinite(one.wrong).sum(axis=0)
        centred = one.wrong - np.nansum(one.wrong, axis=0) / np.maximum(counts[k], 1)
        means[k] = np.nansum(one.wrong, axis=0) / np.maximum(counts[k], 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            variances[k] = np.nansum(centred**2, axis=0) / (counts[k] - 1) * (1 + 1 / counts[k])
    weights = np.where(defined, np.stack([one.n_trs for one in stimuli]), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = weights / weights.sum(axis=0)
        parts = np.where(defined, weights**2 * variances, 0.0)
        # Welch and Satterthwaite: the variance of each stimulus is estimated by itself.
        terms = np.where(defined, parts**2 / (counts - 1), 0.0)
        freedom = parts.sum(axis=0) ** 2 / terms.sum(axis=0)
        total, base = (np.where(defined, weights * side, 0.0).sum(axis=0) for side in (r, means))
        t = (total - base) / (spread * np.sqrt(parts.sum(axis=0)))
    found = {"r": total, "r_wrong": base, "t": t, "freedom": freedom}
    found["p_wrong_stimulus"] = stats.t.sf(t, freedom)
    nothing = ~defined.any(axis=0)
    found = {name: np.where(nothing, np.nan, values) for name, values in found.items()}
    return found | {"n_wrong": counts.sum(axis=0).astype(int)}
