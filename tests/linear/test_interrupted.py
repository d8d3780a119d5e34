"""Shuffled and interrupted TRs are refused at fit, whoever split them; legitimate cuts are not."""

import numpy as np
import pytest
import xarray as xr
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils import resample, shuffle

import encodekit as ek
from encodekit.data import concat_runs, split_runs
from encodekit.linear import LinearRegressor, Weights
from encodekit.testing import small_study

TOLD = "are shuffled or interrupted: TR"


class LeastSquares(LinearRegressor):
    """As a plugin may bring it."""

    def solve(self, X, Y, folds, bands):
        coef = np.linalg.lstsq(X - X.mean(0), Y - Y.mean(0))[0]
        return Weights(coef, Y.mean(0) - X.mean(0) @ coef)


ESTIMATORS = {
    "ridge": ek.RidgeCV([1e-3, 1.0, 100.0, 1e4]),
    "banded": ek.BandedRidgeCV([1.0, 100.0], search=ek.BandSearch(2)),
    "stacked": ek.StackedRidge(ek.RidgeCV([1.0])),
    "layers": ek.LayerSelector(ek.RidgeCV([1.0])),
    "huth": ek.huth_ridge([1.0], n_boots=2, chunk_length=5, n_chunks=2),
    "own": LeastSquares(),
}


@pytest.fixture
def data(banded):
    X, Y = banded(lengths=(30, 40, 36))
    return X.assign_coords(layer=("feature", np.arange(X.sizes["feature"]) % 2)), Y


def rows(array, which):
    return array.isel(time=which)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_refuses_what_a_shuffled_splitter_leaves(data, name):
    X, Y = data
    train, _ = next(KFold(5, shuffle=True, random_state=0).split(X))
    with pytest.raises(ValueError, match=rf"the TRs of run 'story-0' in X {TOLD}"):
        ESTIMATORS[name].fit(rows(X, train), rows(Y, train))


