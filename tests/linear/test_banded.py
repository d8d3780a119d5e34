"""BandedRidgeCV: the search, the solution, and what it shares with RidgeCV."""

import dask.array as da
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import LeaveOneGroupOut

import encodekit as ek

ALPHAS = np.logspace(-1, 3, 5)
SCORINGS = ("correlation", "correlation_folds", "r2_pooled", "r2_folds")
BOTH_SOLVERS = pytest.mark.parametrize("n_features", [8, 200])


@BOTH_SOLVERS
@pytest.mark.parametrize("scoring", SCORINGS)
def test_shares_and_alphas_are_those_of_the_slow_search(two_bands, reference, n_features, scoring):
    X, Y, runs, bands = two_bands(n_features)
    runs = np.repeat(["a", "b", "c", "d"], [20, 35, 15, 20])
    heard = np.where(np.isin(runs, ["c", "d"]), "cd", runs)
    model = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(6, exhaustive=True), scoring=scoring)
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
    model = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(9), fit_intercept=fit_intercept)
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
    equal = ek.BandedRidgeCV([10.0], search=ek.BandSearch(1)).fit(X, Y, runs=runs, bands=bands)
    ridge = ek.RidgeCV([20.0]).fit(X, Y, runs=runs)
    assert np.allclose(equal.coef_, ridge.coef_)


def test_the_band_that_drives_a_target_gets_the_larger_share():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 60))
    bands = np.repeat(["one", "two", "three"], 20)
    Y = np.stack([X[:, bands == band] @ rng.standard_normal(20) for band in ("one", "two")], 1)
    Y = np.concatenate([Y, rng.standard_normal((200, 1))], axis=1)
    Y += 3 * rng.standard_normal(Y.shape)
    runs = np.repeat(np.arange(4), 50)
    model = ek.BandedRidgeCV(np.logspace(0, 5, 11), search=ek.BandSearch(40)).fit(
        X, Y, runs=runs, bands=bands
    )
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
    model = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(20, concentration=0.01))
    model.fit(X, Y, runs=runs, bands=bands)
    assert model.gammas_.min() == 1e-12
    assert np.isfinite(model.deltas_).all()
    assert np.isfinite(model.coef_).all()


def test_a_concentration_too_small_to_draw_from_is_refused(two_bands, quick):
    X, Y, runs, bands = two_bands()
    with pytest.raises(ValueError, match=r"concentration=\(1e-05,\) is so small .* use 0.01"):
        quick.set_params(search=ek.BandSearch(50, concentration=1e-5)).fit(
            X, Y, runs=runs, bands=bands
        )


def test_what_was_tried_is_kept_and_follows_the_seed(two_bands, quick):
    X, Y, runs, bands = two_bands()
    first = quick.fit(X, Y, runs=runs, bands=bands).gammas_
    assert first[0].tolist() == [0.5, 0.5]
    assert np.allclose(first.sum(axis=1), 1)
    assert np.array_equal(quick.fit(X, Y, runs=runs, bands=bands).gammas_, first)
    other = quick.set_params(search__random_state=1).fit(X, Y, runs=runs, bands=bands).gammas_
    assert not np.array_equal(other, first)


def test_huth_alphas_are_squared_and_given_back_as_they_came(two_bands):
    X, Y, runs, bands = two_bands()
    ridge = ek.BandedRidgeCV([1, 100, 10000], search=ek.BandSearch(4)).fit(
        X, Y, runs=runs, bands=bands
    )
    huth = ek.BandedRidgeCV([1, 10, 100], search=ek.BandSearch(4), alpha_convention="huth")
    huth.fit(X, Y, runs=runs, bands=bands)
    assert np.allclose(huth.best_alphas_**2, ridge.best_alphas_)
    assert np.allclose(huth.deltas_, ridge.deltas_)


# What it shares with RidgeCV


