"""BandedRidgeCV: labels, missing rows, folds, mistakes and files."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from sklearn.model_selection import KFold, LeaveOneGroupOut, LeaveOneOut
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import encodekit as ek
from encodekit.data import split_runs

ALPHAS = np.logspace(-1, 3, 5)


def of(rows, person):
    return rows.isel(target=rows.participant.values == person)


# Labels


def test_labels_go_in_and_come_out(banded, quick):
    X, Y = banded(participants=("P1", "P2"))
    model = quick.fit(X, split_runs(Y))
    predicted = model.predict(X)
    assert model.bands_.tolist() == ["low", "high"]
    assert model.coef_.dims == ("feature", "target")
    assert model.coef_.band.values.tolist() == X.band.values.tolist()
    assert model.deltas_.dims == ("band", "target")
    assert model.deltas_.band.values.tolist() == ["low", "high"]
    assert model.best_alphas_.participant.values.tolist() == ["P1"] * 3 + ["P2"] * 3
    assert model.cv_scores_.dims == ("candidate", "target")
    for name in ("run", "stimulus", "tr", "seconds", "target", "participant", "region"):
        assert predicted[name].values.tolist() == Y[name].values.tolist()
    assert predicted.attrs == Y.attrs
    assert ek.validate(predicted, "response") is predicted
    assert (ek.correlation(Y, predicted) > 0.3).all()
    assert (ek.r2(Y, predicted) > 0.1).all()


def test_labelled_and_plain_fits_agree(banded, quick):
    X, Y = banded()
    by_label = quick.fit(X, Y)
    coef, score = by_label.coef_.values, by_label.score(X, Y)
    plain = quick.fit(X.values, Y.values, runs=X.run.values, bands=X.band.values)
    assert np.allclose(plain.coef_, coef)
    assert plain.score(X.values, Y.values, runs=X.run.values) == pytest.approx(score)


def test_one_target_without_an_axis_has_no_axis(two_bands, quick):
    X, Y, runs, bands = two_bands()
    model = quick.fit(X, Y[:, 0], runs=runs, bands=bands)
    assert model.coef_.shape == (8,)
    assert model.deltas_.shape == (2,)
    assert model.predict(X).shape == (90,)
    assert np.allclose(model.predict(X, split=True).sum(axis=0) + model.intercept_,
                       model.predict(X))  # fmt: skip
    for metric in ("correlation", "r2"):
        shares = model.score_targets(X, Y[:, 0], runs=runs, split=True, metric=metric)
        whole = model.score_targets(X, Y[:, 0], runs=runs, metric=metric)
        assert shares.shape == (2,)
        assert shares.sum() == pytest.approx(whole)


def test_labelled_features_give_labelled_predictions_of_a_model_of_one_array(banded, quick):
    X, Y = banded()
    model = quick.fit(X.values, Y.values[:, 0], runs=X.run.values, bands=X.band.values)
    predicted, parts = model.predict(X), model.predict(X, split=True)
    assert predicted.dims == ("time", "target")
    assert parts.dims == ("band", "time", "target")
    assert predicted.run.values.tolist() == parts.run.values.tolist() == X.run.values.tolist()
    assert np.array_equal(predicted.values[:, 0], model.predict(X.values))
    assert np.array_equal(parts.values[..., 0], model.predict(X.values, split=True))


def test_rows_are_joined_by_name_and_history_is_dropped(cohort, extractor, quick):
    stories, runs = cohort()
    X = extractor.transform(stories)
    X = X.assign_coords(band=("feature", ["a", "a", "b", "b", "b"]))
    assert (X.tr.values < 0).any()
    coef = quick.fit(X, runs).coef_
    assert (quick.predict(X, split=True).tr.values >= 0).all()
    assert quick.fit(X, runs[::-1]).coef_.identical(coef)


def test_dask_responses_fit_as_arrays_do(banded, quick):
    X, Y = banded(participants=("P1", "P2"))
    coef = quick.fit(X, Y).coef_
    lazy = Y.copy(data=da.from_array(Y.values, chunks=(50, 2)))
    assert np.allclose(quick.fit(X, lazy).coef_, coef)


def test_targets_are_chosen_in_the_fit_and_in_the_score(banded):
    X, Y = banded()
    model = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(3), targets=["P1/00002", "P1/00000"]).fit(
        X, Y
    )
    alone = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(3)).fit(X, Y.isel(target=[2, 0]))
    assert model.predict(X).identical(alone.predict(X))
    split = model.score_targets(X, Y, split=True)
    assert split.target.values.tolist() == ["P1/00002", "P1/00000"]
    assert model.score(X, Y) == pytest.approx(float(split.sum("band").mean()))


def test_a_pipeline_of_feature_spaces_goes_from_stimuli_to_shares(extractor, cohort, quick):
    stories, runs = cohort(n_stories=5)
    spaces = ek.FeatureSpaces([
        ("fast", make_pipeline(extractor, ek.Delayer(seconds=[2, 4]))),
        ("slow", make_pipeline(extractor, ek.Delayer(seconds=[4, 6, 8]))),
    ])  # fmt: skip
    model = make_pipeline(spaces, quick).fit(stories[:4], runs[:4])
    assert model.score(stories[4:], runs[4:]) > 0.3
    shares = quick.score_targets(spaces.fit_transform(stories[4:]), runs[4:], split=True)
    assert shares.band.values.tolist() == ["fast", "slow"]
    assert float(shares.sum("band").mean()) == pytest.approx(model.score(stories[4:], runs[4:]))
    assert ek.cross_val_predict(model, stories, runs).sizes == {"time": 180, "target": 3}


# What is missing


def test_a_participant_who_lacks_runs_is_fitted_as_if_alone(banded, quick):
    X, Y = banded(participants=("P1", "P2"), n_stories=6)
    lacks = np.isin(Y.run.values, ["story-1", "story-4"])
    Y.values[np.ix_(lacks, Y.participant.values == "P2")] = np.nan
    together = quick.fit(X, Y)
    kept = {name: getattr(together, name) for name in ("coef_", "deltas_", "band_means_")}
    for person in ("P1", "P2"):
        there = np.flatnonzero(~lacks | (person == "P1"))
        quick.fit(X.isel(time=there), of(Y, person).isel(time=there))
        for name, joint in kept.items():
            assert np.allclose(of(joint, person), getattr(quick, name), atol=1e-5), name
    assert together.degenerate_.size == 0


def test_degenerate_targets_are_nan_and_listed(banded, quick):
    X, Y = banded(participants=("P1", "P2"))
    whole = of(quick.fit(X, Y).coef_, "P2")
    Y.values[7, 1] = np.nan
    Y.values[:, 2] = np.float32(0.1)
    model = quick.fit(X, Y)
    assert model.degenerate_.tolist() == ["P1/00001", "P1/00002"]
    nan = [False, True, True, False, False, False]
    for values in (
        model.coef_, model.deltas_, model.cv_scores_, model.band_means_, model.predict(X),
    ):  # fmt: skip
        assert np.isnan(values).any(axis=0).values.tolist() == nan
        assert np.isnan(values).all(axis=0).values.tolist() == nan
    assert np.isnan(model.best_alphas_).values.tolist() == nan
    assert np.isnan(model.best_scores_).values.tolist() == nan
    assert np.allclose(of(model.coef_, "P2"), whole, atol=1e-6)
    assert np.isfinite(model.score(X, Y))


def test_a_run_in_which_a_target_is_constant_does_not_choose(two_bands, reference):
    X, Y, runs, bands = two_bands()
    y = Y[:, :1].copy()
    y[30:60] = 2.0
    model = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(1)).fit(X, y, runs=runs, bands=bands)
    rows = {run: np.flatnonzero(runs == run) for run in "ac"}
    splits = [(np.flatnonzero(runs != run), rows[run]) for run in "ac"]
    _, scores = reference.choose(X, y[:, 0], 2 * ALPHAS, splits, runs)
    assert np.allclose(model.cv_scores_[0], scores.max(), atol=1e-8)


def test_features_that_say_nothing_take_the_largest_alpha():
    X, Y = np.ones((30, 2)), np.random.default_rng(0).standard_normal((30, 2))
    model = ek.BandedRidgeCV([1.0, 100.0, 10.0], search=ek.BandSearch(3), cv=KFold(3))
    model.fit(X, Y, bands=["a", "b"])
    assert model.best_alphas_.tolist() == [100.0, 100.0]
    assert np.allclose(model.predict(X), Y.mean(axis=0))


def test_a_response_that_holds_nothing_is_refused(banded, quick):
    X, Y = banded()
    with pytest.raises(ValueError, match="y holds nothing but NaN"):
        quick.fit(X, Y * np.nan)


def test_a_participant_with_one_stimulus_is_named(banded, quick):
    X, Y = banded(participants=("P1", "P2"))
    lacks = np.isin(Y.run.values, ["story-1", "story-2", "story-3"])
    Y.values[np.ix_(lacks, Y.participant.values == "P2")] = np.nan
    with pytest.raises(ValueError, match=r"participant 'P2': only one stimulus \('story-0'\)"):
        quick.fit(X, Y)


# Folds


def test_folds_given_as_an_iterator_serve_every_participant(banded):
    X, Y = banded(participants=("P1", "P2"))
    Y.values[np.ix_(Y.run.values == "story-1", Y.participant.values == "P2")] = np.nan
    splits = list(LeaveOneGroupOut().split(X, groups=X.run.values))
    one = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(3), cv=iter(splits)).fit(X, Y)
    assert np.allclose(
        one.coef_,
        ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(3)).fit(X, Y).coef_,
        atol=1e-6,
    )


def test_one_tr_at_a_time_has_no_correlation(two_bands):
    X, Y, _, bands = two_bands(n_rows=30)
    with pytest.raises(ValueError, match="holds out one TR of a run at a time"):
        ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(2), cv=LeaveOneOut()).fit(X, Y, bands=bands)
    model = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(2), cv=LeaveOneOut(), scoring="r2_pooled")
    assert model.fit(X, Y, bands=bands).cv_scores_.shape == (2, 4)


def test_shuffled_trs_and_unknown_stimuli_are_refused(two_bands, quick):
    X, Y, _, bands = two_bands()
    with pytest.raises(ValueError, match="shuffles single TRs"):
        quick.set_params(cv=KFold(3, shuffle=True)).fit(X, Y, bands=bands)
    with pytest.raises(ValueError, match="neither runs nor groups are known"):
        quick.set_params(cv=None).fit(X, Y, bands=bands)


# Mistakes


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alphas": [1, -1]}, r"alphas must be a list of positive numbers, got \[1, -1\]"),
        ({"search": ek.BandSearch(0)}, "n_iter must be a number of shares to try, got 0"),
        (
            {"search": ek.BandSearch(concentration=[0.1, 0])},
            r"concentration must be positive, got \[0.1, 0\]",
        ),
        ({"alpha_convention": "huht"}, "unknown alpha_convention 'huht': did you mean 'huth'"),
        ({"scoring": "corelation"}, "unknown scoring 'corelation': did you mean 'correlation'"),
        (
            {"search": "randm"},
            r"unknown search 'randm': did you mean 'random'.* BandSearch\(n_iter",
        ),
        ({"search": 5}, r"unknown search '5'.* BandSearch\(n_iter"),
        ({"search": ek.BandSearch(gammas=[[0.5, 0.6]])}, "gammas must be shares .* sum to one"),
        ({"search": ek.BandSearch(gammas=[[0.2] * 5])}, "gammas are of 5 bands, but X has 2"),
        ({"scoring": "x", "search": ek.BandSearch(0.5)}, "n_iter must be .*; unknown scoring 'x'"),
        ({"block_size": 0}, "block_size must be a number of targets, got 0"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(two_bands, parameters, message):
    X, Y, runs, bands = two_bands()
    with pytest.raises(ValueError, match=message):
        ek.BandedRidgeCV(**parameters).fit(X, Y, runs=runs, bands=bands)


def test_features_without_bands_are_refused(labelled, quick):
    X, Y = labelled()
    with pytest.raises(ValueError, match=r"no coordinate `band` on feature: .*ek\.FeatureSpaces"):
        quick.fit(X, Y)
    with pytest.raises(TypeError, match="bands= is for plain arrays"):
        quick.fit(X, Y, bands=["a"] * 20)


def test_bands_of_another_number_than_features_are_refused(two_bands, quick):
    X, Y, runs, bands = two_bands()
    with pytest.raises(ValueError, match=r"bands has shape \(7,\) but X has 8 features"):
        quick.fit(X, Y, runs=runs, bands=bands[1:])


def test_features_of_other_bands_are_refused_in_a_prediction(banded, quick):
    X, Y = banded()
    quick.fit(X, Y)
    with pytest.raises(ValueError, match="feature 0 has band 'other', expected 'low'"):
        quick.predict(X.assign_coords(band=("feature", ["other"] * 20)))


def test_weights_of_trs_and_unknown_metrics_are_refused(banded, quick):
    X, Y = banded()
    quick.fit(X, Y)
    with pytest.raises(TypeError, match="sample_weight is not supported: every TR"):
        quick.score(X, Y, sample_weight=np.ones(150))
    with pytest.raises(ValueError, match="unknown metric 'R2': did you mean 'r2'"):
        quick.score_targets(X, Y, metric="R2")


# Files, plugins, scikit-learn


def test_a_saved_model_predicts_the_same(banded, tmp_path):
    X, Y = banded(participants=("P1", "P2"))
    Y[:, 1] = 0
    model = ek.BandedRidgeCV(
        ALPHAS, search=ek.BandSearch(4), targets=Y.target.values[:4].tolist()
    ).fit(X, Y)
    loaded = ek.load(ek.save(model, tmp_path / "model"))
    assert not [path for path in Path(tmp_path).rglob("*") if path.suffix in (".pkl", ".joblib")]
    assert loaded.predict(X).identical(model.predict(X))
    assert loaded.predict(X, split=True).identical(model.predict(X, split=True))
    assert loaded.fir("low").identical(model.fir("low"))
    assert loaded.degenerate_.tolist() == ["P1/00001"]
    for metric in ("correlation", "r2"):
        shares = loaded.score_targets(X, Y, split=True, metric=metric)
        assert shares.identical(model.score_targets(X, Y, split=True, metric=metric))


def test_a_model_of_arrays_is_saved_with_its_bands(two_bands, quick, tmp_path):
    X, Y, runs, bands = two_bands()
    quick.fit(X, Y, runs=runs, bands=bands)
    loaded = ek.load(ek.save(quick, tmp_path / "model"))
    assert np.array_equal(loaded.predict(X, split=True), quick.predict(X, split=True))


def test_it_is_a_registered_regressor():
    assert isinstance(ek.make_regressor("banded-ridge", search=ek.BandSearch(3)), ek.BandedRidgeCV)


@parametrize_with_checks([ek.BandedRidgeCV(search=ek.BandSearch(2), cv=KFold(3))])
def test_banded_ridge_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)
