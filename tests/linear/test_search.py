"""The search over alphas: folds taken from one decomposition, and alphas that are left out."""

import numpy as np
import pytest
from sklearn.model_selection import KFold

import encodekit as ek
from encodekit.linear._decomposition import decompose
from encodekit.linear._fold import (
    EigenFold,
    Fold,
    _inverse_of_positive,
    make_fold,
    make_split,
)
from encodekit.linear._score_predictor import ScorePredictor

ALPHAS = np.logspace(-1, 4, 9)
RUNS = np.repeat(["a", "b", "c", "d"], [30, 41, 29, 40])


def noisy(n_rows=140, n_features=25, n_targets=6, seed=0, share=0.3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features)) * np.arange(1, n_features + 1) ** -0.7 + 2
    signal = X @ rng.standard_normal((n_features, n_targets))
    signal /= signal.std(axis=0)
    noise = rng.standard_normal(signal.shape)
    return X, np.sqrt(share) * signal + np.sqrt(1 - share) * noise + 5


def held_out_predictions(kind, X, Y, train, test, alpha, *, by_run, intercept, dtype="f8"):
    """Return what a fold predicts for its held-out rows, sorted by run."""
    parts = decompose(X.astype(dtype), fit_intercept=intercept)
    split = make_split(train, test, RUNS, len(X))
    like = np.empty(0, dtype)
    fold = kind(parts, split, by_run=by_run, intercept=intercept, like=like)
    targets = (Y - (Y.mean(axis=0) if intercept else 0)).T.astype(dtype)
    trained = targets @ parts.rows.astype(dtype) - fold.removed_product(targets)
    (penalty,) = parts.penalties(np.array([alpha]))
    return split, fold.predict(fold.project(trained, targets), float(penalty)).T


@pytest.mark.parametrize("kind", [Fold, EigenFold])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("n_features", [25, 300])
@pytest.mark.parametrize("purge", [0, 7])
def test_a_fold_predicts_what_its_training_rows_alone_predict(
    reference, kind, intercept, n_features, purge
):
    X, Y = noisy(n_features=n_features)
    test = np.flatnonzero(np.isin(RUNS, ["b", "d"]))[::-1]
    train = np.setdiff1d(np.arange(len(X)), test)[purge:]
    split, predicted = held_out_predictions(
        kind, X, Y, train, test, 3.0, by_run=False, intercept=intercept
    )
    assert np.array_equal(RUNS[split.held_out], np.sort(RUNS[test]))
    for target in range(Y.shape[1]):
        if intercept:
            weights, constant = reference.fit(X[train], Y[train, target], 3.0)
            expected = X[split.held_out] @ weights + constant - Y[train, target].mean()
        else:
            gram = X[train].T @ X[train] + 3.0 * np.eye(n_features)
            weights = np.linalg.solve(gram, X[train].T @ Y[train, target])
            expected = X[split.held_out] @ weights
        assert np.allclose(predicted[:, target], expected, atol=1e-8)


@pytest.mark.parametrize("kind", [Fold, EigenFold])
def test_predictions_for_a_correlation_have_no_mean_in_any_run(kind):
    X, Y = noisy()
    test = np.flatnonzero(np.isin(RUNS, ["b", "d"]))
    train = np.setdiff1d(np.arange(len(X)), test)
    arguments = (kind, X, Y, train, test, 3.0)
    split, plain = held_out_predictions(*arguments, by_run=False, intercept=True)
    _, centred = held_out_predictions(*arguments, by_run=True, intercept=True)
    for run in split.runs:
        assert np.allclose(centred[run], plain[run] - plain[run].mean(axis=0), atol=1e-10)


@pytest.mark.parametrize(
    ("n_features", "spread", "kind"),
    [(120, 1.0, Fold), (400, 1.0, EigenFold), (120, 1e4, EigenFold)],
)
def test_a_fold_keeps_its_digits_in_float32(n_features, spread, kind):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((140, n_features))
    X[RUNS == "a", 0] *= spread  # a feature that hardly varies outside of the held-out run
    X[RUNS != "a", 0] *= 1 / spread
    Y = X[:, 1:4] + rng.standard_normal((140, 3))
    test = np.flatnonzero(RUNS == "a")[:12]
    train = np.flatnonzero(RUNS != "a")
    parts = decompose(X.astype("f4"), fit_intercept=True)
    split = make_split(train, test, RUNS, len(X))
    penalties = parts.penalties(np.array([1.0]))
    made = make_fold(parts, split, penalties, by_run=False, intercept=True, like=np.empty(0, "f4"))
    assert type(made) is kind
    arguments = (X, Y, train, test, 1.0)
    _, exact = held_out_predictions(EigenFold, *arguments, by_run=False, intercept=True)
    _, rough = held_out_predictions(kind, *arguments, by_run=False, intercept=True, dtype="f4")
    assert np.allclose(rough, exact, atol=1e-3)