def spread(n_targets, n_features=(24, 12, 8), n_rows=240, seed=0):
    """Return float32 features of bands that predict targets in many ways, targets, runs, bands."""
    rng = np.random.default_rng(seed)
    bands = np.repeat(["a", "b", "c"], n_features)
    X = rng.standard_normal((n_rows, bands.size)) @ np.diag(rng.uniform(0.5, 2, bands.size))
    Y = 6 * rng.standard_normal((n_rows, n_targets))
    for band in ("a", "b", "c"):
        part = X[:, bands == band]
        how_much = rng.exponential(1, n_targets) * (rng.uniform(size=n_targets) < 0.6)
        Y += part @ rng.standard_normal((part.shape[1], n_targets)) * how_much / 2
    return X.astype("f4"), Y.astype("f4"), np.repeat(np.arange(6), n_rows // 6), bands


GRID = np.logspace(0, 5, 8)


@pytest.mark.parametrize(
    ("n_features", "scoring"), [((24, 12, 8), "correlation"), ((90, 60, 30), "r2_pooled")]
)
def test_what_is_left_out_would_not_have_been_chosen(scoring, n_features):
    X, Y, runs, bands = spread(2500, n_features, n_rows=150)
    search = ek.BandSearch(12)
    some = ek.BandedRidgeCV(GRID, search=search, scoring=scoring)
    every = clone(some).set_params(search__exhaustive=True)
    for model in (some, every):
        model.fit(X, Y, runs=runs, bands=bands)
    lost = every.best_scores_ - some.best_scores_
    assert np.mean(lost > 1e-4) <= 0.001
    assert lost.min() > -1e-5
    tried = np.isfinite(some.cv_scores_)
    assert tried.any(axis=0).all()
    assert (some.cv_scores_[tried] <= every.cv_scores_[tried] + 1e-5).all()


@BOTH_SOLVERS
def test_draws_and_choices_are_those_of_himalaya(two_bands, n_features):
    ridge = pytest.importorskip("himalaya.ridge")
    theirs_r2 = pytest.importorskip("himalaya.scoring").r2_score
    draws = pytest.importorskip("himalaya.kernel_ridge").generate_dirichlet_samples
    X, Y, runs, bands = two_bands(n_features, n_targets=40)
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    model = ek.BandedRidgeCV(ALPHAS, search="random", scoring="r2_folds", fit_intercept=False)
    model.fit(X, Y, runs=runs, bands=bands)
    theirs = draws(100, 2, concentration=[0.1, 1.0], random_state=0)
    assert np.allclose(model.gammas_[1:], np.maximum(theirs, 1e-12)[1:])
    found = ridge.solve_group_ridge_random_search(
        [X[:, bands == name] for name in model.bands_], Y, n_iter=model.gammas_, alphas=ALPHAS,
        fit_intercept=False, cv=LeaveOneGroupOut().split(X, groups=runs), progress_bar=False,
        score_func=theirs_r2, warn=False,
    )  # fmt: skip
    assert np.allclose(model.best_scores_, found[2].max(axis=0), atol=1e-6)
    same = np.isclose(model.deltas_, found[0], atol=1e-6).all(axis=0)
    assert same.mean() > 0.9  # the others are ties


@pytest.mark.parametrize("n_targets", [6, 2100])
@BOTH_SOLVERS
def test_shares_and_penalties_of_another_fit_are_taken(two_bands, n_features, n_targets):
    X, Y, runs, bands = two_bands(n_features, n_targets=n_targets)
    first = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(12)).fit(X, Y, runs=runs, bands=bands)
    warm = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(gammas=first.gammas_))
    warm.fit(X, Y, runs=runs, bands=bands)
    assert np.array_equal(warm.deltas_, first.deltas_)
    again = clone(first).fit(X, Y, runs=runs, bands=bands, deltas=first.deltas_)
    assert np.allclose(again.coef_, first.coef_, atol=1e-8)
    assert np.allclose(again.intercept_, first.intercept_)
    assert np.allclose(again.best_alphas_, first.best_alphas_)
    assert np.isnan(again.cv_scores_).all()


def test_penalties_are_taken_by_name(banded, quick):
    X, Y = banded(participants=("P1", "P2"))
    deltas, coef = quick.fit(X, Y).deltas_, quick.coef_
    turned = deltas[::-1, ::-1]
    assert np.allclose(quick.fit(X, Y, deltas=turned).coef_, coef, atol=1e-6)
    with pytest.raises(ValueError, match="lack 1 of the targets of y"):
        quick.fit(X, Y, deltas=deltas[:, 1:])
    with pytest.raises(ValueError, match="deltas has 5 targets but y has 6"):
        quick.fit(X.values, Y.values, runs=X.run.values, bands=X.band.values,
                  deltas=deltas.values[:, 1:])  # fmt: skip


