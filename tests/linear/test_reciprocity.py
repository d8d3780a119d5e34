"""Runs that predict each other out of fold share chance, and tests over stimulus know it."""

import numpy as np
import pytest
import xarray as xr

import encodekit as ek

N_TRS, N_RUNS = 60, 5


@pytest.fixture(scope="module")
def nothing():
    """Return a function of a seed: features of two models, and responses that follow neither."""

    def build(seed, n_features=4, n_people=3):
        rng = np.random.default_rng(seed)
        sides = ([], [], [])
        for k in range(N_RUNS):
            name = ("time", [f"run-{k}"] * N_TRS)
            time = {"run": name, "stimulus": name, "tr": ("time", np.arange(N_TRS)),
                    "seconds": ("time", 20 + 2.0 * np.arange(N_TRS))}  # fmt: skip
            attrs = {"t_r": 2.0, "sample_offset": 1.0}
            for side in sides[:2]:
                side.append(
                    xr.DataArray(
                        rng.standard_normal((N_TRS, n_features)),
                        {**time, "name": ("feature", [f"f{i}" for i in range(n_features)])},
                        ("time", "feature"),
                        attrs=attrs,
                    )
                )
            people = [f"P{i}" for i in range(n_people)]
            coords = {**time, "target": people, "participant": ("target", people),
                      "region": ("target", ["A"] * n_people),
                      "n_repeats": ("target", [1] * n_people)}  # fmt: skip
            values = rng.standard_normal((N_TRS, 1)) + rng.standard_normal((N_TRS, n_people))
            sides[2].append(xr.DataArray(values, coords, ("time", "target"), attrs=attrs))
        return sides

    return build


def rates(nothing, n_sets):
    """Return false positives of both tests at .05, and coverage of the interval."""
    model, found = ek.RidgeCV([100.0]), []
    for seed in range(n_sets):
        first, second, y = nothing(seed)
        guesses = [ek.cross_val_predict(model, some, y) for some in (first, second)]
        test = ek.permutation_test(y, guesses[0], by="region", n_permutations=199, tail="count")
        both = ek.compare_models(y, *guesses, by="region", n_permutations=199)
        held = both.low_over_stimulus.item() <= 0 <= both.high_over_stimulus.item()
        p = (test.p_over_stimulus.item(), both.p_over_stimulus.item())
        found.append((p[0] <= 0.05, p[1] <= 0.05, held))
    return np.array(found, float).reshape(n_sets, 3).mean(axis=0)


def test_the_prediction_says_that_it_is_out_of_fold_and_chance_is_wider(nothing):
    first, _, y = nothing(0)
    guess = ek.cross_val_predict(ek.RidgeCV([1.0]), first, y)
    fixed = guess.drop_attrs()
    assert guess.attrs["out_of_fold"] == 1
    z, known = (
        ek.permutation_test(y, one, by="region", n_permutations=500).z.item()
        for one in (guess, fixed)
    )
    assert z == pytest.approx(known / np.sqrt(2), abs=0.1)
    early = ek.permutation_test(y, guess, n_permutations=500, stop_after=20)
    later = ek.permutation_test(y, fixed, n_permutations=500, stop_after=20)
    np.testing.assert_allclose(early.z * np.sqrt(2), later.z, atol=0.1)
    width, narrow = (
        (one.high_over_stimulus - one.low_over_stimulus).values
        for one in (ek.compare_models(y, one, -one, n_permutations=20) for one in (guess, fixed))
    )
    np.testing.assert_allclose(width, np.sqrt(2) * narrow)


@pytest.mark.slow
def test_the_rates_of_cross_validated_predictions(nothing):
    found, compared, held = rates(nothing, 1000)
    print(f"\n| {found:.3f} | {compared:.3f} | {held:.3f} |", end="")
    assert 0.03 <= found <= 0.065
    assert 0.03 <= compared <= 0.065
    assert 0.93 <= held <= 0.97
