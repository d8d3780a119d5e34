"""What works with scikit-learn, and what does not and says so."""

import numpy as np
import pytest
import sklearn
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_validate,
    permutation_test_score,
    train_test_split,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

import encodekit as ek
from encodekit.data import RunList

ALPHAS = np.logspace(0, 4, 5)


@pytest.fixture
def pipeline(extractor):
    return make_pipeline(extractor, ek.Delayer(seconds=[2, 4, 6, 8]), ek.RidgeCV(ALPHAS))


class Spy(ek.RidgeCV):
    """A RidgeCV that keeps what it was given."""

    seen = []  # noqa: RUF012

    def fit(self, X, y, groups=None, runs=None):
        Spy.seen.append(None if groups is None else list(groups))
        return super().fit(X, y, groups=groups, runs=runs)


@pytest.fixture
def spy(extractor):
    Spy.seen = []
    return make_pipeline(extractor, ek.Delayer(), Spy(ALPHAS))


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# What works


def test_a_pipeline_goes_from_stimuli_to_scores(pipeline, cohort):
    stories, runs = cohort(n_stories=5, participants=("P1", "P2"))
    pipeline.fit(stories[:4], runs[:4])
    scores = ek.correlation(runs[4:], pipeline.predict(stories[4:]))
    assert (scores > 0.3).all()
    assert pipeline.score(stories[4:], runs[4:]) == pytest.approx(float(scores.mean()))


def test_a_pipeline_with_a_memory_gives_the_same(pipeline, cohort, tmp_path):
    stories, runs = cohort()
    expected = pipeline.fit(stories, runs).predict(stories)
    kept = sklearn.clone(pipeline).set_params(memory=str(tmp_path))
    for _ in range(2):
        assert kept.fit(stories, runs).predict(stories).identical(expected)
    assert any(tmp_path.rglob("output.pkl"))


def test_cross_validate_splits_runs(pipeline, cohort):
    stories, runs = cohort()
    found = cross_validate(pipeline, stories, runs, cv=KFold(4), error_score="raise")
    for k, score in enumerate(found["test_score"]):
        rest = [i for i in range(4) if i != k]
        pipeline.fit([stories[i] for i in rest], [runs[i] for i in rest])
        assert score == pytest.approx(pipeline.score([stories[k]], [runs[k]]))


def test_a_grid_search_chooses_delays_and_refits(pipeline, cohort):
    stories, runs = cohort()
    grid = {"delayer__seconds": [[0], [2, 4, 6, 8]]}
    search = GridSearchCV(pipeline, grid, cv=KFold(4), error_score="raise").fit(stories, runs)
    assert search.best_params_ == {"delayer__seconds": [2, 4, 6, 8]}
    assert search.predict(stories).identical(pipeline.fit(stories, runs).predict(stories))


def test_scorers_score_by_run(pipeline, cohort):
    stories, runs = cohort()
    pipeline.set_params(ridgecv__targets=["P1/00001", "P1/00000"])
    both = {"r": ek.correlation_scorer, "r2": ek.r2_scorer}
    found = cross_validate(
        pipeline, stories, list(runs), cv=KFold(4), scoring=both, error_score="raise"
    )
    own = cross_validate(pipeline, stories, runs, cv=KFold(4), error_score="raise")
    assert np.allclose(found["test_r"], own["test_score"])
    pipeline.fit(stories[1:], runs[1:])
    true = runs[0].sel(target=["P1/00001", "P1/00000"])
    expected = ek.r2(true, pipeline.predict(stories[:1])).mean()
    assert found["test_r2"][0] == pytest.approx(float(expected))


def test_groups_are_routed_into_every_fit(spy, cohort, routing):
    stories, runs = cohort()
    groups = ["u", "u", "v", "w"]
    cross_validate(
        spy, stories, runs, cv=LeaveOneGroupOut(), params={"groups": groups}, error_score="raise"
    )
    assert Spy.seen == [["v", "w"], ["u", "u", "w"], ["u", "u", "v"]]


def test_groups_are_routed_through_a_nested_grid_search(spy, cohort, routing):
    stories, runs = cohort(n_stories=8)
    groups = list("uuvvwwxx")
    search = GridSearchCV(
        spy, {"spy__single_alpha": [False]}, cv=GroupKFold(3), error_score="raise"
    )
    found = cross_validate(
        search, stories, runs, cv=GroupKFold(4), params={"groups": groups}, error_score="raise"
    )
    assert np.isfinite(found["test_score"]).all()
    assert [len(given) for given in Spy.seen] == 4 * [4, 4, 4, 6]
    assert all(given.count(group) == 2 for given in Spy.seen for group in given)


