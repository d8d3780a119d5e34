"""Check a metric: ``metric(true, predicted)``, a score for each target."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from encodekit.data import RunList, concat_runs, validate
from encodekit.testing._digest import digest
from encodekit.testing._run_checks import Skip, raises, require, run_checks
from encodekit.testing._small_studies import small_study


def check_metric(metric: Callable[..., Any], *, skip: Skip | None = None) -> tuple[str, ...]:
    """Check that a metric keeps the contract of `encodekit.correlation`.

    Parameters
    ----------
    metric : callable
        ``metric(true, predicted)`` of two DataArrays (time, target), or of lists of runs, gives
        a DataArray over targets; higher is better.
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

    Examples
    --------
    >>> import encodekit as ek
    >>> "the_order_of_runs_does_not_matter" in check_metric(ek.correlation)
    True
    """
    name = getattr(metric, "__name__", type(metric).__name__)
    return run_checks(f"the metric {name}", METRIC_CHECKS, MetricCase(metric), skip)


class MetricCase:
    """A metric, true responses of two participants, and predictions of them."""

    def __init__(self, metric: Callable[..., Any]) -> None:
        self.metric = metric
        self.true = small_study(missing=False).responses()
        rng = np.random.default_rng(11)
        self.predicted = RunList(
            (0.5 * run + rng.standard_normal(run.shape)).assign_coords(
                training_mean=("target", np.zeros(run.sizes["target"]))
            )
            for run in self.true
        )
        for guess, run in zip(self.predicted, self.true, strict=True):
            guess.attrs = dict(run.attrs)

    def scores(self, true: Any = None, predicted: Any = None) -> Any:
        """Return the scores of these, or of the case's own."""
        return self.metric(
            self.true if true is None else true, self.predicted if predicted is None else predicted
        )


def it_is_described(case: MetricCase) -> None:
    """The function has a docstring."""
    require((case.metric.__doc__ or "").strip(), "it has no docstring")


def there_is_a_score_for_each_target(case: MetricCase) -> None:
    """The result is a DataArray (target) with the coordinates of the targets."""
    scores = case.scores()
    require(isinstance(scores, xr.DataArray), f"the result is a {type(scores).__name__}")
    validate(scores, "score")
    for name in ("target", "participant", "region"):
        kept = np.array_equal(scores.coords[name].values, case.true[0].coords[name].values)
        require(kept, f"the coordinate {name!r} differs from that of the responses")
    require(np.isfinite(scores.values).all(), "scores of complete responses are not finite")


def a_better_prediction_scores_higher(case: MetricCase) -> None:
    """The truth scores higher than a noisy guess, and this higher than its opposite."""
    exact = case.scores(predicted=_as_prediction(case.true)).values
    near = case.scores().values
    far = case.scores(predicted=RunList(_negative(run) for run in case.predicted)).values
    require((exact > near).all(), "a noisy prediction scores as high as the truth")
    require((near > far).mean() > 0.5, "a prediction scores no higher than its opposite")


def a_list_and_one_array_score_the_same(case: MetricCase) -> None:
    """Runs in a list, or joined in one DataArray, have the same scores."""
    joined = case.scores(concat_runs(case.true), concat_runs(case.predicted))
    require(_close(joined, case.scores()), "joined runs score differently from a list")


def the_order_of_runs_does_not_matter(case: MetricCase) -> None:
    """Runs are joined by name: in another order, on one side or both, they score the same."""
    scores = case.scores()
    both = case.scores(RunList(case.true[::-1]), RunList(case.predicted[::-1]))
    one = case.scores(predicted=RunList(case.predicted[::-1]))
    require(_close(both, scores), "scores depend on the order of the runs")
    require(_close(one, scores), "runs in another order are compared with each other")


