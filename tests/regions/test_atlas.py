import numpy as np
import pytest
import xarray as xr

from encodekit.regions import Atlas
from encodekit.regions._names import read_name


@pytest.fixture
def toy():
    labels = {"left": np.array([0, 1, 1, 2, 3]), "right": np.array([2, 2, 0, 1, 3])}
    groups = {"hearing": ["A1", "A4"], "Cortex:Hearing": ["A1"]}
    return Atlas("Toy", labels, ["A1", "V1", "A4"], space="toy", groups=groups)


@pytest.fixture
def whole():
    rng = np.random.default_rng(0)
    labels = {side: rng.integers(0, 3, 163842).astype("uint8") for side in ("left", "right")}
    return Atlas("Whole", labels, ["a", "b"], space="fsaverage")


@pytest.mark.parametrize(
    ("written", "name", "hemisphere"),
    [
        (44, "44", None),
        ("L_A1_ROI", "A1", "left"),
        ("R_9-46d", "9-46d", "right"),
        ("p9-46v_ROI-rh", "p9-46v", "right"),
        ("V1-lh", "V1", "left"),
        ("lh.V1", "V1", "left"),
        ("LO1", "LO1", None),
        ("RSC", "RSC", None),
        ("L_44_ROI-lh", "44", "left"),
    ],
)
def test_names_lose_their_hemisphere_and_keep_their_hyphens(written, name, hemisphere):
    assert read_name(written) == (name, hemisphere)


def test_areas_and_groups_are_found_without_regard_to_case(toy):
    assert toy.areas(["v1", "HEARING", "a1"]) == ("V1", "A1", "A4")
    assert toy.areas("cortex:hearing") == ("A1",)
    assert toy.areas() == ("A1", "V1", "A4")


def test_a_name_with_a_hemisphere_means_that_hemisphere_alone(toy):
    assert toy.count("A1") == {"left": 2, "right": 1}
    assert toy.count("L_A1_ROI") == {"left": 2, "right": 0}
    assert toy.count(["L_A1", "R_A1"]) == toy.count("A1")


def test_vertices_and_their_regions_agree(toy):
    np.testing.assert_array_equal(toy.vertices("A1", "left"), [1, 2])
    assert toy.region_of("left", np.array([0, 1, 3])).tolist() == ["", "A1", "V1"]


def test_unknown_names_are_answered_with_close_matches(toy):
    with pytest.raises(ValueError, match=r"Toy: unknown region 'hearng': did you mean 'hearing'"):
        toy.areas("hearng")
    with pytest.raises(ValueError, match="unknown hemisphere 'lefft': did you mean 'left'"):
        toy.vertices("A1", "lefft")


def test_a_coarser_mesh_is_the_first_vertices_of_a_finer_one(whole):
    coarse = whole.in_space("fsaverage5")
    np.testing.assert_array_equal(coarse.labels["right"], whole.labels["right"][:10242])
    assert coarse.space == "fsaverage5"
    assert whole.in_space("fsaverage") is whole


@pytest.mark.parametrize("space", ["fsLR-32k", "fsLR-164k", "volume"])
def test_another_mesh_is_refused(whole, space):
    with pytest.raises(ValueError, match=f"fsaverage7 and has no labels for '{space}'"):
        whole.in_space(space)


def test_a_finer_mesh_is_refused(whole):
    with pytest.raises(ValueError, match="is on fsaverage5 and has no labels for 'fsaverage6'"):
        whole.in_space("fsaverage5").in_space("fsaverage6")


def test_vertices_outside_the_mesh_are_refused(toy):
    with pytest.raises(ValueError, match="left vertices run from 0 to 9, but toy has 5"):
        toy.region_of("left", np.array([0, 9]))
    with pytest.raises(ValueError, match="run from -1 to 0"):
        toy.region_of("left", np.array([0, -1]))


def test_annotate_writes_the_region_of_each_target(toy):
    targets = xr.DataArray(
        [0.1, 0.2, 0.3],
        dims="target",
        coords={
            "hemisphere": ("target", ["left", "right", "right"]),
            "vertex": ("target", [1, 1, 2]),
        },
    )
    assert toy.annotate(targets).region.values.tolist() == ["A1", "V1", ""]
    with pytest.raises(ValueError, match="need the coordinates hemisphere and vertex"):
        toy.annotate(targets.drop_vars("vertex"))


def test_labels_cannot_be_written_to(toy):
    with pytest.raises(ValueError, match="read-only"):
        toy.labels["left"][0] = 1


def test_all_mistakes_come_in_one_message():
    labels = {"left": np.array([0, 4]), "right": np.array([0, 1])}
    with pytest.raises(ValueError, match=r"run from 0 to 4.*2 vertices, but fsaverage5.*'A2'"):
        Atlas("Bad", labels, ["A1"], space="fsaverage5", groups={"g": ["A2"]})


def test_labels_of_both_hemispheres_must_be_integers():
    with pytest.raises(ValueError, match=r"labels are for \['left'\]"):
        Atlas("Bad", {"left": np.zeros(3, int)}, ["A1"], space="toy")
    with pytest.raises(ValueError, match="left labels are float64"):
        Atlas("Bad", {"left": np.zeros(3), "right": np.zeros(3)}, ["A1"], space="toy")


def test_names_that_differ_in_case_alone_are_refused():
    labels = {side: np.array([1, 2]) for side in ("left", "right")}
    with pytest.raises(ValueError, match="two areas have the same name"):
        Atlas("Bad", labels, ["PI", "Pi"], space="toy")
