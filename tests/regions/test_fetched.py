"""nilearn's fetchers, on files where nilearn would have put them: nothing is downloaded."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from encodekit.plugins import make_regions
from encodekit.regions import destrieux_atlas, difumo_atlas, schaefer_atlas

AFFINE = np.array([[4.0, 0, 0, -90], [0, 4, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]])
SHAPE = (45, 54, 45)


@pytest.fixture
def schaefer_files(tmp_path):
    folder = tmp_path / "schaefer_2018"
    folder.mkdir()
    names = ["7Networks_LH_Vis_1", "7Networks_LH_Default_Temp_1", "7Networks_RH_Vis_1"]
    lines = [f"{k}\t{name}\t1\t2\t3\t0" for k, name in enumerate(names, start=1)]
    (folder / "Schaefer2018_100Parcels_7Networks_order.txt").write_text("\n".join(lines) + "\n")
    values = np.zeros(SHAPE, dtype=np.int16)
    values[:22, :25], values[:22, 25:], values[23:] = 1, 2, 3
    image = nib.Nifti1Image(values, AFFINE)
    nib.save(image, folder / "Schaefer2018_100Parcels_7Networks_order_FSLMNI152_1mm.nii.gz")
    return tmp_path


def test_schaefer_areas_come_with_their_networks(schaefer_files):
    atlas = schaefer_atlas(100, data_dir=schaefer_files)
    assert atlas.areas("vis") == ("7Networks_LH_Vis_1", "7Networks_RH_Vis_1")
    assert atlas.count("7Networks_LH_Default_Temp_1")["left"] > 3000
    assert atlas.count("7Networks_RH_Vis_1")["right"] > 9000
    assert "approximate" in atlas.edition


def test_atlases_are_registered_as_selectors(schaefer_files):
    selector = make_regions("schaefer", "Default", n_areas=100, data_dir=schaefer_files)
    assert selector.transform(np.zeros((1, 20484))).shape[1] == sum(
        selector.atlas.count("Default").values()
    )


def test_destrieux_areas_leave_out_the_medial_wall(tmp_path):
    folder = tmp_path / "destrieux_surface"
    folder.mkdir()
    names = ["Unknown", "G_temp_sup", "Medial_wall"]
    table = np.array([[k, k, k, 0, 0] for k in (1, 2, 3)])
    values = np.r_[0, 1, 1, np.full(10239, 2)]
    for side in ("left", "right"):
        nib.freesurfer.write_annot(
            folder / f"{side}.aparc.a2009s.annot", values, table, names, fill_ctab=True
        )
    atlas = destrieux_atlas(data_dir=tmp_path)
    assert atlas.names == ("G_temp_sup",)
    assert atlas.vertices("G_temp_sup", "left").tolist() == [1, 2]
    chosen = make_regions("destrieux", data_dir=tmp_path, average=True)
    assert chosen.transform(np.arange(20484.0)[None]).tolist() == [[1.5, 10243.5]]


def test_each_vertex_belongs_to_its_strongest_difumo_mode(tmp_path):
    folder = tmp_path / "difumo_atlases" / "64" / "2mm"
    folder.mkdir(parents=True)
    (tmp_path / "difumo_atlases" / "README.md").touch()
    names = pd.DataFrame({"Component": [1, 2], "Difumo_names": ["STG", "STG"]})
    names.to_csv(folder.parent / "labels_64_dictionary.csv", index=False)
    weights = np.zeros((*SHAPE, 2))
    weights[:22, ..., 0], weights[23:, ..., 0], weights[23:, ..., 1] = 1.0, 0.1, 0.5
    nib.save(nib.Nifti1Image(weights, AFFINE), folder / "maps.nii.gz")
    atlas = difumo_atlas(64, data_dir=tmp_path)
    assert atlas.names == ("STG", "STG (2)")
    assert atlas.count("STG")["left"] > 9000
    assert atlas.count("STG (2)")["right"] > 9000
    assert make_regions("difumo", "STG (2)", data_dir=tmp_path).regions == "STG (2)"


@pytest.mark.parametrize("fetch", [schaefer_atlas, destrieux_atlas, difumo_atlas])
def test_nothing_is_downloaded_unasked(fetch, tmp_path, monkeypatch):
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="pass download=True"):
        fetch(data_dir=tmp_path)
