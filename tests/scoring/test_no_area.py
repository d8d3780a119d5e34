"""Vertices in no area (the medial wall, label 0) are no region of their own."""

import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import make_response

REGIONS = np.array(["A1", "", "A1", "V1", "", "V1"])
AREAS = REGIONS != ""


@pytest.fixture(scope="module")
def sides():
    """Three stories of 60 TRs, six targets: responses, and two predictions."""
    rng = np.random.default_rng(0)
    sides = ([], [], [])
    for story in "abc":
        signal = rng.standard_normal((60, 6))
        for side, noise in zip(sides, (0.5, 1.0, 2.0), strict=True):
            values = signal + noise * rng.standard_normal((60, 6))
            given = {"run": story, "participant": "P1", "tr_times": 30 + 2.0 * np.arange(60)}
            side.append(make_response(values, t_r=2.0, region=REGIONS, **given))
    return sides


def placed(runs):
    return [run.isel(target=np.flatnonzero(AREAS)) for run in runs]


def test_a_table_by_region_has_the_areas_alone(sides):
    scores = ek.correlation(*sides[:2])
    table = ek.by_region(scores)
    assert table.region.tolist() == ["A1", "V1"]
    assert table.n_targets.tolist() == [2, 2]
    assert table.score.tolist() == [scores.values[[0, 2]].mean(), scores.values[[3, 5]].mean()]


@pytest.mark.parametrize("test", [ek.permutation_test, ek.wrong_stimulus_test])
def test_tests_by_region_correct_for_the_areas_alone(sides, test):
    found, expected = test(*sides[:2], by="region"), test(*map(placed, sides[:2]), by="region")
    assert found.region.values.tolist() == ["A1", "V1"]
    xr.testing.assert_identical(found, expected)


def test_predictions_of_other_stimuli_may_have_all_targets(sides):
    other = [run.assign_coords(stimulus=("time", ["z"] * 60), run=("time", ["z"] * 60))
             for run in sides[1][:1]]  # fmt: skip
    found = ek.wrong_stimulus_test(*sides[:2], by="region", others=other)
    assert found.region.values.tolist() == ["A1", "V1"]


def test_two_models_are_compared_in_the_areas_alone(sides):
    found = ek.compare_models(*sides, by="region")
    xr.testing.assert_identical(found, ek.compare_models(*map(placed, sides), by="region"))


def test_by_target_they_stay(sides):
    assert ek.permutation_test(*sides[:2]).sizes["target"] == 6


def test_without_any_area_the_mesh_is_doubted(sides):
    nowhere = [[run.assign_coords(region=("target", [""] * 6)) for run in side] for side in sides]
    with pytest.raises(ValueError, match="none of the 6 targets lies in an area"):
        ek.permutation_test(*nowhere[:2], by="region")
