"""From a participant's voxels to fsaverage, by the data set's own surfaces."""

import numpy as np
import pytest

import encodekit as ek
from encodekit.cli import main
from encodekit_adapters._lebel_surface import SurfaceMap, surface_files
from encodekit_adapters.lebel2023 import remote_files, voxel_volume

pytest.importorskip("nibabel")
PERSON, STORY = "UTS05", "legacy"


@pytest.fixture(scope="module")
def root(layouts, respdict, tmp_path_factory):
    folder = tmp_path_factory.mktemp("surfaces") / "set"
    folder.mkdir()
    n_voxels = layouts.write_lebel_surfaces(folder, PERSON)
    layouts.write_lebel(folder, respdict, {PERSON: [STORY, "wheretheressmoke"]}, n_voxels=n_voxels)
    return folder


@pytest.fixture(scope="module")
def surface(root):
    return SurfaceMap(root, PERSON, "fsaverage5")


def coordinates(root):
    """Return x, y and z (mm of the surfaces) of each voxel, in the order of the files."""
    import nibabel

    mask = nibabel.load(root / surface_files(PERSON)[0]).get_fdata() != 0
    z, y, x = np.nonzero(mask.T)
    return np.stack([-2.0 * (y - 11), 2.0 * (x - 10), 2.0 * (z - 12)])


def middles(root):
    """Return the point half way between white and pial of each vertex, and whether voxels end."""
    import nibabel
    from nilearn.datasets import load_fsaverage

    found = []
    for side, hemi in (("left", "lh"), ("right", "rh")):
        average = load_fsaverage("fsaverage5")["sphere"].parts[side].coordinates
        path = root / f"derivative/freesurfer_subjdir/{PERSON}/surf/{hemi}.sphere.reg"
        mine = nibabel.freesurfer.read_geometry(path)[0]
        nearest = np.array([np.argmax(mine @ point) for point in average])
        found.append(14.0 * mine[nearest] / np.linalg.norm(mine[nearest], axis=1, keepdims=True))
    return np.concatenate(found)


def test_every_vertex_gets_the_voxels_where_it_lies(root, surface):
    """Each voxel's value is where it lies, so each vertex's is where it lies, to half a voxel."""
    where = surface(coordinates(root)).T
    assert where.shape == (2 * 10242, 3)
    there = ~surface.empty
    assert 0.7 < there.mean() < 0.95  # the mask ends 8 mm below the middle
    off = np.abs(where - middles(root))[middles(root)[:, 2] > -5]
    assert np.median(off) < 0.5
    assert off.max() < 2.0  # a voxel's edge
    assert np.isnan(where[surface.empty]).all()
    np.testing.assert_allclose(surface.matrix.sum(axis=1)[there], 1.0)


def test_nilearn_gives_the_same_on_the_same_surfaces(root, surface):
    """Its interpolation is another, so maps that are smooth agree, and not to the bit."""
    import nibabel
    from nilearn.surface import vol_to_surf

    smooth = np.sin(coordinates(root)[0] / 8) + np.cos(coordinates(root)[2] / 9)
    image = voxel_volume(smooth.astype("f4"), root, PERSON)
    coord = np.array([[0, 0.5, 0, 10], [-0.5, 0, 0, 11], [0, 0, 0.5, 12], [0, 0, 0, 1.0]])
    moved = nibabel.Nifti1Image(np.asarray(image.dataobj), np.linalg.inv(coord))
    middle = middles(root)
    mesh = [middle * 16 / 14, np.array([[0, 1, 2]])]
    theirs = vol_to_surf(moved, mesh, inner_mesh=[middle * 12 / 14, mesh[1]])
    kept = ~surface.empty & (middle[:, 2] > -5)  # where no sample lies outside the mask
    ours = surface(smooth)
    assert np.corrcoef(ours[kept], theirs[kept])[0, 1] > 0.995
    assert np.abs(ours[kept] - theirs[kept]).mean() < 0.06


def test_the_study_on_the_surface_is_that_of_the_voxels_projected(root, surface):
    given = {"root": root, "participants": PERSON, "audio": False}
    voxels = ek.load_study("lebel2023", **given, stories=[STORY, "wheretheressmoke"])
    vertices = ek.load_study(
        "lebel2023", **given, stories=[STORY, "wheretheressmoke"], space="fsaverage5"
    )
    mine = ek.validate(vertices.responses()[0].compute(), "response")
    assert mine.attrs["space"] == "fsaverage5"
    assert mine.target.values[[0, -1]].tolist() == ["UTS05/left/00000", "UTS05/right/10241"]
    np.testing.assert_array_equal(mine.values, surface(voxels.responses()[0].compute().values))
    assert vertices.repeats().sizes["repeat"] == 5
    again = ek.load_study(
        "lebel2023", **given, stories=[STORY, "wheretheressmoke"], space="fsaverage5"
    )
    names = [s.responses()[0].data.name for s in (vertices, again)]
    assert names[0] == names[1]


def test_the_command_makes_a_store_that_opens(root, tmp_path, capsys):
    store = tmp_path / "store"
    with pytest.raises(SystemExit) as ended:
        main(["data", "convert", "lebel2023", "--root", str(root), "--participants", PERSON,
              "--stories", STORY, "--space", "fsaverage5", "--output", str(store)])  # fmt: skip
    assert ended.value.code in (0, None)
    assert "TR 2 s" in capsys.readouterr().out
    given = {"root": root, "participants": PERSON, "stories": STORY, "store": store}
    study = ek.load_study("lebel2023", **given, space="fsaverage5")
    assert study.responses()[0].sizes["target"] == 20484
    with pytest.raises(ValueError, match="is in the space 'fsaverage5', not 'native'"):
        ek.load_study("lebel2023", **given)


def test_faults_are_named(root, layouts, respdict, tmp_path):
    with pytest.raises(ValueError, match="unknown space 'fsaverage8': did you mean"):
        SurfaceMap(root, PERSON, "fsaverage8")
    layouts.write_lebel(tmp_path, respdict, {PERSON: [STORY]})
    given = {"root": tmp_path, "participants": PERSON, "stories": STORY, "space": "fsaverage5"}
    with pytest.raises(FileNotFoundError, match=r"mask_thick.*Or: `encodekit data get lebel2023.*"
                       "--space fsaverage5`"):  # fmt: skip
        ek.load_study("lebel2023", **given)
    n_voxels = layouts.write_lebel_surfaces(tmp_path, PERSON)
    with pytest.raises(ValueError, match=f"mask of the surfaces has {n_voxels} voxels but the res"):
        ek.load_study("lebel2023", **given)
    other = layouts.write_lebel_surfaces(tmp_path / "other", PERSON, n_vertices=300)
    assert other == n_voxels
    wrong = tmp_path / surface_files(PERSON)[2]
    wrong.write_bytes((tmp_path / "other" / surface_files(PERSON)[2]).read_bytes())
    with pytest.raises(ValueError, match=r"UTS05, left: the surfaces have 300 \(white\), 400"):
        ek.load_study("lebel2023", **given)
    wrong.write_bytes(wrong.read_bytes()[:500])
    with pytest.raises(
        ValueError, match=r"wm_lh.gii' cannot be read as a surface \(.*get it again"
    ):
        ek.load_study("lebel2023", **given)


def test_get_brings_the_surfaces_where_they_are_asked_for():
    plain = {file.path for file in remote_files([PERSON], [STORY])}
    more = {file.path for file in remote_files([PERSON], [STORY], "fsaverage5")}
    assert more - plain == set(surface_files(PERSON))
