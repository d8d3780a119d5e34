import numpy as np
import pytest
import xarray as xr

from encodekit.data import RunList, concat_runs, validate


@pytest.fixture
def run(stimuli, new_response):
    return new_response(stimuli[0])


def features(run):
    names = ("feature", [f"f{n}" for n in range(run.sizes["target"])])
    plain = run.drop_vars([n for n, c in run.coords.items() if c.dims == ("target",)])
    return plain.rename(target="feature").assign_coords(name=names)


def test_what_keeps_the_contract_is_returned_as_it_is(run, study):
    assert validate(run) is run
    assert validate(run, "response") is run
    for kept in (study.responses(), study.repeats(), features(run), run.mean("time")):
        assert validate(kept) is kept


def test_an_unknown_kind_gets_close_matches(run):
    with pytest.raises(ValueError, match="unknown kind 'respons': did you mean 'response'"):
        validate(run, "respons")


def test_another_type_is_refused(run):
    with pytest.raises(TypeError, match="got ndarray, expected a DataArray"):
        validate(run.values)
    with pytest.raises(TypeError, match="entry 1 of the list is ndarray"):
        validate([run, run.values])


def test_a_run_given_twice_is_refused(run):
    with pytest.raises(ValueError, match="2 runs have the name 'story-00'"):
        validate(RunList([run, run]))


def test_wrong_dims_are_named(run):
    with pytest.raises(ValueError, match=r"dims are \('target', 'time'\), expected \('time', 'ta"):
        validate(run.T, "response")
    with pytest.raises(ValueError, match="dims are .*expected .* or "):
        validate(run.rename(time="when").drop_vars(["run"]))


@pytest.mark.parametrize("name", ["run", "stimulus", "tr", "seconds", "target", "participant"])
def test_a_missing_coordinate_is_named(run, name):
    with pytest.raises(ValueError, match=f"coordinate '{name}' on .* is missing"):
        validate(run.drop_vars(name))


def test_a_missing_feature_name_is_named(run):
    with pytest.raises(ValueError, match="coordinate 'name' on feature is missing"):
        validate(features(run).drop_vars("name"))


@pytest.mark.parametrize("name", ["t_r", "sample_offset"])
def test_a_missing_attribute_is_named(run, name):
    del run.attrs[name]
    with pytest.raises(ValueError, match=f"attribute '{name}' is missing"):
        validate(run)
    run.attrs[name] = -1.0
    with pytest.raises(ValueError, match=f"attribute '{name}' is -1.0, expected seconds"):
        validate(run)


def test_trs_that_go_back_within_a_run_are_refused(run, stimuli, new_response):
    order = [0, 2, 1, *range(3, 18)]
    with pytest.raises(
        ValueError, match=r"tr of run 'story-00' does not increase: 1 in row 2 foll"
    ):
        validate(run.isel(time=order))
    two = concat_runs([run, new_response(stimuli[1])])
    assert validate(two) is two


def test_times_that_are_not_finite_are_refused(run):
    seconds = run.seconds.values.copy()
    seconds[3] = np.nan
    with pytest.raises(ValueError, match="seconds of run 'story-00' holds NaN"):
        validate(run.assign_coords(seconds=("time", seconds)))


def test_a_run_has_one_stimulus(run):
    heard = ["a"] * 9 + ["b"] * 9
    with pytest.raises(ValueError, match=r"has 2 stimuli \['a', 'b'\]"):
        validate(run.assign_coords(stimulus=("time", heard)))


def test_duplicate_targets_are_named(run):
    with pytest.raises(ValueError, match="1 targets come more than once, the first is 'P1/left/0"):
        validate(run.isel(target=[0, 0, 1]))


def test_odd_hemispheres_are_named(run):
    with pytest.raises(ValueError, match=r"hemisphere holds \['L'\]"):
        validate(run.assign_coords(hemisphere=("target", ["L", "left", "right"])))


@pytest.mark.parametrize(("name", "values"), [("tr", np.arange(18.0)), ("run", np.arange(18))])
def test_coordinates_have_their_type(run, name, values):
    with pytest.raises(ValueError, match=f"coordinate '{name}' holds .*, expected"):
        validate(run.assign_coords({name: ("time", values)}))


def test_a_coordinate_on_another_dim_is_refused(run):
    with pytest.raises(ValueError, match=r"coordinate 'participant' has dims \('time',\)"):
        validate(run.assign_coords(participant=("time", ["P1"] * 18)))


def test_values_are_floats_and_not_infinite(run):
    with pytest.raises(ValueError, match="values are int64, expected floats"):
        validate(run.astype(np.int64))
    run[2, 1] = np.inf
    with pytest.raises(ValueError, match="1 values are infinite"):
        validate(run)


def test_all_mistakes_come_in_one_message(run):
    broken = run.drop_vars(["stimulus", "participant"]).astype(int)
    del broken.attrs["t_r"]
    with pytest.raises(ValueError, match="response of run 'story-00' has 4 mistakes:") as caught:
        validate(broken, "response")
    assert str(caught.value).count("\n  - ") == 4


def test_lazy_values_are_not_read(run):
    read = []

    def block(block_id=None):
        read.append(block_id)
        return np.zeros((18, 3), dtype=np.float32)

    import dask.array

    lazy = dask.array.map_blocks(
        block, chunks=((18,), (3,)), dtype=np.float32, meta=np.empty((0, 0), np.float32)
    )
    validate(xr.DataArray(lazy, coords=run.coords, dims=run.dims, attrs=run.attrs))
    assert read == []
