"""Ceilings from halves and from other people, and the intervals of all three."""

import numpy as np
import pytest
import xarray as xr

import encodekit as ek

RNG = np.random.default_rng


def repeats_of(share, *, n=4, n_trs=291, n_targets=400, seed=0):
    rng = RNG(seed)
    signal = rng.standard_normal((1, n_trs, n_targets))
    noise = rng.standard_normal((n, n_trs, n_targets))
    return np.sqrt(share) * signal + np.sqrt(1 - share) * noise


def people(cohort, share, *, n_people=6, n_sets=300, seed=0, n_runs=1):
    return cohort(
        RNG(seed), n_trs=200, n_sets=n_sets, n_people=n_people, shared=share, n_runs=n_runs
    )


def test_the_ceiling_is_the_formula_by_hand():
    values = RNG(0).standard_normal((5, 60, 1)) + RNG(1).standard_normal((1, 60, 1))
    n = 5
    of_mean = values[..., 0].mean(axis=0).var(ddof=1)
    total = np.mean([one.var(ddof=1) for one in values[..., 0]])
    power = (n * of_mean - total) / (n - 1)
    found = ek.noise_ceiling(values)
    assert float(found.signal_share[0]) == pytest.approx(power / total)
    assert float(found.ceiling[0]) == pytest.approx(np.sqrt(power / of_mean))
    assert float(found.ceiling_squared[0]) == pytest.approx(power / of_mean)


def test_split_half_is_spearman_and_brown_of_odd_and_even_repeats():
    values = repeats_of(0.3, n_targets=3)
    r = [
        np.corrcoef(*(values[half::2, :, j].mean(axis=0) for half in (0, 1)))[0, 1]
        for j in range(3)
    ]
    r = np.array(r)
    found = ek.noise_ceiling(values, method="split-half")
    np.testing.assert_allclose(found.ceiling, np.sqrt(2 * r / (1 + r)))
    assert found.attrs["method"] == "split-half"
    assert found.n_repeats.values.tolist() == [4, 4, 4]


def test_split_half_and_powers_agree_on_what_they_estimate():
    values = repeats_of(0.2)
    halves, powers = (ek.noise_ceiling(values, method=name) for name in ("split-half", "repeats"))
    assert abs(float(halves.signal_share.mean()) - 0.2) < 0.01
    assert abs(float((halves.ceiling - powers.ceiling).mean())) < 0.01
    one = ek.noise_ceiling(values, n=1, method="split-half")
    np.testing.assert_allclose(one.ceiling_squared, halves.signal_share)


def test_an_odd_number_of_repeats_is_not_halved():
    with pytest.raises(ValueError, match=r"5 repeats have no halves: .*slice\(4\)"):
        ek.noise_ceiling(repeats_of(0.1, n=5), method="split-half")


def test_halves_of_other_numbers_of_repeats_are_refused_whatever_n(make):
    runs = [make(RNG(i).standard_normal((4, 40, 2)), run) for i, run in enumerate("ab")]
    runs[1][2:] = np.nan
    with pytest.raises(ValueError, match="other numbers of repeats in other runs"):
        ek.noise_ceiling(runs, n=1, method="split-half")


def test_an_unknown_method_is_answered_with_close_matches():
    with pytest.raises(ValueError, match="unknown method 'split': did you mean 'split-half'"):
        ek.noise_ceiling(repeats_of(0.1, n_targets=2), method="split")


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_the_interval_covers_the_true_share(share):
    found = ek.noise_ceiling(repeats_of(share, n_targets=1500), interval="other stories")
    covers = (found.signal_share_low <= share) & (share <= found.signal_share_high)
    assert 0.93 <= float(covers.mean()) <= 0.97
    assert ((found.ceiling_low <= found.ceiling) & (found.ceiling <= found.ceiling_high)).all()
    assert (found.signal_share_low < found.signal_share).all()


def test_the_interval_over_runs_leaves_out_blocks_of_each(make):
    values = repeats_of(0.3, n_targets=500, n_trs=300)
    runs = [make(values[:, at : at + 100], run) for at, run in ((0, "a"), (100, "b"), (200, "c"))]
    found, whole = ek.noise_ceiling(runs), ek.noise_ceiling(values)
    widths = [one.signal_share_high - one.signal_share_low for one in (found, whole)]
    assert float(widths[0].mean()) == pytest.approx(float(widths[1].mean()), rel=0.05)


