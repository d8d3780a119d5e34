"""Check a regressor: features and responses in, predictions with the labels of both out."""

from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from encodekit.data import RunList, Study, validate
from encodekit.testing._estimators import ESTIMATOR_CHECKS, EstimatorCase, same
from encodekit.testing._run_checks import Skip, raises, require, run_checks
from encodekit.testing._small_studies import small_features, small_study


def check_regressor(
    regressor: Any, study: Study | None = None, X: xr.DataArray | None = None, *,
    skip: Skip | None = None,
) -> tuple[str, ...]:  # fmt: skip
    """Check that a regressor keeps the contract: ``fit(X, Y)``, ``predict(X)``, labels kept.

    Parameters
    ----------
    regressor : estimator
        An instance, not fitted; it is cloned.
    study : Study, optional
        Whose responses are predicted; two participants or more, of whom one lacks a run.
        Default: `small_study`.
    X : DataArray (time, feature), optional
        Features of the study's runs. Default: `small_features`.
    skip : mapping of check to reason, optional
        Checks that do not apply.

    Returns
    -------
    tuple of str
        The checks that passed.

    Raises
    ------
    ContractError
        With every check that failed and why.
    """
    study = study or small_study()
    case = RegressorCase(regressor, small_features(study) if X is None else X, study.responses())
    return run_checks(f"{regressor!r:.80}", REGRESSOR_CHECKS, case, skip)


class RegressorCase(EstimatorCase):
    """A regressor, features, and the responses of several participants."""

    def __init__(self, regressor: Any, features: xr.DataArray, responses: RunList) -> None:
        super().__init__(regressor)
        self.features, self.responses = features, responses

    def fit(self, estimator: Any) -> Any:
        """Fit on all runs."""
        return estimator.fit(self.features, self.responses)

    def output(self, estimator: Any) -> Any:
        """Predict the same runs."""
        return estimator.predict(self.features)

    def inputs(self) -> Any:
        """Return features and responses."""
        return self.features, self.responses

    def prediction_of(self, features: xr.DataArray, responses: Any) -> xr.DataArray:
        """Fit a new one on these and predict ``self.features``."""
        predicted: xr.DataArray = self.new().fit(features, responses).predict(self.features)
        return predicted

    @cached_property
    def participants(self) -> list[str]:
        """Who responded."""
        return list(dict.fromkeys(self.responses[0].coords["participant"].values.tolist()))

    def of(self, participant: str, runs: Any = None) -> RunList:
        """Return the responses of one participant."""
        found = self.responses if runs is None else runs
        return RunList(
            run.isel(target=np.flatnonzero(run.coords["participant"].values == participant))
            for run in found
        )


def predictions_keep_the_labels_of_both(case: RegressorCase) -> None:
    """Rows are those of X, targets those of Y, each with its coordinates."""
    rows, targets = case.features, case.responses[0]
    require(case.given.dims == ("time", "target"), f"predict gives {case.given.dims}")
    validate(case.given, "response")
    for side, dim, names in ((rows, "time", ("run", "tr")), (targets, "target", None)):
        wanted = names or [n for n, c in side.coords.items() if c.dims == (dim,)]
        for name in wanted:
            if name == "n_repeats":
                continue
            require(name in case.given.coords, f"the prediction lacks the coordinate {name!r}")
            kept = np.array_equal(case.given.coords[name].values, side.coords[name].values)
            require(kept, f"the coordinate {name!r} of the prediction differs")


def the_order_of_runs_does_not_matter(case: RegressorCase) -> None:
    """Fitted on the same runs in another order, it predicts the same."""
    order = np.argsort(-_run_numbers(case.features), kind="stable")
    other = case.prediction_of(case.features.isel(time=order), RunList(case.responses[::-1]))
    _require_close(other, case.given, "predictions depend on the order of the runs")


def the_order_of_targets_does_not_matter(case: RegressorCase) -> None:
    """Each target is predicted by itself, wherever it stands."""
    turned = RunList(run.isel(target=slice(None, None, -1)) for run in case.responses)
    other = case.prediction_of(case.features, turned)
    _require_close(
        other.isel(target=slice(None, None, -1)), case.given, "predictions depend on other targets"
    )


def a_participant_alone_is_predicted_the_same(case: RegressorCase) -> None:
    """What a participant lacks is missing for that participant alone."""
    for person in case.participants:
        alone = case.prediction_of(case.features, case.of(person))
        together = case.of(person, [case.given])[0]
        _require_close(alone, together, f"predictions of {person!r} depend on other participants")


def missing_rows_are_left_out_and_not_filled(case: RegressorCase) -> None:
    """Rows that are NaN in all targets of a participant train nothing, and are predicted."""
    person = case.participants[0]
    whole = case.of(person)
    blank = RunList([*whole[:-1], whole[-1] * np.nan])
    lost = set(whole[-1].coords["run"].values.tolist())
    kept = np.flatnonzero(~np.isin(case.features.coords["run"].values, list(lost)))
    without = case.prediction_of(case.features.isel(time=kept), RunList(whole[:-1]))
    filled = case.prediction_of(case.features, blank)
    _require_close(filled, without, "NaN in a run changes more than leaving the run out")


