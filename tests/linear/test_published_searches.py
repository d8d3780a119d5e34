"""The searches of others, and how they hold out TRs: equal to a slow writing of what they do."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import KFold

import encodekit as ek

pytestmark = pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")
ALPHAS = np.logspace(-1, 2.5, 10)
N_PROBLEMS = 8


@pytest.fixture(scope="module")
def huth(load_module):
    from pathlib import Path

    return load_module(Path(__file__).parents[1] / "reference" / "huth_ridge.py")


def problem(seed, n_targets=40):
    """Return z-scored features and responses of runs of unequal length, and the runs."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(25, 70, size=4)
    runs = np.repeat(["a", "b", "c", "d"], lengths)
    n_features = int(rng.choice([8, 30, 150, 300]))  # fewer and more of them than rows
    X = rng.standard_normal((runs.size, n_features))
    Y = X @ rng.standard_normal((n_features, n_targets)) / np.sqrt(n_features)
    Y = Y * rng.uniform(0, 1, n_targets) + rng.standard_normal(Y.shape)
    for run in np.unique(runs):
        for values in (X, Y):
            part = values[runs == run]
            values[runs == run] = (part - part.mean(axis=0)) / part.std(axis=0)
    return X, Y, runs


@pytest.mark.parametrize("single_alpha", [False, True])
def test_huth_ridge_is_the_published_search(huth, single_alpha):
    same, n_voxels, furthest, chosen = 0, 0, 0.0, set()
    for seed in range(N_PROBLEMS):
        X, Y, runs = problem(seed)
        model = ek.huth_ridge(
            ALPHAS, n_boots=6, chunk_length=7, n_chunks=5, single_alpha=single_alpha,
            random_state=seed,
        )  # fmt: skip
        model.fit(X, Y, runs=runs)
        alphas, weights, scores = huth.search(
            X, Y, ALPHAS, model.cv.split(X), single_alpha=single_alpha
        )
        assert np.allclose(model.cv_scores_, scores, atol=1e-9)
        same += np.count_nonzero(model.best_alphas_ == alphas)
        n_voxels += alphas.size
        furthest = max(furthest, abs(model.coef_ - weights).max())
        chosen |= set(alphas.tolist())
        assert not model.intercept_.any()
    print(f"huth: alphas in {same} of {n_voxels}, weights to {furthest:.1e}, {len(chosen)} alphas")
    assert same == n_voxels == 40 * N_PROBLEMS
    assert furthest < 1e-8
    assert len(chosen) > 1


def test_huth_ridge_takes_the_very_rows_that_were_held_out(huth):
    same, furthest = 0, 0.0
    for seed in range(N_PROBLEMS):
        X, Y, runs = problem(100 + seed)
        folds = [huth.draw(len(X), 7, 4, seed=(seed, k).__repr__()) for k in range(5)]
        model = ek.huth_ridge(ALPHAS).set_params(cv=folds).fit(X, Y, runs=runs)
        alphas, weights, _ = huth.search(X, Y, ALPHAS, folds)
        same += np.count_nonzero(model.best_alphas_ == alphas)
        furthest = max(furthest, abs(model.coef_ - weights).max())
    print(f"huth, explicit rows: alphas in {same} of {40 * N_PROBLEMS}, weights to {furthest:.1e}")
    assert same == 40 * N_PROBLEMS
    assert furthest < 1e-8


def test_the_convention_alone_is_not_the_published_search(huth):
    X, Y, runs = problem(0)
    model = ek.RidgeCV(ALPHAS, alpha_convention="huth").fit(X, Y, runs=runs)
    published = ek.huth_ridge(ALPHAS, n_boots=6, chunk_length=7, n_chunks=5).fit(X, Y, runs=runs)
    alphas, _, _ = huth.search(X, Y, ALPHAS, published.cv.split(X))
    assert np.array_equal(published.best_alphas_, alphas)
    assert not np.array_equal(model.best_alphas_, alphas)


def test_a_draw_in_which_a_voxel_is_constant_counts_as_0(huth):
    X, Y, _ = problem(1)
    X, Y = X[:80], Y[:80].copy()
    Y[:20, 0] = 0
    folds = [(np.arange(20, 80), np.arange(20)), (np.arange(40), np.arange(40, 80))]
    for single_alpha in (False, True):
        model = ek.huth_ridge(ALPHAS, single_alpha=single_alpha).set_params(cv=folds).fit(X, Y)
        alphas, _, scores = huth.search(X, Y, ALPHAS, folds, single_alpha=single_alpha)
        assert np.allclose(model.cv_scores_, scores, atol=1e-9)
        assert np.array_equal(model.best_alphas_, alphas)