def test_people_share_what_they_share(cohort):
    found = ek.noise_ceiling(people(cohort, 0.2), method="people")
    assert abs(float(found.signal_share.mean()) - 0.2) < 0.01
    assert float(found.ceiling.mean()) == pytest.approx(np.sqrt(0.2), abs=0.02)
    expected = 0.2 * np.sqrt(5 / (1 + 4 * 0.2))
    assert float(found.lower.mean()) == pytest.approx(expected, abs=0.01)
    places = found.signal_share.values[::6]
    low, high = found.signal_share_low.values[::6], found.signal_share_high.values[::6]
    assert 0.92 <= ((low <= 0.2) & (high >= 0.2)).mean() <= 0.98
    assert np.ptp(places) > 0
    assert set(found.n_people.values) == {6}


def test_a_perfect_group_model_reaches_the_ceiling_over_people(cohort):
    own = cohort(RNG(0), n_trs=5000, n_sets=1, n_people=8)
    signal = cohort(RNG(1), n_trs=5000, n_sets=1, n_people=8, shared=1.0)
    responses = own + 0.5 * signal
    ceiling = float(ek.noise_ceiling(responses, method="people").ceiling[0])
    assert float(ek.correlation(responses, signal).mean()) == pytest.approx(ceiling, abs=0.01)


def test_where_nothing_is_shared_the_upper_bound_is_its_floor(cohort):
    found = ek.noise_ceiling(people(cohort, 0.0, n_people=12), method="people")
    assert float(found.upper_floor[0]) == pytest.approx(np.sqrt(1 / 12))
    assert float(found.upper.mean()) == pytest.approx(np.sqrt(1 / 12), abs=0.01)
    assert abs(float(found.signal_share.mean())) < 0.005
    assert 0.3 < float((found.ceiling == 0).mean()) < 0.7


def test_scores_are_normalised_by_the_ceiling_over_people(cohort):
    responses = people(cohort, 0.3, n_sets=2, n_runs=2).assign_coords(
        n_repeats=("target", [1] * 12)
    )
    scores = ek.correlation(
        responses, responses + 1.0 * people(cohort, 0.0, n_sets=2, seed=1, n_runs=2)
    )
    ceiling = ek.noise_ceiling(responses, method="people")
    normalised = ek.normalise(scores, ceiling)
    np.testing.assert_allclose(normalised, scores / ceiling.ceiling)
    for name in ("signal_share", "ceiling_low", "ceiling_high"):
        np.testing.assert_array_equal(normalised.coords[name], ceiling[name])


def test_places_with_other_numbers_of_people_have_their_own_ceilings(cohort):
    responses = people(cohort, 0.3, n_sets=3, n_people=5)
    some = responses.isel(target=np.r_[0:5, 5:8, 10:11])
    found = ek.noise_ceiling(some, method="people")
    assert found.n_people.values.tolist() == [5] * 5 + [3] * 3 + [1]
    assert np.isnan(found.ceiling.values).tolist() == [False] * 8 + [True]
    alone = ek.noise_ceiling(responses.isel(target=slice(5, 8)), method="people")
    np.testing.assert_allclose(found.ceiling[5:8], alone.ceiling)
    with pytest.raises(ValueError, match="the responses are of 0 alone"):
        ek.noise_ceiling(some[:, 8:], method="people")


def test_two_targets_of_one_person_at_a_place_are_refused(cohort):
    responses = people(cohort, 0.3, n_sets=2, n_people=2).assign_coords(region=("target", [0] * 4))
    with pytest.raises(ValueError, match=r"'0' has several targets of the same region .* '2'"):
        ek.noise_ceiling(responses, method="people")


def test_people_need_to_be_named_and_placed(cohort):
    responses = people(cohort, 0.3, n_sets=1)
    for lacking in ("participant", "region"):
        with pytest.raises(ValueError, match="no coordinate participant, or none of vertex, voxel"):
            ek.noise_ceiling(responses.drop_vars(lacking), method="people")


def test_n_has_no_meaning_over_people(cohort):
    with pytest.raises(ValueError, match="n=2 has no meaning for method='people'"):
        ek.noise_ceiling(people(cohort, 0.3, n_sets=1), n=2, method="people")


def test_every_method_returns_the_same_names(cohort):
    first = ek.noise_ceiling(repeats_of(0.1, n_targets=2))
    others = [
        ek.noise_ceiling(repeats_of(0.1, n_targets=2), method="split-half"),
        ek.noise_ceiling(people(cohort, 0.3, n_sets=1), method="people"),
    ]
    for other in others:
        assert set(first) <= set(other)
    assert isinstance(first, xr.Dataset)
