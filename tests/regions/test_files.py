import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from encodekit.regions import RegionSelector, read_atlas

N = 10242
VALUES = {"left": np.r_[0, 1, 1, 2, np.zeros(N - 4)], "right": np.r_[2, 1, 0, 0, np.zeros(N - 4)]}
COUNTS = {"A1": {"left": 2, "right": 1}, "V1": {"left": 1, "right": 1}}


def counts(atlas):
    return {name: atlas.count(name) for name in atlas.names}


def annot(folder, prefixed=True):
    files = {}
    for side, short, letter in (("left", "lh", "L"), ("right", "rh", "R")):
        files[side] = folder / f"{short}.toy.annot"
        names = ["???"] + [f"{letter}_{a}_ROI" if prefixed else a for a in ("A1", "V1")]
        table = np.array([[25, 5, 25, 0, 0], [1, 2, 3, 0, 0], [4, 5, 6, 0, 0]])
        nib.freesurfer.write_annot(
            files[side], VALUES[side].astype(int), table, names, fill_ctab=True
        )
    return files


def gifti(folder, values, names=None):
    files = {}
    for side in ("left", "right"):
        image = nib.gifti.GiftiImage(
            darrays=[nib.gifti.GiftiDataArray(np.asarray(values[side], dtype=np.float32))]
        )
        if names:
            for key, name in names.items():
                label = nib.gifti.GiftiLabel(key)
                label.label = name
                image.labeltable.labels.append(label)
        files[side] = folder / f"toy.{side}.label.gii"
        nib.save(image, files[side])
    return files


def cifti(folder, axis0, row, ending):
    size = 32492
    inside = np.arange(size) % 16 > 0  # a medial wall of sorts
    models = sum(
        (nib.cifti2.BrainModelAxis.from_mask(inside, name=name) for name in ("cortex_right",)),
        nib.cifti2.BrainModelAxis.from_mask(inside, name="cortex_left"),
    )
    values = np.zeros((1, len(models)), dtype=np.float32)
    values[0, : len(row)] = row
    path = folder / f"toy.{ending}"
    nib.save(nib.Cifti2Image(values, (axis0, models)), path)
    return path, inside


@pytest.mark.parametrize("prefixed", [True, False])
def test_annotations_of_both_hemispheres_become_one_atlas(tmp_path, prefixed):
    atlas = read_atlas(annot(tmp_path, prefixed))
    assert (atlas.name, atlas.space, atlas.names) == ("toy", "fsaverage5", ("A1", "V1"))
    assert counts(atlas) == COUNTS


def test_gifti_labels_bring_their_names(tmp_path):
    files = gifti(tmp_path, VALUES, {0: "???", 1: "A1", 2: "V1"})
    assert counts(read_atlas(files, groups={"both": ["A1", "V1"]})) == COUNTS


@pytest.mark.parametrize("form", ["mapping", "frame", "tsv", "lut", "lines"])
def test_values_without_names_take_them_from_a_table(tmp_path, form):
    frame = pd.DataFrame({"index": [1, 2], "name": ["A1", "V1"]})
    tables = {"mapping": {1: "A1", 2: "V1"}, "frame": frame}
    for kind, text in {
        "tsv": frame.to_csv(sep="\t", index=False),
        "lut": "# a table\n1 A1 10 20 30 0\n2 V1 1 2 3 0\n",
        "lines": "A1\nV1\n",
    }.items():
        tables[kind] = tmp_path / (f"{kind}.tsv" if kind == "tsv" else f"{kind}.txt")
        tables[kind].write_text(text)
    files = gifti(tmp_path, VALUES)
    assert counts(read_atlas(files, table=tables[form])) == COUNTS


def test_values_without_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"toy: its values \(0, 1, 2\) have no names: pass table="):
        read_atlas(gifti(tmp_path, VALUES))
    with pytest.raises(ValueError, match="a list of 1 names .* the file has 2 labels"):
        read_atlas(gifti(tmp_path, VALUES), table=pd.DataFrame({"name": ["A1"]}))


def test_a_plain_mask_is_one_area(tmp_path):
    mask = {side: values == 1 for side, values in VALUES.items()}
    atlas = read_atlas(gifti(tmp_path, mask), name="speech")
    assert counts(atlas) == {"speech": {"left": 2, "right": 1}}


