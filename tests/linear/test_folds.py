import numpy as np
import pytest
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
)

import encodekit as ek
from encodekit.linear._folds import folds_of, resolve_cv

ALPHAS = [1.0, 100.0]


def plain(n_rows=60):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n_rows, 3)), rng.standard_normal((n_rows, 2))


def splits(cv, groups):
    rows = np.arange(len(groups))
    return folds_of(resolve_cv(cv, groups, "all"), rows, groups, "all")


def test_up_to_five_stimuli_are_left_out_per_participant_steps():
    for n in (2, 5):
        groups = np.repeat(np.arange(n), 4)
        held_out = [set(groups[test]) for _, test in splits(None, groups)]
        assert held_out == [{k} for k in range(n)]


def test_more_stimuli_are_left_out_in_five_groups():
    groups = np.repeat(np.arange(12), 4)
    folds = splits(None, groups)
    assert len(folds) == 5
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])


def test_a_number_makes_that_many_groups_of_stimuli():
    groups = np.repeat(np.arange(12), 4)
    assert len(splits(3, groups)) == 3


def test_a_story_heard_twice_is_held_out_as_one(labelled):
    X, Y = labelled()
    heard = X.stimulus.values.copy()
    heard[X.run.values == "story-3"] = "story-0"
    again = X.assign_coords(stimulus=("time", heard))
    by_hand = ek.RidgeCV(cv=LeaveOneGroupOut()).fit(X, Y, groups=heard)
    assert np.array_equal(ek.RidgeCV().fit(again, Y).cv_scores_, by_hand.cv_scores_)
    assert not np.array_equal(ek.RidgeCV().fit(X, Y).cv_scores_, by_hand.cv_scores_)


def test_groups_may_be_given_by_run_or_by_tr(labelled):
    X, Y = labelled()
    by_run = ["u", "v", "u", "v"]
    by_tr = np.concatenate([[group] * n for group, n in zip(by_run, (30, 40, 35, 45), strict=True)])
    one, other = ek.RidgeCV().fit(X, Y, groups=by_run), ek.RidgeCV().fit(X, Y, groups=by_tr)
    assert np.array_equal(one.cv_scores_, other.cv_scores_)
    assert not np.array_equal(one.cv_scores_, ek.RidgeCV().fit(X, Y).cv_scores_)


def test_groups_of_another_length_are_refused(labelled):
    X, Y = labelled()
    with pytest.raises(ValueError, match="groups has 3 values, expected one for each of 4 runs or"):
        ek.RidgeCV().fit(X, Y, groups=[1, 2, 3])
    with pytest.raises(ValueError, match=r"runs has 3 values, .* 60 TRs \(runs= would mark"):
        ek.RidgeCV().fit(*plain(), runs=[1, 2, 3])


@pytest.mark.parametrize("cv", [None, 5])
def test_no_runs_and_no_groups_are_refused_by_name(cv):
    with pytest.raises(ValueError, match=r"leaves stimuli out, but .* pass runs= .*cv=KFold\(3\)"):
        ek.RidgeCV(cv=cv).fit(*plain())


def test_one_stimulus_is_refused():
    with pytest.raises(
        ValueError, match=r"the targets: only one stimulus \('a'\) .* study.segment"
    ):
        ek.RidgeCV().fit(*plain(), runs=["a"] * 60)


@pytest.mark.parametrize(
    "cv", [KFold(3, shuffle=True), ShuffleSplit(3), RepeatedKFold(n_splits=3, n_repeats=2)]
)
def test_shuffled_splitters_are_refused_with_the_reason(cv):
    with pytest.raises(ValueError, match=r"shuffles single TRs: neighbouring TRs share noise"):
        ek.RidgeCV(cv=cv).fit(*plain(), runs=np.repeat([1, 2, 3], 20))


SCATTERED = {
    "pairs": list(KFold(3, shuffle=True, random_state=0).split(np.zeros(60))),
    "predefined": PredefinedSplit(np.arange(60) % 3),
    "every second": [(np.arange(0, 60, 2), np.arange(1, 60, 2))],
    "mask": [(np.arange(60) % 5 != 2, np.arange(60) % 5 == 2)],
}


