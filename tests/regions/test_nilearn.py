import nibabel as nib
import numpy as np
import pytest
import xarray as xr
from nilearn.maskers import NiftiLabelsMasker, SurfaceMasker

from encodekit.data import make_response
from encodekit.regions import (
    Atlas,
    RegionSelector,
    from_masker,
    from_surface_image,
    to_masker,
    to_surface_image,
    volume_to_surface,
)

N = 10242
SIDES = ("left", "right")


@pytest.fixture(scope="module")
def atlas():
    rng = np.random.default_rng(0)
    labels = {side: rng.integers(0, 4, N) for side in SIDES}
    labels["left"][labels["left"] == 3] = 0  # an area of the right hemisphere alone
    return Atlas("Toy", labels, ["A1", "V1", "RSC"], space="fsaverage5")


@pytest.fixture(scope="module")
def response():
    values = np.random.default_rng(1).standard_normal((5, 2 * N)).astype(np.float32)
    return make_response(
        values,
        run="story-1",
        participant="P1",
        tr_times=2.0 * np.arange(5),
        t_r=2.0,
        hemisphere=np.repeat(SIDES, N),
        vertex=np.tile(np.arange(N), 2),
        space="fsaverage5",
    )


def test_a_response_goes_to_nilearn_and_comes_back(response):
    image = to_surface_image(response)
    assert image.shape == (2 * N, 5)
    back = from_surface_image(image, run="story-1", t_r=2.0)
    xr.testing.assert_equal(back, response)
    assert back.attrs == response.attrs


def test_scores_go_to_nilearn_and_come_back(response):
    scores = response.isel(time=0, drop=True).drop_vars("n_repeats")[3:]
    back = from_surface_image(to_surface_image(scores))
    assert np.isnan(back.values[:3]).all()
    np.testing.assert_array_equal(back.values[3:], scores.values)
    assert back.attrs == {"space": "fsaverage5"}


def test_means_of_areas_are_those_of_nilearns_labels_masker(atlas, response):
    mine = RegionSelector(atlas, average=True).transform(response)
    masker = to_masker(atlas)
    theirs = masker.fit_transform(to_surface_image(response))
    named = dict(zip(masker.region_names_.values(), theirs.T, strict=True))
    assert len(named) == mine.sizes["target"] == 5
    for k, target in enumerate(mine.target.values):
        np.testing.assert_allclose(
            mine.values[:, k], named[target.removeprefix("P1/")], rtol=0, atol=1e-6
        )


def test_means_keep_their_place_and_count(atlas, response):
    mean = RegionSelector(atlas, ["A1"], average=True).fit_transform(response)
    assert mean.target.values.tolist() == ["P1/left/A1", "P1/right/A1"]
    assert mean.n_targets.values.tolist() == list(atlas.count("A1").values())
    assert (mean.run.values == "story-1").all()
    assert mean.n_repeats.values.tolist() == [1, 1]
    plain = RegionSelector(atlas, ["A1"], average=True).transform(response.values)
    np.testing.assert_allclose(plain, mean.values, atol=1e-6)


def test_a_selector_and_nilearns_masker_keep_the_same_vertices(atlas, response):
    selector = RegionSelector(atlas, ["V1", "R_A1"])
    masker = to_masker(selector)
    theirs = masker.fit_transform(to_surface_image(response))
    np.testing.assert_array_equal(theirs, selector.transform(response).values)
    back = from_masker(masker, "region")
    np.testing.assert_array_equal(back.transform(response).values, theirs)


def test_a_labels_masker_becomes_an_atlas_again(atlas, response):
    back = from_masker(to_masker(atlas))
    for side in SIDES:
        np.testing.assert_array_equal(
            back.atlas.vertices(f"{side}/A1", side), atlas.vertices("A1", side)
        )


def test_a_volume_masker_is_projected():
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = [-90, -126, -72]
    halves = np.ones((45, 54, 45), dtype=np.int16)
    halves[23:] = 2
    atlas = from_masker(NiftiLabelsMasker(nib.Nifti1Image(halves, affine))).atlas
    assert "approximate" in atlas.edition
    assert atlas.count("1")["left"] > 9000
    assert atlas.count("2")["right"] > 9000


def test_a_volume_comes_to_the_surface():
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = [-90, -126, -72]
    x = -90 + 4.0 * np.arange(45)
    image = np.broadcast_to(x[:, None, None, None], (45, 54, 45, 2)) * [1.0, 2.0]
    run = volume_to_surface(nib.Nifti1Image(image, affine), run="a", participant="P1", t_r=2.0)
    assert run.sizes == {"time": 2, "target": 2 * N}
    assert run.attrs["space"] == "fsaverage5"
    left = run.hemisphere.values == "left"
    assert run.values[0, left].mean() < -20
    np.testing.assert_allclose(run.values[1], 2 * run.values[0], rtol=1e-4, atol=1e-4)


def test_what_has_no_place_on_the_mesh_is_refused(atlas, response):
    with pytest.raises(ValueError, match="needs the coordinates hemisphere and vertex"):
        to_surface_image(response.drop_vars("vertex"))
    two = xr.concat([response[:, :3], response[:, :3]], "target")
    with pytest.raises(ValueError, match="two targets are at one vertex"):
        to_surface_image(two)
    with pytest.raises(ValueError, match="nilearn ships fsaverage5 alone: pass mesh="):
        to_surface_image(response.assign_attrs(space="fsaverage6"))
    with pytest.raises(ValueError, match=r"has 5 samples per vertex: pass run= and t_r="):
        from_surface_image(to_surface_image(response))
    with pytest.raises(ValueError, match="SurfaceMasker has no mask or labels yet: fit it first"):
        from_masker(SurfaceMasker())
    with pytest.raises(ValueError, match="has no atlas: a masker needs to know every vertex"):
        to_masker(RegionSelector(regions=["A1"]))
