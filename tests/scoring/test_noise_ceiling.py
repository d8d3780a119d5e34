import numpy as np
import pytest
from scipy.signal import lfilter

import encodekit as ek
from encodekit.data import concat_runs

RNG = np.random.default_rng


def simulate(share, *, n_repeats, n_trs, n_targets, seed, phi=0.0):
    """Return repeats (repeat, time, target): one signal, AR(1) noise, unit variance."""
    rng = RNG(seed)
    signal = ar(rng.standard_normal((1, n_trs + 50, n_targets)), phi)
    noise = ar(rng.standard_normal((n_repeats, n_trs + 50, n_targets)), phi)
    return np.sqrt(share) * signal + np.sqrt(1 - share) * noise


def ar(white, phi):
    return lfilter([np.sqrt(1 - phi**2)], [1, -phi], white, axis=1)[:, 50:]


def share_of(ceiling_squared, n):
    return ceiling_squared / (n - (n - 1) * ceiling_squared)


def bias_of_share(share, **sizes):
    estimates = ek.noise_ceiling(simulate(share, **sizes)).signal_share.values
    return estimates.mean() - share, estimates.std(ddof=1) / np.sqrt(estimates.size)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5])
def test_the_signed_share_is_unbiased(share):
    bias, error = bias_of_share(share, n_repeats=10, n_trs=291, n_targets=2000, seed=1)
    assert abs(bias) < max(0.002, 3 * error)


@pytest.mark.slow
@pytest.mark.parametrize("n_repeats", [2, 5, 10])
@pytest.mark.parametrize("n_trs", [75, 291])
@pytest.mark.parametrize("ceiling", [0.0, 0.1, 0.2, 0.3, 0.5, 0.7])
def test_the_signed_share_is_nearly_unbiased_in_every_cell(n_repeats, n_trs, ceiling):
    share = share_of(ceiling**2, n_repeats)
    bias, error = bias_of_share(share, n_repeats=n_repeats, n_trs=n_trs, n_targets=5000, seed=2)
    print(
        f"N {n_repeats} TRs {n_trs} CCmax {ceiling}: bias of the share {bias:+.4f} +- {error:.4f}"
    )
    # A ratio of two estimates keeps a bias of the order of 1 / (repeats x TRs).
    assert abs(bias) < (0.002 if n_repeats == 10 else 0.006)


@pytest.mark.parametrize("ceiling", [0.5, 0.7])
def test_a_strong_ceiling_is_nearly_unbiased(ceiling):
    share = share_of(ceiling**2, 10)
    repeats = simulate(share, n_repeats=10, n_trs=291, n_targets=2000, seed=3)
    assert abs(ek.noise_ceiling(repeats).ceiling.mean() - ceiling) < 0.02


@pytest.mark.slow
def test_the_table_of_ceilings_by_repeats_and_colour():
    for phi in (0.0, 0.5):
        for n_repeats, n_trs in ((10, 291), (10, 75), (5, 291)):
            for true in (0.1, 0.2, 0.3, 0.5, 0.7):
                repeats = simulate(
                    share_of(true**2, n_repeats), n_repeats=n_repeats, n_trs=n_trs,
                    n_targets=5000, seed=4, phi=phi,
                )  # fmt: skip
                bias = float(ek.noise_ceiling(repeats).ceiling.mean()) - true
                print(f"phi {phi} N {n_repeats} TRs {n_trs} true {true}: CCmax {bias:+.3f}")
                if true >= 0.5 and n_trs == 291 and n_repeats == 10:
                    assert abs(bias) < 0.02


def test_a_perfect_model_reaches_the_ceiling():
    rng = RNG(0)
    signal = rng.standard_normal((1, 20000, 1))
    repeats = signal + 2 * rng.standard_normal((5, 20000, 1))
    ceiling = float(ek.noise_ceiling(repeats).ceiling[0])
    assert abs(ek.correlation(repeats.mean(axis=0), signal[0])[0] - ceiling) < 0.01


def test_a_single_repeat_has_a_lower_ceiling_than_the_mean_of_ten():
    repeats = simulate(0.2, n_repeats=10, n_trs=2000, n_targets=5, seed=0)
    share = ek.noise_ceiling(repeats).signal_share
    assert np.allclose(ek.noise_ceiling(repeats, n=1).ceiling_squared, share)
    assert (ek.noise_ceiling(repeats, n=1).ceiling < ek.noise_ceiling(repeats).ceiling).all()


def test_noise_gives_a_signed_share_and_a_ceiling_of_zero():
    ceiling = ek.noise_ceiling(RNG(0).standard_normal((4, 100, 50)))
    negative = ceiling.signal_share < 0
    assert 0 < negative.sum() < 50
    assert (ceiling.ceiling_squared[negative] < 0).all()
    assert (ceiling.ceiling[negative] == 0).all()


def test_an_offset_of_one_repeat_changes_nothing():
    repeats = simulate(0.2, n_repeats=4, n_trs=100, n_targets=3, seed=0)
    moved = repeats + np.array([0, 100, -5, 2])[:, None, None]
    assert np.allclose(ek.noise_ceiling(moved).ceiling, ek.noise_ceiling(repeats).ceiling)


