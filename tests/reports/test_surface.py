import numpy as np
import pytest
import xarray as xr

from encodekit.reports import plot_surface
from encodekit.reports._mesh import outline, view
from encodekit.reports._vertex_maps import vertex_maps

N = 10242


def targets(values, hemisphere, vertex, space="fsaverage5", **coords):
    return xr.DataArray(
        np.asarray(values, float),
        dims="target",
        coords={
            "hemisphere": ("target", hemisphere),
            "vertex": ("target", vertex),
            **{name: ("target", item) for name, item in coords.items()},
        },
        attrs={"space": space},
    )


def coloured(picture):
    """Return which pixels have a hue, leaving out the colour bar at the right."""
    brain = picture[:, : int(picture.shape[1] * 0.8)]
    return (np.ptp(brain[..., :3], axis=-1) > 40) & (brain[..., 3] > 0)


def painted(picture):
    brain = picture[:, : int(picture.shape[1] * 0.8)]
    return brain[..., 3] > 0


def test_participants_at_a_vertex_are_averaged_and_other_vertices_undefined():
    maps = vertex_maps(targets([0.1, 0.3, 0.5], ["left", "left", "right"], [7, 7, 9]))
    assert maps["left"][7] == pytest.approx(0.2)
    assert maps["right"][9] == 0.5
    assert np.isnan(maps["left"]).sum() == N - 1


def test_normalised_scores_are_averaged_as_in_a_table_of_regions():
    beside = {"raw": [0.3, 0.1], "ceiling": [0.6, 0.0], "ceiling_squared": [0.36, -0.04]}
    scores = targets([0.5, np.nan], ["left"] * 2, [7, 7], **beside)
    assert vertex_maps(scores)["left"][7] == pytest.approx(0.2 / 0.16**0.5)


def test_finer_meshes_are_drawn_at_their_first_vertices():
    maps = vertex_maps(targets([0.1, 0.3], ["left"] * 2, [7, 20000], space="fsaverage6"))
    assert np.isfinite(maps["left"]).sum() == 1
    assert len(vertex_maps({"left": np.ones(40962)})["left"]) == N


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros(20000), r"needs 20484 values .* got shape \(20000,\)"),
        ({"left": np.zeros(3)}, r"left has shape \(3,\), expected \(10242,\)"),
        (targets([0.1], ["left"], [1], space="fsLR-32k"), "space 'fsLR-32k', but maps are drawn"),
        (xr.DataArray([0.1], dims="target"), "with the coordinates hemisphere and vertex, got"),
    ],
)
def test_scores_without_a_place_on_fsaverage5_are_refused(scores, message):
    with pytest.raises(ValueError, match=message):
        vertex_maps(scores)


@pytest.mark.parametrize(
    ("side", "aspect", "front"),
    [
        ("left", "lateral", -1),
        ("left", "medial", 1),
        ("right", "lateral", 1),
        ("right", "medial", -1),
    ],
)
def test_the_frontal_pole_points_outwards_laterally_and_inwards_medially(side, aspect, front):
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import load_surf_mesh

    mesh = load_surf_mesh(fetch_surf_fsaverage("fsaverage5")[f"infl_{side}"])
    frontal_pole = mesh.coordinates[:, 1].argmax()
    assert np.sign(view(side, aspect).points[frontal_pole, 0]) == front


def test_lateral_and_medial_views_show_different_halves():
    lateral = set(np.unique(view("left", "lateral").triangles))
    medial = set(np.unique(view("left", "medial").triangles))
    assert len(lateral | medial) == N
    assert len(lateral & medial) < 0.35 * N


def test_an_outline_lies_between_the_vertices_inside_and_outside():
    seen = view("left", "lateral")
    inside = seen.points[:, 0] > 10
    segments = outline(seen, inside)
    assert len(segments) > 20
    assert np.abs(segments[..., 0] - 10).max() < 4
    assert len(outline(seen, np.zeros(N, bool))) == 0


