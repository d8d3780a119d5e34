import numpy as np
import pytest
import xarray as xr
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import concat_runs, make_response, split_runs

ALPHAS = np.logspace(0, 4, 5)


def test_every_run_is_predicted_by_a_model_that_never_saw_it(cohort, extractor):
    stories, runs = cohort(n_stories=3)
    model = make_pipeline(extractor, ek.Delayer(), ek.RidgeCV(ALPHAS))
    predicted = ek.cross_val_predict(model, stories, runs)
    for k, run in enumerate(split_runs(predicted)):
        others = [i for i in range(3) if i != k]
        model.fit([stories[i] for i in others], [runs[i] for i in others])
        assert np.allclose(run, model.predict([stories[k]]))
        assert run.coords["run"].values[0] == stories[k].run_name
    assert (ek.correlation(runs, predicted) > 0.3).all()


def test_labels_and_the_order_of_the_runs_are_kept(labelled):
    X, Y = labelled(n_stories=7)
    predicted = ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y)
    for name in ("run", "stimulus", "tr", "seconds", "target", "region"):
        assert predicted[name].values.tolist() == Y[name].values.tolist()
    assert predicted.training_mean.dims == ("time", "target")


def test_a_story_heard_twice_is_never_predicted_from_itself(labelled):
    X, Y = labelled(n_stories=3)
    heard = ["story-0", "story-1", "story-0"]
    by_tr = np.concatenate([[h] * n for h, n in zip(heard, (30, 40, 35), strict=True)])
    X, Y = (rows.assign_coords(stimulus=("time", by_tr)) for rows in (X, Y))
    ridge = ek.RidgeCV(ALPHAS, cv=KFold(3))
    first = split_runs(ek.cross_val_predict(ridge, X, Y))[0]
    middle = X.run.values == "story-1"
    expected = ridge.fit(X.isel(time=middle), Y.isel(time=middle)).predict(X.isel(time=slice(30)))
    assert np.allclose(first, expected)
    told = ek.cross_val_predict(ridge, X, Y, groups=heard)
    assert np.allclose(split_runs(told)[0], expected)


def test_any_splitter_over_runs_is_taken(labelled):
    X, Y = labelled()
    by_group = ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=GroupKFold(2))
    by_pairs = ek.cross_val_predict(ek.RidgeCV(ALPHAS), split_runs(X), Y, cv=[([0, 1], [2, 3])])
    assert by_group.sizes["time"] == Y.sizes["time"]
    assert list(dict.fromkeys(by_pairs.run.values.tolist())) == ["story-2", "story-3"]


def test_a_run_that_is_held_out_twice_is_refused(labelled):
    X, Y = labelled()
    twice = [([0, 1], [2, 3]), ([0, 2], [1, 3])]
    with pytest.raises(ValueError, match="run 'story-3' is held out by more than one fold"):
        ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=twice)
    with pytest.raises(ValueError, match="is held out by more than one fold"):
        ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=ShuffleSplit(5, test_size=1))


def test_runs_may_be_shuffled_over_folds(labelled):
    X, Y = labelled()
    cv = KFold(2, shuffle=True, random_state=0)
    shuffled = ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=cv)
    pairs = list(cv.split(np.zeros(4)))
    assert shuffled.identical(ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=pairs))


@pytest.mark.parametrize("test", [[2, 4], np.arange(40, 80)])
def test_positions_of_trs_are_not_taken_for_those_of_runs(labelled, test):
    X, Y = labelled()
    with pytest.raises(ValueError, match=r"there are 4 runs: \(train, test\) are positions of"):
        ek.cross_val_predict(ek.RidgeCV(ALPHAS), X, Y, cv=[([0, 1], test)])


def test_other_numbers_of_runs_are_refused(cohort, extractor):
    stories, runs = cohort()
    with pytest.raises(ValueError, match="X has 4 runs and y 3: pass the response of each run"):
        ek.cross_val_predict(make_pipeline(extractor, ek.RidgeCV()), stories, runs[:3])


