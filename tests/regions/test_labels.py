"""Labels are never averaged, whatever lies outside them, and however a file stores them."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, SurfaceLabelsMasker, SurfaceMasker
from nilearn.surface import SurfaceImage, load_surf_mesh

from encodekit.regions import from_masker, read_atlas
from encodekit.regions._volumes import shipped_meshes

N = 10242
SIDES = ("left", "right")
NAMES = {1: "A", 2: "B", 3: "C", 4: "D"}
AFFINE = np.diag([4.0, 4, 4, 1])
AFFINE[:3, 3] = [-90, -126, -72]


def volume():
    labels = np.ones((46, 55, 46))
    labels[23:] = 2
    labels[:, 28:] += 2
    labels[:, :16] = 0
    return labels


def outside(values, as_what):
    changed = np.asarray(values, dtype=np.float64).copy()
    changed[changed == 0] = as_what
    return changed


FORMS = {
    "nan": lambda v: outside(v, np.nan).astype("f4"),
    "minus one": lambda v: outside(v, -1).astype("i2"),
    "minus 999": lambda v: outside(v, -999.0).astype("f4"),
    "float64": lambda v: v.astype("f8"),
    "uint8": lambda v: v.astype("u1"),
    "rounded": lambda v: (v * (1 + 1e-7)).astype("f8"),
    "rounded down with nan": lambda v: outside(v * (1 - 1e-7), np.nan),
}


def counts(atlas):
    return {name: atlas.count(name) if name in atlas.names else None for name in "ABCD"}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What nilearn itself makes of the plain whole numbers."""
    from nilearn.surface import vol_to_surf

    pial, white = shipped_meshes("pial", "white_matter")
    image = nib.Nifti1Image(volume().astype("i4"), AFFINE)
    found = {
        side: vol_to_surf(
            image, pial[side], inner_mesh=white[side], interpolation="nearest_most_frequent"
        )
        for side in SIDES
    }
    return {
        name: {side: int((found[side] == value).sum()) for side in SIDES}
        for value, name in NAMES.items()
    }


@pytest.mark.parametrize("form", FORMS)
def test_volumes_of_labels_give_the_same_areas_however_they_are_stored(tmp_path, expected, form):
    nib.save(nib.Nifti1Image(FORMS[form](volume()), AFFINE), tmp_path / "a.nii.gz")
    assert counts(read_atlas(tmp_path / "a.nii.gz", table=NAMES)) == expected


@pytest.mark.parametrize("scaled", ["i2", "u2"])
def test_labels_that_were_scaled_to_fit_a_file_are_whole_again(tmp_path, expected, scaled):
    image = nib.Nifti1Image(volume() * 50, AFFINE)  # values 0 to 200, in steps of 1/327 or 1/163
    image.set_data_dtype(scaled)
    nib.save(image, tmp_path / "a.nii")
    stored = nib.load(tmp_path / "a.nii")
    assert stored.dataobj.slope != 1
    values = np.asarray(stored.dataobj)
    assert np.abs(values - np.round(values)).max() > 0
    atlas = read_atlas(tmp_path / "a.nii", table={50 * k: name for k, name in NAMES.items()})
    assert counts(atlas) == expected


def test_the_maskers_of_volumes_read_labels_alike(expected):
    for form in ("nan", "float64", "rounded"):
        image = nib.Nifti1Image(FORMS[form](volume()), AFFINE)
        lut = pd.DataFrame({"index": [0, *NAMES], "name": ["Background", *NAMES.values()]})
        atlas = from_masker(NiftiLabelsMasker(image, lut=lut, standardize=None)).atlas
        assert counts(atlas) == expected
        names = ["Background", *NAMES.values()]
        masker = NiftiLabelsMasker(image, labels=names, standardize=None)
        assert counts(from_masker(masker).atlas) == expected
        with pytest.raises(ValueError, match=r"3 names .* 4 labels \(1, 2, 3, 4\)"):
            from_masker(NiftiLabelsMasker(image, labels=["A", "B", "C"], standardize=None))


def test_values_zero_of_an_area_do_not_take_in_what_is_nan(tmp_path):
    values = {side: np.r_[np.zeros(30), np.ones(20), np.full(N - 50, np.nan)] for side in SIDES}
    atlas = read_atlas(gifti(tmp_path, values), table={0: "A", 1: "B"}, name="toy")
    assert counts(atlas)["A"] == {"left": 30, "right": 30}
    assert counts(atlas)["B"] == {"left": 20, "right": 20}


