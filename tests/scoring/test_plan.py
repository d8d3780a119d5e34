import numpy as np
import pytest

import encodekit as ek


def test_the_plan_is_its_formula_by_hand():
    row = ek.plan(0.5, 0.6, repeats=[1], people=[1], autocorrelation=0.0, t_r=2.0).iloc[0]
    expected = ((1.6449 + 0.8416) / np.arctanh(0.3)) ** 2
    assert row["minutes"] * 30 == pytest.approx(expected, rel=1e-3)
    assert (row["ceiling"], row["r"]) == (pytest.approx(0.6), pytest.approx(0.3))


def test_more_repeats_or_people_need_shorter_stories_and_more_tests_longer_ones():
    table = ek.plan(0.35, 0.5, of_repeats=10).set_index(["repeats", "people"])
    assert table.minutes[10, 1] < table.minutes[1, 1]
    assert table.minutes[1, 8] < table.minutes[1, 1]
    assert table.scan_minutes[2, 4] == pytest.approx(8 * table.minutes[2, 4])
    assert table.ceiling[10, 1] == pytest.approx(0.5)
    many = ek.plan(0.35, 0.5, of_repeats=10, n_tests=100).set_index(["repeats", "people"])
    assert (many.minutes > table.minutes).all()


@pytest.mark.parametrize(("n_people", "phi"), [(1, 0.5), (5, 0.5)])
def test_the_planned_minutes_give_the_planned_power(cohort, n_people, phi):
    """Simulated: people share a signal, the model knows ``effect`` of it."""
    effect, ceiling, n_sets = 0.5, 0.5, 300
    row = ek.plan(effect, ceiling, repeats=[1], people=[n_people], autocorrelation=phi).iloc[0]
    sizes = {"n_trs": round(row["minutes"] * 30), "n_sets": n_sets, "n_people": n_people}
    rng = np.random.default_rng(0)
    signal, own = cohort(rng, **sizes, phi=phi, shared=1.0), cohort(rng, **sizes, phi=phi)
    other = cohort(rng, **sizes, phi=phi, shared=1.0)
    truth = ceiling * signal + np.sqrt(1 - ceiling**2) * own
    guess = effect * signal + np.sqrt(1 - effect**2) * other
    found = ek.permutation_test(truth, guess, by="region", n_permutations=300)
    assert float(found.r.mean()) == pytest.approx(row["r"], abs=0.02)
    assert float((found.p_over_stimulus <= 0.05).mean()) == pytest.approx(0.8, abs=0.08)


def test_all_mistakes_come_in_one_message():
    with pytest.raises(ValueError, match=r"effect=0, expected .*; ceiling=1.2.*; autocorr.*=1,"):
        ek.plan(0, 1.2, autocorrelation=1)
    with pytest.raises(
        ValueError, match=r"of_repeats=0, repeats=\[1, 0\] and people=.*; shared=2, .*; alpha=0 "
    ):
        ek.plan(0.3, 0.5, of_repeats=0, repeats=[1, 0], shared=2, alpha=0)
