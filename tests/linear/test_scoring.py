"""What chooses alpha: each criterion is the one its name says, and that others publish."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold

import encodekit as ek

ALPHAS = np.logspace(-2, 4, 13)
N_SETS = 30
BY_FOLD = ("correlation_folds", "r2_folds")
pytestmark = pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")


def small(seed, n_targets=3):
    """Return few rows of weakly predicted targets that drift: their folds have other means."""
    rng = np.random.default_rng(seed)
    n_rows, n_features = int(rng.integers(40, 71)), int(rng.integers(3, 16))
    X = rng.standard_normal((n_rows, n_features)) + 1
    Y = X @ rng.standard_normal((n_features, n_targets)) / np.sqrt(n_features)
    noise = rng.standard_normal(Y.shape)
    return X, Y + 2 * noise + np.cumsum(noise, axis=0) / 4


def by_scikit_learn(X, y, cv):
    search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring="r2", cv=cv).fit(X, y)
    return search.best_params_["alpha"], search.cv_results_["mean_test_score"]


def test_r2_folds_chooses_what_scikit_learn_chooses():
    same, pooled_same, n_targets = 0, 0, 0
    for seed in range(0, N_SETS, 4):  # each is slow: a search of scikit-learn's per target
        X, Y = small(seed)
        cv = KFold(4)  # folds of unequal length in most sets
        model = ek.RidgeCV(ALPHAS, cv=cv, scoring="r2_folds").fit(X, Y)
        pooled = ek.RidgeCV(ALPHAS, cv=cv, scoring="r2_pooled").fit(X, Y)
        for target in range(Y.shape[1]):
            alpha, scores = by_scikit_learn(X, Y[:, target], cv)
            assert np.allclose(model.cv_scores_[:, target], scores, atol=1e-9)
            same += model.best_alphas_[target] == alpha
            pooled_same += pooled.best_alphas_[target] == alpha
            n_targets += 1
    print(f"r2_folds: alphas of GridSearchCV in {same} of {n_targets}, r2_pooled: {pooled_same}")
    assert same == n_targets > 20
    assert pooled_same < 0.9 * n_targets  # so that this test can tell the two apart


@pytest.mark.parametrize("estimator", ["ridge", "banded"])
def test_r2_folds_chooses_what_himalaya_chooses(estimator):
    pytest.importorskip("himalaya")
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import r2_score

    kind = ek.RidgeCV if estimator == "ridge" else ek.BandedRidgeCV
    same = 0
    for seed in range(N_SETS):
        X, Y = small(seed)
        folds = list(KFold(4).split(X))
        theirs = RidgeCV(
            ALPHAS, fit_intercept=True, cv=folds, solver_params={"score_func": r2_score}
        ).fit(X, Y)
        mine = kind(ALPHAS, cv=folds, scoring="r2_folds").fit(X, Y)
        assert np.allclose(mine.best_scores_, theirs.cv_scores_, atol=1e-7)
        same += np.isclose(mine.best_alphas_, theirs.best_alphas_).sum()
    print(f"r2_folds: alphas of himalaya in {same} of {3 * N_SETS} ({estimator})")
    assert same == 3 * N_SETS


def test_correlation_folds_takes_the_runs_of_a_fold_as_one_stretch():
    X, Y = small(0)
    X, Y, runs = X[:40], Y[:40].copy(), np.repeat(["a", "b", "c", "d"], 10)
    Y[runs == "b"] += 100
    Y[runs == "d"] += 100
    folds = [(np.arange(20), np.arange(20, 40)), (np.arange(20, 40), np.arange(20))]
    whole = ek.RidgeCV([1.0], cv=folds, scoring="correlation_folds").fit(X, Y, runs=runs)
    apart = ek.RidgeCV([1.0], cv=folds, scoring="correlation").fit(X, Y, runs=runs)
    for target in range(Y.shape[1]):
        expected = np.mean([
            np.corrcoef(Y[b, target], Ridge(1.0).fit(X[a], Y[a, target]).predict(X[b]))[0, 1]
            for a, b in folds
        ])  # fmt: skip
        assert whole.cv_scores_[0, target] == pytest.approx(expected, abs=1e-9)
    assert abs(whole.cv_scores_ - apart.cv_scores_).max() > 0.05


@pytest.mark.parametrize("name", ["r2", "R2"])
@pytest.mark.parametrize("kind", [ek.RidgeCV, ek.BandedRidgeCV])
def test_r2_alone_is_refused_because_it_could_be_either(kind, name):
    X, Y = small(0)
    with pytest.raises(ValueError, match=r"could be two things: use 'r2_folds' .* or 'r2_pooled'"):
        kind(scoring=name, cv=KFold(3)).fit(X, Y)


def constant_in_some_folds():
    """Return a set in which target 0 is constant in one fold, and target 1 in all that are held."""
    X, Y = small(3)
    X, Y = X[:40], Y[:40].copy()
    Y[:10, 0] = 0.1
    Y[:20, 1] = 0.1
    folds = [(np.arange(10, 40), np.arange(10)), (np.r_[0:10, 20:40], np.arange(10, 20))]
    return X, Y, folds


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("scoring", BY_FOLD)
@pytest.mark.parametrize("kind", [ek.RidgeCV, ek.BandedRidgeCV])
def test_a_fold_in_which_a_target_is_constant_counts_as_0(kind, scoring, dtype):
    X, Y, folds = constant_in_some_folds()
    X, Y = X.astype(dtype), Y.astype(dtype)
    both = kind(ALPHAS, cv=folds, scoring=scoring).fit(X, Y)
    second = kind(ALPHAS, cv=folds[1:], scoring=scoring).fit(X, Y)
    assert np.allclose(both.best_scores_[0], second.best_scores_[0] / 2, atol=1e-5)
    assert both.best_alphas_[0] == second.best_alphas_[0]
    assert np.isnan(both.cv_scores_[:, 1]).all()
    assert np.isfinite(both.cv_scores_[:, [0, 2]]).all()


@pytest.mark.parametrize("scoring", BY_FOLD)
def test_a_single_alpha_is_the_best_on_average(scoring):
    X, Y = small(5, n_targets=12)
    each = ek.RidgeCV(ALPHAS, cv=KFold(4), scoring=scoring).fit(X, Y)
    one = ek.RidgeCV(ALPHAS, cv=KFold(4), scoring=scoring, single_alpha=True).fit(X, Y)
    assert np.unique(each.best_alphas_).size > 1
    assert (one.best_alphas_ == ALPHAS[each.cv_scores_.mean(axis=1).argmax()]).all()


@pytest.mark.parametrize("scoring", BY_FOLD)
@pytest.mark.parametrize("name", ["ridge", "banded"])
def test_a_participant_who_lacks_a_run_is_fitted_as_if_alone(labelled, name, scoring):
    X, Y = labelled(participants=("P1", "P2"))
    Y.values[np.ix_(Y.run.values == "story-1", Y.participant.values == "P2")] = np.nan
    kind = ek.RidgeCV if name == "ridge" else ek.BandedRidgeCV
    X = X.assign_coords(band=("feature", ["all"] * X.sizes["feature"]))
    model = kind(ALPHAS, scoring=scoring)
    together = model.fit(X, Y).coef_.isel(target=slice(3, 6))
    there = np.flatnonzero(X.run.values != "story-1")
    alone = model.fit(X.isel(time=there), Y.isel(time=there, target=slice(3, 6)))
    assert np.allclose(together, alone.coef_, atol=1e-5)


@pytest.mark.parametrize("scoring", BY_FOLD)
def test_blocks_and_lazy_responses_change_nothing(labelled, tmp_path, scoring):
    X, Y = labelled(participants=("P1", "P2"))
    here = ek.RidgeCV(ALPHAS, scoring=scoring).fit(X, Y)
    model = ek.RidgeCV(ALPHAS, scoring=scoring, block_size=2, coef_store=tmp_path / "weights")
    model.fit(X, Y.chunk({"target": 4}))
    assert np.allclose(model.cv_scores_, here.cv_scores_, atol=1e-5)
    assert np.array_equal(model.best_alphas_, here.best_alphas_)
    assert np.allclose(model.coef_, here.coef_, atol=1e-5)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("scoring", BY_FOLD)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_torch_gives_what_numpy_gives(scoring, fit_intercept, device):
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    X, Y = small(7, n_targets=2500)  # enough for a pilot
    settings = {"cv": KFold(4), "scoring": scoring, "fit_intercept": fit_intercept}
    here = ek.RidgeCV(ALPHAS, **settings).fit(X, Y)
    there = ek.RidgeCV(ALPHAS, **settings, device=device).fit(X, Y)
    assert np.isnan(here.cv_scores_).any()  # some alphas were left out
    assert (here.best_alphas_ == there.best_alphas_).mean() > 0.999
    assert np.allclose(here.best_scores_, there.best_scores_, atol=1e-6)
