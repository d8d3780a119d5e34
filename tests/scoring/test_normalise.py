import numpy as np
import pytest
import xarray as xr

import encodekit as ek


@pytest.fixture
def scored(make):
    """Return scores of the mean of 4 repeats, and the ceiling for them."""
    rng = np.random.default_rng(0)
    repeats = make(rng.standard_normal((1, 200, 3)) + rng.standard_normal((4, 200, 3)))
    mean = repeats.mean("repeat").assign_coords(n_repeats=("target", [4, 4, 4]))
    scores = ek.correlation(mean, mean + rng.standard_normal((200, 3)))
    return scores, ek.noise_ceiling(repeats)


def test_the_score_is_divided_by_the_ceiling_and_both_stay_beside_it(scored):
    scores, ceiling = scored
    normalised = ek.normalise(scores, ceiling)
    assert np.allclose(normalised, scores.values / ceiling.ceiling.values)
    assert np.array_equal(normalised.raw, scores)
    assert np.array_equal(normalised.ceiling, ceiling.ceiling)
    assert normalised.attrs["normalised"] is True


def test_it_is_not_clipped(scored):
    scores, ceiling = scored
    assert (ek.normalise(scores * 0 + 0.99, ceiling) > 1).all()


def test_a_ceiling_of_zero_gives_nan(scored):
    scores, ceiling = scored
    ceiling["ceiling"][1] = 0
    assert np.isnan(ek.normalise(scores, ceiling)).values.tolist() == [False, True, False]


def test_a_ceiling_in_another_order_is_refused(scored):
    scores, ceiling = scored
    with pytest.raises(ValueError, match=r"same targets in another order: target 0 is 'P1/00000'"):
        ek.normalise(scores, ceiling.isel(target=[1, 0, 2]))


def test_a_ceiling_of_other_targets_is_refused(scored):
    scores, ceiling = scored
    with pytest.raises(ValueError, match="1 targets of scores are not in ceiling"):
        ek.normalise(scores, ceiling.isel(target=[0, 1]))


def test_a_ceiling_for_another_number_of_repeats_is_refused(scored):
    scores, ceiling = scored
    one = scores.assign_coords(n_repeats=("target", [4, 4, 1]))
    with pytest.raises(ValueError, match=r"'P1/00002' was scored on the mean of 1 repeats, its"):
        ek.normalise(one, ceiling)


def test_runs_of_mixed_repeats_are_refused(scored):
    scores, ceiling = scored
    mixed = scores.assign_coords(n_repeats=("target", [0, 0, 0]))
    with pytest.raises(ValueError, match="was scored on runs of mixed n_repeats"):
        ek.normalise(mixed, ceiling)


def test_scores_that_do_not_say_their_repeats_are_refused(scored):
    scores, ceiling = scored
    with pytest.raises(ValueError, match="scores has no coordinate n_repeats"):
        ek.normalise(scores.drop_vars("n_repeats"), ceiling)


def test_labels_on_one_side_alone_are_refused(scored):
    scores, ceiling = scored
    with pytest.raises(TypeError, match="scores is a DataArray and ceiling a ndarray"):
        ek.normalise(scores, np.ones(3))
    with pytest.raises(TypeError, match="scores is a ndarray and ceiling a Dataset"):
        ek.normalise(np.ones(3), ceiling)
    assert isinstance(ceiling, xr.Dataset)


def test_arrays_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"scores has shape \(3,\) and ceiling \(2,\)"):
        ek.normalise(np.ones(3), np.ones(2))


def test_a_ceiling_of_other_runs_is_refused_with_both_named(scored):
    scores, ceiling = scored
    scores = scores.assign_attrs(runs=["story-1", "story-2"])
    with pytest.raises(ValueError, match=r"runs 'story-1', 'story-2' but the ceiling is of 'story"):
        ek.normalise(scores, ceiling.assign_attrs(runs=["story-9"]))


def test_a_ceiling_of_one_of_the_scored_runs_is_taken(scored):
    scores, ceiling = scored
    scores = scores.assign_attrs(runs=["story-1", "story-2"])
    one = ek.normalise(scores, ceiling.assign_attrs(runs=["story-2"]))
    assert np.allclose(one, scores.values / ceiling.ceiling.values)


def test_what_is_no_r_or_divided_already_is_refused(scored):
    scores, ceiling = scored
    with pytest.raises(ValueError, match="divided by a ceiling already"):
        ek.normalise(ek.normalise(scores, ceiling), ceiling)
    with pytest.raises(ValueError, match="scores are R2"):
        ek.normalise(scores.assign_attrs(metric="r2"), ceiling)