def gifti(folder, values, names=None, arrays=1):
    files = {}
    for side, of in values.items():
        darrays = [nib.gifti.GiftiDataArray(np.asarray(of, "f4"), meta={"Name": f"map {k}"})
                   for k in range(arrays)]  # fmt: skip
        image = nib.gifti.GiftiImage(darrays=darrays)
        for key, name in (names or {}).items():
            label = nib.gifti.GiftiLabel(key)
            label.label = name
            image.labeltable.labels.append(label)
        files[side] = folder / f"{side}.gii"
        nib.save(image, files[side])
    return files


def plain(seed=0):
    rng = np.random.default_rng(seed)
    return {side: rng.integers(0, 5, N).astype("f8") for side in SIDES}


def of_numpy(values):
    return {
        name: {side: int((of == value).sum()) for side, of in values.items()}
        for value, name in NAMES.items()
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("named", [True, False])
def test_gifti_labels_give_the_same_areas_however_they_are_stored(tmp_path, form, named):
    values = plain()
    stored = {side: FORMS[form](of) for side, of in values.items()}
    files = gifti(tmp_path, stored, {0: "???", **NAMES} if named else {0: "???"})
    atlas = read_atlas(files, table=None if named else NAMES, name="toy")
    assert counts(atlas) == of_numpy(values)


def cifti(folder, rows, axis, ending):
    inside = np.arange(N) % 10 > 0
    models = [nib.cifti2.BrainModelAxis.from_mask(inside, name=f"cortex_{s}") for s in SIDES]
    path = folder / f"a.{ending}"
    nib.save(nib.Cifti2Image(np.atleast_2d(rows), (axis, models[0] + models[1])), path)
    return path, inside


@pytest.mark.parametrize("form", ["nan", "minus one", "float64", "rounded"])
@pytest.mark.parametrize("kind", ["dlabel", "dscalar"])
def test_cifti_labels_give_the_same_areas_however_they_are_stored(tmp_path, form, kind):
    values = plain()
    colour = (0, 0, 0, 1)
    axis = nib.cifti2.ScalarAxis(["x"])
    if kind == "dlabel":
        axis = nib.cifti2.LabelAxis(["x"], {k: (n, colour) for k, n in {0: "???", **NAMES}.items()})
    inside = np.arange(N) % 10 > 0
    row = np.concatenate([FORMS[form](values[side][inside]) for side in SIDES]).astype("f4")
    path, _ = cifti(tmp_path, row, axis, f"{kind}.nii")
    atlas = read_atlas(path, table=None if kind == "dlabel" else NAMES)
    assert counts(atlas) == of_numpy({side: of[inside] for side, of in values.items()})


@pytest.mark.parametrize("hole", [0.0, np.nan])
def test_masks_are_one_area_whatever_lies_outside(tmp_path, hole):
    values = {side: np.where(np.arange(N) % 3 == 0, 1.0, hole) for side in SIDES}
    atlas = read_atlas(gifti(tmp_path, values), name="speech")
    assert atlas.count("speech") == dict.fromkeys(SIDES, N // 3)


def test_a_map_of_real_numbers_is_no_atlas_without_a_threshold(tmp_path):
    share = {side: np.linspace(0, 1, N) for side in SIDES}
    files = gifti(tmp_path, share)
    with pytest.raises(ValueError, match=r"are real numbers, not the labels .*pass threshold="):
        read_atlas(files, table=NAMES)
    with pytest.raises(ValueError, match="pass one of them"):
        read_atlas(files, table=NAMES, threshold=0.5)
    assert read_atlas(files, threshold=0.5, name="m").count("m")["left"] == N // 2
    tiny = gifti(tmp_path, {side: of * 1e-4 for side, of in share.items()})
    with pytest.raises(ValueError, match="are real numbers"):
        read_atlas(tiny, table=NAMES)
    named = gifti(tmp_path, plain(), NAMES)
    with pytest.raises(ValueError, match=r"the file names its labels \(.*leave threshold= out"):
        read_atlas(named, threshold=0.5)
    nib.save(nib.Nifti1Image(volume() / 7, AFFINE), tmp_path / "p.nii.gz")
    with pytest.raises(ValueError, match="are real numbers"):
        read_atlas(tmp_path / "p.nii.gz", table=NAMES)


def test_maps_of_several_areas_are_refused_by_number_and_one_can_be_chosen(tmp_path):
    maps = np.stack([volume() == k for k in NAMES], axis=-1).astype("f4")
    nib.save(nib.Nifti1Image(maps, AFFINE), tmp_path / "p.nii.gz")
    with pytest.raises(ValueError, match=r"p\.nii\.gz holds 4 maps .*pass which="):
        read_atlas(tmp_path / "p.nii.gz")
    with pytest.raises(ValueError, match=r"has 4 maps: which=4, expected 0 to 3"):
        read_atlas(tmp_path / "p.nii.gz", which=4)
    nib.save(nib.Nifti1Image(maps[..., 2], AFFINE), tmp_path / "one.nii.gz")
    alone = read_atlas(tmp_path / "one.nii.gz", name="C").count("C")
    assert read_atlas(tmp_path / "p.nii.gz", which=2, name="C").count("C") == alone
    nib.save(nib.Nifti1Image(maps[..., [2]], AFFINE), tmp_path / "of_one.nii.gz")
    assert read_atlas(tmp_path / "of_one.nii.gz", name="C").count("C") == alone
    with pytest.raises(ValueError, match=r"left.gii holds 2 maps \(0 'map 0', 1 'map 1'\)"):
        read_atlas(gifti(tmp_path, plain(), NAMES, arrays=2))
    axis = nib.cifti2.ScalarAxis(["first", "second"])
    rows = np.stack([np.arange(2 * (N - 1025)) % 2, np.arange(2 * (N - 1025)) < 7]).astype("f4")
    path, _ = cifti(tmp_path, rows, axis, "dscalar.nii")
    with pytest.raises(ValueError, match=r"holds 2 maps \(0 'first', 1 'second'\)"):
        read_atlas(path)
    assert read_atlas(path, which=1, name="m").count("m") == {"left": 7, "right": 0}
    with pytest.raises(ValueError, match="NiftiMapsMasker holds maps of real numbers"):
        from_masker(NiftiMapsMasker(nib.Nifti1Image(maps, AFFINE), standardize=None))


def test_files_of_another_shape_are_refused(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((N, 1, 1), "f4"), np.eye(4)), tmp_path / "lh.nii")
    with pytest.raises(ValueError, match=r"shape \(10242, 1, 1\), expected a volume: save .*GIFTI"):
        read_atlas(tmp_path / "lh.nii")
    mesh = load_surf_mesh(shipped_meshes("pial")[0]["left"])
    image = nib.gifti.GiftiImage(darrays=[
        nib.gifti.GiftiDataArray(mesh.coordinates.astype("f4"), intent="NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(mesh.faces.astype("i4"), intent="NIFTI_INTENT_TRIANGLE"),
    ])  # fmt: skip
    nib.save(image, tmp_path / "pial.gii")
    with pytest.raises(ValueError, match=r"pial.gii is a surface, .*\.label\.gii"):
        read_atlas({"left": tmp_path / "pial.gii", "right": tmp_path / "pial.gii"})
    parcels = nib.cifti2.ParcelsAxis.from_brain_models(
        [("p", nib.cifti2.BrainModelAxis.from_mask(np.ones(N, bool), name="cortex_left"))]
    )
    axis = nib.cifti2.ScalarAxis(["x"])
    nib.save(nib.Cifti2Image(np.ones((1, 1), "f4"), (axis, parcels)), tmp_path / "a.pscalar.nii")
    with pytest.raises(ValueError, match="has a value per parcels, expected one per grayordinate"):
        read_atlas(tmp_path / "a.pscalar.nii")


@pytest.mark.parametrize("form", ["nan", "float64", "rounded down with nan", "minus one"])
def test_the_maskers_of_surfaces_read_labels_alike(form):
    values = plain()
    mesh = shipped_meshes("pial")[0]
    stored = {side: FORMS[form](of).astype("f8") for side, of in values.items()}
    lut = pd.DataFrame({"index": [0, *NAMES], "name": ["Background", *NAMES.values()]})
    masker = SurfaceLabelsMasker(SurfaceImage(mesh, stored), lut=lut, standardize=None)
    assert counts(from_masker(masker).atlas) == of_numpy(values)
    share = SurfaceImage(mesh, {side: np.linspace(0, 1, N) for side in SIDES})
    with pytest.raises(ValueError, match="mask: its values .* are real numbers"):
        from_masker(SurfaceMasker(share, standardize=None))