def test_huth_ridge_has_the_published_defaults():
    model = ek.huth_ridge()
    assert np.allclose(model.alphas, np.logspace(1, 3, 10))
    assert (model.cv.n_splits, model.cv.chunk_length, model.cv.n_chunks) == (50, 40, 125)
    assert (model.fit_intercept, model.single_alpha, model.exhaustive) == (False, False, True)
    assert (model.alpha_convention, model.scoring) == ("huth", "correlation_folds")


def test_huth_ridge_fits_labelled_runs(labelled):
    X, Y = labelled(participants=("P1", "P2"))
    model = ek.huth_ridge(ALPHAS, n_boots=4, chunk_length=10, n_chunks=3)
    by_label = model.fit(X, Y)
    assert by_label.coef_.dims == ("feature", "target")
    plain = clone(model).fit(X.values, Y.values)
    assert np.allclose(by_label.coef_, plain.coef_)


# Random chunks


def test_chunks_are_whole_and_rows_after_the_last_are_trained_on():
    for train, test in ek.RandomChunks(20, chunk_length=7, n_chunks=3).split(np.zeros((47, 1))):
        chunks = test.reshape(3, 7)
        assert (chunks[:, 0] % 7 == 0).all()
        assert (np.diff(chunks, axis=1) == 1).all()
        assert np.array_equal(np.sort(np.r_[train, test]), np.arange(47))
        assert set(range(42, 47)) <= set(train.tolist())


def test_every_chunk_is_held_out_as_often():
    counts = np.zeros(5)
    for _, test in ek.RandomChunks(2000, chunk_length=4, n_chunks=2).split(np.zeros((20, 1))):
        counts[np.unique(test // 4)] += 1
    assert counts.sum() == 4000
    assert (abs(counts - 800) < 110).all()  # five standard deviations of 2,000 draws at .4


def test_a_share_is_rounded_to_chunks_and_a_fifth_if_not_said():
    rows = np.zeros((200, 1))
    sizes = {
        share: next(ek.RandomChunks(1, chunk_length=10, share=share).split(rows))[1].size
        for share in (None, 0.01, 0.33)
    }
    assert sizes == {None: 40, 0.01: 10, 0.33: 70}


def test_the_same_number_draws_the_same_chunks_and_others_do_not():
    rows = np.zeros((200, 1))

    def held_out(random_state):
        cv = ek.RandomChunks(3, chunk_length=10, random_state=random_state)
        return [test.tolist() for _, test in cv.split(rows)]

    assert held_out(0) == held_out(0)
    assert held_out(0) != held_out(1)
    assert held_out(None) != held_out(None)
    assert len({tuple(test) for test in held_out(0)}) == 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_splits": 0}, "n_splits must be a number of draws, 1 or more, got 0"),
        ({"chunk_length": 2.5}, r"chunk_length must be a number of TRs, 1 or more, got 2\.5"),
        ({"n_chunks": True}, "n_chunks must be a number of chunks, 1 or more, got True"),
        ({"share": 1.0}, r"share must lie between 0 and 1, got 1\.0"),
        ({"share": "half"}, "share must lie between 0 and 1, got 'half'"),
        ({"share": 0.2, "n_chunks": 3}, r"share=0\.2 and n_chunks=3 both say how much .* one"),
        ({"random_state": "x"}, "random_state must be a whole number, .* got 'x'"),
        ({"n_splits": 0, "share": 2}, "n_splits must be .*; share must lie"),
    ],
)
def test_chunks_that_make_no_sense_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        ek.RandomChunks(**parameters)


@pytest.mark.parametrize("parameters", [{"n_chunks": 5}, {"n_chunks": 4}, {"chunk_length": 50}])
def test_more_chunks_than_there_are_is_refused(parameters):
    cv = ek.RandomChunks(**{"chunk_length": 10, **parameters})
    with pytest.raises(ValueError, match=r"40 rows make \d whole chunks .* lower n_chunks"):
        next(cv.split(np.zeros((40, 1))))
    with pytest.raises(ValueError, match="125 of them are to be held out"):
        ek.huth_ridge().fit(np.zeros((40, 1)), np.arange(40.0))


# Trimmed folds


