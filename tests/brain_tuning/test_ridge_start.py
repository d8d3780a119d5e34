import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from encodekit_brain_tuning.heads import SharedHeadModule
from encodekit_brain_tuning.training import weighted_ridge


def test_it_is_scikit_learns_ridge_with_each_targets_own_weights():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 3))
    weights = rng.integers(0, 3, (50, 3)).astype(float)
    for alpha, (coefficients, intercept) in zip(
        [0.1, 10.0], weighted_ridge(x, y, weights, [0.1, 10.0]), strict=True
    ):
        for target in range(3):
            ridge = Ridge(alpha=alpha).fit(x, y[:, target], sample_weight=weights[:, target])
            np.testing.assert_allclose(coefficients[:, target], ridge.coef_, atol=1e-10)
            assert intercept[target] == pytest.approx(ridge.intercept_, abs=1e-10)


def test_a_target_that_nobody_has_gets_zeros():
    x, y = np.ones((5, 2)), np.ones((5, 1))
    coefficients, intercept = weighted_ridge(x, y, np.zeros((5, 1)), [1.0])[0]
    assert not coefficients.any()
    assert not intercept.any()


def test_a_head_standardises_what_it_was_shown():
    pooled = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) * 5 + 2
    head = SharedHeadModule(3, 2)
    head.set_statistics(pooled, torch.ones(40, 1))
    rows = head.standardise(pooled, torch.ones(40, 1))
    torch.testing.assert_close(rows.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.std(0, correction=0), torch.ones(3))


def test_what_lies_before_the_audio_counts_as_the_mean():
    pooled = torch.full((10, 1), 4.0)
    coverage = torch.linspace(0.1, 1.0, 10)[:, None]
    head = SharedHeadModule(1, 1)
    head.set_statistics(pooled * coverage, coverage)
    rows = head.standardise(pooled * coverage, coverage)
    torch.testing.assert_close(rows, torch.zeros(10, 1), atol=1e-5, rtol=0)
