"""Ceilings over people of whom some are dead at a place, or lack runs."""

from itertools import combinations

import numpy as np
import pytest

import encodekit as ek

N_PEOPLE = 6


@pytest.fixture
def responses(cohort):
    return cohort(
        np.random.default_rng(0), n_trs=400, n_sets=150, n_people=N_PEOPLE, shared=0.2, n_runs=4
    )


def over_people(responses):
    return ek.noise_ceiling(responses, method="people")


def test_the_share_is_the_mean_r_of_pairs_within_runs(responses):
    one = responses[:, :N_PEOPLE]
    r = [
        np.mean([np.corrcoef(one.values[at : at + 100].T)[i, j] for at in (0, 100, 200, 300)])
        for i, j in combinations(range(N_PEOPLE), 2)
    ]
    assert float(over_people(one).signal_share[0]) == pytest.approx(np.mean(r), abs=1e-6)


def test_pairs_and_leaving_one_out_agree_on_the_share(responses):
    found = over_people(responses)
    n, r = N_PEOPLE, float(found.lower.mean())
    # r = rho sqrt((n - 1) / (1 + (n - 2) rho)), solved for rho.
    root = np.sqrt(r**4 * (n - 2) ** 2 + 4 * (n - 1) * r**2)
    assert float(found.signal_share.mean()) == pytest.approx(
        (r**2 * (n - 2) + root) / (2 * (n - 1)), abs=0.003
    )


@pytest.mark.parametrize("dead", [0.1, np.nan])
def test_a_dead_participant_is_left_out_counted_and_named(responses, dead):
    lacking = responses.copy(deep=True)
    lacking[:, 3::N_PEOPLE] = dead
    with pytest.warns(UserWarning, match="left out of pairs of people.*participant '3'"):
        found = over_people(lacking)
    kept = responses.participant.values != "3"
    expected = over_people(responses.isel(target=kept))
    for name in ("ceiling", "signal_share_low", "lower", "upper", "upper_floor"):
        np.testing.assert_allclose(found[name][kept], expected[name], rtol=1e-6)
        assert np.isnan(found[name][~kept]).all()
    assert set(found.n_people.values) == {5}
    assert set(found.n_left_out.values) == {1}


def test_a_target_that_is_dead_at_one_place_in_one_run_counts_in_the_others(responses):
    lacking = responses.copy(deep=True)
    lacking[:100, 2] = 5.0
    with pytest.warns(UserWarning, match=r"'2' \(up to 1 targets that are constant .* in 0\)"):
        found = over_people(lacking)
    whole = over_people(responses)
    np.testing.assert_allclose(found.ceiling[N_PEOPLE:], whole.ceiling[N_PEOPLE:])
    assert 0 < abs(float(found.ceiling[0] - whole.ceiling[0])) < 0.1
    assert int(found.n_left_out[0]) == 0


def test_four_people_who_each_lack_another_run_still_have_a_ceiling(responses):
    lacking = responses.copy(deep=True)
    for person in range(4):
        lacking[100 * person : 100 * (person + 1), person::N_PEOPLE] = np.nan
    found = over_people(lacking)
    assert float(found.signal_share.mean()) == pytest.approx(0.2, abs=0.01)
    of_places = found.isel(target=slice(None, None, N_PEOPLE))
    covers = (of_places.signal_share_low <= 0.2) & (of_places.signal_share_high >= 0.2)
    assert 0.88 <= float(covers.mean()) <= 1.0
    assert set(found.n_people.values) == {N_PEOPLE}
    assert set(found.n_left_out.values) == {0}
    expected = np.mean([1 / np.sqrt(5)])  # in each run five are there
    np.testing.assert_allclose(found.upper_floor, expected)


def test_pairs_are_weighted_by_the_trs_that_both_have(responses):
    lacking = responses[:, :3].copy(deep=True)
    lacking[100:, 2] = np.nan
    r = [np.corrcoef(lacking.values[at : at + 100, :2].T)[0, 1] for at in (0, 100, 200, 300)]
    r += [np.corrcoef(lacking.values[:100, [i, 2]].T)[0, 1] for i in (0, 1)]
    assert float(over_people(lacking).signal_share[0]) == pytest.approx(np.mean(r), abs=1e-6)


def test_a_tr_that_one_person_lacks_leaves_only_their_pairs(responses):
    lacking = responses[:100, :3].copy(deep=True)
    lacking[40:, 2] = np.nan
    values = lacking.values
    r = [np.corrcoef(values[:, :2].T)[0, 1]]
    r += [np.corrcoef(values[:40, [i, 2]].T)[0, 1] for i in (0, 1)]
    found = over_people(lacking)
    expected = np.average(r, weights=[100, 40, 40])
    assert float(found.signal_share[0]) == pytest.approx(expected, abs=1e-6)


def test_people_without_a_common_tr_are_refused(responses):
    lacking = responses[:, :2].copy(deep=True)
    lacking[:200, 0], lacking[200:, 1] = np.nan, np.nan
    with pytest.raises(ValueError, match="no two of the 2 participants have a TR in common"):
        over_people(lacking)


def test_who_shares_no_tr_with_anybody_is_named(responses):
    lacking = responses[:, :3].copy(deep=True)
    lacking[:200, 0], lacking[200:, 1:] = np.nan, np.nan
    with pytest.warns(UserWarning, match=r"participant '0' \(no TR in common with others\)"):
        found = over_people(lacking)
    assert found.n_people.values.tolist() == [2, 2, 2]
    assert np.isnan(found.ceiling.values).tolist() == [True, False, False]


def test_many_dead_people_are_counted_after_the_first_five(cohort):
    many = cohort(np.random.default_rng(0), n_trs=60, n_people=10, shared=0.5)
    many[:, :7] = 1.0
    with pytest.warns(UserWarning, match=r"'4' \(up to 1 targets .*\) and 2 more\. n_left_out"):
        found = over_people(many)
    assert set(found.n_people.values) == {3}


def test_the_mean_of_others_is_only_where_there_are_others(responses):
    lacking = responses[:100, :3].copy(deep=True)
    lacking[40:, 1:] = np.nan
    others = lacking.values[:40, 1:]
    others = ((others - others.mean(axis=0)) / others.std(axis=0)).mean(axis=1)
    r = np.corrcoef(lacking.values[:40, 0], others)[0, 1]
    assert float(over_people(lacking).lower[0]) == pytest.approx(r, abs=1e-6)