def test_trimmed_folds_train_on_all_other_folds_and_score_no_border():
    rows = np.zeros((53, 1))
    trimmed, whole = ek.TrimmedKFold(4, trim=3).split(rows), KFold(4).split(rows)
    for (train, test), (all_others, fold) in zip(trimmed, whole, strict=True):
        assert np.array_equal(train, all_others)
        assert np.array_equal(test, fold[3:-3])
    for (_, test), (_, fold) in zip(
        ek.TrimmedKFold(4, trim=0).split(rows), KFold(4).split(rows), strict=True
    ):
        assert np.array_equal(test, fold)


@pytest.mark.parametrize("scoring", ["correlation", "r2_folds"])
def test_rows_that_are_trimmed_are_neither_scored_nor_trained_on(reference, scoring):
    X, Y, _ = problem(2, n_targets=3)
    one_run = np.repeat("film", len(X))
    cv = ek.TrimmedKFold(4, trim=5)
    model = ek.RidgeCV(ALPHAS, cv=cv, scoring=scoring).fit(X, Y, runs=one_run)
    splits, stretch = list(cv.split(X)), np.zeros(len(X), dtype=int)
    for place, (_, test) in enumerate(splits):
        stretch[test] = place
    scored = np.concatenate([test for _, test in splits])
    assert scored.size == len(X) - 4 * 10
    for target in range(3):
        _, scores = reference.choose(X, Y[:, target], ALPHAS, splits, stretch, scoring)
        assert np.allclose(model.cv_scores_[:, target], scores, atol=1e-8)


def test_a_trim_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="40 rows make folds of 10 TRs, of which trim=5 leaves no"):
        next(ek.TrimmedKFold(4).split(np.zeros((40, 1))))
    with pytest.raises(ValueError, match="n_splits must be a number of folds, 2 or more, got 1"):
        ek.TrimmedKFold(1)
    with pytest.raises(ValueError, match="trim must be a number of TRs, 0 or more, got -1"):
        ek.TrimmedKFold(trim=-1)


# Both, in every `cv=`

BOTH = [ek.RandomChunks(4, chunk_length=10), ek.TrimmedKFold(3, trim=4)]


@pytest.mark.parametrize("cv", BOTH, ids=["chunks", "trimmed"])
def test_splitters_serve_labelled_runs_and_participants_who_lack_some(labelled, cv):
    X, Y = labelled(participants=("P1", "P2"))
    Y.values[np.ix_(Y.run.values == "story-1", Y.participant.values == "P2")] = np.nan
    together = ek.RidgeCV(ALPHAS, cv=cv).fit(X, Y)
    there = np.flatnonzero(X.run.values != "story-1")
    alone = ek.RidgeCV(ALPHAS, cv=cv).fit(
        X.isel(time=there), Y.isel(time=there, target=slice(3, 6))
    )
    assert np.allclose(together.coef_.isel(target=slice(3, 6)), alone.coef_, atol=1e-5)


@pytest.mark.parametrize("cv", BOTH, ids=["chunks", "trimmed"])
def test_splitters_serve_banded_ridge(banded, quick, cv):
    X, Y = banded()
    model = quick.set_params(cv=cv, scoring="correlation_folds").fit(X, Y)
    pairs = list(cv.split(X.values))
    explicit = clone(quick).set_params(cv=pairs).fit(X, Y)
    assert np.array_equal(model.cv_scores_, explicit.cv_scores_)


@pytest.mark.parametrize("cv", BOTH, ids=["chunks", "trimmed"])
def test_a_fit_with_a_splitter_is_saved_and_loaded(labelled, tmp_path, cv):
    X, Y = labelled()
    model = ek.RidgeCV(ALPHAS, cv=cv).fit(X, Y)
    ek.save(model, tmp_path / "model")
    assert ek.load(tmp_path / "model").cv == cv


def test_random_chunks_leak_what_whole_runs_do_not():
    """Smooth noise is predicted between its own neighbours, and by no other run."""
    rng = np.random.default_rng(0)
    runs = np.repeat(np.arange(5), 80)
    X, Y = (
        np.concatenate([np.cumsum(rng.standard_normal((80, n)), axis=0) for _ in range(5)])
        for n in (20, 50)
    )
    chunks = ek.RandomChunks(10, chunk_length=5)
    leaky = ek.RidgeCV([1.0, 100.0], cv=chunks, scoring="correlation_folds").fit(X, Y, runs=runs)
    honest = ek.RidgeCV([1.0, 100.0], scoring="correlation_folds").fit(X, Y, runs=runs)
    assert leaky.best_scores_.mean() > honest.best_scores_.mean() + 0.3
