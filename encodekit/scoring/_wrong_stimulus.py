"""Whether the prediction of what was heard is better than predictions of other stimuli."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

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
from encodekit.scoring._correlation import correlate, pair
from encodekit.scoring._groups import make_groups
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
    """Test r of each run against r of predictions of OTHER stimuli with the same responses.

    The model's predictions of the other stimuli begin as this one does, with the beginning of
    speech, and have its spectrum and its loudness: what is not about the content of the stimulus is
    in both. Onsets, drifts and variances that change within a run therefore stay out of what is
    found, which scramblings within a run cannot do (`encodekit.permutation_test`).

    In each run, ``d = r - mean_j r_j`` over the m wrong predictions, each from its first TR on and
    as long as both last. ``t = sum_run w d / sqrt(sum_run w^2 s^2 (1 + 1 / m))``, with the runs'
    shares w of the TRs and the variance s^2 of the r_j; one-sided p, with Welch's degrees of
    freedom.

    Parameters
    ----------
    true, predicted : DataArray (time, target), or lists of them (one per run)
        As for `encodekit.correlation`. Predictions of runs with another ``stimulus`` serve each
        run as wrong ones.
    others : DataArray (time, target) or a list, optional
        More wrong predictions, of stimuli that nobody heard here: what ``model.predict`` gives for
        another book.
    by : str or sequence of str, optional
        As in `encodekit.permutation_test`.

    Returns
    -------
    Dataset over target, or over group with the coordinates ``by``
        ``r``; ``r_wrong``, the mean of the wrong ones; ``t``, ``freedom``, ``p_wrong_stimulus``,
        ``q_wrong_stimulus`` (Benjamini-Hochberg); ``n_wrong``, how many r_j there are in all.

    Raises
    ------
    ValueError
        If a run has fewer than two predictions of other stimuli that last half as long as it.
    TypeError
        If there are no labels, which say what was heard.

    Examples
    --------
    >>> import encodekit as ek
    >>> found = ek.wrong_stimulus_test(y, model.predict(test.stimuli), by="region",
    ...                                others=model.predict(another_book))  # doctest: +SKIP
    """
    truth, guess = pair(true, predicted, None, "wrong_stimulus_test")
    if "target" not in truth.coords or "run" not in truth.coords:
        raise TypeError(
            "wrong_stimulus_test takes DataArrays, which say what was heard in each run: arrays "
            "do not (encodekit.data.make_response labels them)"
        )
    groups = make_groups(truth, by)
    r, wrong, shares = [], [], []
    for run in _each_run(truth, guess, others):
        r.append(groups.mean(run.r))
        wrong.append(np.stack([groups.mean(one) for one in run.wrong]))
        shares.append(groups.mean(run.n_trs))
    found = _test(np.stack(r), wrong, np.stack(shares))
    found["q_wrong_stimulus"] = adjust(found["p_wrong_stimulus"])
    return xr.Dataset(
        {name: (groups.dim, values) for name, values in found.items()},
        coords=groups.coords,
        attrs={"runs": [str(name) for name in dict.fromkeys(truth.coords["run"].values.tolist())]},
    )


class _Run(NamedTuple):
    """r of one run with its own and with wrong predictions, and its TRs, by target."""

    r: Floats
    wrong: list[Floats]
    n_trs: Floats


def _each_run(truth: xr.DataArray, guess: xr.DataArray, others: Any) -> Iterator[_Run]:
    predictions = split_runs(guess)
    more = [] if others is None else split_runs(one_array(others, "others"))
    for other in more:
        check_same_targets(truth, other, "true", "others")
    runs = split_runs(truth)
    for run, own in zip(runs, predictions, strict=True):
        heard = _heard(run)
        n = run.sizes["time"]
        wrong = [
            other
            for other in (*predictions, *more)
            if _heard(other) != heard and other.sizes["time"] >= _SHORTEST * n
        ]
        if len(wrong) < 2:
            raise ValueError(
                f"wrong_stimulus_test: run {str(run.coords['run'].values[0])!r} ({heard!r}, {n} "
                f"TRs) has {len(wrong)} predictions of other stimuli that last half as long, "
                "expected 2 or more: predict more runs of other stimuli, or pass others="
            )
        yield _Run(
            _r(run, own),
            [_r(run, other) for other in wrong],
            np.full(run.sizes["target"], float(n)),
        )


def _heard(run: xr.DataArray) -> str:
    name = "stimulus" if "stimulus" in run.coords else "run"
    return str(run.coords[name].values[0])


def _r(run: xr.DataArray, prediction: xr.DataArray) -> Floats:
    """Return r (target,) over the first rows, as many as both have and the participant's."""
    n = min(run.sizes["time"], prediction.sizes["time"])
    r = np.full(run.sizes["target"], np.nan)
    for group in group_targets(run.data, participants_of(run.coords, r.size)):
        there = group.present[:n]
        for columns in column_blocks(group.columns, N_TARGETS_AT_ONCE):
            left, right = (
                load_columns(side.data, columns)[:n][there] for side in (run, prediction)
            )
            r[columns] = correlate(left, right) if there.any() else np.nan
    return r


def _test(r: Floats, wrong: list[Floats], n_trs: Floats) -> dict[str, Any]:
    """Return the statistics (group,) of ``r`` (run, group), and of ``wrong`` (other, group)."""
    defined = np.isfinite(r)
    weights = np.where(defined, n_trs, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = weights / weights.sum(axis=0)
        means = np.stack([one.mean(axis=0) for one in wrong])
        errors = np.stack([one.var(axis=0, ddof=1) * (1 + 1 / len(one)) for one in wrong])
        parts = np.where(defined, weights**2 * errors, 0.0)
        freedom = np.asarray([len(one) - 1.0 for one in wrong])[:, None]
        # Welch and Satterthwaite: the variance of each run is estimated by itself.
        whole = parts.sum(axis=0) ** 2 / (parts**2 / freedom).sum(axis=0)
        total, base = (np.where(defined, weights * side, 0.0).sum(axis=0) for side in (r, means))
        t = (total - base) / np.sqrt(parts.sum(axis=0))
    nothing = ~defined.any(axis=0)
    found = {"r": total, "r_wrong": base, "t": t, "freedom": whole}
    found["p_wrong_stimulus"] = stats.t.sf(t, whole)
    found = {name: np.where(nothing, np.nan, values) for name, values in found.items()}
    return found | {"n_wrong": np.full(r.shape[1], sum(len(one) for one in wrong))}
