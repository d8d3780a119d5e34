"""What the paper's suite says of differences over cohorts: `benchmarks/paper/estimates.py`."""

import numpy as np
import pytest
from scipy import stats


@pytest.fixture(scope="module")
def estimates(paper):
    return paper("estimates")


@pytest.mark.parametrize("seed", range(5))
def test_a_paired_difference_is_scipys(estimates, seed):
    values = np.random.default_rng(seed).normal(0.01, 0.02, 9)
    found = estimates.paired(values)
    t = stats.ttest_1samp(values, 0)
    interval = t.confidence_interval(0.95)
    assert (found.p_t, found.low, found.high) == pytest.approx(
        (t.pvalue, interval.low, interval.high)
    )
    below = stats.ttest_1samp(values, 0.01, alternative="less").pvalue
    above = stats.ttest_1samp(values, -0.01, alternative="greater").pvalue
    assert found.p_same == pytest.approx(max(below, above))
    flips = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=2**9, alternative="two-sided"
    )
    assert found.p_flip == pytest.approx(flips.pvalue)


def test_signs_of_many_cohorts_are_counted_exactly(estimates):
    """Against all 2^15 patterns, one after the other; ties and zeros count as extreme."""
    for values in (
        np.random.default_rng(1).normal(0.004, 0.02, 15), np.tile([0.01, -0.01, 0.02], 5),
        np.r_[np.zeros(5), np.ones(10)],
    ):  # fmt: skip
        signs = 1 - 2.0 * (np.arange(2**15)[:, None] >> np.arange(15) & 1)
        sums = np.abs(signs @ values)
        assert estimates.sign_flip(values) == np.mean(sums >= abs(values.sum()) - 1e-12)
    values = np.random.default_rng(2).normal(0.004, 0.02, 24)
    found = estimates.paired(values)
    assert found.p_flip == pytest.approx(found.p_t, rel=0.1)


@pytest.mark.parametrize(
    ("mean", "sd", "verdict", "control"),
    [
        (0.05, 0.01, "higher", "above +0.01"),
        (-0.05, 0.01, "lower", "below +0.01"),
        (0.0, 0.002, "the same (+-0.01)", "below +0.01"),
        (0.004, 0.001, "higher, by less than 0.01", "below +0.01"),
        (0.01, 0.05, "unclear", "not shown"),
    ],
)
def test_verdicts(estimates, mean, sd, verdict, control):
    spread = np.linspace(-1, 1, 10)
    found = estimates.paired(mean + sd * spread / spread.std(ddof=1))
    assert (found.verdict, found.as_control) == (verdict, control)


def test_no_difference_found_is_not_called_the_same(estimates):
    """A wide interval around 0 is unclear; at the margin itself, "the same" comes in 5 %."""
    rng = np.random.default_rng(0)
    assert estimates.paired(rng.normal(0, 0.05, 8)).verdict == "unclear"
    same = [estimates.paired(rng.normal(0.01, 0.005, 10)).p_same < 0.05 for _ in range(2000)]
    assert 0.03 < np.mean(same) < 0.07


def test_shares_have_exact_intervals(estimates):
    low, high = estimates.passing(3, 24)
    assert low == pytest.approx(stats.beta.ppf(0.025, 3, 22))
    assert high == pytest.approx(stats.beta.ppf(0.975, 4, 21))
    assert estimates.passing(0, 10)[0] == 0


def test_slopes_are_least_squares(estimates):
    rng = np.random.default_rng(2)
    x, scores = np.log2([5, 10, 20]), rng.standard_normal((6, 3))
    expected = [np.polyfit(x, row, 1)[0] for row in scores]
    np.testing.assert_allclose(estimates.slopes(scores, x), expected)


@pytest.mark.parametrize("wrong", [[0.1], [0.1, np.nan], []])
def test_what_cannot_be_tested_is_refused(estimates, wrong):
    with pytest.raises(ValueError, match="2 cohorts or more"):
        estimates.paired(wrong)