@pytest.fixture
def long_run():
    """One run of 120 TRs, its features and responses cut into four contiguous segments."""
    rng = np.random.default_rng(5)
    onsets = 2.0 * np.arange(120)
    drive = rng.standard_normal((120, 2))
    stimulus = ek.Stimulus("long", tr_times=onsets, t_r=2.0)
    response = make_response(
        3 + drive @ rng.standard_normal((2, 3)) + rng.standard_normal((120, 3)), run="long",
        participant="P1", tr_times=onsets, t_r=2.0,
    )  # fmt: skip
    study = ek.Study("one", [stimulus], {"P1": [response]}).segment("long", 4, gap=0)
    y = study.responses()
    features = [
        xr.DataArray(
            drive[int(run.seconds[0] / 2) : int(run.seconds[-1] / 2) + 1],
            dims=("time", "feature"), attrs={"t_r": 2.0, "sample_offset": 1.0},
            coords={k: run.coords[k].variable for k in ("run", "stimulus", "tr", "seconds")}
            | {"name": ("feature", ["a", "b"])},
        )
        for run in y
    ]  # fmt: skip
    return features, y


def test_all_trs_of_a_cut_run_are_predicted_and_their_neighbours_not_fitted_on(long_run):
    features, y = long_run
    model = ek.RidgeCV([1.0])
    predicted = ek.cross_val_predict(model, features, y, purge="10s")
    assert predicted.sizes["time"] == 120
    whole_x, whole_y = np.concatenate([f.values for f in features]), concat_runs(y).values
    test = np.arange(30, 60)
    train = np.r_[0:25, 65:120]  # 10 s are five TRs on both sides
    fitted = ek.RidgeCV([1.0]).fit(
        whole_x[train], whole_y[train], runs=np.digitize(train, [30, 60, 90])
    )
    np.testing.assert_allclose(predicted.values[test], fitted.predict(whole_x[test]), rtol=1e-6)


def test_other_stories_and_no_purge_are_left_as_they_are(long_run):
    features, y = long_run
    model = ek.RidgeCV([1.0])
    names = [("time", [f"story-{k}"] * 30) for k in range(4)]
    renamed = [
        [run.assign_coords(run=name, stimulus=name) for run, name in zip(of, names, strict=True)]
        for of in (features, y)
    ]
    apart = ek.cross_val_predict(model, *renamed, purge="10s")
    np.testing.assert_array_equal(apart, ek.cross_val_predict(model, features, y))


def test_a_purge_needs_to_know_the_seconds(long_run):
    features, y = long_run
    blind = [run.drop_vars("seconds") for run in y]
    with pytest.raises(ValueError, match="purge=10 s of 'long' needs the coordinate seconds"):
        ek.cross_val_predict(ek.RidgeCV([1.0]), features, blind, purge=10)


def test_r2_of_out_of_fold_predictions_is_against_the_training_mean_of_each_fold(long_run):
    features, y = long_run
    predicted = ek.cross_val_predict(ek.RidgeCV([1.0]), features, y)
    error = spread = 0.0
    for k, run in enumerate(y):
        others = np.concatenate([other.values for i, other in enumerate(y) if i != k])
        guess = predicted.values[30 * k : 30 * k + 30]
        error += ((run.values - guess) ** 2).sum(axis=0)
        spread += ((run.values - others.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(ek.r2(y, predicted), 1 - error / spread, rtol=1e-5)
    np.testing.assert_allclose(ek.r2(y[::-1], predicted)[::-1], ek.r2(y, predicted)[::-1])
    some = predicted.isel(target=[2, 0])
    chosen = [run.isel(target=[2, 0]) for run in y]
    np.testing.assert_allclose(ek.r2(chosen, some), ek.r2(y, predicted)[[2, 0]])


def test_a_purge_that_leaves_too_little_is_named(long_run):
    features, y = long_run
    with pytest.raises(ValueError, match="purge=1000 s leaves nothing of 3 training runs"):
        ek.cross_val_predict(ek.RidgeCV([1.0]), features, y, purge=1000)
    with pytest.raises(ValueError, match="only one stimulus") as caught:
        ek.cross_val_predict(ek.RidgeCV([1.0, 10.0]), features, y, purge="120s")
    assert caught.value.__notes__ == [
        "purge=120 s left 1 of 3 training runs.",
        "It was raised by the fit of the fold that holds out long/part-1.",
    ]


def test_predictions_of_other_fits_keep_their_own_training_means(long_run):
    features, y = long_run
    model = ek.RidgeCV([1.0], cv=KFold(3))
    first, second = (model.fit(features[k], y[k] + 10 * k).predict(features[2 + k]) for k in (0, 1))
    apart = [ek.r2([y[2 + k]], [guess]) for k, guess in enumerate((first, second))]
    both = ek.r2(y[2:], [first, second])
    assert (both < np.maximum(*apart) + 1e-9).all()
    np.testing.assert_allclose(ek.r2(y[:1:-1], [second, first]), both)