@pytest.mark.parametrize("n_rows", [1, 63, 65, 200])
def test_the_inverse_by_halves_is_the_inverse(n_rows):
    rows = np.random.default_rng(0).standard_normal((n_rows, 2 * n_rows))
    matrix = rows @ rows.T / n_rows + 0.1 * np.eye(n_rows)
    assert np.allclose(_inverse_of_positive(matrix) @ matrix, np.eye(n_rows), atol=1e-10)


def test_a_fold_is_inverted_in_float64_where_float32_would_lose_digits():
    X, _ = noisy(n_features=120)
    parts = decompose(X.astype("f4"), fit_intercept=True)
    split = make_split(np.flatnonzero(RUNS != "a"), np.flatnonzero(RUNS == "a"), RUNS, len(X))
    fold = Fold(parts, split, by_run=True, intercept=True, like=np.empty(0, "f4"))
    penalties = parts.penalties(np.array([1e-3, 1e4])).tolist()
    assert [fold._inverse(penalty).dtype for penalty in penalties] == ["f8", "f4"]


@pytest.mark.parametrize("by_run", [True, False])
def test_a_fold_predicts_the_same_for_few_targets_and_for_many(by_run):
    X, Y = noisy(n_targets=60)
    parts = decompose(X, fit_intercept=True)
    split = make_split(np.flatnonzero(RUNS != "a"), np.flatnonzero(RUNS == "a"), RUNS, len(X))
    fold = Fold(parts, split, by_run=by_run, intercept=True, like=X)
    projected = (Y - Y.mean(axis=0)).T @ parts.rows
    few = fold.predict(projected[:10], 3.0)
    many = fold.predict(projected, 3.0)
    assert np.allclose(few, many[:10], rtol=1e-9)
    assert np.allclose(fold.predict(projected[:10], 3.0), few, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_a_feature_that_only_a_held_out_row_has_is_no_obstacle(dtype):
    X, Y = noisy(n_features=40)
    X[:, 0] = 0
    X[0], X[0, 0] = 0, 2.0**14
    X, Y = X.astype(dtype), Y.astype(dtype)
    folds = list(KFold(70).split(X))
    settings = {"cv": folds, "scoring": "r2_pooled", "fit_intercept": False}
    with_it = ek.RidgeCV([1e-10], **settings).fit(X, Y)
    without = ek.RidgeCV([1e-10], **settings).fit(X[:, 1:], Y)
    assert np.allclose(with_it.cv_scores_, without.cv_scores_, atol=1e-3)


@pytest.mark.parametrize("scoring", ["correlation", "r2_pooled", "r2_folds", "correlation_folds"])
@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_leaving_out_alphas_loses_nothing(scoring, share):
    X, Y = noisy(300, 40, 4000, share=share)
    settings = {"alphas": np.logspace(0, 8, 15), "cv": KFold(5), "scoring": scoring}
    every = ek.RidgeCV(**settings, exhaustive=True).fit(X, Y)
    some = ek.RidgeCV(**settings).fit(X, Y)
    tried = ~np.isnan(some.cv_scores_)
    assert tried.mean() < 0.6
    assert np.allclose(some.cv_scores_[tried], every.cv_scores_[tried], atol=1e-8)
    lost = every.best_scores_ - some.best_scores_
    assert np.mean(lost > 1e-4) <= 0.001
    same = every.best_alphas_ == some.best_alphas_
    assert same.mean() > 0.95  # alphas that differ by less than the tolerance are alike
    assert np.allclose(every.coef_[:, same], some.coef_[:, same], atol=1e-8)


def test_an_alpha_is_tried_while_it_may_be_better_and_no_longer():
    rng = np.random.default_rng(0)
    level = rng.standard_normal(400)
    expected = np.stack([level, level, level])
    scores = expected + np.array([[0.0], [0.3], [0.0]]) + 0.01 * rng.standard_normal((3, 400))
    predictor = ScorePredictor(expected, scores)
    nothing = np.full((3, 2), np.nan)
    assert predictor.next_alphas(expected[:, :2], nothing).tolist() == [1, 1]
    known = nothing.copy()
    known[1] = [expected[0, 0] + 0.3, expected[0, 1] + 0.02]
    following = predictor.next_alphas(expected[:, :2], known)
    assert following[0] == -1
    assert following[1] in (0, 2)


def test_a_target_unlike_the_pilot_tries_more():
    rng = np.random.default_rng(0)
    level = 0.01 * rng.standard_normal(400)
    expected = np.stack([level, level])
    scores = expected + np.array([[0.3], [0.0]]) + 0.01 * rng.standard_normal((2, 400))
    predictor = ScorePredictor(expected, scores)
    known = np.array([[0.3], [np.nan]])
    assert predictor.next_alphas(np.zeros((2, 1)), known) == [-1]
    assert predictor.next_alphas(np.array([[0.9], [-0.9]]), known + 0.0) == [1]


def test_participants_who_heard_the_same_share_one_decomposition(labelled, monkeypatch):
    calls = []
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: calls.append(1) or eigh(matrix))
    X, Y = labelled(participants=tuple(f"P{k}" for k in range(8)), n_stories=5)
    X = X.isel(feature=slice(0, 3)).copy()
    n_one = _count(calls, X, Y.isel(target=slice(0, 3)))
    assert _count(calls, X, Y) == n_one