def targets_score_by_themselves(case: MetricCase) -> None:
    """A target's score does not depend on the others."""
    few = slice(None, None, 3)
    alone = case.scores(*(RunList(r.isel(target=few) for r in s) for s in _sides(case)))
    require(_close(alone, case.scores().isel(target=few)), "scores depend on other targets")


def missing_rows_of_a_participant_are_left_out(case: MetricCase) -> None:
    """NaN in all targets of one participant leaves those rows out for that participant alone."""
    first = case.true[0].coords["participant"].values == "P1"
    blank = RunList([case.true[0].where(~xr.DataArray(first, dims="target")), *case.true[1:]])
    scores = case.scores(blank)
    without = case.scores(RunList(case.true[1:]), RunList(case.predicted[1:]))
    whole = case.scores()
    require(np.allclose(scores[first], without[first], atol=1e-6), "missing rows change the score")
    require(np.allclose(scores[~first], whole[~first], atol=1e-6), "others' scores change")


def nan_in_nan_out(case: MetricCase) -> None:
    """A single NaN, in the truth or in the prediction, makes its target's score NaN."""
    for name, side in {"true": case.true, "predicted": case.predicted}.items():
        spoilt = RunList(run.copy(deep=True) for run in side)
        spoilt[0].values[2, 1] = np.nan
        scores = case.scores(**{name: spoilt})
        require(np.isnan(scores.values[1]), f"NaN in {name} gives the score {scores.values[1]}")
        require(np.isfinite(np.delete(scores.values, 1)).all(), f"NaN in {name} spoils others")


def a_constant_response_has_no_score(case: MetricCase) -> None:
    """A target whose responses do not vary scores NaN."""
    flat = RunList(run.copy(deep=True) for run in case.true)
    for run in flat:
        run.values[:, 0] = 0.1
    score = case.scores(flat).values[0]
    require(np.isnan(score), f"a constant response scores {score}")


def what_does_not_match_is_refused(case: MetricCase) -> None:
    """A run, or a target, that one side lacks raises."""
    told = raises(ValueError, lambda: case.scores(predicted=RunList(case.predicted[1:])))
    require(told, "predictions that lack a run are accepted")
    fewer = RunList(run.isel(target=slice(1, None)) for run in case.predicted)
    require(
        raises(ValueError, lambda: case.scores(predicted=fewer)), "lacking targets are accepted"
    )


def dask_gives_what_numpy_gives(case: MetricCase) -> None:
    """Responses in dask arrays score as those in memory."""
    chunked = RunList(run.chunk({"target": 2}) for run in case.true)
    require(_close(case.scores(chunked), case.scores()), "dask responses score differently")


def its_inputs_are_left_as_they_were(case: MetricCase) -> None:
    """Nothing that is passed in is changed."""
    before = digest(_sides(case))
    case.scores()
    require(digest(_sides(case)) == before, "the metric changes its inputs")


def _sides(case: MetricCase) -> list[RunList]:
    return [case.true, case.predicted]


def _as_prediction(runs: RunList) -> RunList:
    zero = ("target", np.zeros(runs[0].sizes["target"]))
    return RunList(run.assign_coords(training_mean=zero) for run in runs)


def _negative(run: xr.DataArray) -> xr.DataArray:
    return run.copy(data=-run.values)


def _close(one: Any, other: Any) -> bool:
    same_targets = np.array_equal(one.coords["target"].values, other.coords["target"].values)
    return same_targets and bool(np.allclose(one.values, other.values, atol=1e-6, equal_nan=True))


METRIC_CHECKS = (
    it_is_described,
    there_is_a_score_for_each_target,
    a_better_prediction_scores_higher,
    a_list_and_one_array_score_the_same,
    the_order_of_runs_does_not_matter,
    targets_score_by_themselves,
    missing_rows_of_a_participant_are_left_out,
    nan_in_nan_out,
    a_constant_response_has_no_score,
    what_does_not_match_is_refused,
    dask_gives_what_numpy_gives,
    its_inputs_are_left_as_they_were,
)
