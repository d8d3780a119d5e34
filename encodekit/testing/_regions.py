"""Check a region selector: responses or scores in, some of their targets out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from encodekit.data import RunList
from encodekit.testing._digest import digest
from encodekit.testing._estimators import (
    EstimatorCase,
    clone_has_equal_parameters,
    docstring_describes_parameters_and_attributes,
    fit_returns_itself,
    giving_an_output_changes_nothing,
    init_keeps_every_argument,
    parameters_are_kept_as_given,
    repr_is_the_class_with_its_parameters,
    saving_and_loading_gives_the_same,
)
from encodekit.testing._run_checks import Skip, require, run_checks
from encodekit.testing._small_studies import small_responses


def check_region_selector(
    selector: Any, responses: Sequence[xr.DataArray] | None = None, *, skip: Skip | None = None
) -> tuple[str, ...]:
    """Check that a region selector keeps the contract of `encodekit.RegionSelector`.

    Parameters
    ----------
    selector : estimator
        An instance that keeps some targets of ``responses`` and not all.
    responses : list of DataArray (time, target), optional
        Default: those of `small_study`, whose regions are A1, A4 and STSdp.
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
    >>> len(check_region_selector(ek.RegionSelector(regions=["A1"]))) > 10
    True
    """
    case = RegionCase(selector, RunList(responses or small_responses()))
    return run_checks(f"{selector!r:.80}", REGION_CHECKS, case, skip)


class RegionCase(EstimatorCase):
    """A selector and the responses that it selects from."""

    def __init__(self, selector: Any, responses: RunList) -> None:
        super().__init__(selector)
        self.responses = responses

    def fit(self, estimator: Any) -> Any:
        """Fit on the responses, of which nothing is learnt."""
        return estimator.fit(self.responses)

    def output(self, estimator: Any) -> Any:
        """Return the selected responses."""
        return estimator.transform(self.responses)

    def inputs(self) -> Any:
        """Return the responses."""
        return self.responses

    def names(self) -> list[str]:
        """Return the names of the targets that are kept."""
        return [str(name) for name in self.given[0].coords["target"].values]


def some_targets_are_kept_in_their_old_order(case: RegionCase) -> None:
    """The kept targets are some of those there were, in the order in which they stood."""
    every = case.responses[0].coords["target"].values.tolist()
    kept = case.names()
    require(kept, "no target is kept")
    require(len(kept) < len(every), "every target is kept: check one that leaves some out")
    places = [every.index(name) if name in every else -1 for name in kept]
    require(-1 not in places, "targets are kept that were not there")
    require(places == sorted(set(places)), "the order of the targets changes")


def values_and_labels_are_kept(case: RegionCase) -> None:
    """Of each run, exactly the kept targets: values, coordinates and attributes."""
    for given, run in zip(case.given, case.responses, strict=True):
        wanted = run.sel(target=case.names())
        require(digest(given) == digest(wanted), "the values or labels of kept targets change")


def a_list_stays_a_list_of_its_kind(case: RegionCase) -> None:
    """A RunList gives a RunList, with as many runs."""
    kind = type(case.given).__name__
    require(isinstance(case.given, RunList), f"a RunList becomes a {kind}")
    require(len(case.given) == len(case.responses), "the number of runs changes")


def every_form_of_the_same_targets_keeps_the_same(case: RegionCase) -> None:
    """A run alone, repeats and scores of the same targets keep the same targets."""
    run = case.responses[0]
    for what, form in {
        "a single run": run,
        "repeats": run.expand_dims(repeat=2),
        "scores": run.isel(time=0, drop=True),
    }.items():
        kept = case.fitted.transform(form).coords["target"].values.tolist()
        require(kept == case.names(), f"of {what} other targets are kept")


def responses_in_dask_stay_there(case: RegionCase) -> None:
    """Nothing is read before it is asked for, and then it is the same."""
    chunked = case.responses[0].chunk({"target": 2})
    kept = case.fitted.transform(chunked)
    require(hasattr(kept.data, "dask"), "responses in dask are read")
    require(np.array_equal(kept.values, case.given[0].values, equal_nan=True), "dask gives others")


def no_fit_is_needed(case: RegionCase) -> None:
    """Regions are chosen before there are data: an unfitted one gives the same."""
    given = case.new().transform(case.responses)
    require(digest(given) == digest(case.given), "before fit it keeps other targets")


def its_inputs_are_left_as_they_were(case: RegionCase) -> None:
    """Nothing that is passed in is changed."""
    before = digest(case.responses)
    case.fit(case.new()).transform(case.responses)
    require(digest(case.responses) == before, "the responses are changed")


def responses_that_hold_none_are_refused(case: RegionCase) -> None:
    """Where no target lies in the regions it raises and does not return nothing."""
    every = case.responses[0].coords["target"].values.tolist()
    left_out = [name for name in every if name not in case.names()]
    try:
        kept = case.fitted.transform(case.responses[0].sel(target=left_out))
    except ValueError:
        return
    require(kept.sizes["target"], "an empty selection is returned without a word")


REGION_CHECKS = (
    clone_has_equal_parameters,
    parameters_are_kept_as_given,
    init_keeps_every_argument,
    repr_is_the_class_with_its_parameters,
    docstring_describes_parameters_and_attributes,
    fit_returns_itself,
    giving_an_output_changes_nothing,
    saving_and_loading_gives_the_same,
    some_targets_are_kept_in_their_old_order,
    values_and_labels_are_kept,
    a_list_stays_a_list_of_its_kind,
    every_form_of_the_same_targets_keeps_the_same,
    responses_in_dask_stay_there,
    no_fit_is_needed,
    its_inputs_are_left_as_they_were,
    responses_that_hold_none_are_refused,
)
