import warnings

import numpy as np
import pytest
from scipy import stats

import encodekit as ek
from encodekit.scoring._p_values import adjust, count_p, pareto_p

RNG = np.random.default_rng


def signal_in_some(n_trs=300, n=40, n_driven=10, strength=0.6):
    """Return responses and predictions (time, target): the first ones follow the prediction."""
    rng = RNG(0)
    guess = rng.standard_normal((n_trs, n)).astype("f4")
    weights = np.where(np.arange(n) < n_driven, strength, 0)
    return (guess * weights + rng.standard_normal((n_trs, n))).astype("f4"), guess


def test_r_is_that_of_scipy_and_of_correlation():
    truth, guess = signal_in_some(n=5)
    found = ek.permutation_test(truth, guess, n_permutations=20)
    expected = [stats.pearsonr(*pair).statistic for pair in zip(truth.T, guess.T, strict=True)]
    np.testing.assert_allclose(found.r, expected, atol=1e-6)
    np.testing.assert_array_equal(found.r, ek.correlation(truth, guess))


@pytest.mark.parametrize("null", ["phase", "sign", "block"])
def test_p_counts_draws_that_reach_r_with_one_added(null):
    truth, guess = signal_in_some(n=4, n_driven=0)
    found = ek.permutation_test(truth, guess, n_permutations=99, null=null, tail="count")
    steps = found.p_over_stimulus * 100
    np.testing.assert_allclose(steps, steps.round(), atol=1e-9)
    assert (found.p_over_stimulus >= 0.01).all()


@pytest.mark.parametrize("null", ["phase", "sign", "block"])
def test_what_follows_the_prediction_is_found_and_little_else(null):
    truth, guess = signal_in_some()
    found = ek.permutation_test(truth, guess, null=null, n_permutations=300)
    assert (found.q_over_stimulus[:10] < 0.05).all()
    assert (found.p_fwe_over_stimulus[:10] < 0.05).all()
    assert (found.q_over_stimulus[10:] < 0.05).sum() <= 1
    assert (found.p_fwe_over_stimulus >= found.p_over_stimulus - 1e-9).all()


def test_a_shift_of_one_short_run_never_claims_more_than_it_has_lags(cohort):
    truth = cohort(RNG(0), n_trs=75)
    found = ek.permutation_test(truth, truth, null="shift", n_permutations=999)
    n_lags = 1 + 2 * (75 // 2 - 9)
    assert (found.p_over_stimulus > 0.3 / n_lags).all()
    many = cohort(RNG(0), n_trs=300, n_runs=4)
    found = ek.permutation_test(many, many, null="shift", n_permutations=999)
    assert (found.p_over_stimulus < 0.3 / n_lags).all()


def test_the_same_seed_gives_the_same_and_another_gives_another():
    truth, guess = signal_in_some(n=4)
    once, again, other = (
        ek.permutation_test(truth, guess, n_permutations=50, random_state=seed)
        for seed in (3, 3, 4)
    )
    assert once.identical(again)
    assert not once.z.equals(other.z)
    assert once.attrs["random_state"] == 3


@pytest.mark.parametrize("stop_after", [None, 5])
def test_a_block_of_targets_does_not_change_the_result(stop_after):
    truth, guess = signal_in_some(n=7, n_driven=2)
    given = {"n_permutations": 50, "stop_after": stop_after}
    whole = ek.permutation_test(truth, guess, **given)
    parts = ek.permutation_test(truth, guess, block_size=2, **given)
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-4)


def test_dask_is_streamed(cohort):
    truth, guess = cohort(RNG(0), n_trs=60), cohort(RNG(1), n_trs=60)
    lazy = ek.permutation_test(truth.chunk(target=7), guess.chunk(target=5), n_permutations=50)
    whole = ek.permutation_test(truth, guess, n_permutations=50)
    assert lazy.p_over_stimulus.identical(whole.p_over_stimulus)


