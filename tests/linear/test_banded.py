import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from sklearn.model_selection import KFold, LeaveOneGroupOut, LeaveOneOut
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import encodekit as ek
from encodekit._errors import MissingExtraError
from encodekit.data import split_runs
from encodekit.linear import _banded_solve
from encodekit.linear._fold_scores import FoldScores
from encodekit.linear._himalaya import himalaya_backend

himalaya = pytest.importorskip("himalaya")
from himalaya import scoring as theirs  # noqa: E402
from himalaya.backend import get_backend, set_backend  # noqa: E402

ALPHAS = np.logspace(-1, 3, 5)
BOTH_SOLVERS = pytest.mark.parametrize("n_features", [8, 200])


def arrays(n_features=8, n_targets=4, seed=0, noise=2.0, n_rows=90):
    """Return features of two bands that lie between each other, targets, runs and bands."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) + 3
    Y = X @ rng.standard_normal((n_features, n_targets)) / np.sqrt(n_features) + 5
    Y += noise * rng.standard_normal(Y.shape)
    bands = np.where(np.arange(n_features) % 3 == 1, "speech", "mel")
    return X, Y, np.repeat(["a", "b", "c"], n_rows // 3), bands


def of(rows, person):
    return rows.isel(target=rows.participant.values == person)


@pytest.fixture
def banded(labelled):
    """Return a function: delayed features of two bands, and responses."""

    def build(**keywords):
        X, Y = labelled(**keywords)
        low = [name.endswith(("000", "001")) for name in X.coords["name"].values]
        return X.assign_coords(band=("feature", np.where(low, "low", "high"))), Y

    return build


@pytest.fixture
def quick():
    return ek.BandedRidgeCV(ALPHAS, n_iter=6)


# The search and the solution


@BOTH_SOLVERS
@pytest.mark.parametrize("scoring", ["correlation", "r2"])
def test_shares_and_alphas_are_those_of_the_slow_search(reference, n_features, scoring):
    X, Y, runs, bands = arrays(n_features)
    runs = np.repeat(["a", "b", "c", "d"], [20, 35, 15, 20])
    heard = np.where(np.isin(runs, ["c", "d"]), "cd", runs)
    model = ek.BandedRidgeCV(ALPHAS, n_iter=6, scoring=scoring)
    model.fit(X, Y, runs=runs, groups=heard, bands=bands)
    splits = list(LeaveOneGroupOut().split(X, groups=heard))
    of_feature = np.array([model.bands_.tolist().index(band) for band in bands])
    for target in range(Y.shape[1]):
        table = np.array([
            reference.choose(
                X * np.sqrt(gamma[of_feature]), Y[:, target], ALPHAS, splits, runs, scoring
            )[1]
            for gamma in model.gammas_
        ])  # fmt: skip
        assert np.allclose(model.cv_scores_[:, target], table.max(axis=1), atol=1e-6)
        candidate, alpha = np.unravel_index(table.argmax(), table.shape)
        assert model.best_alphas_[target] == ALPHAS[alpha]
        log = np.log(model.gammas_[candidate] / ALPHAS[alpha])
        assert np.allclose(model.deltas_[:, target], log)
        assert model.best_scores_[target] == pytest.approx(table.max(), abs=1e-6)


@BOTH_SOLVERS
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weights_have_the_closed_form_of_their_deltas(n_features, fit_intercept):
    X, Y, runs, bands = arrays(n_features)
    model = ek.BandedRidgeCV(ALPHAS, n_iter=9, fit_intercept=fit_intercept)
    model.fit(X, Y, runs=runs, bands=bands)
    offset = (X.mean(axis=0), Y.mean(axis=0)) if fit_intercept else (0, 0)
    left, right = X - offset[0], Y - offset[1]
    for target in range(Y.shape[1]):
        by_band = dict(zip(model.bands_, np.exp(-model.deltas_[:, target]), strict=True))
        penalty = np.diag([by_band[band] for band in bands])
        coef = np.linalg.solve(left.T @ left + penalty, left.T @ right[:, target])
        assert np.allclose(model.coef_[:, target], coef, atol=1e-7)
    if fit_intercept:
        assert np.allclose(model.intercept_, offset[1] - offset[0] @ model.coef_)
    else:
        assert (model.intercept_ == 0).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@BOTH_SOLVERS
@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_one_band_is_ridge(n_features, dtype):
    X, Y, runs, _ = arrays(n_features)
    X, Y = X.astype(dtype), Y.astype(dtype)
    one = ek.BandedRidgeCV(ALPHAS).fit(X, Y, runs=runs)
    ridge = ek.RidgeCV(ALPHAS).fit(X, Y, runs=runs)
    assert one.bands_.tolist() == ["all"]
    assert one.coef_.dtype == dtype
    assert one.best_alphas_.tolist() == ridge.best_alphas_.tolist()
    assert np.allclose(one.best_scores_, ridge.best_scores_, atol=1e-4)
    assert np.allclose(one.coef_, ridge.coef_, atol=1e-4)
    assert np.allclose(one.intercept_, ridge.intercept_, atol=1e-4)
    assert np.allclose(one.predict(X), ridge.predict(X), atol=1e-4)


def test_equal_shares_are_ridge_at_as_many_times_the_alpha():
    X, Y, runs, bands = arrays()
    equal = ek.BandedRidgeCV([10.0], n_iter=1).fit(X, Y, runs=runs, bands=bands)
    ridge = ek.RidgeCV([20.0]).fit(X, Y, runs=runs)
    assert np.allclose(equal.coef_, ridge.coef_)


@BOTH_SOLVERS
def test_small_batches_change_nothing(n_features, monkeypatch):
    X, Y, runs, bands = arrays(n_features)
    model = ek.BandedRidgeCV(ALPHAS, n_iter=8)
    whole = model.fit(X, Y, runs=runs, bands=bands).coef_
    n_rows = len(X)
    # Two alphas at a time, and one target.
    monkeypatch.setattr(_banded_solve, "_BUDGET", 2 * 8 * n_rows * min(n_rows, n_features) + 1)
    batches = _banded_solve._Batches.of(X.shape, 4, 5, [(np.arange(2), np.arange(n_rows))])
    assert batches.n_alphas == 2
    assert batches.n_targets < 4 or n_features == 200
    assert np.allclose(model.fit(X, Y, runs=runs, bands=bands).coef_, whole, atol=1e-8)


def test_a_prediction_of_another_shape_than_was_due_is_refused():
    _, Y, _, _ = arrays()
    score = FoldScores(
        Y, [(np.arange(30, 90), np.arange(30))], None, scoring="r2", fit_intercept=True,
        alphas=[slice(0, 5)], columns=[slice(0, 4)], backend=get_backend(),
    )  # fmt: skip
    with pytest.raises(RuntimeError, match=r"predictions \(5, 30, 3\) where \(5, 30, 4\) were due"):
        score(Y[:30, :3], np.zeros((5, 30, 3)))


def test_the_band_that_drives_a_target_gets_the_larger_share():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 60))
    bands = np.repeat(["one", "two", "three"], 20)
    Y = np.stack([X[:, bands == band] @ rng.standard_normal(20) for band in ("one", "two")], 1)
    Y = np.concatenate([Y, rng.standard_normal((200, 1))], axis=1)
    Y += 3 * rng.standard_normal(Y.shape)
    runs = np.repeat(np.arange(4), 50)
    model = ek.BandedRidgeCV(np.logspace(0, 5, 11), n_iter=40).fit(X, Y, runs=runs, bands=bands)
    assert model.bands_[model.deltas_[:, :2].argmax(axis=0)].tolist() == ["one", "two"]
    ridge = ek.RidgeCV(np.logspace(0, 5, 11)).fit(X, Y, runs=runs)
    assert (model.best_scores_[:2] > ridge.best_scores_[:2] + 0.01).all()
    shares = model.score_targets(X, Y, runs=runs, split=True)
    assert model.bands_[shares[:, :2].argmax(axis=0)].tolist() == ["one", "two"]


@BOTH_SOLVERS
def test_the_order_of_features_bands_and_targets_changes_nothing(n_features, quick):
    X, Y, runs, bands = arrays(n_features)
    first = quick.fit(X, Y, runs=runs, bands=bands)
    coef, deltas, names = first.coef_, first.deltas_, first.bands_.tolist()
    rng = np.random.default_rng(1)
    for features in (rng.permutation(n_features), np.argsort(bands)[::-1]):
        targets = rng.permutation(Y.shape[1])
        again = quick.fit(X[:, features], Y[:, targets], runs=runs, bands=bands[features])
        assert np.allclose(again.coef_, coef[np.ix_(features, targets)], atol=1e-8)
        places = [names.index(name) for name in again.bands_]
        assert np.allclose(again.deltas_, deltas[np.ix_(places, targets)])
    assert again.bands_.tolist() == names[::-1]


def test_a_band_with_almost_no_share_is_finite():
    X, Y, runs, bands = arrays()
    model = ek.BandedRidgeCV(ALPHAS, n_iter=20, concentration=0.01)
    model.fit(X, Y, runs=runs, bands=bands)
    assert model.gammas_.min() == 1e-12
    assert np.isfinite(model.deltas_).all()
    assert np.isfinite(model.coef_).all()


def test_a_concentration_too_small_to_draw_from_is_refused(quick):
    X, Y, runs, bands = arrays()
    with pytest.raises(ValueError, match=r"concentration=\(1e-05,\) is so small .* use 0.01"):
        quick.set_params(concentration=1e-5, n_iter=50).fit(X, Y, runs=runs, bands=bands)


def test_what_was_tried_is_kept_and_follows_the_seed(quick):
    X, Y, runs, bands = arrays()
    first = quick.fit(X, Y, runs=runs, bands=bands).gammas_
    assert first[0].tolist() == [0.5, 0.5]
    assert np.allclose(first.sum(axis=1), 1)
    assert np.array_equal(quick.fit(X, Y, runs=runs, bands=bands).gammas_, first)
    other = quick.set_params(random_state=1).fit(X, Y, runs=runs, bands=bands).gammas_
    assert not np.array_equal(other, first)


def test_huth_alphas_are_squared_and_given_back_as_they_came():
    X, Y, runs, bands = arrays()
    ridge = ek.BandedRidgeCV([1, 100, 10000], n_iter=4).fit(X, Y, runs=runs, bands=bands)
    huth = ek.BandedRidgeCV([1, 10, 100], n_iter=4, alpha_convention="huth")
    huth.fit(X, Y, runs=runs, bands=bands)
    assert np.allclose(huth.best_alphas_**2, ridge.best_alphas_)
    assert np.allclose(huth.deltas_, ridge.deltas_)


# The backend of himalaya


@pytest.fixture
def torch_before():
    pytest.importorskip("torch")
    before = get_backend().name
    set_backend("torch")
    yield
    set_backend(before)


def test_the_backend_is_what_it_was(torch_before, quick):
    X, Y, runs, bands = arrays()
    quick.fit(X, Y, runs=runs, bands=bands)
    assert get_backend().name == "torch"


def test_the_backend_is_what_it_was_after_an_error(torch_before, quick, monkeypatch):
    X, Y, runs, bands = arrays()
    seen = []

    def fail(*_):
        seen.append(get_backend().name)
        raise ZeroDivisionError

    monkeypatch.setattr(FoldScores, "__call__", fail)
    with pytest.raises(ZeroDivisionError):
        quick.fit(X, Y, runs=runs, bands=bands)
    assert seen == ["numpy"]
    assert get_backend().name == "torch"
    with pytest.raises(ValueError, match="Unknown backend"), himalaya_backend("abacus"):
        pass
    assert get_backend().name == "torch"


@BOTH_SOLVERS
@pytest.mark.parametrize("scoring", ["correlation", "r2"])
def test_torch_gives_what_numpy_gives(n_features, scoring):
    pytest.importorskip("torch")
    X, Y, runs, bands = arrays(n_features)
    one, other = (
        ek.BandedRidgeCV(ALPHAS, n_iter=6, scoring=scoring, backend=name).fit(
            X, Y, runs=runs, bands=bands
        )
        for name in ("numpy", "torch")
    )
    assert np.allclose(one.coef_, other.coef_, atol=1e-8)
    assert np.allclose(one.cv_scores_, other.cv_scores_, atol=1e-8)


def test_without_himalaya_the_pip_line_is_named(quick, monkeypatch):
    X, Y, runs, bands = arrays()
    monkeypatch.setitem(sys.modules, "himalaya.backend", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'encodekit\[banded\]'"):
        quick.fit(X, Y, runs=runs, bands=bands)


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


def test_one_target_without_an_axis_has_no_axis(quick):
    X, Y, runs, bands = arrays()
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
    model = ek.BandedRidgeCV(ALPHAS, n_iter=3, targets=["P1/00002", "P1/00000"]).fit(X, Y)
    alone = ek.BandedRidgeCV(ALPHAS, n_iter=3).fit(X, Y.isel(target=[2, 0]))
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


# Weights by delay


def test_bands_of_other_delays_have_weights_at_their_own(extractor, cohort, quick):
    stories, runs = cohort()
    spaces = ek.FeatureSpaces([
        ("fast", make_pipeline(extractor, ek.Delayer(seconds=[2, 4]))),
        ("slow", make_pipeline(extractor, ek.Delayer(seconds=[4, 6, 8]))),
    ])  # fmt: skip
    model = quick.fit(spaces.fit_transform(stories), runs)
    weights = model.fir()
    assert weights.dims == ("feature", "delay", "target")
    assert weights.sizes == {"feature": 10, "delay": 4, "target": 3}
    assert weights.delay.values.tolist() == [2, 4, 6, 8]
    assert weights.region.values.tolist() == ["A1", "A1", "V1"]
    there = ~np.isnan(weights).all("target").values
    assert there[:5].tolist() == 5 * [[True, True, False, False]]
    assert there[5:].tolist() == 5 * [[False, True, True, True]]
    slow = model.fir("slow")
    assert slow.delay.values.tolist() == [4, 6, 8]
    assert not np.isnan(slow).any()
    for row in range(model.coef_.sizes["feature"]):
        one = model.coef_.isel(feature=row)
        at = (weights.coords["name"] == one.coords["name"].item()) & (
            weights.band == one.band.item()
        )
        found = weights.isel(feature=np.flatnonzero(at)).sel(delay=one.delay.item())
        assert np.array_equal(found.values[0], one.values)


def test_weights_of_ridge_have_delays_too(labelled):
    X, Y = labelled()
    coef = ek.RidgeCV().fit(X, Y).coef_
    weights = ek.linear.fir(coef)
    assert np.array_equal(weights.values, coef.values.reshape(4, 5, 3).swapaxes(0, 1))


def test_weights_without_delays_are_refused(banded, extractor, cohort, quick):
    X, Y = banded()
    quick.fit(X, Y)
    with pytest.raises(ValueError, match="unknown band 'lwo': did you mean 'low'"):
        quick.fir("lwo")
    with pytest.raises(ValueError, match=r"no coordinate delay: fit .* through ek\.Delayer"):
        ek.linear.fir(quick.coef_.drop_vars("delay"))
    with pytest.raises(ValueError, match=r"two weights are of feature .* at a delay of 2 s"):
        ek.linear.fir(quick.coef_.assign_coords(delay=("feature", np.full(20, 2.0))))
    quick.fit(X.values, Y.values, runs=X.run.values, bands=X.band.values)
    with pytest.raises(TypeError, match="fir got a ndarray, expected the coef_ of a model"):
        quick.fir()


# What each band says


def test_the_bands_and_the_intercept_sum_to_the_prediction(banded, quick):
    X, Y = banded(participants=("P1", "P2"))
    parts = quick.fit(X, Y + 7).predict(X, split=True)
    assert parts.dims == ("band", "time", "target")
    assert parts.band.values.tolist() == ["low", "high"]
    assert parts.run.values.tolist() == Y.run.values.tolist()
    assert np.allclose(parts.sum("band") + quick.intercept_, quick.predict(X), atol=1e-4)
    low = X.values[:, X.band.values == "low"] @ quick.coef_.values[X.band.values == "low"]
    assert np.allclose(parts.sel(band="low"), low, atol=1e-5)
    assert np.allclose(parts.mean("time"), quick.band_means_, atol=1e-4)


@pytest.mark.parametrize("metric", ["correlation", "r2"])
def test_shares_sum_to_the_score(banded, quick, metric):
    X, Y = banded(participants=("P1", "P2"), n_stories=5)
    Y.values[np.ix_(Y.run.values == "story-1", Y.participant.values == "P2")] = np.nan
    Y.values[:, 1] = 3
    quick.fit(X, Y)
    shares = quick.score_targets(X, Y, split=True, metric=metric)
    whole = quick.score_targets(X, Y, metric=metric)
    assert shares.dims == ("band", "target")
    assert np.allclose(shares.sum("band", skipna=False), whole, atol=1e-6, equal_nan=True)
    assert np.isnan(whole).values.tolist() == [False, True, False, False, False, False]
    assert shares.attrs == whole.attrs
    assert shares.participant.values.tolist() == Y.participant.values.tolist()
    reference = ek.correlation if metric == "correlation" else ek.r2
    assert np.allclose(whole, reference(Y, quick.predict(X)), equal_nan=True)


def test_shares_are_those_of_himalaya(quick):
    X, Y, runs, bands = arrays()
    quick.fit(X, Y, runs=runs, bands=bands)
    parts = quick.predict(X, split=True)
    ours = quick.score_targets(X, Y, split=True)
    assert np.allclose(ours, theirs.correlation_score_split(Y, parts))
    ours = quick.score_targets(X, Y, split=True, metric="r2")
    centred = parts - parts.mean(axis=1, keepdims=True)
    assert np.allclose(ours, theirs.r2_score_split(Y - Y.mean(axis=0), centred))


def test_a_band_that_hurts_has_a_negative_share(quick):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 6))
    X[:, 3:] = -X[:, :3] + 0.3 * X[:, 3:]
    y = X[:, :3].sum(axis=1, keepdims=True)
    runs, bands = np.repeat(["a", "b", "c"], 30), np.repeat(["one", "two"], 3)
    quick.fit(X, y, runs=runs, bands=bands)
    quick.coef_[3:] = 0.2
    for metric in ("correlation", "r2"):
        shares = quick.score_targets(X, y, runs=runs, split=True, metric=metric)
        assert shares[1, 0] < 0 < shares[0, 0]


def test_a_split_r2_needs_an_intercept(quick):
    X, Y, runs, bands = arrays()
    quick.set_params(fit_intercept=False).fit(X, Y, runs=runs, bands=bands)
    assert np.isfinite(quick.score_targets(X, Y, metric="r2")).all()
    shares = quick.score_targets(X, Y, runs=runs, split=True)
    assert np.allclose(shares.sum(axis=0), quick.score_targets(X, Y, runs=runs))
    with pytest.raises(ValueError, match="fit with fit_intercept=True, or use metric='corr"):
        quick.score_targets(X, Y, split=True, metric="r2")


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


def test_a_run_in_which_a_target_is_constant_does_not_choose(reference):
    X, Y, runs, bands = arrays()
    y = Y[:, :1].copy()
    y[30:60] = 2.0
    model = ek.BandedRidgeCV(ALPHAS, n_iter=1).fit(X, y, runs=runs, bands=bands)
    rows = {run: np.flatnonzero(runs == run) for run in "ac"}
    splits = [(np.flatnonzero(runs != run), rows[run]) for run in "ac"]
    _, scores = reference.choose(X, y[:, 0], 2 * ALPHAS, splits, runs)
    assert np.allclose(model.cv_scores_[0], scores.max(), atol=1e-8)


def test_features_that_say_nothing_take_the_largest_alpha():
    X, Y = np.ones((30, 2)), np.random.default_rng(0).standard_normal((30, 2))
    model = ek.BandedRidgeCV([1.0, 100.0, 10.0], n_iter=3, cv=KFold(3))
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
    one = ek.BandedRidgeCV(ALPHAS, n_iter=3, cv=iter(splits)).fit(X, Y)
    assert np.allclose(one.coef_, ek.BandedRidgeCV(ALPHAS, n_iter=3).fit(X, Y).coef_, atol=1e-6)


def test_one_tr_at_a_time_has_no_correlation():
    X, Y, _, bands = arrays(n_rows=30)
    with pytest.raises(ValueError, match="holds out one TR of a run at a time"):
        ek.BandedRidgeCV(ALPHAS, n_iter=2, cv=LeaveOneOut()).fit(X, Y, bands=bands)
    model = ek.BandedRidgeCV(ALPHAS, n_iter=2, cv=LeaveOneOut(), scoring="r2")
    assert model.fit(X, Y, bands=bands).cv_scores_.shape == (2, 4)


def test_shuffled_trs_and_unknown_stimuli_are_refused(quick):
    X, Y, _, bands = arrays()
    with pytest.raises(ValueError, match="shuffles single TRs"):
        quick.set_params(cv=KFold(3, shuffle=True)).fit(X, Y, bands=bands)
    with pytest.raises(ValueError, match="neither runs nor groups are known"):
        quick.set_params(cv=None).fit(X, Y, bands=bands)


# Mistakes


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alphas": [1, -1]}, r"alphas must be a list of positive numbers, got \[1, -1\]"),
        ({"n_iter": 0}, "n_iter must be a number of shares to try, got 0"),
        ({"concentration": [0.1, 0]}, r"concentration must be positive, got \[0.1, 0\]"),
        ({"alpha_convention": "huht"}, "unknown alpha_convention 'huht': did you mean 'huth'"),
        ({"scoring": "corelation"}, "unknown scoring 'corelation': did you mean 'correlation'"),
        ({"backend": "nunpy"}, "unknown backend 'nunpy': did you mean 'numpy'"),
        ({"scoring": "x", "n_iter": 0.5}, "n_iter must be .*; unknown scoring 'x'"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(parameters, message):
    X, Y, runs, bands = arrays()
    with pytest.raises(ValueError, match=message):
        ek.BandedRidgeCV(**parameters).fit(X, Y, runs=runs, bands=bands)


def test_features_without_bands_are_refused(labelled, quick):
    X, Y = labelled()
    with pytest.raises(ValueError, match=r"no coordinate `band` on feature: .*ek\.FeatureSpaces"):
        quick.fit(X, Y)
    with pytest.raises(TypeError, match="bands= is for plain arrays"):
        quick.fit(X, Y, bands=["a"] * 20)


def test_bands_of_another_number_than_features_are_refused(quick):
    X, Y, runs, bands = arrays()
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
    model = ek.BandedRidgeCV(ALPHAS, n_iter=4, targets=Y.target.values[:4].tolist()).fit(X, Y)
    loaded = ek.load(ek.save(model, tmp_path / "model"))
    assert not [path for path in Path(tmp_path).rglob("*") if path.suffix in (".pkl", ".joblib")]
    assert loaded.predict(X).identical(model.predict(X))
    assert loaded.predict(X, split=True).identical(model.predict(X, split=True))
    assert loaded.fir("low").identical(model.fir("low"))
    assert loaded.degenerate_.tolist() == ["P1/00001"]
    for metric in ("correlation", "r2"):
        shares = loaded.score_targets(X, Y, split=True, metric=metric)
        assert shares.identical(model.score_targets(X, Y, split=True, metric=metric))


def test_a_model_of_arrays_is_saved_with_its_bands(quick, tmp_path):
    X, Y, runs, bands = arrays()
    quick.fit(X, Y, runs=runs, bands=bands)
    loaded = ek.load(ek.save(quick, tmp_path / "model"))
    assert np.array_equal(loaded.predict(X, split=True), quick.predict(X, split=True))


def test_it_is_a_registered_regressor():
    assert isinstance(ek.make_regressor("banded-ridge", n_iter=3), ek.BandedRidgeCV)


@parametrize_with_checks([ek.BandedRidgeCV(n_iter=2, cv=KFold(3))])
def test_banded_ridge_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)
