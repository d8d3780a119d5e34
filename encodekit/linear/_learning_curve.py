"""Scores of a model fitted on less: on some of the runs, or on some of the participants."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state

from encodekit.core import unknown_name
from encodekit.data import RunList, Stimulus, Study, check_disjoint
from encodekit.data._segments import read_seconds
from encodekit.linear._cross_val import cross_val_predict
from encodekit.scoring import correlation, group_mean
from encodekit.scoring._participant_scores import by_participant, score_on

_VARY = ("runs", "participants", "group")
Evaluate = Callable[[Any], Any]


def learning_curve(
    model: Any,
    stimuli: Sequence[Any],
    responses: Sequence[xr.DataArray],
    *,
    test: Study | None = None,
    evaluate: Evaluate | None = None,
    vary: str = "runs",
    sizes: Sequence[int] | None = None,
    n_subsets: int | None = None,
    cv: Any = None,
    purge: str | float = "0s",
    fit_params: Mapping[str, Any] | None = None,
    random_state: Any = None,
) -> pd.DataFrame:
    """Fit ``model`` on random subsets of growing size and score each fit on the same test.

    Over encoding data: the pipeline of a new participant, on more and more runs. Over tuning data
    or the number of tuned participants: an extractor whose fit tunes, with ``evaluate`` fitting
    and scoring a ridge on other stories. Over the people of a group (``vary="group"``): the
    pipeline is fitted on the mean response of some people (`encodekit.group_mean`), and all the
    others are scored, at time that was left out.

    Parameters
    ----------
    model : estimator
        Cloned for every fit.
    stimuli : list, one per run
        What ``model.fit`` takes beside ``responses``: stimuli, or features of one run each.
    responses : list of DataArray (time, target), one per run
    test : Study, optional
        Scored by `encodekit.correlation` at the targets that the model predicts, averaged over
        each participant's targets.
    evaluate : callable, optional
        In place of ``test``: from the fitted model to a number, a mapping of participant to
        number, or scores (target), whose targets are averaged per participant (normalised ones
        as `encodekit.by_region` does).
        With ``vary="group"`` neither is needed: ``responses`` are predicted out of fold.
    vary : {"runs", "participants", "group"}
        What grows: the runs that are fitted on, the participants, or the group whose mean is. For
        a group, targets of people are of one place by their vertex, voxel or region.
    sizes : list of int, optional
        Numbers of runs or participants; 1, 2, 4, ... and all (but one, of a group) if not given.
    n_subsets : int, optional
        Random subsets of each size, all different; fewer where there are not that many, and one
        at full size. Five if not given; for a group as many as people, so that everybody is scored
        by all others at the largest size.
    cv, purge
        Of `encodekit.cross_val_predict`, for a group that is scored out of fold.
    fit_params : mapping, optional
        Passed to every ``fit``, such as ``{"validation": ...}``.
    random_state : int, RandomState or None

    Returns
    -------
    DataFrame
        One row per size, subset and participant: ``size``, ``subset``, ``minutes`` (of one
        participant's fMRI), ``n_runs``, ``n_participants``, ``members`` (the runs, or the
        participants, with commas), ``participant`` and ``score``.

    Raises
    ------
    ValueError
        For runs that do not pair up, unknown ``vary``, sizes that cannot be had, both or neither
        of ``test`` and ``evaluate`` (for a group: ``evaluate``, ``cv`` or ``purge`` with ``test``,
        or ``fit_params`` without it), or a test that shares its audio with a fitted run.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from encodekit.data import make_response
    >>> rng = np.random.default_rng(0)
    >>> def run(name):
    ...     return make_response(rng.standard_normal((20, 2)), run=name, participant="P1",
    ...                          tr_times=2.0 * np.arange(20), t_r=2.0)
    >>> class Mean:
    ...     def get_params(self, deep=False): return {}
    ...     def fit(self, X, Y): self.n_ = len(Y); return self
    >>> runs = [run("a"), run("b"), run("c")]
    >>> table = learning_curve(Mean(), runs, runs, evaluate=lambda m: m.n_, random_state=0)
    >>> table.groupby("size").score.mean().to_dict()
    {1: 1.0, 2: 2.0, 3: 3.0}
    """
    runs = RunList(responses)
    if n_subsets is None:
        n_subsets = len(_people(runs)) if vary == "group" else 5
    _check(stimuli, runs, vary, test, evaluate, n_subsets)
    _check_folds(vary, test, cv, purge, fit_params)
    names = _members(runs, vary)
    rows = []
    most = len(names) - (vary == "group")
    for size, subset, chosen in _subsets(len(names), most, sizes, n_subsets, random_state):
        members = [names[k] for k in chosen]
        fit_runs, heard = runs, list(stimuli)
        if vary == "runs":
            fit_runs, heard = runs.take(chosen), [heard[k] for k in chosen]
        elif vary == "participants":
            fit_runs = _of_participants(runs, members)
        if vary == "group":
            scores = _of_others(model, heard, runs, members, test, cv, purge, fit_params)
        else:
            fitted = clone(model, safe=False).fit(heard, fit_runs, **(fit_params or {}))
            scores = (evaluate or _on(test))(fitted)
        said = {
            "size": size,
            "subset": subset,
            "minutes": sum(r.sizes["time"] * float(r.attrs["t_r"]) for r in fit_runs) / 60,
            "n_runs": len(fit_runs),
            "n_participants": len(members) if vary == "group" else len(_people(fit_runs)),
            "members": ",".join(members),
        }
        of_each = by_participant(scores)
        rows += [{**said, "participant": who, "score": score} for who, score in of_each.items()]
    return pd.DataFrame(rows)


def _of_others(
    model: Any,
    stimuli: Sequence[Any],
    runs: RunList,
    members: list[str],
    test: Study | None,
    cv: Any,
    purge: str | float,
    fit_params: Mapping[str, Any] | None,
) -> xr.DataArray:
    """Return r (target,) of the people who are not ``members``, whose mean was fitted."""
    others = [who for who in _people(runs) if who not in members]
    own = _of_participants(runs, others)
    means = _of_participants(group_mean(runs, participants=members), others)
    if test is not None:
        fitted = clone(model, safe=False).fit(stimuli, means, **(fit_params or {}))
        return score_on(fitted, test)
    predicted = cross_val_predict(model, stimuli, means, cv=cv, purge=purge)
    scores: xr.DataArray = correlation(own, predicted)
    return scores


def _on(test: Any) -> Evaluate:
    def score(fitted: Any) -> xr.DataArray:
        return score_on(fitted, test)

    return score


def _check(
    stimuli: Sequence[Any],
    runs: RunList,
    vary: str,
    test: Study | None,
    evaluate: Evaluate | None,
    n_subsets: int,
) -> None:
    if vary not in _VARY:
        raise ValueError(f"learning_curve: {unknown_name('vary', vary, _VARY)}")
    people = _people(runs)
    if vary == "group" and len(people) < 2:
        raise ValueError(
            "learning_curve: a group is scored on people who are not in it, and the responses are "
            f"of {', '.join(people)} alone: pass two people or more"
        )
    if vary == "group" and evaluate is not None:
        raise ValueError("learning_curve: a group's others are scored by r: leave evaluate= out")
    if vary != "group" and (test is None) == (evaluate is None):
        raise ValueError("learning_curve: give test= (a study) or evaluate= (a function), not both")
    if n_subsets < 1:
        raise ValueError(f"learning_curve: n_subsets={n_subsets}, expected 1 or more")
    if isinstance(stimuli, xr.DataArray) or len(stimuli) != len(runs):
        raise ValueError(
            f"learning_curve: {len(runs)} responses but stimuli is a {type(stimuli).__name__} of "
            f"{len(stimuli)}: give a list with one item per run (encodekit.data.split_runs)"
        )
    heard = [item for item in stimuli if isinstance(item, Stimulus)]
    if test is not None and heard:
        check_disjoint({"fit": heard, "test": test.stimuli})


def _check_folds(
    vary: str, test: Study | None, cv: Any, purge: str | float, fit_params: Any
) -> None:
    asked = cv is not None or read_seconds(purge, "purge") > 0
    if vary != "group" and asked:
        raise ValueError(f"learning_curve: cv= and purge= are for vary='group', not {vary!r}")
    if vary == "group" and (asked if test is not None else fit_params):
        raise ValueError(
            "learning_curve: a group is scored out of fold by cv= and purge=, or on test= with "
            "fit_params=: leave out what is for the other"
        )


def _members(runs: RunList, vary: str) -> list[str]:
    if vary != "runs":
        return _people(runs)
    return [str(run.coords["run"].values[0]) for run in runs]


def _people(runs: RunList) -> list[str]:
    found = [who for run in runs for who in run.coords["participant"].values.tolist()]
    return list(dict.fromkeys(map(str, found)))


def _of_participants(runs: RunList, people: list[str]) -> RunList:
    return RunList(
        run.isel(target=np.flatnonzero(np.isin(run.coords["participant"].values, people)))
        for run in runs
    )


def _subsets(
    n: int, most: int, sizes: Sequence[int] | None, n_subsets: int, random_state: Any
) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    random = check_random_state(random_state)
    for size in _sizes(most, sizes):
        for subset, chosen in enumerate(_drawn(n, size, n_subsets, random)):
            yield size, subset, np.asarray(chosen, dtype=np.intp)


def _sizes(n: int, sizes: Sequence[int] | None) -> list[int]:
    if sizes is None:
        return sorted({2**k for k in range(n.bit_length()) if 2**k < n} | {n})
    wrong = [size for size in sizes if not 1 <= size <= n]
    if wrong or not len(sizes):
        raise ValueError(f"learning_curve: sizes={list(sizes)}, expected numbers from 1 to {n}")
    return sorted({int(size) for size in sizes})


def _drawn(
    n: int, size: int, n_subsets: int, random: np.random.RandomState
) -> list[tuple[int, ...]]:
    """Return different subsets of a size, in the order of the runs; all where there are few."""
    if comb(n, size) <= n_subsets:
        return list(combinations(range(n), size))
    found: dict[tuple[int, ...], None] = {}
    while len(found) < n_subsets:
        found[tuple(sorted(random.choice(n, size, replace=False).tolist()))] = None
    return list(found)
