"""The base on which others build their linear regressors."""

import numpy as np
import pytest

from encodekit.linear import LinearRegressor, Weights


class LeastSquares(LinearRegressor):
    """Weights of least squares without a penalty; counts what it was given."""

    def __init__(self, targets=None, cv=None, purge=0):
        self.targets, self.cv, self.purge = targets, cv, purge

    def solve(self, features, targets, folds, bands):
        mean, means = features.mean(axis=0), targets.mean(axis=0)
        coef = np.linalg.lstsq(features - mean, targets - means, rcond=None)[0]
        ranks = np.arange(targets.shape[1])
        return Weights(coef, means - mean @ coef, {"rank_": ranks})


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    return X, X @ rng.standard_normal((3, 4)) + 1, np.repeat(["a", "b", "c"], 20)


def test_whole_numbers_of_a_target_that_was_not_fitted_are_nan(arrays):
    X, Y, runs = arrays
    Y[:, 1] = 2.0
    model = LeastSquares().fit(X, Y, runs=runs)
    assert np.array_equal(model.rank_, [0, np.nan, 1, 2], equal_nan=True)


def test_where_every_target_is_constant_nothing_of_an_earlier_fit_is_left(arrays):
    X, Y, runs = arrays
    model = LeastSquares().fit(X, Y, runs=runs)
    assert np.allclose(model.predict(X), Y)
    model.fit(X, np.ones_like(Y), runs=runs)
    assert model.coef_.shape == (3, 4)
    assert np.isnan(model.predict(X)).all()
    assert not hasattr(model, "rank_")
