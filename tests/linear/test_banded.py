"""BandedRidgeCV: the search, the solution, and himalaya's backend beneath."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut

import encodekit as ek
from encodekit.core import MissingExtraError
from encodekit.linear._banded_solve import BandedSettings, _Batches, solve_banded
from encodekit.linear._fold_scores import FoldScores
from encodekit.linear._himalaya import himalaya_backend
from encodekit.linear._patterns import Problem

pytest.importorskip("himalaya")
from himalaya.backend import get_backend, set_backend

ALPHAS = np.logspace(-1, 3, 5)
SCORINGS = ("correlation", "correlation_folds", "r2_pooled", "r2_folds")
BOTH_SOLVERS = pytest.mark.parametrize("n_features", [8, 200])


@BOTH_SOLVERS
@pytest.mark.parametrize("scoring", SCORINGS)
def test_shares_and_alphas_are_those_of_the_slow_search(two_bands, reference, n_features, scoring):
    X, Y, runs, bands = two_bands(n_features)
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
def test_weights_have_the_closed_form_of_their_deltas(two_bands, n_features, fit_intercept):
    X, Y, runs, bands = two_bands(n_features)
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
def test_one_band_is_ridge(two_bands, n_features, dtype):
    X, Y, runs, _ = two_bands(n_features)
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


def test_equal_shares_are_ridge_at_as_many_times_the_alpha(two_bands):
    X, Y, runs, bands = two_bands()
    equal = ek.BandedRidgeCV([10.0], n_iter=1).fit(X, Y, runs=runs, bands=bands)
    ridge = ek.RidgeCV([20.0]).fit(X, Y, runs=runs)
    assert np.allclose(equal.coef_, ridge.coef_)


@BOTH_SOLVERS
def test_small_batches_change_nothing(two_bands, n_features):
    X, Y, runs, bands = two_bands(n_features)
    names, band_of = np.unique(bands, return_inverse=True)
    members = [np.flatnonzero(band_of == band) for band in range(names.size)]
    problem = Problem(X, Y, np.zeros(Y.shape[1], dtype=int), runs, runs)
    settings = BandedSettings(
        ALPHAS, n_iter=8, concentration=(0.1, 1.0), random_state=0, cv=None, purge=0,
        scoring="correlation", fit_intercept=True, backend="numpy",
    )  # fmt: skip
    whole = solve_banded(problem, members, names, settings).coef
    model = ek.BandedRidgeCV(ALPHAS, n_iter=8).fit(X, Y, runs=runs, bands=bands)
    assert np.allclose(model.coef_, whole, atol=1e-8)
    n_rows = len(X)
    # Two alphas at a time, and at last one of them and one target.
    tight = 2 * 8 * n_rows * min(n_rows, n_features) + 1
    batches = _Batches.of(X.shape, 4, 5, [(np.arange(2), np.arange(n_rows))], tight)
    assert batches.n_alphas == 2
    assert batches.n_targets < 4 or n_features == 200
    for budget in (tight, 1):
        parts = solve_banded(problem, members, names, replace(settings, budget=budget)).coef
        assert np.allclose(parts, whole, atol=1e-8)


def test_a_prediction_of_another_shape_than_was_due_is_refused(two_bands):
    _, Y, _, _ = two_bands()
    score = FoldScores(
        Y, [(np.arange(30, 90), np.arange(30))], None, scoring="r2_pooled", fit_intercept=True,
        grid=np.ones(5), alphas=[slice(0, 5)], columns=[slice(0, 4)], backend=get_backend(),
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
def test_the_order_of_features_bands_and_targets_changes_nothing(two_bands, n_features, quick):
    X, Y, runs, bands = two_bands(n_features)
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


def test_a_band_with_almost_no_share_is_finite(two_bands):
    X, Y, runs, bands = two_bands()
    model = ek.BandedRidgeCV(ALPHAS, n_iter=20, concentration=0.01)
    model.fit(X, Y, runs=runs, bands=bands)
    assert model.gammas_.min() == 1e-12
    assert np.isfinite(model.deltas_).all()
    assert np.isfinite(model.coef_).all()


def test_a_concentration_too_small_to_draw_from_is_refused(two_bands, quick):
    X, Y, runs, bands = two_bands()
    with pytest.raises(ValueError, match=r"concentration=\(1e-05,\) is so small .* use 0.01"):
        quick.set_params(concentration=1e-5, n_iter=50).fit(X, Y, runs=runs, bands=bands)


def test_what_was_tried_is_kept_and_follows_the_seed(two_bands, quick):
    X, Y, runs, bands = two_bands()
    first = quick.fit(X, Y, runs=runs, bands=bands).gammas_
    assert first[0].tolist() == [0.5, 0.5]
    assert np.allclose(first.sum(axis=1), 1)
    assert np.array_equal(quick.fit(X, Y, runs=runs, bands=bands).gammas_, first)
    other = quick.set_params(random_state=1).fit(X, Y, runs=runs, bands=bands).gammas_
    assert not np.array_equal(other, first)


def test_huth_alphas_are_squared_and_given_back_as_they_came(two_bands):
    X, Y, runs, bands = two_bands()
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


def test_the_backend_is_what_it_was(two_bands, torch_before, quick):
    X, Y, runs, bands = two_bands()
    quick.fit(X, Y, runs=runs, bands=bands)
    assert get_backend().name == "torch"


def test_the_backend_is_what_it_was_after_an_error(two_bands, torch_before, quick, monkeypatch):
    X, Y, runs, bands = two_bands()
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
@pytest.mark.parametrize("scoring", ["correlation", "r2_pooled", "r2_folds"])
def test_torch_gives_what_numpy_gives(two_bands, n_features, scoring):
    pytest.importorskip("torch")
    X, Y, runs, bands = two_bands(n_features)
    one, other = (
        ek.BandedRidgeCV(ALPHAS, n_iter=6, scoring=scoring, backend=name).fit(
            X, Y, runs=runs, bands=bands
        )
        for name in ("numpy", "torch")
    )
    assert np.allclose(one.coef_, other.coef_, atol=1e-8)
    assert np.allclose(one.cv_scores_, other.cv_scores_, atol=1e-8)


def test_without_himalaya_the_pip_line_is_named(two_bands, quick, monkeypatch):
    X, Y, runs, bands = two_bands()
    monkeypatch.setitem(sys.modules, "himalaya.backend", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'encodekit\[banded\]'"):
        quick.fit(X, Y, runs=runs, bands=bands)
