"""RidgeCV against himalaya: the same data, folds and alphas; equality is asserted too."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from encodekit import RidgeCV

N_TRS, N_FEATURES, N_TARGETS = 1000, 256, 2000
ALPHAS = np.logspace(0, 8, 15)
GROUPS = np.repeat(np.arange(5), N_TRS // 5)


@pytest.fixture(scope="module")
def problem():
    """Autocorrelated features of a power-law spectrum (condition over 1e4), mixed signal."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((N_TRS, N_FEATURES))
    for row in range(1, N_TRS):
        noise[row] += 0.7 * noise[row - 1]
    rotation = np.linalg.qr(rng.standard_normal((N_FEATURES, N_FEATURES)))[0]
    X = (noise * np.arange(1, N_FEATURES + 1) ** -1.0) @ rotation
    X = X / X.std() - (X / X.std()).mean(axis=0)
    share = rng.uniform(0, 0.5, N_TARGETS)
    signal = X @ rng.standard_normal((N_FEATURES, N_TARGETS))
    signal /= signal.std(axis=0)
    Y = np.sqrt(share) * signal + np.sqrt(1 - share) * rng.standard_normal((N_TRS, N_TARGETS))
    return X.astype("float32"), (Y - Y.mean(axis=0)).astype("float32")


def fit_ours(X, Y):
    return RidgeCV(ALPHAS, cv=GroupKFold(5), scoring="r2").fit(X, Y, groups=GROUPS)


def fit_himalaya(X, Y):
    from himalaya.ridge import RidgeCV as HimalayaRidgeCV

    folds = list(GroupKFold(5).split(X, groups=GROUPS))
    return HimalayaRidgeCV(alphas=ALPHAS, cv=folds, fit_intercept=True).fit(X, Y)


@pytest.mark.filterwarnings("ignore")
def test_encodekit(benchmark, problem):
    X, Y = problem
    model = benchmark.pedantic(fit_ours, args=(X, Y), rounds=3, warmup_rounds=1)
    for alpha in np.unique(model.best_alphas_):
        ours = model.best_alphas_ == alpha
        theirs = Ridge(alpha=alpha).fit(X.astype("float64"), Y[:, ours].astype("float64"))
        np.testing.assert_allclose(model.coef_[:, ours], theirs.coef_.T, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_himalaya(benchmark, problem):
    X, Y = problem
    model = benchmark.pedantic(fit_himalaya, args=(X, Y), rounds=3, warmup_rounds=1)
    same = np.isclose(np.asarray(model.best_alphas_), fit_ours(X, Y).best_alphas_)
    assert same.mean() > 0.98
