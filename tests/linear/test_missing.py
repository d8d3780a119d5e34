import numpy as np
import pytest
from sklearn.model_selection import KFold

import encodekit as ek

PEOPLE = ("P1", "P2", "P3")


def of(rows, person):
    return rows.isel(target=rows.participant.values == person)


def without(Y, person, runs=(), trs=()):
    """Return Y with whole runs, or some (run, tr), of a person missing."""
    Y = Y.copy(deep=True)
    rows = np.isin(Y.run.values, runs)
    for run, tr in trs:
        rows |= (Y.run.values == run) & (Y.tr.values == tr)
    Y.values[np.ix_(rows, Y.participant.values == person)] = np.nan
    return Y


@pytest.mark.parametrize("single_alpha", [False, True])
def test_a_participant_who_lacks_runs_is_fitted_as_if_alone(labelled, single_alpha):
    X, Y = labelled(participants=PEOPLE, n_stories=6)
    Y = without(Y, "P2", runs=["story-1", "story-4"])
    Y = without(Y, "P3", trs=[("story-0", 29), ("story-0", 28)])
    alphas = [10.0] if single_alpha else np.logspace(-1, 4, 6)
    together = ek.RidgeCV(alphas, single_alpha=single_alpha).fit(X, Y)
    for person in PEOPLE:
        mine = of(Y, person)
        there = np.flatnonzero(~np.isnan(mine.values).all(axis=1))
        alone = ek.RidgeCV(alphas).fit(X.isel(time=there), mine.isel(time=there))
        for name in ("coef_", "intercept_", "best_alphas_", "best_scores_"):
            joint = of(getattr(together, name), person)
            assert np.allclose(joint, getattr(alone, name), atol=1e-5), (person, name)
    assert together.degenerate_.size == 0


def test_what_one_participant_lacks_changes_nobody_else(labelled):
    X, Y = labelled(participants=PEOPLE)
    whole = ek.RidgeCV().fit(X, Y)
    part = ek.RidgeCV().fit(X, without(Y, "P2", runs=["story-1"]))
    for person in ("P1", "P3"):
        assert np.allclose(of(whole.coef_, person), of(part.coef_, person), atol=1e-6)
    assert not np.allclose(of(whole.coef_, "P2"), of(part.coef_, "P2"))


def test_a_stray_nan_makes_its_target_nan_and_is_listed(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    whole = ek.RidgeCV().fit(X, Y)
    Y.values[7, 1] = np.nan
    model = ek.RidgeCV().fit(X, Y)
    assert model.degenerate_.tolist() == ["P1/00001"]
    nan = [False, True] + 4 * [False]
    for values in (model.coef_, model.cv_scores_, model.predict(X)):
        assert np.isnan(values).any(axis=0).values.tolist() == nan
        assert np.isnan(values).all(axis=0).values.tolist() == nan
    assert np.isnan(model.best_alphas_).values.tolist() == nan
    assert np.isnan(model.score_targets(X, Y)).values.tolist() == nan
    assert np.allclose(of(model.coef_, "P2"), of(whole.coef_, "P2"), atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.1, -1234.567])
def test_a_constant_float32_target_makes_itself_nan_and_is_listed(labelled, level):
    X, Y = labelled()
    Y.values[:, 2] = np.float32(level)
    model = ek.RidgeCV().fit(X, Y)
    assert model.degenerate_.tolist() == ["P1/00002"]
    assert np.isnan(model.predict(X)[:, 2]).all()


def test_a_target_that_is_constant_where_it_is_present_is_degenerate(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    Y.values[:, 4] = 1
    model = ek.RidgeCV().fit(X, without(Y, "P2", runs=["story-1"]))
    assert model.degenerate_.tolist() == ["P2/00001"]


def test_a_participant_without_any_run_is_nan(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    gone = without(Y, "P2", runs=[f"story-{k}" for k in range(4)])
    model = ek.RidgeCV().fit(X, gone)
    assert model.degenerate_.tolist() == ["P2/00000", "P2/00001", "P2/00002"]


def test_nan_rows_of_an_array_are_missing_rows():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((60, 4)), rng.standard_normal((60, 3))
    runs = np.repeat(np.arange(4), 15)
    Y[45:] = np.nan
    alphas = [1.0, 1e3]
    model = ek.RidgeCV(alphas).fit(X, Y, runs=runs)
    fewer = ek.RidgeCV(alphas).fit(X[:45], Y[:45], runs=runs[:45])
    assert np.allclose(model.coef_, fewer.coef_)
    Y[3, 0] = np.nan
    assert ek.RidgeCV(alphas).fit(X, Y, runs=runs).degenerate_.tolist() == [0]


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_a_run_in_which_a_target_is_constant_does_not_choose_its_alpha(reference):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 4))
    y = X @ rng.standard_normal(4) + rng.standard_normal(90)
    y[30:60] = 2.0
    runs = np.repeat(["a", "b", "c"], 30)
    alphas = np.array([0.1, 10.0, 1000.0])
    model = ek.RidgeCV(alphas).fit(X, y, runs=runs)
    rows = {run: np.flatnonzero(runs == run) for run in "ac"}
    splits = [(np.flatnonzero(runs != run), rows[run]) for run in "ac"]
    _, scores = reference.choose(X, y, alphas, splits, runs)
    assert np.allclose(model.cv_scores_, scores)


def test_features_that_say_nothing_take_the_largest_alpha():
    X, Y = np.ones((30, 2)), np.random.default_rng(0).standard_normal((30, 2))
    model = ek.RidgeCV([1.0, 100.0, 10.0], cv=KFold(3)).fit(X, Y)
    assert model.best_alphas_.tolist() == [100.0, 100.0]
    assert np.isnan(model.best_scores_).all()
    assert np.allclose(model.predict(X), Y.mean(axis=0))


def test_a_participant_with_one_stimulus_is_named(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    with pytest.raises(ValueError, match=r"participant 'P2': only one stimulus \('story-0'\)"):
        ek.RidgeCV().fit(X, without(Y, "P2", runs=["story-1", "story-2", "story-3"]))