def test_scores_are_coloured_on_a_grey_cortex(pixels):
    values = np.full(2 * N, np.nan)
    values[:N] = 0.3
    picture = pixels(plot_surface(values))
    colour, width = coloured(picture), coloured(picture).shape[1]
    assert colour[:, : width // 2].mean() > 0.3
    assert colour[:, int(width * 0.55) :].sum() == 0
    assert painted(picture)[:, int(width * 0.55) :].mean() > 0.3


def test_a_map_without_any_defined_score_shows_the_folds(pixels):
    picture = pixels(plot_surface(np.full(2 * N, np.nan)))
    assert not coloured(picture).any()
    brain = picture[:, : int(picture.shape[1] * 0.8)]
    assert np.unique(brain[painted(picture)][:, 0]).size > 40


def test_values_below_the_threshold_are_not_coloured(pixels):
    values = np.full(2 * N, 0.04)
    assert not coloured(pixels(plot_surface(values, threshold=0.05, vmax=0.1))).any()
    assert coloured(pixels(plot_surface(-values, threshold=0.03, diverging=True))).any()
    assert not coloured(pixels(plot_surface(-values, threshold=0.03, vmax=0.1))).any()


def test_differences_are_blue_below_zero_and_red_above(pixels):
    values = np.concatenate([np.full(N, -0.1), np.full(N, 0.1)])
    picture = pixels(plot_surface(values, diverging=True))
    half = picture.shape[1] * 4 // 10
    left, right = picture[:, : half - 20], picture[:, half + 20 : 2 * half]
    hue = [(side[..., 0] - side[..., 2])[side[..., 3] > 0].mean() for side in (left, right)]
    assert hue[0] < -20 < 20 < hue[1]


def test_colours_of_differences_are_centred_on_zero():
    figure = plot_surface(np.linspace(-0.1, 0.3, 2 * N), diverging=True)
    low, high = figure.axes[-1].get_ylim()
    assert low == pytest.approx(-high)


def test_views_and_layout_say_how_many_panels_there_are():
    values = np.zeros(2 * N)
    assert len(plot_surface(values, views=["lateral"]).axes) == 3
    row = plot_surface(values, layout="row")
    assert [ax.get_title() for ax in row.axes[:4]] == [
        "left, lateral",
        "left, medial",
        "right, medial",
        "right, lateral",
    ]


def test_outlines_are_drawn_and_named():
    masks = {side: np.arange(N) < 3000 for side in ("left", "right")}
    figure = plot_surface(np.zeros(2 * N), outlines={"language": masks})
    gids = [item.get_gid() for ax in figure.axes for item in ax.get_children()]
    assert gids.count("outline") == 4
    assert figure.legends[0].get_texts()[0].get_text() == "language"


def test_wrong_views_layouts_and_limits_are_refused():
    values = np.zeros(2 * N)
    with pytest.raises(ValueError, match="unknown view 'laterl': did you mean 'lateral'"):
        plot_surface(values, views=["laterl"])
    with pytest.raises(ValueError, match="unknown layout 'rows': did you mean 'row'"):
        plot_surface(values, layout="rows")
    with pytest.raises(ValueError, match=r"vmin 0\.5 is not below vmax 0\.1"):
        plot_surface(values, vmin=0.5, vmax=0.1)


@pytest.mark.parametrize("n_vertices", [32492, 163842, 5000])
def test_arrays_of_another_mesh_are_not_cut_to_fsaverage5(n_vertices):
    with pytest.raises(ValueError, match=rf"\({n_vertices},\), expected \(10242,\) .*space"):
        vertex_maps({"left": np.zeros(n_vertices), "right": np.zeros(n_vertices)})


def test_fsaverage6_begins_with_fsaverage5():
    values = np.arange(40962.0)
    maps = vertex_maps({"left": values, "right": values})
    np.testing.assert_array_equal(maps["left"], values[:10242])