def a_constant_target_is_not_predicted(case: RegressorCase) -> None:
    """A target that does not vary is predicted as NaN, or as its constant; others as before."""
    person = case.participants[0]
    runs = case.of(person)
    flat = RunList(run.copy(deep=True) for run in runs)
    for run in flat:
        run.values[:, 0] = 0.5
    predicted = case.prediction_of(case.features, flat)
    first = predicted.values[:, 0]
    sound = np.isnan(first).all() or np.allclose(first, 0.5, atol=1e-5)
    require(sound, "a constant target is predicted as something else")
    rest = {"target": slice(1, None)}
    alone = case.prediction_of(case.features, runs)
    _require_close(predicted.isel(rest), alone.isel(rest), "a constant target changes the others")


def dask_gives_what_numpy_gives(case: RegressorCase) -> None:
    """Responses in dask arrays are predicted as those in memory."""
    chunked = RunList(run.chunk({"target": 2}) for run in case.responses)
    other = case.prediction_of(case.features, chunked)
    _require_close(other, case.given, "dask responses give other predictions")


def arrays_give_arrays(case: RegressorCase) -> None:
    """NumPy in, NumPy out: a number per row and target, or per row for a single one."""
    person = case.participants[0]
    Y = np.concatenate([run.values for run in case.of(person)])
    kept = case.features.coords["tr"].values >= 0
    X = case.features.values[kept]
    runs = case.features.coords["run"].values[kept]
    predicted = case.new().fit(X, Y, runs=runs).predict(X)
    require(isinstance(predicted, np.ndarray), f"arrays give a {type(predicted).__name__}")
    require(predicted.shape == Y.shape, f"shape {predicted.shape}, expected {Y.shape}")


def nan_in_features_is_refused(case: RegressorCase) -> None:
    """NaN among the features raises, in fit and in predict."""
    spoilt = case.features.copy(deep=True).astype(float)
    spoilt.values[-1, 0] = np.nan
    fit = raises(ValueError, lambda: case.new().fit(spoilt, case.responses))
    require(fit, "fit takes features that are NaN")
    require(raises(ValueError, lambda: case.fitted.predict(spoilt)), "predict takes NaN features")


def rows_that_do_not_match_are_refused(case: RegressorCase) -> None:
    """Runs of X and Y are joined by name and TR; a run that one side lacks raises."""
    first = case.responses[0].coords["run"].values[0]
    kept = np.flatnonzero(case.features.coords["run"].values != first)
    less = case.features.isel(time=kept)
    told = raises(ValueError, lambda: case.new().fit(less, case.responses))
    require(told, f"responses to run {first!r}, of which there are no features, are accepted")


def score_is_one_number(case: RegressorCase) -> None:
    """``score(X, Y)`` is a float, which scikit-learn's tools need."""
    score = case.fitted.score(case.features, case.responses)
    require(isinstance(score, float), f"score gives a {type(score).__name__}, expected a float")


def what_is_there_is_found(case: RegressorCase) -> None:
    """Predictions of a clear signal correlate with it."""
    from encodekit.scoring import correlation

    scores = np.asarray(correlation(case.responses, case.given.sel(time=case.given.tr >= 0)))
    require(np.nanmean(scores) > 0.2, f"mean r on the training runs is {np.nanmean(scores):.3f}")


def _run_numbers(features: xr.DataArray) -> Any:
    return np.unique(features.coords["run"].values, return_inverse=True)[1]


def _require_close(one: xr.DataArray, other: xr.DataArray, message: str) -> None:
    labels = ("run", "tr", "target")
    for name in labels:
        same_label = same(one.coords[name].values, other.coords[name].values)
        require(same_label, f"{message}: `{name}` differs")
    apart = np.abs(one.values - other.values)
    same_nan = np.array_equal(np.isnan(one.values), np.isnan(other.values))
    largest = float(np.nanmax(apart, initial=0.0))
    scale = float(np.nanmax(np.abs(other.values), initial=1e-9))
    require(same_nan and largest <= 1e-4 * scale, f"{message} (by {largest:.2g})")


REGRESSOR_CHECKS = (
    *ESTIMATOR_CHECKS,
    predictions_keep_the_labels_of_both,
    the_order_of_runs_does_not_matter,
    the_order_of_targets_does_not_matter,
    a_participant_alone_is_predicted_the_same,
    missing_rows_are_left_out_and_not_filled,
    a_constant_target_is_not_predicted,
    dask_gives_what_numpy_gives,
    arrays_give_arrays,
    nan_in_features_is_refused,
    rows_that_do_not_match_are_refused,
    score_is_one_number,
    what_is_there_is_found,
)
