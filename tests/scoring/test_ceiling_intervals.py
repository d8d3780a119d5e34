"""Which question the interval of a ceiling answers, and how often it covers the answer."""

import numpy as np
import pytest

import encodekit as ek

QUESTIONS = ("this story", "other stories")


def mean_variance(phi, n_trs):
    """Return the expected variance of ``n_trs`` rows of a unit AR(1) about their own mean."""
    lags = np.abs(np.subtract.outer(np.arange(n_trs), np.arange(n_trs)))
    r = phi**lags
    return (np.trace(r) - r.sum() / n_trs) / (n_trs - 1)


def campaign(autoregressive, question, *, n, n_trs, phi, true, noise_phi=0.5, n_targets=3000):
    """Return the coverage of the interval of CCmax^2, and its mean width.

    For this story, 10 stories are kept and the noise is drawn anew for each of 300 targets.
    """
    rng = np.random.default_rng([n, n_trs, int(10 * phi), int(10 * true)])
    share = true**2 / (n - (n - 1) * true**2)
    n_stories = 10 if question == "this story" else n_targets
    signal = np.repeat(
        autoregressive(rng, n_trs, n_stories, phi), n_targets // n_stories, axis=1
    ).astype(float)
    noise = np.stack([autoregressive(rng, n_trs, n_targets, noise_phi) for _ in range(n)])
    repeats = np.sqrt(share) * signal + np.sqrt(1 - share) * noise
    found = ek.noise_ceiling(repeats, interval=question)
    power = share * (
        signal.var(axis=0, ddof=1) if question == "this story" else mean_variance(phi, n_trs)
    )
    truth = power / (power + (1 - share) * mean_variance(noise_phi, n_trs) / n)
    one = truth / (n - (n - 1) * truth)
    covers = (found.signal_share_low <= one) & (one <= found.signal_share_high)
    width = float((found.ceiling_high - found.ceiling_low).mean())
    return float(covers.mean()), width


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("n", "n_trs"), [(10, 291), (4, 75), (2, 75)])
def test_intervals_cover_the_answer_to_their_question(autoregressive, question, n, n_trs):
    covers, _ = campaign(autoregressive, question, n=n, n_trs=n_trs, phi=0.5, true=0.5)
    assert 0.93 <= covers <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
@pytest.mark.parametrize(("n", "n_trs"), [(n, t) for n in (10, 4, 2) for t in (291, 75)])
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_table_of_intervals_by_question(autoregressive, question, n, n_trs, phi):
    for noise_phi in (0.0, 0.5):
        for true in (0.3, 0.5, 0.7):
            covers, width = campaign(
                autoregressive, question, n=n, n_trs=n_trs, phi=phi, true=true,
                noise_phi=noise_phi,
            )  # fmt: skip
            print(
                f"| {question} | {n} | {n_trs} | {phi} | {noise_phi} | {true} | {covers:.3f} "
                f"| {width:.2f} |"
            )
            # Three standard errors of 3,000 draws beyond the bar of .93 to .97.
            assert 0.918 <= covers <= 0.982


def test_slow_signals_that_outlast_a_block_are_covered_too(autoregressive):
    covers, _ = campaign(
        autoregressive, "other stories", n=10, n_trs=291, phi=0.9, true=0.7, n_targets=6000
    )
    print(f"other stories, phi .9: {covers:.3f}")
    assert 0.93 <= covers <= 0.97
