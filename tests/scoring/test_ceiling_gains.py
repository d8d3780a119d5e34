"""Ceilings of repeats whose gain, or whose noise, differs."""

import warnings

import numpy as np
import pytest

import encodekit as ek


def simulate(gains, *, n_trs=600, n_targets=300, noise=None, seed=1):
    """Return repeats ``gain (signal + noise)`` of equal power, and the signal."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((1, n_trs, n_targets))
    scale = np.ones(len(gains)) if noise is None else np.asarray(noise)
    own = scale[:, None, None] * rng.standard_normal((len(gains), n_trs, n_targets))
    return np.asarray(gains)[:, None, None] * (signal + own), signal[0]


def best_r(responses, signal):
    return float(ek.correlation(responses, signal).mean())


def root_of_mean(found):
    return float(np.sqrt(found.ceiling_squared.mean()))


def z_scored(repeats):
    return (repeats - repeats.mean(axis=1, keepdims=True)) / repeats.std(axis=1, keepdims=True)


@pytest.mark.parametrize("n_trs", [600, 75])
@pytest.mark.parametrize("n", [2, 3, 10])
def test_unequal_gains_have_the_ceiling_of_the_mean_of_raw_repeats(n, n_trs):
    repeats, signal = simulate(np.linspace(0.67, 1.5, n), n_trs=n_trs)
    found = ek.noise_ceiling(repeats, gains="unequal")
    print(f"{n} x {n_trs}: {root_of_mean(found):.3f} for {best_r(repeats.mean(0), signal):.3f}")
    assert root_of_mean(found) == pytest.approx(best_r(repeats.mean(axis=0), signal), abs=0.01)
    assert float(found.signal_share.mean()) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("method", ["repeats", "split-half"])
@pytest.mark.parametrize("n", [2, 10])
def test_standardised_repeats_have_the_ceiling_of_their_mean(n, method):
    repeats, signal = simulate(np.linspace(0.67, 1.5, n))
    found = ek.noise_ceiling(repeats, standardise=True, method=method)
    best = best_r(z_scored(repeats).mean(axis=0), signal)
    assert root_of_mean(found) == pytest.approx(best, abs=0.01)
    assert found.attrs["standardise"] == 1


def test_standardising_is_the_same_as_z_scores():
    repeats, _ = simulate([0.67, 1.5], n_targets=5)
    found = ek.noise_ceiling(repeats, standardise=True)
    np.testing.assert_allclose(
        found.ceiling_squared, ek.noise_ceiling(z_scored(repeats)).ceiling_squared
    )


def test_gains_that_differ_more_than_chance_are_told_with_what_they_cost():
    repeats, signal = simulate([0.67, 1.5])
    with pytest.warns(UserWarning, match=r"SDs from 0\.62 to 1\.38 .* about 8 % too low"):
        found = ek.noise_ceiling(repeats)
    best = best_r(repeats.mean(axis=0), signal)
    assert root_of_mean(found) == pytest.approx(0.92 * best, abs=0.01)


def test_unequal_noise_keeps_its_ceiling_and_is_told_too():
    repeats, signal = simulate([1, 1], noise=[0.5, 1.5])
    with pytest.warns(UserWarning, match="If only noise differs, the ceiling is right"):
        found = ek.noise_ceiling(repeats)
    assert root_of_mean(found) == pytest.approx(best_r(repeats.mean(axis=0), signal), abs=0.01)


@pytest.mark.parametrize(
    ("gains", "n_trs"), [([1, 1], 75), ([0.9, 1.1], 600), (np.linspace(0.67, 1.5, 10), 600)]
)
def test_gains_that_differ_by_chance_or_do_no_harm_are_not_told(gains, n_trs):
    repeats, signal = simulate(gains, n_trs=n_trs)
    found = ek.noise_ceiling(repeats)
    assert root_of_mean(found) == pytest.approx(best_r(repeats.mean(axis=0), signal), abs=0.01)


def test_chance_is_taken_for_gain_in_hardly_any_of_a_thousand():
    rng = np.random.default_rng(0)
    repeats = rng.standard_normal((2, 75, 1000)) + rng.standard_normal((1, 75, 1000))
    told = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for target in range(1000):
            ek.noise_ceiling(repeats[..., [target]])
        told = len(caught)
    print(f"told {told} of 1000 (expected 1)")
    assert told <= 6


def test_one_of_unequal_repeats_is_one_and_all_are_fewer_than_they_seem():
    repeats, _ = simulate([0.5, 1.5], n_targets=50)
    one, two, raw = (
        ek.noise_ceiling(repeats, **options)
        for options in (
            {"n": 1, "gains": "unequal"}, {"gains": "unequal"}, {"standardise": True},
        )
    )  # fmt: skip
    np.testing.assert_allclose(one.ceiling_squared, one.signal_share)
    # (sum g)^2 / sum g^2 = 4 / 2.5 of them.
    share, worth = two.signal_share, 1.6
    np.testing.assert_allclose(
        two.ceiling_squared, worth * share / (1 + (worth - 1) * share), rtol=0.02
    )
    assert (two.ceiling < raw.ceiling).all()
    assert two.n_repeats.values.tolist() == [2] * 50


def test_a_flat_repeat_is_nan_and_its_gain_is_not_judged():
    repeats, _ = simulate([1, 1], n_targets=3)
    repeats[1, :, 0] = 0.1
    for options in ({}, {"standardise": True}, {"gains": "unequal"}):
        found = ek.noise_ceiling(repeats, **options)
        assert np.isnan(found.ceiling).values.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gains": "unequl"}, "unknown gains 'unequl': did you mean 'unequal'"),
        ({"interval": "this stori"}, "unknown interval 'this stori': did you mean 'this story'"),
        ({"gains": "unequal", "standardise": True}, "choose the one that your responses are"),
        ({"gains": "unequal", "method": "split-half"}, "are for method='repeats' alone"),
        ({"interval": "this story", "method": "people"}, "are for method='repeats' alone"),
        ({"standardise": True, "method": "people"}, "has no meaning for method='people'"),
        ({"scored": ["P1"]}, r"method='repeats' with scored=\['P1'\]: give scored="),
        ({"method": "groups"}, "method='groups' with scored=None: give scored="),
    ],
)
def test_options_that_are_unknown_or_exclude_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ek.noise_ceiling(np.ones((2, 10, 1)), **options)


def test_variances_of_short_runs_differ_by_chance_and_are_hardly_ever_told():
    rng = np.random.default_rng(0)
    repeats = rng.standard_normal((2, 20, 500)) + rng.standard_normal((1, 20, 500))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for target in range(500):
            ek.noise_ceiling(repeats[..., [target]])
    print(f"told {len(caught)} of 500")
    assert len(caught) <= 5
