import dask.array as da
import numpy as np
import pytest
import xarray as xr
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from encodekit.data import make_response
from encodekit.data._run_list import RunList
from encodekit.regions import Atlas, RegionSelector
from encodekit.regions._meshes import mesh_size, whole_cortex_mesh

N = 10242


@pytest.fixture(scope="module")
def atlas():
    labels = {"left": np.zeros(N, int), "right": np.zeros(N, int)}
    labels["left"][[3, 4]] = 1
    labels["left"][5] = 2
    labels["right"][[3, 9]] = 2
    return Atlas("Toy", labels, ["A1", "V1"], space="fsaverage5", groups={"both": ["A1", "V1"]})


def response(run="story-1", space="fsaverage5", **places):
    places = {"hemisphere": ["left", "left", "right"], "vertex": [4, 5, 3]} | places
    return make_response(
        np.arange(6.0).reshape(2, 3),
        run=run,
        participant="P1",
        tr_times=[0, 2],
        t_r=2.0,
        space=space,
        **places,
    )


def test_targets_are_found_by_hemisphere_and_vertex(atlas):
    picked = RegionSelector(atlas, ["V1"]).fit_transform(response())
    assert picked.target.values.tolist() == ["P1/left/00005", "P1/right/00003"]


def test_coordinates_and_attributes_are_kept(atlas):
    whole = response()
    picked = RegionSelector(atlas, "both").transform(whole)
    assert set(picked.coords) == set(whole.coords)
    assert picked.attrs == whole.attrs


def test_a_list_of_runs_stays_a_list_of_runs(atlas):
    runs = RunList([response("a"), response("b")])
    picked = RegionSelector(atlas, "A1").transform(runs)
    assert isinstance(picked, RunList)
    assert [run.sizes["target"] for run in picked] == [1, 1]
    assert [run.run.values[0] for run in picked] == ["a", "b"]


def test_lazy_responses_stay_lazy(atlas):
    lazy = response().copy(data=da.zeros((2, 3)))
    assert isinstance(RegionSelector(atlas, "A1").transform(lazy).data, da.Array)


def test_the_region_coordinate_serves_where_the_space_does_not_fit(atlas):
    native = response(space="native", region=["V1", "A1", "V1"])
    assert RegionSelector(atlas, "A1").transform(native).vertex.values.tolist() == [5]


def test_the_atlas_wins_over_the_region_coordinate_where_the_space_fits(atlas):
    told = response(region=["x", "A1", "x"])
    assert RegionSelector(atlas, "A1").transform(told).vertex.values.tolist() == [4]


def test_without_an_atlas_regions_are_those_of_the_coordinate():
    named = response(space="native", region=["V1", "A1", "V1"])
    selector = RegionSelector(regions=["a1", "R_V1"])
    assert selector.transform(named).target.values.tolist() == ["P1/left/00005", "P1/right/00003"]
    with pytest.raises(ValueError, match="unknown region 'A11': did you mean 'A1'"):
        RegionSelector(regions="A11").transform(named)


def test_no_regions_means_every_target_that_lies_in_any(atlas):
    whole = response(vertex=[4, 0, 3])
    assert RegionSelector(atlas).transform(whole).vertex.values.tolist() == [4, 3]


def test_scores_are_selected_like_responses(atlas):
    scores = response().isel(time=0, drop=True)
    assert RegionSelector(atlas, "A1").transform(scores).values == [0.0]


def test_an_array_is_taken_for_whole_cortex_left_then_right(atlas):
    columns = RegionSelector(atlas, "V1").fit_transform(np.arange(2 * N)[None])
    np.testing.assert_array_equal(columns, [[5, N + 3, N + 9]])


def test_a_vertex_count_that_fits_no_mesh_is_refused(atlas):
    with pytest.raises(ValueError, match=r"20483 targets .* fit no mesh .*fsaverage5 20484"):
        RegionSelector(atlas, "A1").transform(np.zeros((2, 20483)))
    with pytest.raises(ValueError, match="look like fsaverage6, for which there are no labels"):
        RegionSelector(atlas, "A1").transform(np.zeros((2, 81924)))


def test_a_vertex_outside_the_mesh_is_refused(atlas):
    with pytest.raises(ValueError, match="left vertices run from 5 to 10242"):
        RegionSelector(atlas, "A1").transform(response(vertex=[10242, 5, 3]))


def test_targets_that_cannot_be_placed_are_refused(atlas):
    with pytest.raises(ValueError, match=r"cannot place 3 targets in space 'native'.*region"):
        RegionSelector(atlas, "A1").transform(response(space="native"))
    with pytest.raises(ValueError, match="no atlas is given"):
        RegionSelector(regions="A1").transform(response(space="native"))


def test_a_region_without_any_target_is_refused(atlas):
    with pytest.raises(ValueError, match=r"no target lies in 'R_A1'.*3 targets in 2 areas"):
        RegionSelector(atlas, ["V1", "R_A1"]).transform(response())
    with pytest.raises(ValueError, match="an empty list of regions"):
        RegionSelector(atlas, []).transform(response())


def test_a_hemisphere_needs_the_coordinate_hemisphere():
    scores = xr.DataArray([0.1], dims="target", coords={"region": ("target", ["A1"])})
    with pytest.raises(ValueError, match="'L_A1' names one hemisphere"):
        RegionSelector(regions=["L_A1"]).transform(scores)


def test_an_unknown_hemisphere_is_refused(atlas):
    with pytest.raises(ValueError, match="unknown hemisphere 'lh'"):
        RegionSelector(atlas, "A1").transform(
            response().assign_coords(hemisphere=("target", ["lh"] * response().sizes["target"]))
        )


def test_unknown_names_are_refused_at_fit(atlas):
    with pytest.raises(ValueError, match="unknown region 'A3'"):
        RegionSelector(atlas, "A3").fit()


def test_selectors_clone_and_go_into_a_pipeline(atlas):
    selector = clone(RegionSelector(atlas, ["A1"]))
    assert selector.regions == ["A1"]
    pipeline = make_pipeline(selector, FunctionTransformer(np.asarray))
    assert pipeline.fit_transform(response()).shape == (2, 1)


def test_meshes_are_known_by_their_size():
    assert whole_cortex_mesh(64984) == "fsLR-32k"
    assert mesh_size("fsaverage") == 163842
    with pytest.raises(ValueError, match="unknown mesh 'fsavrage5': did you mean 'fsaverage5'"):
        mesh_size("fsavrage5")
