"""Which mesh a number of vertices or a name means, and when it cannot be told."""

import nibabel as nib
import numpy as np
import pytest
import xarray as xr
from nilearn.maskers import SurfaceLabelsMasker
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

from encodekit.regions import (
    Atlas,
    RegionSelector,
    from_masker,
    from_surface_image,
    mesh_name,
    mesh_of,
    read_atlas,
)

BOTH = 163842
SIDES = ("left", "right")
SIZES = {
    "fsaverage3": 642, "fsaverage4": 2562, "fsaverage5": 10242, "fsaverage6": 40962,
    "fsLR-32k": 32492, "fsLR-59k": 59292,
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("fsaverage", "fsaverage7"), ("fsaverage_den-164k", "fsaverage7"),
        ("fsaverage:den-41k", "fsaverage6"), ("FSAVERAGE5", "fsaverage5"),
        ("tpl-fsaverage_den-10k", "fsaverage5"), ("fs_LR_164k", "fsLR-164k"),
        ("fsLR_den-164k", "fsLR-164k"), ("164k_fs_LR", "fsLR-164k"), ("fslr-164K", "fsLR-164k"),
        ("32k_fs_LR", "fsLR-32k"), ("fsLR_den-91k", "fsLR-32k"), ("fsLR:den-170k", "fsLR-59k"),
        ("fs_LR.59k", "fsLR-59k"), ("fsaverage_sym", "fsaverage_sym"), ("native", "native"),
        ("fsaverage8", "fsaverage8"), ("fsLR-8k", "fsLR-8k"), ("my_fsaverage5", "my_fsaverage5"),
    ],
)  # fmt: skip
def test_meshes_are_known_by_the_names_that_tools_write(written, name):
    assert mesh_name(written) == name
    assert mesh_name(name) == name


@pytest.mark.parametrize(("mesh", "size"), SIZES.items())
def test_one_mesh_has_each_other_number_of_vertices(mesh, size):
    family = "fsLR" if mesh.startswith("fsLR") else "fsaverage"
    assert mesh_of(size) == mesh_of(size, family) == mesh


def test_two_meshes_have_163842_vertices():
    with pytest.raises(ValueError, match=r"fsaverage7 or of fsLR-164k.*pass space='fsaverage7' or"):
        mesh_of(BOTH)
    assert (mesh_of(BOTH, "fsLR"), mesh_of(BOTH, "fsaverage")) == ("fsLR-164k", "fsaverage7")


def test_numbers_and_families_that_are_unknown_are_refused():
    with pytest.raises(ValueError, match=r"100 vertices fit no mesh .*fsLR-59k 59292"):
        mesh_of(100)
    with pytest.raises(ValueError, match=r"10242 vertices fit no mesh \(fsLR-32k 32492, fsLR-59k"):
        mesh_of(10242, "fsLR")
    with pytest.raises(ValueError, match="unknown family of meshes 'fsavrage'"):
        mesh_of(10242, "fsavrage")


@pytest.mark.parametrize("space", ["fsaverage5", "fsaverage6", "fsaverage"])
def test_fslr_is_never_the_beginning_of_fsaverage_nor_the_reverse(space):
    labels = {side: np.ones(BOTH, dtype=int) for side in SIDES}
    lr = Atlas("LR", labels, ["A1"], space="fs_LR_164k")
    assert lr.space == "fsLR-164k"
    with pytest.raises(ValueError, match="is on fsLR-164k and has no labels for"):
        lr.in_space(space)
    with pytest.raises(ValueError, match="is on fsaverage7 and has no labels for"):
        Atlas("FS", labels, ["A1"], space="fsaverage").in_space("164k_fs_LR")
    scores = xr.DataArray(np.zeros(4), dims="target", attrs={"space": space}, coords={
        "hemisphere": ("target", ["left"] * 4), "vertex": ("target", np.arange(4))})  # fmt: skip
    with pytest.raises(ValueError, match=rf"cannot place 4 targets in space '{space}'"):
        RegionSelector(lr, "A1").transform(scores)
    same = scores.assign_attrs(space="fsLR_den-164k")
    assert RegionSelector(lr, "A1").transform(same).sizes["target"] == 4


def test_an_atlas_says_which_of_the_meshes_of_fslr_it_is_on():
    labels = {side: np.ones(32492, dtype=int) for side in SIDES}
    for space in ("fsLR", "fs_LR"):
        with pytest.raises(
            ValueError, match="does not say which of fsLR's meshes, expected fsLR-3"
        ):
            Atlas("A", labels, ["A1"], space=space)


def test_columns_of_two_meshes_are_refused_with_both():
    atlas = Atlas("FS", {side: np.ones(BOTH, int) for side in SIDES}, ["A1"], space="fsaverage7")
    with pytest.raises(ValueError, match=r"327684 targets .*fsaverage7 or of fsLR-164k.*space="):
        RegionSelector(atlas, "A1").transform(np.zeros((1, 2 * BOTH)))


def test_grayordinates_of_7t_are_placed_by_the_atlas_that_knows_them():
    inside = {"left": np.arange(59292) < 54216, "right": np.arange(59292) < 54225}
    labels = {side: np.zeros(59292, dtype=int) for side in SIDES}
    labels["left"][[3, 9]] = labels["right"][[5]] = 1
    atlas = Atlas("A", labels, ["A1"], space="fsLR_den-170k", cortex=inside)
    for n in (108441, 170494):
        picked = RegionSelector(atlas, "A1").transform(np.arange(n)[None])
        assert picked.tolist() == [[3, 9, 54216 + 5]]
    other = Atlas(
        "B", labels, ["A1"], space="fsLR-59k", cortex={s: m & False for s, m in inside.items()}
    )
    with pytest.raises(ValueError, match="B has 0 grayordinates .* those of fsLR-59k are 108441"):
        RegionSelector(other, "A1").transform(np.zeros((1, 108441)))


