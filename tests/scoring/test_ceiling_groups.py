"""What the mean of one group of people can say of another's."""

import numpy as np
import pytest

import encodekit as ek


def people(cohort, n, rho, *, n_sets=300, n_trs=600):
    rng = np.random.default_rng(n)
    return cohort(rng, n_trs=n_trs, n_sets=n_sets, n_people=n, shared=rho, n_runs=2)


def names(first, last):
    return [str(i) for i in range(first, last)]


@pytest.mark.parametrize(("m", "n", "rho"), [(6, 2, 0.2), (4, 4, 0.1), (7, 1, 0.3)])
def test_group_means_agree_as_spearman_and_brown_say(cohort, m, n, rho):
    responses = people(cohort, m + n, rho)
    found = ek.noise_ceiling(responses, method="groups", scored=names(m, m + n))
    perfect = np.sqrt(n * rho / (1 + (n - 1) * rho))
    of_model = np.sqrt(m * rho / (1 + (m - 1) * rho))
    print(f"{m}, {n}, {rho}: {float(found.between.mean()):.3f} for {perfect * of_model:.3f}")
    assert float(found.between.mean()) == pytest.approx(perfect * of_model, abs=0.01)
    assert float(found.between_expected.mean()) == pytest.approx(perfect * of_model, abs=0.01)
    assert float(found.one_expected.mean()) == pytest.approx(np.sqrt(rho) * of_model, abs=0.01)
    assert float(np.sqrt(found.ceiling_squared.mean())) == pytest.approx(perfect, abs=0.01)
    assert set(found.n_model.values) == {m}
    assert set(found.n_scored.values) == {n}
    assert set(found.n_repeats.values) == {n}


def test_a_perfect_model_of_the_scored_mean_reaches_the_ceiling(cohort):
    own = cohort(np.random.default_rng(0), n_trs=20000, n_people=6)
    signal = cohort(np.random.default_rng(1), n_trs=20000, n_people=6, shared=1.0)
    responses = own + 0.5 * signal
    found = ek.noise_ceiling(responses, method="groups", scored=names(3, 6))
    mean = responses.values[:, 3:].mean(axis=1)
    r = np.corrcoef(mean, signal.values[:, 0])[0, 1]
    assert float(found.ceiling[0]) == pytest.approx(r, abs=0.01)


def test_the_share_is_that_of_all_people_and_one_new_person_is_n_of_one(cohort):
    responses = people(cohort, 5, 0.3, n_sets=2)
    both = ek.noise_ceiling(responses, method="groups", scored=["3", "4"])
    one = ek.noise_ceiling(responses, 1, method="groups", scored=["3", "4"])
    all_people = ek.noise_ceiling(responses, method="people")
    np.testing.assert_allclose(both.signal_share, all_people.signal_share)
    np.testing.assert_allclose(one.ceiling, all_people.ceiling)
    assert (one.ceiling < both.ceiling).all()


def test_r_between_groups_is_that_of_their_means_run_by_run(cohort):
    responses = people(cohort, 4, 0.3, n_sets=1, n_trs=200)
    z = responses.values.astype(float).reshape(2, 100, 4)
    z = (z - z.mean(axis=1, keepdims=True)) / z.std(axis=1, keepdims=True)
    r = [np.corrcoef(run[:, :3].mean(axis=1), run[:, 3])[0, 1] for run in z]
    found = ek.noise_ceiling(responses, method="groups", scored="3")
    assert float(found.between[0]) == pytest.approx(np.mean(r), abs=1e-6)


def test_a_dead_person_is_not_counted_in_their_group(cohort):
    responses = people(cohort, 5, 0.3, n_sets=2)
    responses[:, 4::5] = 0.0
    with pytest.warns(UserWarning, match="left out of pairs of people.*participant '4'"):
        found = ek.noise_ceiling(responses, method="groups", scored=["3", "4"])
    assert set(found.n_scored.values) == {1}
    assert set(found.n_model.values) == {3}


def test_where_nobody_scored_is_there_nothing_is_expected(cohort):
    responses = people(cohort, 3, 0.3, n_sets=2).isel(target=[0, 1, 2, 3, 4])
    found = ek.noise_ceiling(responses, method="groups", scored=["2"])
    assert np.isnan(found.between.values).tolist() == [False] * 3 + [True] * 2
    assert np.isnan(found.between_expected.values).tolist() == [False] * 3 + [True] * 2
    assert np.isnan(found.ceiling.values).tolist() == [False] * 3 + [True] * 2


def test_groups_need_known_people_on_both_sides(cohort):
    responses = people(cohort, 3, 0.3, n_sets=1)
    with pytest.raises(ValueError, match="unknown participant '7'"):
        ek.noise_ceiling(responses, method="groups", scored=["7"])
    for scored in ([], names(0, 3)):
        with pytest.raises(ValueError, match=r"are \d of 3 participants: give some of them"):
            ek.noise_ceiling(responses, method="groups", scored=scored)
