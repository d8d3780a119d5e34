import numpy as np
import pytest
from scipy import stats

import encodekit as ek
from encodekit.scoring._compare import _crossed_error

RNG = np.random.default_rng


def two_models(cohort, *, gap=0.6, n_trs=300, n_sets=2, n_people=6, n_runs=1, seed=0):
    """Return responses, and two predictions of them: the first is nearer in the first region."""
    sizes = {"n_trs": n_trs, "n_sets": n_sets, "n_people": n_people, "n_runs": n_runs}
    truth, *noises = (cohort(RNG(seed + i), **sizes) for i in range(3))
    better = np.where(truth.region == 0, gap, 0) * truth
    return truth, better + noises[0], 0 * truth + noises[1]


def test_the_difference_is_that_of_the_correlations(cohort):
    truth, first, second = two_models(cohort)
    found = ek.compare_models(truth, first, second, n_permutations=50)
    r = [ek.correlation(truth, guess) for guess in (first, second)]
    np.testing.assert_allclose(found.difference, r[0] - r[1])
    np.testing.assert_allclose(found["first"], r[0])
    assert found.sizes == {"target": 12}
    swapped = ek.compare_models(truth, second, first, n_permutations=50)
    np.testing.assert_allclose(swapped.difference, -found.difference)
    np.testing.assert_allclose(swapped.p_over_stimulus, found.p_over_stimulus)


def test_the_better_model_is_found_where_it_is_better(cohort):
    found = ek.compare_models(*two_models(cohort), by="region", n_permutations=300)
    assert (found.p_over_stimulus < 0.05).values.tolist() == [True, False]
    assert (found.p_over_people < 0.05).values.tolist() == [True, False]
    assert (found.low_over_stimulus > 0).values.tolist() == [True, False]
    assert (found.low_over_people > 0).values.tolist() == [True, False]


def test_one_test_story_has_no_interval_over_people_and_runs(cohort):
    one = ek.compare_models(*two_models(cohort), by="region", n_permutations=50)
    assert np.isnan(one.low).all()
    assert np.isfinite(one.low_over_stimulus).all()
    several = ek.compare_models(*two_models(cohort, n_runs=3), by="region", n_permutations=50)
    assert (several.low < several.difference).all()
    assert several.n_stimuli.values.tolist() == [3, 3]


def test_one_person_has_no_interval_over_people(cohort):
    each = ek.compare_models(
        *two_models(cohort, n_runs=3), by=["participant", "region"], n_permutations=50
    )
    for name in ("p_over_people", "low_over_people", "low", "q_over_people"):
        assert np.isnan(each[name]).all()


def test_over_people_it_is_the_paired_t_test(cohort):
    truth, first, second = two_models(cohort)
    found = ek.compare_models(truth, first, second, by="region", n_permutations=50)
    r = [ek.correlation(truth, guess).values.reshape(2, 6) for guess in (first, second)]
    expected = stats.ttest_rel(r[0], r[1], axis=1)
    np.testing.assert_allclose(found.p_over_people, expected.pvalue)
    interval = expected.confidence_interval()
    np.testing.assert_allclose(found.low_over_people, interval.low)
    np.testing.assert_allclose(found.high_over_people, interval.high)


def test_a_run_that_one_person_lacks_is_left_out_for_that_one(cohort):
    truth, first, second = two_models(cohort, n_runs=2)
    truth[150:, 3::6] = np.nan
    found = ek.compare_models(truth, first, second, n_permutations=100)
    alone = [side[:150, 3:4] for side in (truth, first, second)]
    expected = ek.compare_models(*alone, n_permutations=100)
    np.testing.assert_allclose(found.difference[3], expected.difference[0])
    width, narrow = (
        float((one.high_over_stimulus - one.low_over_stimulus)[i])
        for one, i in ((found, 3), (found, 4))
    )
    assert width > narrow
    assert np.isfinite(found.p_over_stimulus).all()


def test_plain_arrays_are_compared(cohort):
    truth, first, second = (side.values for side in two_models(cohort))
    found = ek.compare_models(truth, first, second, n_permutations=50)
    assert found.difference.shape == (12,)


def test_the_crossed_error_is_that_of_the_model():
    rng = RNG(0)
    n_runs, n_people, n = 4, 6, 4000
    table = (
        rng.standard_normal((n_runs, 1, n)) * 0.5
        + rng.standard_normal((1, n_people, n))
        + 0.3 * rng.standard_normal((n_runs, n_people, n))
    )
    error, found = _crossed_error(table)
    true = table.mean(axis=(0, 1)).var()
    assert np.mean(error**2) == pytest.approx(true, rel=0.15)
    assert (found == n_runs).all()


def test_no_permutations_are_refused(cohort):
    with pytest.raises(ValueError, match="n_permutations=0, expected 1 or more"):
        ek.compare_models(*two_models(cohort), n_permutations=0)


def test_each_p_says_what_it_is_over(cohort):
    found = ek.compare_models(*two_models(cohort), by="region", n_permutations=20)
    assert found.p_over_people.long_name == "over other people who hear these same stimuli"
    assert found.high_over_stimulus.long_name == "over other stimuli that these same people hear"