def _count(calls, X, Y):
    calls.clear()
    ek.RidgeCV([10.0]).fit(X, Y)
    return len(calls)


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
@pytest.mark.parametrize("n_features", [25, 300])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_torch_gives_what_numpy_gives(n_features, device):
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    X, Y = noisy(n_features=n_features, n_targets=2500)
    X, Y = X.astype("f4"), Y.astype("f4")
    here = ek.RidgeCV(ALPHAS).fit(X, Y, runs=RUNS)
    there = ek.RidgeCV(ALPHAS, device=device).fit(X, Y, runs=RUNS)
    assert isinstance(there.coef_, np.ndarray)
    same = here.best_alphas_ == there.best_alphas_
    assert same.mean() > 0.999
    assert np.allclose(here.coef_[:, same], there.coef_[:, same], atol=1e-4)
    assert np.allclose(here.best_scores_, there.best_scores_, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_a_purge_keeps_neighbours_of_held_out_rows_out_of_training(reference):
    X, Y = noisy()
    one_run = np.repeat("film", len(X))
    model = ek.RidgeCV(ALPHAS, cv=KFold(4), purge=5).fit(X, Y, runs=one_run)
    splits, stretch = [], np.zeros(len(X), dtype=int)
    for place, (train, test) in enumerate(KFold(4).split(X)):
        stretch[test] = place
        near = np.abs(train[:, None] - test[None, :]).min(axis=1) <= 5
        assert 5 <= near.sum() <= 10
        splits.append((train[~near], test))
    for target in range(3):
        _, scores = reference.choose(X, Y[:, target], ALPHAS, splits, stretch)
        assert np.allclose(model.cv_scores_[:, target], scores, atol=1e-8)


@pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
def test_a_purge_stays_within_its_run():
    X, Y = noisy()
    fits = [ek.RidgeCV(ALPHAS, purge=purge).fit(X, Y, runs=RUNS) for purge in (0, 5)]
    assert np.array_equal(fits[0].cv_scores_, fits[1].cv_scores_)


def test_a_purge_of_everything_is_refused():
    X, Y = noisy()
    with pytest.raises(ValueError, match="held-out rows after purging 200 TRs"):
        ek.RidgeCV(cv=KFold(4), purge=200).fit(X, Y)
    with pytest.raises(ValueError, match="purge must be a number of TRs, got 2.5"):
        ek.RidgeCV(purge=2.5).fit(X, Y, runs=RUNS)


def test_folds_that_train_on_what_they_hold_out_are_refused():
    X, Y = noisy()
    every = np.arange(len(X))
    with pytest.raises(ValueError, match="trains on rows that it holds out"):
        ek.RidgeCV(cv=[(every, every[:20])]).fit(X, Y)
