import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, LeaveOneGroupOut

import encodekit as ek
from encodekit.data import Stimulus, make_response, split_runs

ALPHAS = np.logspace(-2, 3, 6)
SCORINGS = ("correlation", "correlation_folds", "r2_pooled", "r2_folds")


def arrays(n_rows=90, n_features=8, n_targets=5, seed=0, dtype="f8", noise=2.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) + 3
    Y = X @ rng.standard_normal((n_features, n_targets)) + 5
    Y += noise * rng.standard_normal(Y.shape)
    return X.astype(dtype), Y.astype(dtype), np.repeat(["a", "b", "c"], n_rows // 3)


def leave_one_out(runs):
    return list(LeaveOneGroupOut().split(runs, groups=runs))


@pytest.mark.parametrize("n_features", [8, 200])
@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_alphas_and_scores_are_those_of_the_slow_search(reference, n_features, scoring):
    X, Y, runs = arrays(n_features=n_features)
    model = ek.RidgeCV(ALPHAS, scoring=scoring).fit(X, Y, runs=runs)
    for target in range(Y.shape[1]):
        best, scores = reference.choose(X, Y[:, target], ALPHAS, leave_one_out(runs), runs, scoring)
        assert np.allclose(model.cv_scores_[:, target], scores, atol=1e-8)
        assert model.best_alphas_[target] == best
        assert model.best_scores_[target] == pytest.approx(scores.max())


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n_features", [8, 200])
@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_weights_are_those_of_scikit_learn_at_the_chosen_alphas(n_features, dtype):
    X, Y, runs = arrays(n_features=n_features, dtype=dtype)
    model = ek.RidgeCV(ALPHAS).fit(X, Y, runs=runs)
    theirs = Ridge(alpha=model.best_alphas_).fit(X.astype("f8"), Y.astype("f8"))
    assert model.coef_.dtype == dtype
    assert np.allclose(model.coef_, theirs.coef_.T, atol=1e-4)
    assert np.allclose(model.intercept_, theirs.intercept_, atol=1e-4)
    assert np.allclose(model.predict(X), theirs.predict(X.astype("f8")), atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    n_rows=st.integers(12, 40),
    n_features=st.integers(1, 60),
    n_targets=st.integers(1, 4),
    alpha=st.floats(1e-2, 1e6),
    fit_intercept=st.booleans(),
    seed=st.integers(0, 100),
)
def test_any_shape_gives_the_weights_of_scikit_learn(
    n_rows, n_features, n_targets, alpha, fit_intercept, seed
):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n_rows, n_features)), rng.standard_normal((n_rows, n_targets))
    model = ek.RidgeCV([alpha], cv=KFold(3), fit_intercept=fit_intercept).fit(X, Y)
    theirs = Ridge(alpha=alpha, fit_intercept=fit_intercept).fit(X, Y)
    assert np.allclose(model.coef_, np.atleast_2d(theirs.coef_).T, atol=1e-6)
    assert np.allclose(model.intercept_, theirs.intercept_, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_blocks_of_targets_change_nothing():
    X, Y, runs = arrays()
    whole = ek.RidgeCV(ALPHAS).fit(X, Y, runs=runs)
    for size in (1, 2, 3):
        model = ek.RidgeCV(ALPHAS, block_size=size).fit(X, Y, runs=runs)
        assert np.allclose(model.coef_, whole.coef_)
        assert np.array_equal(model.best_alphas_, whole.best_alphas_)


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_a_single_alpha_is_the_best_on_average():
    X, Y, runs = arrays(noise=20)
    each = ek.RidgeCV(ALPHAS).fit(X, Y, runs=runs)
    one = ek.RidgeCV(ALPHAS, single_alpha=True).fit(X, Y, runs=runs)
    best = ALPHAS[np.argmax(each.cv_scores_.mean(axis=1))]
    assert np.unique(each.best_alphas_).size > 1
    assert (one.best_alphas_ == best).all()
    assert np.allclose(one.coef_, Ridge(alpha=best).fit(X, Y).coef_.T, atol=1e-6)


def test_huth_alphas_are_squared_and_given_back_as_they_came():
    X, Y, runs = arrays(noise=20)
    ridge = ek.RidgeCV(np.logspace(0, 4, 5)).fit(X, Y, runs=runs)
    huth = ek.RidgeCV(np.logspace(0, 2, 5), alpha_convention="huth").fit(X, Y, runs=runs)
    assert np.allclose(huth.best_alphas_**2, ridge.best_alphas_)
    assert np.allclose(huth.coef_, ridge.coef_)


def test_labels_go_in_and_come_out(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    model = ek.RidgeCV(ALPHAS).fit(X, split_runs(Y))
    predicted = model.predict(X)
    assert model.coef_.dims == ("feature", "target")
    assert model.coef_.delay.values.tolist() == X.delay.values.tolist()
    assert model.best_alphas_.participant.values.tolist() == ["P1"] * 3 + ["P2"] * 3
    assert model.cv_scores_.alpha.values.tolist() == ALPHAS.tolist()
    assert predicted.dims == ("time", "target")
    for name in ("run", "stimulus", "tr", "seconds", "target", "participant", "region"):
        assert predicted[name].values.tolist() == Y[name].values.tolist()
    assert predicted.attrs == Y.attrs
    assert ek.validate(predicted, "response") is predicted


def test_labelled_and_plain_fits_agree(labelled):
    X, Y = labelled()
    by_label = ek.RidgeCV(ALPHAS).fit(X, Y)
    plain = ek.RidgeCV(ALPHAS).fit(X.values, Y.values, runs=X.run.values)
    assert np.allclose(by_label.coef_, plain.coef_)
    assert np.allclose(by_label.predict(X), plain.predict(X.values))
    assert by_label.score(X, Y) == pytest.approx(plain.score(X.values, Y.values, runs=X.run.values))


def test_rows_are_joined_by_name_not_by_position(labelled):
    X, Y = labelled()
    backwards = split_runs(Y)[::-1]
    assert np.array_equal(ek.RidgeCV().fit(X, backwards).coef_, ek.RidgeCV().fit(X, Y).coef_)


def test_history_rows_are_dropped(cohort, extractor):
    stories, runs = cohort()
    features = extractor.transform(stories)
    assert (features.tr.values < 0).any()
    model = ek.RidgeCV().fit(features, runs)
    assert (model.predict(features).tr.values >= 0).all()


def test_dask_responses_fit_as_arrays_do(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    lazy = Y.copy(data=da.from_array(Y.values, chunks=(50, 2)))
    fast = ek.RidgeCV(block_size=2).fit(X, lazy)
    assert np.allclose(fast.coef_, ek.RidgeCV().fit(X, Y).coef_)


def test_a_stimulus_without_a_response_can_be_predicted(cohort, extractor):
    stories, runs = cohort()
    model = ek.Delayer(), ek.RidgeCV()
    X = model[0].transform(extractor.transform(stories))
    sound = np.random.default_rng(5).standard_normal(40 * 60).astype("f4")
    new = Stimulus("never-scanned", sound, 40, t_r=2.0)
    predicted = model[1].fit(X, runs).predict(model[0].transform(extractor.transform([new])))
    assert predicted.sizes == {"time": 30, "target": 3}
    assert set(predicted.run.values) == {"never-scanned"}
    assert np.isfinite(predicted).all()


def test_r2_knows_the_training_mean_of_a_prediction(labelled):
    X, Y = labelled()
    model = ek.RidgeCV().fit(X, Y + 7)
    assert np.allclose(model.training_mean_, (Y + 7).mean("time"), atol=1e-4)
    assert (ek.r2(Y + 7, model.predict(X)) > 0.3).all()


def test_the_score_is_the_mean_over_targets_that_have_one(labelled):
    X, Y = labelled()
    Y[:, 1] = 4
    model = ek.RidgeCV().fit(X, Y)
    by_target = model.score_targets(X, Y)
    assert np.isnan(by_target).values.tolist() == [False, True, False]
    assert model.score(X, Y) == pytest.approx(float(by_target.mean()))
    assert np.isnan(model.score(X, Y * 0))


def test_weights_of_trs_are_refused(labelled):
    X, Y = labelled()
    with pytest.raises(TypeError, match="sample_weight is not supported: every TR"):
        ek.RidgeCV().fit(X, Y).score(X, Y, sample_weight=np.ones(150))


def test_a_grid_too_narrow_warns_on_either_side():
    X, Y, runs = arrays(noise=0.1)
    X[:, ::2] *= 0.3
    with pytest.warns(UserWarning, match=r"100% of the targets chose the smallest .* 10, and"):
        ek.RidgeCV([10, 100]).fit(X, Y, runs=runs)
    X, Y, runs = arrays(n_features=60, noise=5)
    with pytest.warns(UserWarning, match=r"chose the largest alpha of the grid, 1, .* add larger"):
        ek.RidgeCV([1e-2, 1e-1, 1]).fit(X, Y, runs=runs)


def test_one_alpha_is_a_choice_and_not_an_edge():
    X, Y, runs = arrays(noise=0.1)
    assert (ek.RidgeCV([1e4]).fit(X, Y, runs=runs).best_alphas_ == 1e4).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alphas": [1, -1]}, r"alphas must be a list of positive numbers, got \[1, -1\]"),
        ({"alphas": 3.0}, "alphas must be a list of positive numbers"),
        ({"alphas": []}, "alphas must be a list of positive numbers"),
        ({"alpha_convention": "huht"}, "unknown alpha_convention 'huht': did you mean 'huth'"),
        ({"scoring": "corelation"}, "unknown scoring 'corelation': did you mean 'correlation'"),
        ({"block_size": 0}, "block_size must be a number of targets, got 0"),
        ({"scoring": "x", "block_size": 0}, "unknown scoring 'x'.*; block_size must be"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(parameters, message):
    X, Y, runs = arrays()
    with pytest.raises(ValueError, match=message):
        ek.RidgeCV(**parameters).fit(X, Y, runs=runs)


def test_labels_on_one_side_alone_are_refused(labelled):
    X, Y = labelled()
    with pytest.raises(TypeError, match=r"X is a ndarray without labels .* ek.FeatureSpaces"):
        ek.RidgeCV().fit(X.values, Y)
    with pytest.raises(TypeError, match=r"y is a ndarray without labels .*make_response"):
        ek.RidgeCV().fit(X, Y.values)


def test_rows_that_differ_are_refused(labelled):
    X, Y = labelled()
    with pytest.raises(ValueError, match=r"X has TRs 0-29 of run 'story-0', which y lacks"):
        ek.RidgeCV().fit(X, split_runs(Y)[1:])


def test_another_t_r_is_refused(labelled):
    X, Y = labelled()
    with pytest.raises(ValueError, match=r"X has TRs of 2.0 s and y of 1.5 s"):
        ek.RidgeCV().fit(X, Y.assign_attrs(t_r=1.5))


def test_runs_beside_labels_are_refused(labelled):
    X, Y = labelled()
    with pytest.raises(TypeError, match="runs= is for plain arrays"):
        ek.RidgeCV().fit(X, Y, runs=X.run.values)
    with pytest.raises(TypeError, match="runs= is for plain arrays"):
        ek.RidgeCV().fit(X, Y).score(X, Y, runs=X.run.values)


def test_nan_in_the_features_is_refused_by_run(labelled):
    X, Y = labelled()
    model = ek.RidgeCV().fit(X, Y)
    broken = X.copy()
    broken[35, 0] = np.nan
    with pytest.raises(ValueError, match=r"X contains NaN or infinity in 1 rows \(runs 'story-1'"):
        ek.RidgeCV().fit(broken, Y)
    with pytest.raises(ValueError, match=r"X contains NaN or infinity in 1 rows"):
        model.predict(broken)


def test_other_features_are_refused(labelled):
    X, Y = labelled()
    model = ek.RidgeCV().fit(X, Y)
    with pytest.raises(ValueError, match=r"X has 19 features, but the model was fitted on 20"):
        model.predict(X[:, 1:])
    with pytest.raises(ValueError, match=r"feature 0 has name 'Loudness.004', expected"):
        model.predict(X[:, ::-1])


def test_a_response_of_three_dimensions_is_refused():
    X, Y, runs = arrays()
    with pytest.raises(ValueError, match=r"dim 3|expected"):
        ek.RidgeCV().fit(X, Y[..., None], runs=runs)


def test_a_response_that_holds_nothing_is_refused(labelled):
    X, Y = labelled()
    with pytest.raises(ValueError, match="y holds nothing but NaN"):
        ek.RidgeCV().fit(X, Y * np.nan)


def test_an_entry_of_the_list_that_is_no_response_is_refused(labelled):
    X, Y = labelled()
    with pytest.raises(TypeError, match="y: item 1 of the list is a int"):
        ek.RidgeCV().fit(X, [Y, 3])


def test_a_saved_model_predicts_the_same(labelled, tmp_path):
    X, Y = labelled(participants=("P1", "P2"))
    Y[:, 1] = 0
    model = ek.RidgeCV(ALPHAS, targets=Y.target.values[:4].tolist()).fit(X, Y)
    loaded = ek.load(ek.save(model, tmp_path / "model"))
    assert loaded.predict(X).identical(model.predict(X))
    assert loaded.degenerate_.tolist() == ["P1/00001"]
    assert loaded.score(X, Y) == model.score(X, Y)


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_make_response_of_one_target_fits(labelled):
    X, Y = labelled()
    one = make_response(
        Y.values[:30, :1], run="story-0", participant="P9", tr_times=X.seconds.values[:30], t_r=2.0
    )
    first = X.isel(time=slice(30))
    assert ek.RidgeCV(cv=KFold(3)).fit(first, one).coef_.shape == (20, 1)


def test_nan_in_a_plain_array_is_found_in_its_place():
    X, Y, runs = arrays()
    model = ek.RidgeCV(ALPHAS).fit(X, Y, runs=runs)
    X[3, 1] = np.nan
    for call in (lambda: model.predict(X), lambda: model.fit(X, Y, runs=runs)):
        with pytest.raises(ValueError, match="NaN or infinity in 1 of 720 values.*row 3, column 1"):
            call()


def test_a_study_for_responses_is_refused(labelled):
    class Study:
        responses = None

    with pytest.raises(TypeError, match=r"y is a Study: pass its \.responses\(\)"):
        ek.RidgeCV(ALPHAS).fit(labelled()[0], Study())