def test_a_region_is_tested_on_the_mean_over_its_targets(cohort):
    truth = cohort(RNG(0), n_trs=100, n_sets=3, n_people=4)
    guess = truth * [0] * 8 + cohort(RNG(1), n_trs=100, n_sets=3, n_people=4)
    guess[:, 8:] += 0.5 * truth[:, 8:]
    found = ek.permutation_test(truth, guess, by="region", n_permutations=200)
    assert found.sizes == {"group": 3}
    assert found.region.values.tolist() == [0, 1, 2]
    r = ek.correlation(truth, guess).values.reshape(3, 4)
    np.testing.assert_allclose(found.r, r.mean(axis=1))
    assert (found.p_over_stimulus < 0.05).values.tolist() == [False, False, True]
    expected = stats.ttest_1samp(r, 0, axis=1, alternative="greater").pvalue
    np.testing.assert_allclose(found.p_over_people, expected)
    assert found.n_people.values.tolist() == [4, 4, 4]


def test_people_who_share_a_response_share_chance(cohort):
    """Over people, a shared response that nothing explains is an effect; over stimulus it is not.

    A copied person adds no evidence over stimulus, whose p is that of one person alone.
    """
    truth, guess = (cohort(RNG(seed), n_trs=100, n_people=6) for seed in (0, 7))
    truth.values[:], guess.values[:] = truth.values[:, :1], guess.values[:, :1]
    truth = truth + 0.01 * cohort(RNG(2), n_trs=100, n_people=6)
    group = ek.permutation_test(truth, guess, by="region", n_permutations=400)
    alone = ek.permutation_test(truth[:, :1], guess[:, :1], n_permutations=400)
    assert float(group.p_over_stimulus[0]) == pytest.approx(
        float(alone.p_over_stimulus[0]), abs=0.02
    )
    assert float(group.p_over_people[0]) < 1e-6 or float(group.p_over_people[0]) > 1 - 1e-6


def test_one_person_has_no_p_over_people(cohort):
    truth = cohort(RNG(0), n_trs=50)
    found = ek.permutation_test(truth, truth, n_permutations=20)
    assert np.isnan(found.p_over_people).all()
    assert np.isnan(found.q_over_people).all()
    each = ek.permutation_test(truth, truth, by=["participant", "region"], n_permutations=20)
    assert np.isnan(each.p_over_people).all()


def test_an_unknown_coordinate_is_answered_with_close_matches(cohort):
    truth = cohort(RNG(0), n_trs=30)
    with pytest.raises(ValueError, match="unknown coordinate of the targets 'regions'.*'region'"):
        ek.permutation_test(truth, truth, by="regions")


def test_a_run_that_one_person_lacks_changes_nothing_for_the_other(cohort):
    truth, guess = cohort(RNG(0), n_trs=80, n_runs=2), cohort(RNG(1), n_trs=80, n_runs=2)
    lacking = truth.copy()
    lacking[:40, 3] = np.nan
    whole = ek.permutation_test(truth, guess, n_permutations=100)
    found = ek.permutation_test(lacking, guess, n_permutations=100)
    others = np.arange(20) != 3
    np.testing.assert_allclose(found.p_over_stimulus[others], whole.p_over_stimulus[others])
    second = ek.permutation_test(truth[40:], guess[40:], n_permutations=100)
    np.testing.assert_allclose(found.r[3], second.r[3])


def test_trs_that_a_person_lacks_leave_the_statistic_near_r(cohort, monkeypatch):
    from encodekit.scoring._null_statistics import pieces, statistics
    from encodekit.scoring._nulls import Part, PhaseNull, Scramblings

    truth, guess = cohort(RNG(0), n_trs=200), cohort(RNG(1), n_trs=200)
    truth[190:, 3] = np.nan
    chance = Scramblings(PhaseNull(), {"0": "0"}, {"0": Part(np.arange(200), 200)}, 0)
    wanted = np.ones(20, bool)
    for piece in pieces(truth, guess, wanted, 100):
        observed = statistics(piece, chance, chance.draw(5))[0]
        r = ek.correlation(truth, guess).values[piece.columns]
        np.testing.assert_allclose(
            observed, r, rtol=0.05 if 3 in piece.columns else 1e-4, atol=2e-3
        )


