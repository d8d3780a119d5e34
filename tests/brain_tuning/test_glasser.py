import hashlib
import tomllib
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import encodekit as ek
from encodekit.data import make_response
from encodekit_brain_tuning import GlasserSelector, glasser_atlas

PLUGIN = Path(__file__).parents[2] / "plugins" / "brain_tuning"
COUNTS_210V = {
    "fsaverage": [(14482, 15931), (4344, 3493), (11899, 13795), (25333, 25761)],
    "fsaverage6": [(3621, 3993), (1083, 872), (2971, 3453), (6322, 6449)],
    "fsaverage5": [(906, 1005), (269, 221), (746, 865), (1577, 1614)],
}
COUNTS_210P = {
    "fsaverage": [(14370, 15802), (4189, 3413), (11995, 13892), (25272, 25760)],
    "fsaverage6": [(3600, 3959), (1048, 854), (3001, 3479)],
    "fsaverage5": [(898, 991), (262, 219), (751, 873)],
}
SETS = ["paper19", "early_auditory", "late_language", "table1"]


def counts(atlas, n=4):
    return [tuple(atlas.count(name).values()) for name in SETS[:n]]


@pytest.mark.parametrize("space", COUNTS_210V)
def test_areas_have_the_measured_numbers_of_vertices(space):
    assert counts(glasser_atlas(space)) == COUNTS_210V[space]


@pytest.mark.parametrize("space", COUNTS_210P)
def test_the_edition_of_mne_has_its_own_numbers_of_vertices(space):
    try:
        atlas = glasser_atlas(space, edition="mne")
    except FileNotFoundError as reason:
        pytest.skip(str(reason))
    expected = COUNTS_210P[space]
    assert counts(atlas, len(expected)) == expected


def test_the_edition_of_mne_is_looked_up_and_never_downloaded(monkeypatch, tmp_path):
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path))
    monkeypatch.setenv("MNE_DATA", str(tmp_path / "mne_data"))
    monkeypatch.setattr("encodekit_brain_tuning.targets._glasser._on_base", _uncached())
    with pytest.raises(FileNotFoundError, match=r"HCPMMP1\.annot.*SUBJECTS_DIR.*'210V'"):
        glasser_atlas(edition="210P")


def test_a_file_that_is_not_the_one_mne_downloads_is_refused(monkeypatch, tmp_path):
    folder = tmp_path / "fsaverage" / "label"
    folder.mkdir(parents=True)
    for short in ("lh", "rh"):
        (folder / f"{short}.HCPMMP1.annot").write_bytes(b"another edition")
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path))
    monkeypatch.setattr("encodekit_brain_tuning.targets._glasser._on_base", _uncached())
    with pytest.raises(ValueError, match=r"lh\.HCPMMP1\.annot has sha256 .* expected d4da"):
        glasser_atlas(edition="210P")


def _uncached():
    from encodekit_brain_tuning.targets._glasser import _on_base

    return _on_base.__wrapped__


def test_an_unknown_edition_is_refused():
    with pytest.raises(ValueError, match=r"unknown edition '210X'.*'210V'.*'210P'"):
        glasser_atlas(edition="210X")


def test_there_are_180_areas_in_the_order_from_v1_to_p24_and_none_is_empty():
    atlas = glasser_atlas("fsaverage5")
    assert (len(atlas.names), atlas.names[0], atlas.names[-1]) == (180, "V1", "p24")
    sizes = {area: atlas.count(area) for area in atlas.names}
    assert min(min(size.values()) for size in sizes.values()) >= 9


@pytest.mark.parametrize("space", ["fsaverage5", "fsLR-32k"])
def test_right_is_never_the_mirror_of_left(space):
    labels = glasser_atlas(space).labels
    shared = (labels["left"] > 0) & (labels["right"] > 0)
    assert (labels["left"] == labels["right"])[shared].mean() < 0.95


def test_each_area_lies_in_exactly_one_of_22_cortices():
    groups = glasser_atlas().groups
    cortices = {name: areas for name, areas in groups.items() if name.startswith("cortex:")}
    members = [area for areas in cortices.values() for area in areas]
    assert len(cortices) == 22
    assert sorted(members) == sorted(glasser_atlas().names)
    sizes = [1, 3, 6, 7, 9, 5, 8, 7, 6, 5, 8, 13, 7, 9, 5, 10, 10, 14, 15, 11, 8, 13]
    assert [len(areas) for areas in cortices.values()] == sizes


def test_groups_are_the_sets_that_studies_use():
    groups = glasser_atlas().groups
    assert len(groups["paper19"]) == 19
    assert set(groups["paper19"]) - set(groups["late_language"]) == {"STSvp", "A1", "A4"}
    assert len(groups["table1"]) == 29
    parts = ("angular_gyrus", "ltc", "ifg_mfg")
    assert set(groups["late_language"]) - {a for part in parts for a in groups[part]} == {"TA2"}


