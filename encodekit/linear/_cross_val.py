"""Out-of-fold predictions, by run."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from sklearn.base import clone

from encodekit.data import (
    RunList,
    Stimulus,
    check_disjoint,
    concat_runs,
    drop_history,
    one_array,
    split_runs,
)
from encodekit.data._segments import parent_run, read_seconds
from encodekit.linear._folds import expand, folds_of, resolve_cv
from encodekit.scoring._doubts import OUT_OF_FOLD

_ROUNDING = 1e-6  # s


def cross_val_predict(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    groups: Any = None,
    purge: str | float = "0s",
) -> xr.DataArray:
    """Predict every run by a clone of ``estimator`` that was fitted on other runs.

    scikit-learn's function of this name takes the TRs of a prediction for runs; this one splits
    runs and joins the predictions by (run, tr).

    Parameters
    ----------
    estimator : estimator
        A pipeline from stimuli, or from labelled features.
    X : list of Stimulus, or labelled features (a DataArray, or a list of them by run)
        One item per run.
    y : list of DataArray (one per run), or DataArray (time, target)
        Responses in the order of X.
    cv : None, int, splitter or iterable of (train, test) over runs, optional
        None leaves stimuli out, as in `RidgeCV`.
    groups : array (run,), optional
        What must not be split; what was heard in each run (``stimulus``) if not given.
    purge : seconds, or str such as "16s"
        For one long run that ``study.segment(run, n, gap=0)`` cut: training rows so near a held-out
        segment of the same run are not fitted on, while every TR is predicted. At least the longest
        delay plus the haemodynamic response. The search of a `RidgeCV` within the training segments
        leaves segments out without a purge: it chooses alpha, and sees nothing held out.

    Returns
    -------
    DataArray (time, target)
        In the order of the runs, with their coordinates; runs that no fold holds out are left out.
        The coordinate ``training_mean`` (time, target) is the mean of the training responses of
        each row's fold, by which `encodekit.r2` measures. The attribute ``out_of_fold`` tells
        tests over stimulus that runs predict each other.

    Raises
    ------
    ValueError
        If X and y differ in their runs, a run is held out twice, or ``purge`` leaves nothing of
        any training run, or needs ``seconds`` and there are none.

    Examples
    --------
    >>> import encodekit as ek
    >>> predicted = ek.cross_val_predict(model, study.stimuli, study.responses())  # doctest: +SKIP
    >>> ek.correlation(study.responses(), predicted)  # doctest: +SKIP
    """
    runs_y = split_runs(one_array(y, "y"))
    predictions = out_of_fold(estimator, X, runs_y, cv=cv, groups=groups, purge=purge)
    joined = _in_order([_of_rows(run) for run in predictions], runs_y)
    # Tests over stimulus need to know that runs predict each other. An int, for netCDF.
    return joined.assign_attrs({OUT_OF_FOLD: 1})


def _of_rows(run: xr.DataArray) -> xr.DataArray:
    """Return a prediction with its ``training_mean`` row by row: those of the folds differ."""
    if "training_mean" not in run.coords:
        return run
    mean = run.coords["training_mean"].values.astype(run.dtype)
    mean = np.broadcast_to(mean, run.shape)
    return run.assign_coords(training_mean=(("time", "target"), mean))


def out_of_fold(
    estimator: Any,
    X: Any,
    runs_y: Sequence[xr.DataArray],
    *,
    cv: Any = None,
    groups: Any = None,
    purge: str | float = "0s",
) -> Iterator[xr.DataArray]:
    """Yield the prediction of each held-out run, in the order of the folds.

    Parameters and what is raised are those of `cross_val_predict`.
    """
    runs_x = _by_run(X)
    if len(runs_x) != len(runs_y):
        raise ValueError(
            f"X has {len(runs_x)} runs and y {len(runs_y)}: pass the response of each run"
        )
    given = expand(groups, "groups", None, len(runs_y))
    heard = _stimuli(runs_y) if given is None else given
    splitter = _over_runs(resolve_cv(cv, heard, "the runs"), len(runs_y))
    splits = folds_of(splitter, np.arange(len(runs_y)), heard, "the runs")
    seconds = read_seconds(purge, "purge")
    if not seconds:
        _refuse_heard_twice(_stimuli(runs_y), runs_y, splits)
        _refuse_same_sound(runs_x, splits)
    for train, test in splits:
        held_out = [runs_y[i] for i in test]
        fitted_on = RunList(_purged(runs_y[i], held_out, seconds) for i in train)
        try:
            model = _fit(clone(estimator), _take(runs_x, train), fitted_on, seconds)
        except ValueError as error:
            names = ", ".join(str(run.coords["run"].values[0]) for run in held_out)
            error.add_note(f"It was raised by the fit of the fold that holds out {names}.")
            raise
        yield from split_runs(drop_history(model.predict(_take(runs_x, test))))


def _over_runs(cv: Any, n_runs: int) -> Any:
    """Return the splitter, or the list of (train, test), if these are positions of runs."""
    if hasattr(cv, "split"):
        return cv
    pairs = list(cv)
    for places in (np.asarray(part) for pair in pairs for part in pair):
        last = places.size - 1 if places.dtype == bool else int(np.max(places, initial=0))
        if last >= n_runs:
            raise ValueError(
                f"cv has the position {last}, but there are {n_runs} runs: (train, test) are "
                "positions of runs, 0 to n_runs - 1, not of TRs"
            )
    return pairs


def _refuse_heard_twice(heard: Any, runs: Sequence[xr.DataArray], splits: Any) -> None:
    """Raise where a fold holds out what is heard in one of its training runs."""
    for train, test in splits:
        both = sorted(set(heard[train].tolist()) & set(heard[test].tolist()))
        if both:
            same = [str(run.coords["run"].values[0]) for run in runs]
            named = ", ".join(
                name for name, story in zip(same, heard.tolist(), strict=True) if story == both[0]
            )
            raise ValueError(
                f"a fold holds out {both[0]!r} and trains on it: it is heard in the runs {named}, "
                "and a model that saw a story predicts it too well. Leave cv=None, pass a splitter "
                "of groups such as GroupKFold, or let groups= keep these runs together"
            )


def _refuse_same_sound(stimuli: Sequence[Any], splits: Any) -> None:
    """Raise where a fold trains on the sound that it holds out, whatever it is called."""
    if not all(isinstance(item, Stimulus) for item in stimuli):
        return
    for train, test in splits:
        try:
            check_disjoint(
                {"train": [stimuli[i] for i in train], "test": [stimuli[i] for i in test]}
            )
        except ValueError as error:
            raise ValueError(
                f"a fold trains on what it holds out: {error}, by groups= of cross_val_predict; of "
                "segments, purge= leaves out what is near"
            ) from error


def _fit(model: Any, X: Any, y: RunList, purge: float) -> Any:
    """Return ``model`` fitted; an error says what a purge left."""
    left = [run for run in y if not purge or np.isfinite(run.values).any()]
    if not left:
        raise ValueError(
            f"purge={purge:g} s leaves nothing of {len(y)} training runs: purge less, or cut the "
            "run into fewer segments"
        )
    try:
        return model.fit(X, y)
    except ValueError as error:
        if len(left) < len(y):
            error.add_note(f"purge={purge:g} s left {len(left)} of {len(y)} training runs.")
        raise


def _purged(run: xr.DataArray, held_out: Sequence[xr.DataArray], purge: float) -> xr.DataArray:
    """Return ``run`` with NaN, which is not fitted on, near held-out segments of the same story."""
    mine = _whole_story(run)
    near = [other for other in held_out if _whole_story(other) == mine] if purge else []
    if not near:
        return run
    if any("seconds" not in rows.coords for rows in (run, *near)):
        raise ValueError(f"purge={purge:g} s of {mine!r} needs the coordinate seconds on time")
    times = run.coords["seconds"].values
    others = np.concatenate([rows.coords["seconds"].values for rows in near])
    apart = np.abs(times[:, None] - others).min(axis=1)
    return run.where(xr.DataArray(apart > purge + _ROUNDING, dims="time"))


def _whole_story(run: xr.DataArray) -> str:
    """Return the story that a run or a segment is of, which may be heard in several runs."""
    name = "stimulus" if "stimulus" in run.coords else "run"
    return parent_run(str(run.coords[name].values[0]))


def _by_run(rows: Any) -> Sequence[Any]:
    return split_runs(rows) if isinstance(rows, xr.DataArray) else rows


def _stimuli(runs: Sequence[xr.DataArray]) -> Any:
    coord = "stimulus" if all("stimulus" in run.coords for run in runs) else "run"
    return np.asarray([run.coords[coord].values[0] for run in runs])


def _take(runs: Sequence[Any], places: Any) -> Any:
    some = [runs[place] for place in places]
    # Labelled features go into transformers as one DataArray, as they come out of an extractor.
    return concat_runs(some) if isinstance(some[0], xr.DataArray) else some


def _in_order(predictions: Sequence[xr.DataArray], runs: Sequence[xr.DataArray]) -> xr.DataArray:
    names = [run.coords["run"].values[0] for run in predictions]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"run {twice[0]!r} is held out by more than one fold: cross_val_predict needs a cv "
            "that holds each run out once, such as GroupKFold"
        )
    order = [run.coords["run"].values[0] for run in runs]
    return concat_runs([predictions[names.index(name)] for name in order if name in names])