def test_what_has_no_r_has_no_p(cohort):
    truth, guess = cohort(RNG(0), n_trs=50), cohort(RNG(1), n_trs=50)
    truth[:, 2] = 1.0
    found = ek.permutation_test(truth, guess, n_permutations=50)
    undefined = np.isnan(found[["z", "p_over_stimulus", "q_over_stimulus", "p_fwe_over_stimulus"]])
    for values in undefined.values():
        assert np.flatnonzero(values).tolist() == [2]
    group = ek.permutation_test(truth, guess, by="region", n_permutations=50)
    assert group.n_people.values == 19


def test_rare_p_come_from_a_pareto_tail_that_is_not_too_small():
    null = RNG(0).standard_normal((1000, 300)).astype("f4")
    for z in (2.5, 3.0, 4.0, 5.0):
        p = pareto_p(null, np.full(300, z, "f4"))
        true = stats.norm.sf(z)
        assert (p > 0).all()
        assert 0.9 * true <= np.median(p) < (1.5 if z <= 3 else 30) * true
    heavy = stats.genpareto.rvs(0.2, size=(1000, 300), random_state=0).astype("f4")
    p = pareto_p(heavy, np.full(300, 15.0, "f4"))
    assert np.exp(np.log(p).mean()) == pytest.approx(stats.genpareto.sf(15, 0.2), rel=0.5)


def test_the_tail_leaves_common_p_and_short_nulls_as_they_are():
    null = RNG(0).standard_normal((1000, 50)).astype("f4")
    common = np.full(50, 1.0, "f4")
    np.testing.assert_array_equal(pareto_p(null, common), count_p(null, common))
    rare = np.full(50, 9.0, "f4")
    np.testing.assert_array_equal(pareto_p(null[:90], rare), count_p(null[:90], rare))
    assert count_p(null, rare)[0] == 1 / 1001


def test_q_is_that_of_scipy_over_what_is_defined():
    p = np.array([0.01, np.nan, 0.5, 0.02])
    np.testing.assert_allclose(
        adjust(p)[[0, 2, 3]], stats.false_discovery_control([0.01, 0.5, 0.02])
    )
    assert np.isnan(adjust(p)[1])
    assert np.isnan(adjust(np.full(3, np.nan))).all()


def test_too_few_permutations_for_the_fdr_of_a_big_map_are_warned_of():
    truth, guess = signal_in_some(n=40)
    with pytest.warns(UserWarning, match=r"at least 0\.01, so that 8 of 40 targets must sit there"):
        ek.permutation_test(truth, guess, n_permutations=99, tail="count")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ek.permutation_test(truth, guess, n_permutations=99)
        ek.permutation_test(truth, guess, n_permutations=999, tail="count")


def test_an_early_stop_gives_the_p_of_besag_and_clifford():
    truth, guess = signal_in_some(n=12, n_driven=3)
    n, enough = 1200, 20
    stopped = ek.permutation_test(truth, guess, n_permutations=n, stop_after=enough)
    assert (stopped.p_over_stimulus[:3] == 1 / (1 + n)).all()
    assert (stopped.p_over_stimulus[3:] > 0.005).all()
    draws = enough / stopped.p_over_stimulus[3:]
    np.testing.assert_allclose(draws, draws.round(), rtol=1e-9)
    whole = ek.permutation_test(truth, guess, n_permutations=4000)
    apart = np.log(stopped.p_over_stimulus[3:] / whole.p_over_stimulus[3:])
    assert np.abs(apart).max() < 4 / np.sqrt(enough)
    assert np.isnan(stopped.p_fwe_over_stimulus).all()


def test_an_early_stop_by_group_is_refused(cohort):
    truth = cohort(RNG(0), n_trs=30)
    with pytest.raises(ValueError, match="stop_after= stops target by target, and by= averages"):
        ek.permutation_test(truth, truth, by="region", stop_after=10)


@pytest.mark.parametrize("wrong", [{"n_permutations": 0}, {"stop_after": 0}, {"block_size": 0}])
def test_numbers_below_one_are_refused(wrong):
    with pytest.raises(ValueError, match="=0, expected 1 or more"):
        ek.permutation_test(*signal_in_some(n=2), **wrong)


def test_an_unknown_tail_is_answered_with_close_matches():
    with pytest.raises(ValueError, match="unknown tail 'paretto': did you mean 'pareto'"):
        ek.permutation_test(*signal_in_some(n=2), tail="paretto")
