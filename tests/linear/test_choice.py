"""Which alpha wins where several are as good: the smallest."""

import numpy as np
import pytest
from sklearn.model_selection import KFold

import encodekit as ek
from encodekit.linear._choice import choose, without_repeats

ALPHAS = np.array([10.0, 1.0, 100.0])
GRID = np.logspace(0, 8, 15)


def test_the_best_score_wins():
    scores = np.array([[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]])
    assert choose(scores, ALPHAS, np.float64).tolist() == [2, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_scores_equal_to_rounding_the_smallest_alpha_wins(dtype):
    step = np.finfo(dtype).eps
    scores = np.array([[0.5], [0.5 - 8 * step], [0.5 + step]])
    assert choose(scores, ALPHAS, dtype).tolist() == [1]
    scores[1] -= 16 * step
    assert choose(scores, ALPHAS, dtype).tolist() == [0]


def test_rounding_grows_with_the_score():
    step = np.finfo(float).eps
    scores = -1000 + 1000 * step * np.array([[0.0], [-8.0], [1.0]])
    assert choose(scores, ALPHAS, np.float64).tolist() == [1]


def test_without_any_score_the_largest_alpha_wins():
    scores = np.array([[np.nan, np.nan], [np.nan, 0.1], [np.nan, np.nan]])
    assert choose(scores, ALPHAS, np.float64).tolist() == [2, 1]


def test_an_alpha_that_repeats_a_smaller_one_for_all_targets_is_no_candidate():
    scores = np.array([[0.1, 0.2, np.nan], [0.1, 0.2, 0.5], [0.1, 0.3, 0.5]])
    assert without_repeats(scores, ALPHAS, np.float64).tolist() == [1, 2]
    assert without_repeats(scores[:, 2:], ALPHAS, np.float64).tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("n_targets", [20, 3000])
@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("single_alpha", [False, True])
def test_with_one_feature_the_correlation_asks_for_no_penalty(dtype, n_targets, step, single_alpha):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 1)).astype(dtype)
    Y = X + rng.standard_normal((120, n_targets)).astype(dtype)
    settings = {"cv": KFold(4), "single_alpha": single_alpha}
    model = ek.RidgeCV(GRID[::step], **settings).fit(X, Y)
    assert np.all(model.best_alphas_ == 1)
    assert np.allclose(model.coef_, np.linalg.lstsq(X, Y - Y.mean(axis=0))[0], atol=0.05)


@pytest.mark.parametrize("step", [1, -1])
def test_banded_ridge_takes_the_smallest_alpha_too(step):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 1))
    Y = X + rng.standard_normal((120, 20))
    model = ek.BandedRidgeCV(GRID[::step], cv=KFold(4)).fit(X, Y)
    assert np.all(model.best_alphas_ == 1)
