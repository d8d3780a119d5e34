"""Each check of a loss, a metric, a region selector and a study fails on its broken one."""

import copy
import warnings
from functools import partial

import numpy as np
import pytest
import torch
import xarray as xr

import encodekit as ek
from encodekit.data import RunList
from encodekit.testing import (
    ContractError,
    check_loss,
    check_metric,
    check_region_selector,
    check_study,
    small_responses,
    small_study,
)
from encodekit.testing._losses import LOSS_CHECKS, LossCase
from encodekit.testing._metrics import METRIC_CHECKS, MetricCase
from encodekit.testing._regions import REGION_CHECKS, RegionCase
from encodekit.testing._studies import STUDY_CHECKS, StudyCase

RESPONSES = small_responses()


def fails(check, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((AssertionError, ValueError), match=r"\w+ \w+"):
            check(case)


l2 = ek.make_loss("l2")


def undescribed(predicted, true, mask):
    return l2(predicted, true, mask)


def per_pair(predicted, true, mask):
    """Not a scalar."""
    return ((predicted - torch.where(mask > 0, true, 0.0)) ** 2 * mask).mean(-1)


def upside_down(predicted, true, mask):
    """Higher where it is better."""
    return -l2(predicted, true, mask)


def flat(predicted, true, mask):
    """No gradient to follow."""
    return l2(predicted, true, mask) * 0 + 1 - 0 * predicted.sum()


def ignores_mask(predicted, true, mask):
    """Everything counts."""
    return ((predicted - true) ** 2).mean()


def never_zero(predicted, true, mask):
    """One more."""
    return l2(predicted, true, mask) + 1


def first_counts_most(predicted, true, mask):
    """Pairs have an order."""
    return l2(predicted, true, mask) + (predicted - true.nan_to_num())[0].abs().sum()


def demands_shapes(predicted, true, mask):
    """No broadcasting."""
    if predicted.shape != true.shape:
        raise ValueError("shapes differ")
    return l2(predicted, true, mask)


def spoils(predicted, true, mask):
    """Changes the truth."""
    loss = l2(predicted, true, mask)
    true += 1
    return loss


def boasts(predicted, true, mask):
    """Claims what does not hold."""
    return ek.make_loss("correlation")(predicted, true, mask)


boasts.joint_equals_mean = True
LOSSES = dict(
    zip(
        LOSS_CHECKS,
        (
            undescribed, per_pair, upside_down, flat, ignores_mask, never_zero, first_counts_most,
            demands_shapes, spoils, boasts,
        ),
        strict=True,
    )
)  # fmt: skip


@pytest.mark.parametrize("check", LOSSES, ids=lambda check: check.__name__)
def test_a_loss_that_is_broken_fails(check):
    fails(check, LossCase(LOSSES[check]))


@pytest.mark.parametrize("name", ["l2", "correlation", "cosine_l2"])
def test_the_losses_of_brain_tuning_pass(name):
    assert len(check_loss(ek.make_loss(name))) == len(LOSS_CHECKS)


def test_a_loss_with_bound_parameters_is_named():
    with pytest.raises(ContractError, match="the loss upside_down fails"):
        check_loss(partial(upside_down))


def metric_of(change_scores=lambda s: s, change_sides=lambda t, p: (t, p)):
    def metric(true, predicted):
        """A score."""
        return change_scores(ek.correlation(*change_sides(true, predicted)))

    return metric


def bare_metric(true, predicted):
    return ek.correlation(true, predicted)


def over_all_targets(scores):
    return scores - scores.mean().values


def list_only(true, predicted):
    """Joined runs score half."""
    scores = ek.correlation(true, predicted)
    return scores if isinstance(true, list) else scores / 2


def by_position(true, predicted):
    """Runs are compared in the order in which they stand."""
    if isinstance(true, list):
        predicted = [
            guess.assign_coords(run=run.run, stimulus=run.stimulus)
            for run, guess in zip(true, predicted, strict=True)
        ]
    return ek.correlation(true, predicted)


def filled(true, predicted):
    return (RunList(run.fillna(0.0) for run in true) if isinstance(true, list) else true), predicted


def filled_guess(true, predicted):
    return true, [run.fillna(0.0) for run in predicted] if isinstance(true, list) else predicted


def lenient(true, predicted):
    if isinstance(true, list) and len(predicted) < len(true):
        true = true[len(true) - len(predicted) :]
    return true, predicted


def doubled_dask(true, predicted):
    """Other numbers for dask."""
    scores = ek.correlation(true, predicted)
    lazy = isinstance(true, list) and hasattr(true[0].data, "dask")
    return scores / 2 if lazy else scores


def spoiling(true, predicted):
    """Changes the truth."""
    scores = ek.correlation(true, predicted)
    if isinstance(true, list):
        true[0].values[0] += 1
    return scores


METRICS = dict(
    zip(
        METRIC_CHECKS,
        (
            bare_metric, metric_of(lambda s: s.values), metric_of(lambda s: -s), list_only,
            by_position, metric_of(over_all_targets), metric_of(change_sides=filled),
            metric_of(change_sides=filled_guess), metric_of(lambda s: s.fillna(0.0)),
            metric_of(change_sides=lenient), doubled_dask, spoiling,
        ),
        strict=True,
    )
)  # fmt: skip


@pytest.mark.parametrize("check", METRICS, ids=lambda check: check.__name__)
def test_a_metric_that_is_broken_fails(check):
    fails(check, MetricCase(METRICS[check]))


@pytest.mark.parametrize("name", ["correlation", "r2"])
def test_the_metrics_of_encodekit_pass(name):
    from encodekit.plugins import load_spec

    assert len(check_metric(load_spec("metrics", name))) == len(METRIC_CHECKS)


class Selector(ek.RegionSelector):
    """Regions."""


class CopiesRegions(Selector):
    def __init__(self, regions=("A1",)):
        super().__init__(regions=regions)


class KeepsWhatItIsTold(Selector):
    def set_params(self, **parameters):
        return self


class IgnoresTheAtlas(Selector):
    def __init__(self, regions=None, atlas=None):
        super().__init__(regions=regions)


class Nameless(Selector):
    def __repr__(self):
        return "regions"


class Undocumented(Selector):
    """Regions."""

    def fit(self, responses=None, y=None):
        self.hidden_ = 1
        return self


class FitGivesNothing(Selector):
    def fit(self, responses=None, y=None):
        return None


class Counts(Selector):
    """regions, n_calls."""

    n_calls = 0

    def transform(self, responses):
        self.n_calls = self.n_calls + 1
        return super().transform(responses)


class LoadsEmpty(Selector):
    def _save_state(self, folder):
        return {}

    def _load_state(self, folder, state):
        self.regions = ["A4"]


class TurnsAround(Selector):
    def transform(self, responses):
        given = super().transform(responses)
        if isinstance(given, list):
            return RunList(run.isel(target=slice(None, None, -1)) for run in given)
        return given


class DropsLabels(Selector):
    def transform(self, responses):
        given = super().transform(responses)
        return (
            RunList(run.drop_vars("voxel") for run in given) if isinstance(given, list) else given
        )


class GivesAList(Selector):
    def transform(self, responses):
        given = super().transform(responses)
        return list(given) if isinstance(given, list) else given


class ForgetsScores(Selector):
    def transform(self, responses):
        if isinstance(responses, xr.DataArray) and "time" not in responses.dims:
            return responses
        return super().transform(responses)


class ReadsDask(Selector):
    def transform(self, responses):
        given = super().transform(responses)
        return given if isinstance(given, list) else given.load()


class LearnsRegions(Selector):
    def fit(self, responses=None, y=None):
        self._fitted = True
        return self

    def transform(self, responses):
        if not hasattr(self, "_fitted"):
            return responses
        return super().transform(responses)


class Spoils(Selector):
    def transform(self, responses):
        if isinstance(responses, list):
            responses[0].values[0] += 1
        return super().transform(responses)


class KeepsNothing(Selector):
    def transform(self, responses):
        if isinstance(responses, list):
            return super().transform(responses)
        return responses.isel(target=np.flatnonzero(responses.region.values == "A1"))


SELECTORS = dict(
    zip(
        REGION_CHECKS,
        (
            CopiesRegions, KeepsWhatItIsTold, IgnoresTheAtlas, Nameless, Undocumented,
            FitGivesNothing, Counts, LoadsEmpty, TurnsAround, DropsLabels, GivesAList,
            ForgetsScores, ReadsDask, LearnsRegions, Spoils, KeepsNothing,
        ),
        strict=True,
    )
)  # fmt: skip


@pytest.mark.parametrize("check", SELECTORS, ids=lambda check: check.__name__)
def test_a_selector_that_is_broken_fails_and_a_sound_one_passes(check):
    check(RegionCase(Selector(regions=["A1"]), copy.deepcopy(RESPONSES)))
    fails(check, RegionCase(SELECTORS[check](regions=["A1"]), copy.deepcopy(RESPONSES)))


@pytest.mark.parametrize("name", ["named", "glasser"])
def test_the_selectors_of_the_project_pass(name):
    selector = ek.make_regions(name, regions=["A1"])
    assert len(check_region_selector(selector)) == len(REGION_CHECKS)


def study_with(stimuli=lambda s: s, responses=lambda r: r, **more):
    """A study made anew from the small one, with something changed."""
    small = small_study(missing=False)
    runs = {
        person: {
            stimulus.run_name: responses(run.sel(target=run.participant.values == person))
            for stimulus, run in zip(small.stimuli, small.responses(), strict=True)
        }
        for person in small.participants
    }
    given = {"description": "made for a test"} | more
    return ek.Study("broken", [stimuli(s) for s in small.stimuli], runs, **given)


def changed(stimulus, **changes):
    kept = {"audio": stimulus.audio, "sampling_rate": 16_000, "t_r": 2.0, "words": stimulus.words}
    return ek.Stimulus(stimulus.name, **(kept | changes))


class Odd(ek.Study):
    """A study whose methods give something else."""

    def __init__(self, **methods):
        small = small_study()
        vars(self).update({**vars(small), **methods})


def another_each_time():
    seeds = iter(range(9))
    return lambda: small_study(seed=next(seeds))


def one_participant_is_empty():
    return Odd(responses=lambda: RunList(run * np.nan for run in small_study().responses()))


def half_the_repeats():
    return Odd(repeats=lambda: small_study().repeats() / 2)


def saves_something_else():
    return Odd(save=lambda path: small_study(seed=9).save(path))


def without_responses():
    return Odd(responses=lambda: RunList(small_study().responses()[1:]))


STUDIES = dict(
    zip(
        STUDY_CHECKS,
        (
            lambda: small_study().responses(),
            lambda: study_with(description=" "),
            lambda: study_with(lambda s: changed(s, audio=s.audio * 0)),
            without_responses,
            one_participant_is_empty,
            half_the_repeats,
            another_each_time(),
            saves_something_else,
        ),
        strict=True,
    )
)


@pytest.mark.parametrize("check", STUDIES, ids=lambda check: check.__name__)
def test_a_study_that_is_broken_fails(check):
    fails(check, StudyCase(STUDIES[check]))


def test_the_small_study_and_the_simulated_one_pass():
    assert len(check_study(small_study)) == len(STUDY_CHECKS)
    tiny = {"minutes": 0.4, "n_test": 1, "test_repeats": 2, "vertices": 12, "cache": False}
    assert len(check_study(lambda: ek.simulate_study(2, 2, **tiny))) == len(STUDY_CHECKS)


def means_alone():
    """A study of published means: their repeats are nowhere."""
    small = small_study(n_participants=1, n_stories=2, seconds=8.0)
    means = {str(run.run.values[0]): run for run in small.responses()}
    return ek.Study("means", small.stimuli, {"P1": means}, description="means alone")


def test_means_whose_repeats_are_nowhere_are_told_what_to_do():
    with pytest.raises(
        ContractError, match=r"(?s)fails 1 of 8.*repeats\(\) has none .*or skip this"
    ):
        check_study(means_alone)
    skip = {"repeats_average_to_the_responses": "means alone are published"}
    assert len(check_study(means_alone, skip=skip)) == len(STUDY_CHECKS) - 1


def test_the_phones_of_the_small_study_are_phones():
    features = ek.Articulation(resample="sum", history=0.0)
    rows = features.transform(small_study(n_stories=1).stimuli)
    assert (rows.values.sum(axis=1) > 0).all()
