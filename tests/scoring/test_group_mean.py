"""The mean response of other people: weights of a group, scored on those who are not in it."""

import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import concat_runs, make_response

PLACES = ["LIFG", "LATL"]


def person(rng, who, run="a", n_trs=40, places=PLACES):
    return make_response(
        rng.standard_normal((n_trs, len(places))), run=run, participant=who, region=places,
        tr_times=2.0 * np.arange(n_trs), t_r=2.0,
    )  # fmt: skip


def people(rng, names, **more):
    parts = [person(rng, who, **more) for who in names]
    return xr.concat(parts, "target", coords="minimal", compat="override", join="exact")


@pytest.fixture
def responses():
    rng = np.random.default_rng(0)
    return [people(rng, ["P1", "P2", "P3"], run=run, n_trs=n) for run, n in (("a", 40), ("b", 30))]


def test_each_target_gets_the_mean_of_the_others_at_its_place(responses):
    for run, mean in zip(responses, ek.group_mean(responses), strict=True):
        values = run.values.reshape(-1, 3, 2)
        for k in range(3):
            others = np.delete(values, k, axis=1).mean(axis=1)
            np.testing.assert_allclose(mean.values[:, 2 * k : 2 * k + 2], others)
        assert mean.target.identical(run.target)


def test_people_outside_a_group_get_its_whole_mean_and_members_that_of_the_rest(responses):
    mean = ek.group_mean(responses, participants=["P1", "P2"])[0]
    values = responses[0].values
    np.testing.assert_allclose(mean.values[:, 4:], (values[:, :2] + values[:, 2:4]) / 2)
    np.testing.assert_allclose(mean.values[:, :2], values[:, 2:4])


def test_rows_and_places_that_somebody_lacks_are_the_mean_of_those_who_have_them():
    rng = np.random.default_rng(1)
    run = xr.concat(
        [person(rng, "P1"), person(rng, "P2"), person(rng, "P3", places=["LATL", "RATL"])],
        "target", coords="minimal", compat="override",
    )  # fmt: skip
    run[:10, :2] = np.nan
    mean = ek.group_mean(run)[0]
    latl = {who: run.sel(target=f"{who}/LATL") for who in ("P1", "P2", "P3")}
    np.testing.assert_allclose(mean.sel(target="P2/LATL")[:10], latl["P3"][:10])
    np.testing.assert_allclose(mean.sel(target="P2/LATL")[10:], (latl["P1"] + latl["P3"])[10:] / 2)
    assert np.isnan(mean.sel(target="P3/RATL")).all()
    assert np.isnan(mean.sel(target="P2/LIFG")[:10]).all()


def test_weights_of_a_group_predict_new_people_at_left_out_runs():
    """People share a response to one feature; a person's own data fit no weight of theirs."""
    rng = np.random.default_rng(2)
    runs, features = [], []
    for name in "abcd":
        run = people(rng, ["P1", "P2", "P3", "P4"], run=name, n_trs=100)
        drive = rng.standard_normal((100, 1)).astype("f4")
        runs.append(run + 0.7 * drive)
        time = {k: run.coords[k].variable for k in ("run", "stimulus", "tr", "seconds")}
        coords = {**time, "name": ("feature", ["x"])}
        attrs = {"t_r": 2.0, "sample_offset": 1.0}
        features.append(xr.DataArray(drive, coords, ("time", "feature"), attrs=attrs))
    model = ek.RidgeCV(np.logspace(0, 4, 5))
    r = ek.correlation(runs, ek.cross_val_predict(model, features, ek.group_mean(runs)))
    expected = 0.7 / np.sqrt(1 + 0.49)
    np.testing.assert_allclose(r, expected, atol=0.08)
    # the same done by hand for the first person and run
    mean = [run[:, 2:].values.reshape(100, 3, 2).mean(axis=1) for run in runs]
    fitted = ek.RidgeCV(np.logspace(0, 4, 5)).fit(
        np.concatenate([f.values for f in features[1:]]), np.concatenate(mean[1:]),
        runs=np.repeat([1, 2, 3], 100),
    )  # fmt: skip
    by_hand = fitted.predict(features[0].values)
    whole = ek.cross_val_predict(model, features, ek.group_mean(runs))
    np.testing.assert_allclose(whole.values[:100, :2], by_hand, rtol=1e-5)


def test_names_that_are_unknown_and_empty_groups_are_refused(responses):
    with pytest.raises(ValueError, match="group_mean: unknown participant 'P9'"):
        ek.group_mean(responses, participants=["P9"])
    with pytest.raises(ValueError, match="names nobody: name the people"):
        ek.group_mean(responses, participants=[])


def test_targets_without_a_place_are_refused(responses):
    joined = concat_runs(responses).drop_vars("region")
    with pytest.raises(ValueError, match="group_mean compares the same place in several people"):
        ek.group_mean(joined)
    with pytest.raises(TypeError, match="ndarray without labels"):
        ek.group_mean(responses[0].values)


def test_a_dead_channel_is_no_response_of_the_group(responses):
    dead = responses[0].copy()
    dead[:, 0] = 0.0
    mean = ek.group_mean(dead)[0]
    np.testing.assert_allclose(mean.values[:, 2], dead.values[:, 4])
    np.testing.assert_allclose(mean.values[:, 0], (dead.values[:, 2] + dead.values[:, 4]) / 2)