def test_a_map_of_probabilities_becomes_a_mask_where_it_is_above_the_threshold(tmp_path):
    share = {side: values / 4 for side, values in VALUES.items()}
    atlas = read_atlas(gifti(tmp_path, share), name="LanA", threshold=0.3)
    assert counts(atlas) == {"LanA": {"left": 1, "right": 1}}


def test_cifti_labels_know_their_grayordinates(tmp_path):
    axis = nib.cifti2.LabelAxis(
        ["toy"], [{0: ("???", (0, 0, 0, 0)), 1: ("L_A1_ROI", (1, 0, 0, 1)),
                   2: ("R_A1_ROI", (0, 1, 0, 1))}],
    )  # fmt: skip
    n_left = int((np.arange(32492) % 16 > 0).sum())
    row = np.zeros(2 * n_left)
    row[[0, 2]], row[n_left] = 1, 2
    path, inside = cifti(tmp_path, axis, row, "dlabel.nii")
    atlas = read_atlas(path)
    assert atlas.space == "fsLR-32k"
    assert atlas.vertices("A1", "left").tolist() == [1, 3]
    assert atlas.vertices("A1", "right").tolist() == [1]
    np.testing.assert_array_equal(atlas.cortex["left"], inside)


def test_a_cifti_map_is_cut_at_a_threshold(tmp_path):
    axis = nib.cifti2.ScalarAxis(["p"])
    path, _ = cifti(tmp_path, axis, [0.1, 0.9, 0.4], "dscalar.nii")
    atlas = read_atlas(path, threshold=0.3, name="mask")
    assert atlas.vertices("mask", "left").tolist() == [2, 3]


def test_a_volume_is_projected_and_says_so(tmp_path):
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = [-90, -126, -72]
    left_of_zero = np.zeros((45, 54, 45), dtype=np.int16)
    left_of_zero[:22] = 1
    left_of_zero[23:] = 2
    nib.save(nib.Nifti1Image(left_of_zero, affine), tmp_path / "halves.nii.gz")
    atlas = read_atlas(tmp_path / "halves.nii.gz", table={1: "west", 2: "east"})
    assert "approximate" in atlas.edition
    assert atlas.space == "fsaverage5"
    assert atlas.count("west")["left"] > 9000
    assert atlas.count("west")["right"] < 200
    assert atlas.count("east")["right"] > 9000


def test_a_file_with_a_selector_chooses_targets(tmp_path):
    picked = RegionSelector(read_atlas(annot(tmp_path)), "L_A1").transform(np.arange(2 * N)[None])
    assert picked.tolist() == [[1, 2]]


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_atlas(tmp_path / "no.annot")
    files = annot(tmp_path)
    with pytest.raises(ValueError, match="is of one hemisphere: pass"):
        read_atlas(files["left"])
    both = tmp_path / "toy.nii"
    both.touch()
    with pytest.raises(ValueError, match="holds both hemispheres: pass one path"):
        read_atlas({"left": both, "right": both})
    (tmp_path / "toy.mat").touch()
    with pytest.raises(ValueError, match=r"toy.mat is of an unknown kind: expected .annot"):
        read_atlas(tmp_path / "toy.mat")


def test_a_number_of_vertices_that_fits_no_mesh_is_refused_unless_it_is_named(tmp_path):
    short = {side: values[:100] for side, values in VALUES.items()}
    files = gifti(tmp_path, short, {1: "A1", 2: "V1"})
    with pytest.raises(ValueError, match=r"toy: .*'left': 100.* vertices fit no mesh"):
        read_atlas(files)
    assert read_atlas(files, space="native").n_vertices == 100


def test_a_cifti_file_of_one_hemisphere_is_refused(tmp_path):
    models = nib.cifti2.BrainModelAxis.from_mask(np.ones(32492, bool), name="cortex_left")
    axis = nib.cifti2.ScalarAxis(["p"])
    path = tmp_path / "half.dscalar.nii"
    nib.save(nib.Cifti2Image(np.zeros((1, 32492), np.float32), (axis, models)), path)
    with pytest.raises(ValueError, match=r"half.dscalar.nii has cortex of \['left'\]"):
        read_atlas(path)