@pytest.mark.parametrize(
    "cv",
    [
        KFold(5, shuffle=True, random_state=0),
        ShuffleSplit(2, random_state=0),
        RepeatedKFold(n_splits=3, n_repeats=1, random_state=0),
        PredefinedSplit(np.arange(136) % 4),
        LeaveOneOut(),
        GroupKFold(5, shuffle=True, random_state=0),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_no_splitter_of_trs_gets_through(data, cv):
    X, Y = data
    # Groups that are no runs, for the one splitter here that takes any.
    chunks = np.arange(X.sizes["time"]) // 7 if isinstance(cv, GroupKFold) else None
    with pytest.raises(ValueError, match=TOLD):
        cross_validate(ESTIMATORS["ridge"], X, Y, cv=cv, groups=chunks, error_score="raise")


def test_nor_does_one_within_a_search_or_a_curve(data):
    X, Y = data
    cv, ridge = KFold(3, shuffle=True, random_state=0), ESTIMATORS["ridge"]
    search = GridSearchCV(ridge, {"fit_intercept": [True]}, cv=cv, error_score="raise")
    with pytest.raises(ValueError, match=TOLD):
        search.fit(X, Y)
    with pytest.raises(ValueError, match=TOLD):
        learning_curve(ridge, X, Y, cv=cv, shuffle=True, error_score="raise", random_state=0)


def test_a_pipeline_without_delays_is_refused_too(data):
    X, Y = data
    model = make_pipeline(ek.RunScaler(), ESTIMATORS["ridge"])
    with pytest.raises(ValueError, match=TOLD):
        cross_validate(model, X, Y, cv=KFold(4, shuffle=True, random_state=1), error_score="raise")


@pytest.mark.parametrize(
    "draw",
    [
        lambda n: train_test_split(np.arange(n), random_state=0)[0],
        lambda n: np.sort(train_test_split(np.arange(n), random_state=0)[0]),
        lambda n: shuffle(np.arange(n), random_state=0),
        lambda n: resample(np.arange(n), random_state=0),
        lambda n: np.sort(resample(np.arange(n), random_state=0)),
        lambda n: np.arange(n)[::-1],
        lambda n: np.arange(0, n, 2),
        lambda n: np.setdiff1d(np.arange(n), [12]),
        lambda n: np.roll(np.arange(n), 5),
    ],
    ids=[
        "train_test_split", "sorted", "shuffle", "bootstrap", "sorted bootstrap", "backwards",
        "every second", "one TR lacking", "rolled",
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_list", [False, True])
def test_rows_in_another_order_or_with_holes_are_refused(data, draw, as_list):
    X, Y = (split_runs(array)[0] for array in data)
    which = draw(X.sizes["time"])
    X, Y = rows(X, which), rows(Y, which)
    with pytest.raises(ValueError, match=TOLD):
        ESTIMATORS["own"].fit([X] if as_list else X, [Y] if as_list else Y)


def test_the_message_names_run_place_number_and_remedies(data):
    X, Y = data
    kept = np.setdiff1d(np.arange(X.sizes["time"]), [35, 36, 60])
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole text follows)
        ESTIMATORS["ridge"].fit(rows(X, kept), rows(Y, kept))
    told = str(error.value)
    assert "RidgeCV: the TRs of run 'story-1' in X" in told
    assert "TR 7 follows TR 4 (row 5 of the run), 2 such places in 37 rows." in told
    for remedy in (
        "ek.cross_val_predict(model, X, y)", "ek.learning_curve", "groups=X.stimulus.values",
        "study.segment(run, n, gap='16s')", "purge='16s'", "set them to NaN in y",
    ):  # fmt: skip
        assert remedy in told


def test_holes_in_the_responses_alone_are_told_as_such(data):
    X, Y = data
    with pytest.raises(ValueError, match=rf"run 'story-0' in y {TOLD} 9 follows TR 7"):
        ESTIMATORS["ridge"].fit(X, rows(Y, np.setdiff1d(np.arange(Y.sizes["time"]), [8])))


def test_a_fold_inside_a_run_is_refused_and_one_at_its_end_is_not(data):
    X, Y = (split_runs(array)[1] for array in data)  # 40 TRs
    ridge = ek.RidgeCV([1.0], cv=KFold(2))
    pairs = list(KFold(4).split(np.zeros(40)))
    for fold, (train, _) in enumerate(pairs):
        if fold in (0, 3):
            ridge.fit(rows(X, train), rows(Y, train))
        else:
            with pytest.raises(ValueError, match=TOLD):
                ridge.fit(rows(X, train), rows(Y, train))


def test_two_runs_of_one_name_are_told_as_such(data):
    X, Y = (split_runs(array)[0] for array in data)
    with pytest.raises(ValueError, match="more than once: runs need unique names"):
        ESTIMATORS["ridge"].fit(concat_runs([X, X]), concat_runs([Y, Y]))


# What stays legal


def test_runs_may_begin_late_and_end_early(data):
    X, Y = data
    middle = [np.arange(4, 25), np.arange(33, 69), np.arange(75, 100)]
    kept = np.concatenate(middle)
    fitted = ESTIMATORS["ridge"].fit(rows(X, kept), rows(Y, kept))
    assert np.isfinite(fitted.coef_).all()


def test_forward_chaining_within_a_run_is_legal(data):
    X, Y = (split_runs(array)[1] for array in data)
    ridge = ek.RidgeCV([1.0], cv=KFold(2))
    found = cross_validate(ridge, X, Y, cv=TimeSeriesSplit(3), error_score="raise")
    assert np.isfinite(found["test_score"]).all()


def test_censored_trs_are_nan_and_equal_a_fit_without_them(data):
    X, Y = data
    censored = np.zeros(X.sizes["time"], dtype=bool)
    censored[[3, 4, 17, 50]] = True
    kept = ~censored
    found = ek.RidgeCV([10.0]).fit(X, Y.where(xr.DataArray(kept, dims="time")))
    expected = ek.RidgeCV([10.0]).fit(X.values[kept], Y.values[kept], runs=X.run.values[kept])
    np.testing.assert_allclose(found.coef_.values, expected.coef_, rtol=1e-4, atol=1e-6)


def test_history_is_no_disorder(cohort, extractor):
    stories, runs = cohort()
    features = extractor.transform(stories)
    assert (features.tr.values < 0).any()
    assert np.isfinite(ek.RidgeCV([1.0]).fit(features, runs).coef_).all()


def test_runs_may_come_in_any_order_and_in_lists(data):
    X, Y = (split_runs(array) for array in data)
    expected = ek.RidgeCV([10.0]).fit(*data).coef_.values
    for pair in ((X[::-1], Y[::-1]), (concat_runs(X[::-1]), Y), (X, Y[::-1])):
        np.testing.assert_allclose(ek.RidgeCV([10.0]).fit(*pair).coef_.values, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "cv", [ek.RandomChunks(2, chunk_length=5), ek.TrimmedKFold(3, trim=2), KFold(3)]
)
def test_our_own_searches_hold_out_trs_as_before(data, cv):
    X, Y = data
    labelled = ek.RidgeCV([1e-3, 1.0, 100.0], cv=cv, purge=2).fit(X, Y)
    plain = ek.RidgeCV([1e-3, 1.0, 100.0], cv=cv, purge=2).fit(
        X.values, Y.values, runs=X.run.values
    )
    np.testing.assert_array_equal(labelled.best_alphas_.values, plain.best_alphas_)


def test_segments_with_and_without_a_purge_are_legal():
    study = small_study(n_stories=1, seconds=120.0, missing=False)
    name = study.stimuli[0].name
    model = make_pipeline(ek.WordRate(), ek.Delayer([1, 2]), ek.RidgeCV([1.0, 100.0]))
    parts = study.segment(name, 4, gap="4s")
    model.fit(parts.stimuli, parts.responses())
    whole = study.segment(name, 4, gap=0)
    predicted = ek.cross_val_predict(model, whole.stimuli, whole.responses(), purge="4s")
    assert predicted.sizes["time"] == study.stimuli[0].n_trs


def test_the_remedies_work_on_what_was_refused(data):
    X, Y = data
    ridge = ESTIMATORS["ridge"]
    assert ek.cross_val_predict(ridge, X, Y).sizes["time"] == Y.sizes["time"]
    found = cross_validate(
        ridge, X, Y, cv=GroupKFold(3), groups=X.stimulus.values, error_score="raise"
    )
    assert np.isfinite(found["test_score"]).all()