def test_a_group_and_a_cortex_of_the_same_name_are_told_apart():
    atlas = glasser_atlas()
    assert set(atlas.areas("early_auditory")) - set(atlas.areas("cortex:Early Auditory")) == {"A4"}
    with pytest.raises(ValueError, match="'early_auditory' or 'cortex:Early Auditory'"):
        atlas.areas("Early Auditory")


def test_areas_of_digits_may_be_integers():
    digits = [4, 1, 2, 44, 45, 46, 43, 52, 25]
    assert glasser_atlas().areas(digits) == tuple(str(area) for area in digits)


def test_names_with_hyphens_and_prefixes_are_found():
    asked = ["L_p9-46v_ROI", "a9-46v-rh", "9-46D", "i6-8", "s6-8", "OP2-3"]
    assert glasser_atlas().areas(asked) == ("p9-46v", "a9-46v", "9-46d", "i6-8", "s6-8", "OP2-3")


@pytest.mark.parametrize(("space", "n"), [("fsaverage5", 10242), ("fsaverage6", 40962)])
def test_the_selector_follows_the_mesh_of_the_responses(space, n):
    response = make_response(
        np.zeros((1, 2 * n)),
        run="r",
        participant="P1",
        tr_times=[0],
        t_r=2.0,
        hemisphere=np.repeat(["left", "right"], n),
        vertex=np.tile(np.arange(n), 2),
        space=space,
    )
    picked = GlasserSelector(["late_language"]).transform(response)
    sides = picked.hemisphere.values
    expected = COUNTS_210V[space][2]
    assert ((sides == "left").sum(), (sides == "right").sum()) == expected


def test_the_selector_is_registered_by_name():
    selector = ek.make_regions("glasser", regions=["early_auditory"])
    assert isinstance(selector, GlasserSelector)
    assert isinstance(selector, ek.RegionSelector)
    assert selector.atlas.space == "fsaverage5"


def test_the_selector_clones_with_its_parameters():
    selector = clone(GlasserSelector(["A1", 44], edition="mne", space="fsLR-32k"))
    assert selector.get_params() == {
        "regions": ["A1", 44], "edition": "mne", "space": "fsLR-32k", "average": False,
    }  # fmt: skip


@pytest.mark.parametrize("n_columns", [59412, 91282])
def test_grayordinates_are_the_vertices_of_fslr_without_the_medial_wall(n_columns):
    atlas = glasser_atlas("fsLR-32k")
    picked = GlasserSelector("early_auditory").transform(np.arange(n_columns)[None])[0]
    expected = atlas.count("early_auditory")
    assert picked.size == sum(expected.values())
    left = np.flatnonzero(atlas.cortex["left"])
    assert (left.size, atlas.cortex["right"].sum()) == (29696, 29716)
    np.testing.assert_array_equal(
        left[picked[: expected["left"]]], atlas.vertices("early_auditory", "left")
    )
    assert picked.max() < 59412


def test_a_mistyped_area_is_answered_at_fit():
    with pytest.raises(ValueError, match="Glasser 210V: unknown region 'late_langage'"):
        GlasserSelector("late_langage").fit()


def test_responses_in_a_volume_are_refused_with_what_is_expected():
    response = make_response(
        np.zeros((1, 2)), run="r", participant="P1", tr_times=[0], t_r=2.0, voxel=[1, 2],
        space="volume",
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"in space 'volume'.*hemisphere and vertex"):
        GlasserSelector("A1").transform(response)


def test_the_labels_say_their_terms_and_what_to_cite():
    atlas = glasser_atlas()
    assert "1U54MH091657" in atlas.terms
    assert "10.1038/nature18933" in atlas.citation
    assert (atlas.edition, atlas.name) == ("210V", "Glasser 210V")


def test_the_labels_licence_is_kept_apart_and_ships_with_the_plugin():
    text = (PLUGIN / "LICENSES" / "LicenseRef-HCP-OpenAccess.txt").read_text()
    assert "1U54MH091657" in text
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    assert "LicenseRef-HCP-OpenAccess" in project["license"].split(" AND ")
    assert any((PLUGIN / "LICENSES").glob(pattern.partition("/")[2]) for pattern in project["license-files"] if pattern.startswith("LICENSES/"))  # noqa: E501  # fmt: skip


def test_the_stored_labels_hold_no_pickle_and_are_those_that_were_counted():
    path = PLUGIN / "encodekit_brain_tuning" / "targets" / "glasser" / "labels_210v.npz"
    with np.load(path, allow_pickle=False) as stored:
        digest = hashlib.sha256(b"".join(stored[name].tobytes() for name in sorted(stored)))
    assert digest.hexdigest() == (
        "97935bbe4a27af7ee7982152313dff16ec3ed65a52c8b4ead132182e5b85c607"
    )
    assert path.stat().st_size < 100_000