def test_runs_count_by_their_trs(make):
    rng = RNG(0)
    runs = [make(rng.standard_normal((3, n, 2)), run=run) for run, n in (("a", 40), ("b", 80))]
    plain = np.concatenate([run.values for run in runs], axis=1)
    names = np.repeat(["a", "b"], [40, 80])
    pooled = ek.noise_ceiling(runs)
    assert np.allclose(pooled.signal_share, ek.noise_ceiling(plain, runs=names).signal_share)
    assert pooled.participant.values.tolist() == ["P1", "P1"]
    assert pooled.attrs["runs"] == ["a", "b"]
    joined = ek.noise_ceiling(concat_runs(runs))
    assert np.allclose(joined.signal_share, pooled.signal_share)


def test_padding_of_a_participant_with_fewer_repeats_is_not_data(make, join_participants):
    rng = RNG(0)
    five, two = rng.standard_normal((5, 60, 2)), rng.standard_normal((5, 60, 2))
    two[2:] = np.nan
    both = ek.noise_ceiling(join_participants(make(five), make(two, participant="P2")))
    assert both.n_repeats.values.tolist() == [5, 5, 2, 2]
    assert np.allclose(both.ceiling_squared[2:], ek.noise_ceiling(make(two[:2])).ceiling_squared)


def test_trs_that_a_repeat_lacks_are_left_out(make):
    values = RNG(0).standard_normal((3, 60, 2))
    short = values.copy()
    short[1, 55:] = np.nan
    expected = ek.noise_ceiling(make(values[:, :55])).signal_share
    assert np.allclose(ek.noise_ceiling(make(short)).signal_share, expected)


def test_a_stray_nan_and_a_constant_target_are_nan(make):
    values = RNG(0).standard_normal((3, 60, 3)).astype("f4")
    values[1, 5, 0] = np.nan
    values[:, :, 1] = np.float32(0.1)
    ceiling = ek.noise_ceiling(make(values))
    assert np.isnan(ceiling.ceiling).values.tolist() == [True, True, False]
    assert np.isnan(ceiling.signal_share).values.tolist() == [True, True, False]


def test_a_run_that_was_heard_once_has_no_ceiling(make):
    ceiling = ek.noise_ceiling(make(RNG(0).standard_normal((1, 60, 2))))
    assert np.isnan(ceiling.ceiling).all()


def test_other_numbers_of_repeats_in_other_runs_are_refused_unless_n_is_given(make):
    rng = RNG(0)
    runs = [make(rng.standard_normal((3, 40, 2)), "a"), make(rng.standard_normal((3, 40, 2)), "b")]
    runs[1][2] = np.nan
    with pytest.raises(ValueError, match=r"'P1' has other numbers .* \(3 of run 'a', 2 of run 'b'"):
        ek.noise_ceiling(runs)
    assert ek.noise_ceiling(runs, n=1).n_repeats.values.tolist() == [1, 1]


def test_responses_without_repeats_are_refused(make):
    with pytest.raises(ValueError, match=r"dims \('time', 'target'\), expected \(repeat, time, ta"):
        ek.noise_ceiling(make(np.zeros((10, 2))))
    with pytest.raises(ValueError, match=r"shape \(10, 2\), expected \(repeat, time, target\)"):
        ek.noise_ceiling(np.zeros((10, 2)))


def test_a_mean_of_no_repeats_is_refused(make):
    with pytest.raises(ValueError, match="n=0, expected the number of repeats, 1 or more"):
        ek.noise_ceiling(make(np.zeros((3, 10, 2))), n=0)


@pytest.mark.parametrize("method", ["repeats", "split-half"])
def test_a_short_run_beside_a_long_one_takes_no_interval_away(method):
    rng = RNG(20)
    signal = rng.standard_normal((1, 99, 3))
    repeats = signal + rng.standard_normal((4, 99, 3))
    runs = np.repeat(["long", "short"], [95, 4])
    found = ek.noise_ceiling(repeats, runs=runs, method=method, interval="other stories")
    assert np.isfinite(found.signal_share_low).all()


def test_a_part_of_a_repeat_is_no_number_of_repeats():
    with pytest.raises(ValueError, match="n=3.5, expected the number of repeats"):
        ek.noise_ceiling(RNG(0).standard_normal((4, 100, 2)), n=3.5)


@pytest.mark.parametrize("method", ["repeats", "split-half"])
def test_runs_of_less_than_four_trs_are_left_out(method):
    values = RNG(0).standard_normal((4, 63, 5))
    few = ek.noise_ceiling(values[:, :3], method=method)
    assert np.isnan(few.signal_share).all()
    runs = np.repeat(["long", "short"], [60, 3])
    both, alone = (
        ek.noise_ceiling(some, runs=names, method=method)
        for some, names in ((values, runs), (values[:, :60], runs[:60]))
    )
    np.testing.assert_allclose(both.signal_share, alone.signal_share)


def test_repeats_that_share_no_row_have_no_ceiling():
    values = RNG(0).standard_normal((2, 40, 3))
    values[0, 20:], values[1, :20] = np.nan, np.nan
    assert np.isnan(ek.noise_ceiling(values).signal_share).all()