def test_groups_of_trs_are_routed_with_arrays(routing):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((80, 3)), rng.standard_normal((80, 2))
    Spy.seen = []
    groups = np.repeat(np.arange(8), 10)
    cross_validate(
        Spy([1e3]), X, Y, cv=GroupKFold(2), params={"groups": groups}, error_score="raise"
    )
    assert [len(given) for given in Spy.seen] == [40, 40]


def test_groups_can_be_declined(routing):
    assert ek.RidgeCV().get_metadata_routing().fit.requests["groups"] is True
    declined = ek.RidgeCV().set_fit_request(groups=False)
    assert declined.get_metadata_routing().fit.requests["groups"] is False


def test_runs_of_all_lengths_are_ragged_lists_and_are_split(pipeline, cohort):
    stories, runs = cohort(n_stories=6)
    assert len({run.sizes["time"] for run in runs}) > 1
    parts = train_test_split(stories, runs, test_size=2, random_state=0)
    train_x, test_x, train_y, test_y = parts
    assert [story.run_name for story in test_x] == [str(run.run.values[0]) for run in test_y]
    assert np.isfinite(pipeline.fit(train_x, train_y).score(test_x, test_y))


def test_a_frozen_extractor_is_not_fitted_again(pipeline, cohort):
    stories, runs = cohort()
    pipeline.fit(stories, runs)
    frozen = make_pipeline(FrozenEstimator(pipeline[:-1]), ek.RidgeCV(ALPHAS)).fit(stories, runs)
    assert frozen.predict(stories).identical(pipeline.predict(stories))
    whole = FrozenEstimator(pipeline).fit(stories[:1], runs[:1])
    assert whole.predict(stories).identical(pipeline.predict(stories))
    assert whole.score(stories, runs) == pipeline.score(stories, runs)


def test_feature_spaces_join_what_a_feature_union_cannot(extractor, cohort):
    stories, runs = cohort()
    spaces = ek.FeatureSpaces([("one", extractor), ("two", sklearn.clone(extractor))])
    model = make_pipeline(spaces, ek.Delayer(), ek.RidgeCV(ALPHAS)).fit(stories, runs)
    assert set(model[-1].coef_.band.values) == {"one", "two"}
    assert np.isfinite(model.score(stories, runs))


def test_pca_in_a_pipeline_learns_from_training_runs_alone(extractor, cohort):
    stories, runs = cohort(n_stories=5)
    reduce = ek.FeatureTransformer(PCA(3))
    model = make_pipeline(extractor, reduce, ek.Delayer(), ek.RidgeCV(ALPHAS))
    found = cross_validate(
        model, stories, runs, cv=KFold(5), return_estimator=True, error_score="raise"
    )
    for k, fitted in enumerate(found["estimator"]):
        seen = extractor.transform([story for i, story in enumerate(stories) if i != k])
        assert np.allclose(fitted[1].transformers_[0].mean_, seen.mean("time"), atol=1e-5)
    assert (found["test_score"] > 0.2).all()


def test_scalers_of_scikit_learn_work_on_arrays():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
    model = make_pipeline(StandardScaler(), ek.RidgeCV([10.0], cv=KFold(3)))
    assert cross_val_predict(model, X, Y, cv=KFold(3)).shape == Y.shape
    found = cross_validate(model, X, Y, cv=KFold(3), scoring="r2", error_score="raise")
    assert np.isfinite(found["test_score"]).all()


# What does not work, and says so


def test_cross_val_predict_is_refused_by_name(pipeline, cohort):
    stories, runs = cohort()
    with pytest.raises(TypeError, match=r"use ek\.cross_val_predict\(estimator, X, y\)"):
        cross_val_predict(pipeline, stories, runs, cv=KFold(4))


@pytest.mark.parametrize("as_list", [RunList, list])
@pytest.mark.parametrize("scoring", ["r2", "neg_mean_squared_error"])
def test_a_metric_of_scikit_learn_is_refused_by_name(pipeline, cohort, scoring, as_list):
    stories, runs = cohort()
    with pytest.raises(TypeError, match=r"scoring=.* leave scoring=None .* scoring=ek\.r2_scorer"):
        cross_validate(
            pipeline, stories, as_list(runs), cv=KFold(4), scoring=scoring, error_score="raise"
        )


INSTEAD = {
    VotingRegressor: r"VotingRegressor.*: .* ek\.StackedRidge on ek\.FeatureSpaces",
    StackingRegressor: r"StackingRegressor.*: .* ek\.StackedRidge .* ek\.LayerSelector",
}