@pytest.mark.parametrize("cv", SCATTERED.values(), ids=SCATTERED)
def test_held_out_trs_between_training_trs_are_refused_whoever_drew_them(cv):
    told = r"holds out \d+ single TRs between training TRs, the first in row \d+: neighbouring"
    with pytest.raises(ValueError, match=told):
        ek.RidgeCV(ALPHAS, cv=cv).fit(*plain(), runs=np.repeat([1, 2, 3], 20))


def test_groups_that_scatter_trs_are_refused():
    with pytest.raises(ValueError, match="single TRs between training TRs"):
        ek.RidgeCV(ALPHAS).fit(*plain(), groups=np.arange(60) % 3)


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
@pytest.mark.parametrize("runs", [None, np.repeat(np.arange(6), 10)])
def test_stretches_and_ends_of_runs_may_be_held_out(runs):
    held_out = np.arange(60) % 10 == 0  # where runs are known: the first TR of each
    cv = [(~held_out, held_out)] if runs is not None else PredefinedSplit(np.arange(60) // 4 % 3)
    ek.RidgeCV(ALPHAS, cv=cv, scoring="r2_pooled").fit(*plain(), runs=runs)


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
@pytest.mark.parametrize(
    "cv", [GroupShuffleSplit(3, random_state=0), GroupKFold(3, shuffle=True, random_state=0)]
)
def test_shuffling_whole_stimuli_is_accepted(cv):
    model = ek.RidgeCV(ALPHAS, cv=cv).fit(*plain(), runs=np.repeat(np.arange(6), 10))
    assert np.isfinite(model.cv_scores_).all()


def test_an_unshuffled_splitter_needs_no_runs():
    model = ek.RidgeCV(ALPHAS, cv=KFold(3)).fit(*plain())
    runs = np.repeat(np.arange(3), 20)
    assert np.allclose(model.cv_scores_, ek.RidgeCV(ALPHAS).fit(*plain(), runs=runs).cv_scores_)


def test_explicit_rows_are_accepted_as_numbers_and_as_masks():
    runs = np.repeat(np.arange(3), 20)
    numbers = [(np.flatnonzero(runs != k), np.flatnonzero(runs == k)) for k in range(3)]
    masks = [(runs != k, runs == k) for k in range(3)]
    expected = ek.RidgeCV(ALPHAS).fit(*plain(), runs=runs).cv_scores_
    for cv in (numbers, masks, iter(numbers)):
        assert np.allclose(ek.RidgeCV(ALPHAS, cv=cv).fit(*plain()).cv_scores_, expected)


def test_folds_of_single_trs_are_refused_for_correlations():
    with pytest.raises(ValueError, match=r"holds out one TR of a run at a time"):
        ek.RidgeCV(cv=LeaveOneOut()).fit(*plain())
    for scoring in ("correlation_folds", "r2_folds"):
        with pytest.raises(ValueError, match=rf"scoring='{scoring}' is undefined: .*'r2_pooled'"):
            ek.RidgeCV(cv=LeaveOneOut(), scoring=scoring).fit(*plain())
    model = ek.RidgeCV(cv=LeaveOneOut(), scoring="r2_pooled").fit(*plain())
    assert model.cv_scores_.shape == (17, 2)


def test_something_that_does_not_split_is_refused():
    with pytest.raises(TypeError, match=r"cv is 2\.5, expected None, a number of folds"):
        ek.RidgeCV(cv=2.5).fit(*plain())
    with pytest.raises(TypeError, match=r"cv is 'KFold', expected None, a number of folds"):
        ek.RidgeCV(cv="KFold").fit(*plain())


def test_folds_without_rows_are_refused():
    empty = [(np.arange(60), np.array([], dtype=int))]
    with pytest.raises(ValueError, match=r"no fold of cv=.* has both training and held-out rows"):
        ek.RidgeCV(cv=empty).fit(*plain())


def test_an_iterator_of_folds_serves_every_pattern_of_missing_rows(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    Y.values[:5, 3:] = np.nan
    runs = X.run.values
    pairs = [(np.flatnonzero(runs != r), np.flatnonzero(runs == r)) for r in np.unique(runs)]
    expected = ek.RidgeCV(cv=pairs).fit(X, Y)
    assert ek.RidgeCV(cv=iter(pairs)).fit(X, Y).cv_scores_.identical(expected.cv_scores_)
    assert np.allclose(ek.RidgeCV().fit(X, Y).cv_scores_, expected.cv_scores_, atol=1e-5)
