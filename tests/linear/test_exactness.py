"""Ridge in float64 against the closed form at any condition, and what must change nothing."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.model_selection import KFold

import encodekit as ek

ALPHAS = np.array([1.0, 30.0, 1000.0])
pytestmark = pytest.mark.filterwarnings("ignore:.*of the targets chose:UserWarning")


def of_condition(condition, n_features, seed=0, n_rows=60):
    """Return centred X of singular values 1 to ``sqrt(condition)``, and targets that follow it.

    At alpha = 1 the system ``X' X + alpha`` then has about that condition.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features))
    left, _, right = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    rank = min(n_rows - 1, n_features)
    sizes = np.geomspace(np.sqrt(condition), 1, rank)
    X = (left[:, :rank] * sizes) @ right[:rank]
    Y = left[:, :rank] @ rng.standard_normal((rank, 3)) + 0.1 * rng.standard_normal((n_rows, 3))
    return X, Y + 5


def closed_form(X, Y, alpha):
    """Return weights and intercept by orthogonal triangularisation, which never squares X."""
    x_mean, y_mean = X.mean(axis=0), Y.mean(axis=0)
    rows = np.concatenate([X - x_mean, np.sqrt(alpha) * np.eye(X.shape[1])])
    right = np.concatenate([Y - y_mean, np.zeros((X.shape[1], Y.shape[1]))])
    weights = np.linalg.lstsq(rows, right, rcond=None)[0]
    return weights, y_mean - x_mean @ weights


# With rows that are orthogonal to each other, no TR says anything about another.
@pytest.mark.parametrize(
    ("condition", "n_features"),
    [(1, 20), (1e3, 20), (1e6, 20), (1e10, 20), (10, 100), (1e3, 100), (1e6, 100), (1e10, 100)],
)
def test_weights_and_scores_are_those_of_the_closed_form(condition, n_features):
    X, Y = of_condition(condition, n_features)
    folds = list(KFold(3).split(X))
    model = ek.RidgeCV(ALPHAS, cv=folds).fit(X, Y)
    # An eigenvalue is known to the rounding of the largest one.
    exact = max(1e-10, 10 * np.finfo(float).eps * condition)
    for target, alpha in enumerate(model.best_alphas_):
        weights, intercept = closed_form(X, Y, alpha)
        scale = np.abs(weights[:, target]).max()
        assert np.abs(model.coef_[:, target] - weights[:, target]).max() < exact * scale
        assert model.intercept_[target] == pytest.approx(intercept[target], abs=exact)
    for place, alpha in enumerate(ALPHAS):
        expected = np.zeros(3)
        for train, test in folds:
            weights, _ = closed_form(X[train], Y[train], alpha)
            predicted = X[test] @ weights
            expected += [np.corrcoef(predicted[:, k], Y[test, k])[0, 1] / 3 for k in range(3)]
        assert np.allclose(model.cv_scores_[place], expected, atol=max(1e-9, 10 * exact))


@pytest.fixture(params=[20, 100])
def fitted(request):
    """Return X, Y and the model of them, with fewer and with more features than rows."""
    X, Y = of_condition(1e3, request.param)
    return X, Y, ek.RidgeCV(ALPHAS, cv=KFold(3)).fit(X, Y)


def again(X, Y):
    return ek.RidgeCV(ALPHAS, cv=KFold(3)).fit(X, Y)


def test_permuting_targets_permutes_the_model(fitted):
    X, Y, model = fitted
    order = [2, 0, 1]
    other = again(X, Y[:, order])
    assert np.allclose(other.coef_, model.coef_[:, order])
    assert np.array_equal(other.best_alphas_, model.best_alphas_[order])
    assert np.allclose(other.cv_scores_, model.cv_scores_[:, order])


def test_rotating_features_rotates_the_weights(fitted):
    X, Y, model = fitted
    rotation = ortho_group.rvs(X.shape[1], random_state=0)
    other = again(X @ rotation, Y)
    assert np.array_equal(other.best_alphas_, model.best_alphas_)
    assert np.allclose(rotation @ other.coef_, model.coef_, atol=1e-8)
    assert np.allclose(other.predict(X @ rotation), model.predict(X), atol=1e-8)


def test_shifting_and_scaling_move_the_intercept_and_the_scale_alone(fitted):
    X, Y, model = fitted
    shifted = again(X - 3, 2 * Y + 100)
    assert np.allclose(shifted.cv_scores_, model.cv_scores_, atol=1e-8)
    assert np.array_equal(shifted.best_alphas_, model.best_alphas_)
    assert np.allclose(shifted.coef_, 2 * model.coef_, atol=1e-8)
    assert np.allclose(shifted.predict(X - 3), 2 * model.predict(X) + 100, atol=1e-7)
