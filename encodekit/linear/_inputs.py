"""What goes into a fit, a prediction or a score: arrays, and how to label what comes out.

Estimators tell labelled runs and plain arrays apart here and nowhere else.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from encodekit.data import (
    heard_of,
    is_labelled,
    join_rows,
    one_array,
    participants_of,
    target_coords,
    validate,
)
from encodekit.data._target_blocks import check_scheduler
from encodekit.data._timing import t_r_of_runs
from encodekit.linear._callers import refuse_lossy_callers
from encodekit.linear._folds import expand
from encodekit.linear._interrupted import refuse_interrupted
from encodekit.linear._labels import Labelled, Labels, Unlabelled, coords_on
from encodekit.linear._patterns import Problem
from encodekit.regions import select_targets

_FLOATS = (np.float64, np.float32)
_FEATURE_COORDS = ("name", "layer", "delay", "band")
_TIME_ATTRS = ("t_r", "sample_offset")
_TARGET_ATTRS = ("space", "units")


@dataclass(frozen=True, eq=False)
class Training:
    """What a fit is made of.

    Attributes
    ----------
    problem : Problem
    labels : Labels
        Of fitted arrays.
    target_names : array (target,)
        Positions, for plain arrays.
    heard : dict of str to str
        ``fitted_on_``.
    """

    problem: Problem
    labels: Labels
    target_names: NDArray[Any]
    heard: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Rows:
    """Features (time, feature) to predict from, and the labels of what is predicted."""

    values: NDArray[Any]
    labels: Labels


def read_training(
    estimator: Any, X: Any, y: Any, *, groups: Any, runs: Any, targets: Any
) -> Training:
    """Return the arrays of a fit.

    Raises
    ------
    TypeError
        If one of X and y is labelled and the other is not.
    ValueError
        If their rows differ, X holds NaN or infinity, or the TRs of a run are shuffled or
        interrupted.
    RuntimeError
        If they are lazy, and the scheduler that would compute them is gone.
    """
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    check_scheduler(X)
    check_scheduler(y)
    if not is_labelled(X) and not is_labelled(y):
        return _plain(estimator, X, y, groups=groups, runs=runs, targets=targets)
    refuse_lossy_callers()
    if not is_labelled(X):
        raise TypeError(
            f"X is a {type(X).__name__} without labels but the responses carry them, so the rows "
            "cannot be joined. FeatureUnion, ColumnTransformer and np.hstack lose the runs: join "
            "feature spaces with ek.FeatureSpaces([(name, extractor), ...]). So do transformers "
            "such as PCA(50): wrap them, ek.FeatureTransformer(PCA(50))"
        )
    if hasattr(y, "responses"):
        raise TypeError(f"y is a {type(y).__name__}: pass its .responses()")
    if not is_labelled(y):
        raise TypeError(
            f"y is a {type(y).__name__} without labels but X carries them, so the rows cannot be "
            "joined: make responses with encodekit.data.make_response, or pass X.values with "
            "runs=X.run.values"
        )
    refuse_interrupted(X, y, type(estimator).__name__)
    return _labelled(X, y, groups, runs, targets)


def _labelled(X: Any, y: Any, groups: Any, runs: Any, targets: Any) -> Training:
    if runs is not None:
        raise TypeError("runs= is for plain arrays: labelled features carry `run`")
    features = validate(one_array(X, "X"), "features")
    if not features.sizes["feature"]:
        raise ValueError("X has no features (time, 0), so nothing can be predicted from it: "
                         "check what selected them")  # fmt: skip
    responses = validate(select_targets(one_array(y, "y"), targets), "response")
    _check_t_r(features, responses)
    responses = join_rows(features, responses, "X", "y")
    names = features.coords["run"].values
    stimulus = features.coords["stimulus"].values if "stimulus" in features.coords else names
    given = expand(groups, "groups", names, names.size)
    problem = Problem(
        _finite(features, "X", responses.data.dtype),
        responses.data,
        participants_of(responses.coords, responses.sizes["target"]),
        names,
        stimulus if given is None else given,
    )
    labels = Labelled(
        {
            "target": target_coords(responses, drop=("n_repeats",)),
            "feature": coords_on("feature", features),
        },
        # Kept on the weights, from which predictions take them.
        {"feature": _attrs(responses, _TARGET_ATTRS)},
    )
    names_of_targets = responses.coords["target"].values
    return Training(problem, labels, names_of_targets, _heard_in_fit(features))


def _plain(estimator: Any, X: Any, y: Any, *, groups: Any, runs: Any, targets: Any) -> Training:
    features = _read_plain(estimator, X, reset=True)
    values = check_array(
        y,
        dtype=_FLOATS,
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name="y",
        estimator=estimator,
    )
    if values.ndim > 2:
        raise ValueError(f"y has shape {values.shape}, expected (time,) or (time, target)")
    check_consistent_length(features, values)
    one_target = values.ndim == 1
    values = select_targets(values.reshape(len(values), -1), targets)
    features = features.astype(np.result_type(features.dtype, values.dtype), copy=False)
    names = expand(runs, "runs", None, len(features))
    given = expand(groups, "groups", names, len(features))
    problem = Problem(
        features,
        values,
        participants_of({}, values.shape[1]),
        names,
        names if given is None else given,
    )
    return Training(problem, Unlabelled(one_target), np.arange(values.shape[1]))


def read_features(estimator: Any, X: Any) -> Rows:
    """Return the features to predict from, and how to label what is predicted.

    Raises
    ------
    ValueError
        If these are not the features of the fit, or hold NaN or infinity.
    TypeError
        If the caller is a tool of scikit-learn's that would lose the runs of a labelled prediction.
    """
    if not is_labelled(X):
        return Rows(_read_plain(estimator, X, reset=False), Unlabelled())
    features = validate(one_array(X, "X"), "features")
    coef = estimator.coef_
    check_features(coef, features)
    values = _finite(features, "X", np.dtype(np.float32))
    refuse_lossy_callers()
    coords, attrs = {"time": coords_on("time", features)}, {"time": _attrs(features, _TIME_ATTRS)}
    if isinstance(coef, xr.DataArray):
        coords["target"], attrs["target"] = target_coords(coef), coef.attrs
    return Rows(values, Labelled(coords, attrs))


def read_true(y: Any, targets: Any) -> Any:
    """Return responses to score a prediction on, those of ``targets``: a DataArray, or an array."""
    if is_labelled(y):
        return select_targets(one_array(y, "y"), targets)
    true = np.asarray(y)
    return select_targets(true, targets) if true.ndim == 2 else true


def array_like(parts: Any, truth: xr.DataArray) -> NDArray[Any]:
    """Return predictions (..., time, target) as an array, their rows in the order of ``truth``.

    Raises
    ------
    ValueError
        If either lacks a row of the other.
    """
    return np.asarray(join_rows(truth, parts, "y", "X") if is_labelled(parts) else parts)


def _heard_in_fit(features: xr.DataArray) -> dict[str, str]:
    """Return `Stimulus.heard_hash` to run of the runs of a fit.

    None where X does not say it of every run, as plain arrays do not: a part would be taken for
    all.
    """
    fitted = set(features.coords["run"].values.tolist())
    heard = heard_of(features)
    if fitted - heard.keys():
        return {}
    return {sha: run for run, sha in heard.items() if run in fitted}


def _attrs(rows: xr.DataArray, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: rows.attrs[name] for name in names if name in rows.attrs}


def check_features(coef: Any, features: xr.DataArray) -> None:
    """Refuse features other than those of the fit, or in another order."""
    n_fitted, n_given = coef.shape[0], features.sizes["feature"]
    if n_fitted != n_given:
        raise ValueError(
            f"X has {n_given} features, but the model was fitted on {n_fitted}: use the "
            "extractor and delays of the fit"
        )
    if not isinstance(coef, xr.DataArray):
        return
    for name in _FEATURE_COORDS:
        if name not in coef.coords or name not in features.coords:
            continue
        mine, theirs = coef.coords[name].values, features.coords[name].values
        other = np.flatnonzero(mine != theirs)
        if other.size:
            where = other[0]
            raise ValueError(
                "X has other features than the model was fitted on, or in another order: feature "
                f"{where} has {name} {theirs[where].item()!r}, expected {mine[where].item()!r}"
            )


def _check_t_r(features: xr.DataArray, responses: xr.DataArray) -> None:
    mine, theirs = t_r_of_runs(features), t_r_of_runs(responses)
    other = [run for run in mine if mine[run] != theirs.get(run, mine[run])]
    if other:
        more = f" and {len(other) - 1} more runs" if other[1:] else ""
        raise ValueError(
            f"X has TRs of {mine[other[0]]} s and y of {theirs[other[0]]} s in run {other[0]!r}"
            f"{more}: make the stimuli with the t_r of the responses"
        )


def _read_plain(estimator: Any, X: Any, *, reset: bool) -> NDArray[Any]:
    values: NDArray[Any] = validate_data(
        estimator, X, dtype=_FLOATS, reset=reset, ensure_all_finite=False
    )
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"X contains NaN or infinity in {len(bad)} of {values.size} values, the first in row "
            f"{bad[0, 0]}, column {bad[0, 1]}: drop these TRs or mend the features; missing values "
            "are never filled in"
        )
    return values


def _finite(features: xr.DataArray, name: str, dtype: Any) -> NDArray[Any]:
    values = np.asarray(features.data)
    if values.dtype not in _FLOATS:
        values = values.astype(np.float64)
    # Products of float64 responses with float32 features would be float32.
    if np.issubdtype(dtype, np.float64):
        values = values.astype(np.float64, copy=False)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        runs = list(dict.fromkeys(features.coords["run"].values[bad].tolist()))
        shown = ", ".join(repr(run) for run in runs[:3])
        raise ValueError(
            f"{name} contains NaN or infinity in {np.count_nonzero(bad)} rows (runs {shown}): "
            "drop these TRs or mend the features; missing values are never filled in"
        )
    return values