def save_gifti(folder, form, size=BOTH):
    files = {}
    for side, letter in zip(SIDES, "LR", strict=True):
        values = nib.gifti.GiftiDataArray((np.arange(size) < 7).astype("i4"),
                                          datatype="NIFTI_TYPE_INT32")  # fmt: skip
        files[side] = folder / form.format(letter)
        nib.save(nib.gifti.GiftiImage(darrays=[values]), files[side])
    return files


@pytest.mark.parametrize(
    ("form", "space"),
    [
        ("S1200.{}.164k_fs_LR.label.gii", "fsLR-164k"),
        ("fsaverage.{}.BA.164k_fs_LR.label.gii", "fsLR-164k"),
        ("tpl-fsLR_den-164k_hemi-{}_dseg.label.gii", "fsLR-164k"),
        ("tpl-fsaverage_den-164k_hemi-{}_dseg.label.gii", "fsaverage7"),
        ("hemi-{}_space-fsaverage7.gii", "fsaverage7"),
        ("x.{}.164k_fsavg_L.gii", "fsaverage7"),
    ],
)
def test_gifti_is_on_the_mesh_that_its_name_says(tmp_path, form, space):
    assert read_atlas(save_gifti(tmp_path, form), name="A").space == space


@pytest.mark.parametrize(
    "form", ["atlas.{}.gii", "fsaverage_to_fsLR.{}.gii", "fsaverage_sym.{}.gii"]
)
def test_gifti_that_does_not_say_its_mesh_needs_space(tmp_path, form):
    files = save_gifti(tmp_path, form)
    with pytest.raises(ValueError, match=r"fsaverage7 or of fsLR-164k.*space='fsLR-164k'"):
        read_atlas(files, name="A")
    assert read_atlas(files, name="A", space="fs_LR_164k").space == "fsLR-164k"


@pytest.mark.parametrize(("mesh", "size"), SIZES.items())
def test_gifti_of_other_sizes_needs_no_name(tmp_path, mesh, size):
    assert read_atlas(save_gifti(tmp_path, "a.{}.gii", size), name="A").space == mesh


def save_annot(folder, form, size):
    table = np.array([[25, 5, 25, 0, 0], [1, 2, 3, 0, 0]])
    files = {}
    for side in ("lh", "rh"):
        path = folder / form.format(side)
        values = (np.arange(size) < 3).astype(int)
        nib.freesurfer.write_annot(path, values, table, ["unknown", "A1"], fill_ctab=True)
        files["left" if side == "lh" else "right"] = path
    return files


def test_annotations_are_of_fsaverage_unless_their_name_says_otherwise(tmp_path):
    atlas = read_atlas(save_annot(tmp_path, "{}.aparc.annot", BOTH))
    assert (atlas.space, atlas.count("A1")) == ("fsaverage7", {"left": 3, "right": 3})
    with pytest.raises(ValueError, match="fsaverage7 or of fsLR-164k"):
        read_atlas(save_annot(tmp_path, "{}.aparc.164k_fs_LR.annot", BOTH))
    assert read_atlas(save_annot(tmp_path, "{}.x.annot", 32492)).space == "fsLR-32k"


@pytest.mark.parametrize(
    ("size", "space"), [(BOTH, "fsLR-164k"), (59292, "fsLR-59k"), (32492, "fsLR-32k"),
                        (10242, "fsaverage5")],
)  # fmt: skip
def test_cifti_is_of_fslr_where_two_meshes_have_its_size(tmp_path, size, space):
    models = [
        nib.cifti2.BrainModelAxis.from_surface(np.arange(100), size, name)
        for name in ("CortexLeft", "CortexRight")
    ]
    axis = nib.cifti2.LabelAxis(["x"], {0: ("???", (0, 0, 0, 0)), 1: ("A1", (1, 0, 0, 1))})
    row = (np.arange(200) % 100 < 4)[None].astype("f4")
    path = tmp_path / "atlas.dlabel.nii"
    nib.save(nib.Cifti2Image(row, (axis, models[0] + models[1])), path)
    atlas = read_atlas(path)
    assert (atlas.space, atlas.count("A1")) == (space, {"left": 4, "right": 4})


def surface(size, values):
    points = np.random.default_rng(0).standard_normal((size, 3)).astype("f4")
    part = {"coordinates": points, "faces": np.array([[0, 1, 2]])}
    mesh = PolyMesh(**{side: InMemoryMesh(**part) for side in SIDES})
    return SurfaceImage(mesh, dict.fromkeys(SIDES, values))


def test_surface_images_of_two_meshes_need_space():
    image = surface(BOTH, np.arange(BOTH).astype("f4"))
    with pytest.raises(ValueError, match=r"fsaverage7 or of fsLR-164k.*pass space='fsaverage7'"):
        from_surface_image(image)
    assert from_surface_image(image, space="fsLR_den-164k").attrs["space"] == "fsLR-164k"
    labels = surface(BOTH, (np.arange(BOTH) < 5).astype("i4"))
    with pytest.raises(ValueError, match=r"pass space='fsaverage7' or space='fsLR-164k'"):
        from_masker(SurfaceLabelsMasker(labels, standardize=None))
    selector = from_masker(SurfaceLabelsMasker(labels, standardize=None), space="fsaverage")
    assert (selector.atlas.space, selector.atlas.count("1")["left"]) == ("fsaverage7", 5)
    assert from_surface_image(surface(59292, np.zeros(59292, "f4"))).attrs["space"] == "fsLR-59k"
