"""Out-of-fold predictions, by run."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from sklearn.base import clone

from encodekit.data import RunList, concat_runs, drop_history, one_array, split_runs
from encodekit.linear._folds import expand, folds_of, resolve_cv


def cross_val_predict(
    estimator: Any, X: Any, y: Any, *, cv: Any = None, groups: Any = None
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

    Returns
    -------
    DataArray (time, target)
        In the order of the runs, with their coordinates; runs that no fold holds out are left out.

    Raises
    ------
    ValueError
        If X and y differ in their runs, or a run is held out twice.

    Examples
    --------
    >>> import encodekit as ek
    >>> predicted = ek.cross_val_predict(model, study.stimuli, study.responses())  # doctest: +SKIP
    >>> ek.correlation(study.responses(), predicted)  # doctest: +SKIP
    """
    runs_y = split_runs(one_array(y, "y"))
    predictions = out_of_fold(estimator, X, runs_y, cv=cv, groups=groups)
    # The folds have other training means, so that none belongs to the joined prediction.
    return _in_order(
        [run.drop_vars("training_mean", errors="ignore") for run in predictions], runs_y
    )


def out_of_fold(
    estimator: Any, X: Any, runs_y: Sequence[xr.DataArray], *, cv: Any = None, groups: Any = None
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
    splits = folds_of(resolve_cv(cv, heard, "the runs"), np.arange(len(runs_y)), heard, "the runs")
    for train, test in splits:
        model = clone(estimator).fit(_take(runs_x, train), RunList(runs_y[i] for i in train))
        yield from split_runs(drop_history(model.predict(_take(runs_x, test))))


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