@pytest.mark.parametrize("kind", [VotingRegressor, StackingRegressor])
def test_averages_of_regressors_are_refused_by_name(pipeline, labelled, cohort, kind):
    stories, runs = cohort()
    with pytest.raises(TypeError, match=INSTEAD[kind]):
        kind([("ridge", pipeline)]).fit(stories, runs)
    X, Y = labelled()
    with pytest.warns(DataConversionWarning), pytest.raises(TypeError, match=INSTEAD[kind]):
        kind([("ridge", ek.RidgeCV(ALPHAS))]).fit(X, Y[:, :1])


def test_a_transformed_target_regressor_is_refused_by_name(pipeline, labelled, cohort):
    told = r"TransformedTargetRegressor.*: transform the responses before the fit, .*ek\.RunScaler"
    for X, y, model in ((*cohort(), pipeline), (*labelled(), ek.RidgeCV(ALPHAS))):
        with pytest.raises(TypeError, match=told):
            TransformedTargetRegressor(model, transformer=StandardScaler()).fit(X, y)


@pytest.mark.parametrize("as_list", [RunList, list])
def test_permutation_test_score_is_refused_by_name(pipeline, cohort, as_list):
    stories, runs = cohort()
    with pytest.raises(TypeError, match=r"permutation_test_score .*: use ek\.permutation_test\("):
        permutation_test_score(pipeline, stories, as_list(runs), cv=KFold(4), n_permutations=2)


def test_permutation_test_score_of_labelled_rows_is_refused_by_name(labelled):
    X, Y = labelled()
    with pytest.raises(TypeError, match=r"permutation_test_score .*: use ek\.permutation_test\("):
        permutation_test_score(
            ek.RidgeCV(ALPHAS), X, Y, cv=GroupKFold(2), groups=Y.run.values, n_permutations=2
        )


def test_a_regressor_for_each_target_is_refused_by_name(pipeline, labelled, cohort):
    for X, y, model in ((*cohort(), pipeline), (*labelled(), ek.RidgeCV(ALPHAS))):
        with pytest.raises(TypeError, match=r"MultiOutputRegressor.*ek\.RidgeCV fits all targets"):
            MultiOutputRegressor(model).fit(X, y)


def test_tools_of_scikit_learn_take_plain_arrays():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 3)), rng.standard_normal(60)
    ridge = ek.RidgeCV([10.0], cv=KFold(3))
    for model in (
        VotingRegressor([("a", ridge)]),
        TransformedTargetRegressor(ridge, transformer=StandardScaler()),
    ):
        assert np.isfinite(model.fit(X, y).predict(X)).all()
    assert permutation_test_score(ridge, X, y, cv=KFold(3), n_permutations=3)[2] > 0


def test_whole_numbers_are_fitted_as_floats(labelled):
    X, Y = labelled()
    X, Y = (10 * X).round(), (10 * Y).round()
    expected = ek.RidgeCV(ALPHAS).fit(X.astype("f8"), Y.astype("f8"))
    for dtype in ("int16", "int64"):
        found = ek.RidgeCV(ALPHAS).fit(X.astype(dtype), Y.astype(dtype))
        np.testing.assert_allclose(found.coef_.values, expected.coef_.values, rtol=1e-6)
        plain = ek.RidgeCV(ALPHAS).fit(
            X.values.astype(dtype), Y.values.astype(dtype), runs=X.run.values
        )
        np.testing.assert_allclose(plain.coef_, expected.coef_.values, rtol=1e-6)


def test_a_feature_union_is_refused_by_name(extractor, cohort):
    stories, runs = cohort()
    union = FeatureUnion([("one", extractor), ("two", sklearn.clone(extractor))])
    with pytest.raises(
        TypeError, match=r"FeatureUnion, ColumnTransformer and np\.hstack lose .*ek\.FeatureSpaces"
    ):
        make_pipeline(union, ek.RidgeCV(ALPHAS)).fit(stories, runs)


def test_a_column_transformer_is_refused_by_name(extractor, cohort):
    stories, runs = cohort()
    columns = ColumnTransformer([("some", PCA(1), slice(0, 2))])
    with pytest.raises(TypeError, match=r"ColumnTransformer and np\.hstack lose .*FeatureSpaces"):
        make_pipeline(extractor, columns, ek.RidgeCV(ALPHAS)).fit(stories, runs)


def test_a_pca_that_loses_the_runs_is_refused_by_name(extractor, cohort):
    stories, runs = cohort()
    with pytest.raises(TypeError, match=r"wrap them, ek\.FeatureTransformer\(PCA\(50\)\)"):
        make_pipeline(extractor, PCA(3), ek.RidgeCV(ALPHAS)).fit(stories, runs)