@BOTH_SOLVERS
@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_a_single_choice_is_the_best_on_average(two_bands, n_features):
    X, Y, runs, bands = two_bands(n_features, n_targets=20)
    search = ek.BandSearch(8, exhaustive=True)
    one = ek.BandedRidgeCV(ALPHAS, search=search, single_alpha=True)
    one.fit(X, Y, runs=runs, bands=bands)
    means = []
    for gamma in one.gammas_:
        ridge = ek.RidgeCV(ALPHAS, exhaustive=True)
        by_name = dict(zip(one.bands_, np.sqrt(gamma), strict=True))
        ridge.fit(X * [by_name[band] for band in bands], Y, runs=runs)
        means.append(ridge.cv_scores_.mean(axis=1))
    share, alpha = np.unravel_index(np.argmax(means), np.shape(means))
    assert np.unique(one.best_alphas_).tolist() == [ALPHAS[alpha]]
    assert np.allclose(one.deltas_, np.log(one.gammas_[share] / ALPHAS[alpha])[:, None])
    assert one.best_scores_.mean() == pytest.approx(np.max(means), abs=1e-8)


@pytest.mark.parametrize("single_alpha", [False, True])
def test_blocks_stores_and_dask_change_nothing(banded, tmp_path, single_alpha):
    X, Y = banded(participants=("P1", "P2"), n_stories=6)
    lacks = np.isin(Y.run.values, ["story-1"])
    Y.values[np.ix_(lacks, Y.participant.values == "P2")] = np.nan
    model = ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(6), single_alpha=single_alpha).fit(X, Y)
    small = clone(model).set_params(block_size=2, coef_store=tmp_path / "coef.zarr")
    lazy = Y.copy(data=da.from_array(Y.values, chunks=(50, 2)))
    small.fit(X, lazy)
    assert isinstance(small.coef_.data, da.Array)
    for name in ("coef_", "intercept_", "deltas_", "cv_scores_", "best_scores_", "band_means_"):
        one, other = getattr(small, name), getattr(model, name)
        assert np.allclose(one, other, atol=1e-5, equal_nan=True), name
    assert np.allclose(small.predict(X), model.predict(X), atol=1e-5)
    with pytest.raises(FileExistsError, match="is there already"):
        small.fit(X, lazy)


@BOTH_SOLVERS
@pytest.mark.parametrize("scoring", SCORINGS)
def test_torch_gives_what_numpy_gives(two_bands, n_features, scoring):
    pytest.importorskip("torch")
    X, Y, runs, bands = two_bands(n_features)
    one, other = (
        ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(6), scoring=scoring, device=device).fit(
            X, Y, runs=runs, bands=bands
        )
        for device in (None, "cpu")
    )
    assert np.allclose(one.coef_, other.coef_, atol=1e-8)
    assert np.allclose(one.cv_scores_, other.cv_scores_, atol=1e-8)
    again = clone(other).fit(X, Y, runs=runs, bands=bands, deltas=one.deltas_)
    assert np.allclose(again.coef_, one.coef_, atol=1e-8)


@pytest.mark.parametrize("n_features", [50, 100, 119, 200])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("outlier", [1, 100])
def test_tiny_penalties_and_far_rows_keep_their_digits(
    two_bands, reference, n_features, dtype, outlier
):
    X, Y, runs, bands = two_bands(n_features, n_rows=120)
    X[50] *= outlier
    X, Y = X.astype(dtype), Y.astype(dtype)
    alphas = np.array([1e-4, 1e-2, 1, 100])
    model = ek.BandedRidgeCV(alphas, search=ek.BandSearch(3, exhaustive=True))
    model.fit(X, Y, runs=runs, bands=bands)
    splits = list(LeaveOneGroupOut().split(X, groups=runs))
    for target in range(Y.shape[1]):
        for place, gamma in enumerate(model.gammas_):
            by_name = dict(zip(model.bands_, np.sqrt(gamma), strict=True))
            scaled = X.astype("f8") * [by_name[band] for band in bands]
            _, scores = reference.choose(scaled, Y[:, target].astype("f8"), alphas, splits, runs)
            found = model.cv_scores_[place, target]
            assert found == pytest.approx(scores.max(), abs=1e-4 if dtype == "f4" else 1e-6)
