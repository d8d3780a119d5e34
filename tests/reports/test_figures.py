import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from scipy import stats

from encodekit.reports import (
    colours_of,
    plot_by_region,
    plot_layer_profile,
    plot_models_by_participant,
    plot_training,
    t_interval,
)
from encodekit.reports._palette import SERIES


def labelled(ax, gid):
    return [item for item in ax.get_children() if item.get_gid() == gid]


def note(ax):
    return " ".join(text.get_text() for text in ax.texts)


@pytest.fixture
def regions(scores):
    parts = [scores.assign(region=region) for region in ("A1", "44", "PGi")]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def layers(scores):
    parts = [scores.assign(layer=k, score=scores.score + 0.01 * k) for k in range(4)]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def training():
    return pd.DataFrame(
        [
            {"step": step, "split": split, "model": model, "loss": 1 - step / 100 + offset}
            for model in ("single", "multi")
            for split, offset in (("train", 0), ("validation", 0.1))
            for step in range(0, 50, 10)
        ]
    )


@pytest.fixture
def drawn(scores, regions, layers, training):
    return {
        "models": lambda ax=None: plot_models_by_participant(scores, ax=ax),
        "bars": lambda ax=None: plot_models_by_participant(scores, kind="bars", ax=ax),
        "regions": lambda ax=None: plot_by_region(regions, model="model", ax=ax),
        "layers": lambda ax=None: plot_layer_profile(layers, ax=ax),
        "training": lambda ax=None: plot_training(training, model="model", ax=ax),
    }


FIGURES = ("models", "bars", "regions", "layers", "training")


@pytest.mark.parametrize("name", FIGURES)
def test_figures_return_axes_with_something_drawn(name, drawn, pixels):
    ax = drawn[name]()
    assert isinstance(ax, Axes)
    picture = pixels(ax.figure)
    assert len(np.unique(picture.reshape(-1, 4), axis=0)) > 50


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw_on_given_axes(name, drawn):
    ax = Figure().subplots()
    assert drawn[name](ax=ax) is ax


@pytest.mark.parametrize("name", FIGURES)
def test_figures_leave_global_settings_and_pyplot_alone(name, drawn):
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    drawn[name]()
    assert dict(mpl.rcParams) == before
    assert not plt.get_fignums()


def test_the_interval_is_student_s_t():
    values = [0.1, 0.4, 0.2, 0.3, 0.25]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    found = t_interval([*values, np.nan])
    assert found == pytest.approx((np.mean(values), low, high, 5))


def test_the_interval_of_one_value_is_undefined_and_of_none_all_is():
    assert np.isnan(t_interval([0.1]).low)
    assert t_interval([0.1]).mean == 0.1
    assert np.isnan(t_interval([np.nan]).mean)


def test_every_participant_is_a_point_and_a_line(scores):
    ax = plot_models_by_participant(scores)
    points = np.concatenate([item.get_offsets() for item in labelled(ax, "participants")])
    assert sorted(points[:, 1]) == pytest.approx(sorted(scores.score))
    lines = {tuple(line.get_ydata()) for line in labelled(ax, "line")}
    wide = scores.pivot_table(index="participant", columns="model", values="score", sort=False)
    assert lines == {tuple(row) for row in wide.to_numpy()}


def test_the_interval_drawn_is_the_one_over_participants(scores):
    ax = plot_models_by_participant(scores, order=["multi"])
    (line,) = labelled(ax, "interval")
    expected = t_interval(scores.score[scores.model == "multi"])
    assert tuple(line.get_ydata()) == pytest.approx((expected.low, expected.high))
    assert not labelled(plot_models_by_participant(scores, interval=None), "interval")


def test_a_reference_gives_differences_within_participants(scores):
    ax = plot_models_by_participant(scores, reference="pretrained")
    by_model = {name: part.score.to_numpy() for name, part in scores.groupby("model", sort=False)}
    points = labelled(ax, "participants")[1].get_offsets()[:, 1]
    np.testing.assert_allclose(points, by_model["multi"] - by_model["pretrained"])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["single", "multi"]


def test_bars_begin_at_zero(scores):
    assert plot_models_by_participant(scores, kind="bars").get_ylim()[0] == 0


def test_undefined_scores_are_left_out_of_the_mean_and_counted(scores):
    scores.loc[0, "score"] = np.nan
    ax = plot_models_by_participant(scores)
    assert "1 undefined value not shown" in note(ax)
    (line, *_) = labelled(ax, "interval")
    defined = t_interval(scores.score[1:4])
    assert tuple(line.get_ydata()) == pytest.approx((defined.low, defined.high))


def test_figures_survive_a_table_without_any_defined_score(scores, regions, layers, training):
    for table in (scores, regions, layers):
        table["score"] = np.nan
    training["loss"] = np.nan
    for ax in (
        plot_models_by_participant(scores),
        plot_models_by_participant(scores, kind="bars"),
        plot_by_region(regions, model="model"),
        plot_layer_profile(layers, chosen={"multi": 2}),
        plot_training(training, model="model", best={"multi": 20}),
    ):
        assert "undefined values not shown" in note(ax)


def test_two_rows_for_one_participant_and_model_are_refused(scores):
    twice = pd.concat([scores, scores.iloc[:1]])
    with pytest.raises(ValueError, match="'P4' has more than one row for model 'pretrained'"):
        plot_models_by_participant(twice)


def test_unknown_columns_models_and_regions_are_answered_with_close_matches(scores, regions):
    with pytest.raises(ValueError, match="unknown column 'scores': did you mean 'score'"):
        plot_models_by_participant(scores, value="scores")
    with pytest.raises(ValueError, match="unknown model 'mutli': did you mean 'multi'"):
        plot_models_by_participant(scores, order=["mutli"])
    with pytest.raises(ValueError, match="reference 'multi-tuned' is not among the models"):
        plot_models_by_participant(scores, reference="multi-tuned")
    with pytest.raises(ValueError, match="unknown region 'PGs': did you mean 'PGi'"):
        plot_by_region(regions, order=["PGs"])
    with pytest.raises(ValueError, match="plot_by_region: the table has no rows"):
        plot_by_region(regions[:0])


def test_regions_are_rows_from_top_to_bottom(regions):
    ax = plot_by_region(regions, model="model", order=["PGi", "A1"])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["PGi", "A1"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_the_layer_profile_is_the_mean_over_participants(layers):
    ax = plot_layer_profile(layers, models=["multi"], chosen={"multi": 2})
    line = next(line for line in ax.lines if line.get_label() == "multi")
    expected = layers[layers.model == "multi"].groupby("layer").score.mean()
    np.testing.assert_allclose(line.get_ydata(), expected)
    (ring,) = labelled(ax, "chosen")
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == pytest.approx((2, expected[2]))


def test_the_kept_weights_are_marked_on_the_validation_line(training):
    ax = plot_training(training, model="model", best={"multi": 30})
    (ring,) = labelled(ax, "best")
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == pytest.approx((30, 0.8))


def test_a_model_keeps_its_colour_in_every_figure(scores, layers):
    chosen = colours_of(["pretrained", "single", "multi"])
    points = labelled(plot_models_by_participant(scores, colours=chosen), "participants")
    drawn = [to_hex(item.get_facecolor()[0]) for item in points]
    ax = plot_layer_profile(layers, models=["multi"], colours=chosen)
    assert drawn == list(chosen.values())
    assert to_hex(ax.lines[0].get_color()) == chosen["multi"]


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
SIMULATED = {
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}


@pytest.mark.parametrize("kind", SIMULATED)
def test_the_first_five_colours_stay_apart_for_colour_blind_readers(kind):
    linear = np.array([to_rgb(colour) for colour in SERIES[:5]]) ** 2.2
    seen = np.clip(linear @ np.array(SIMULATED[kind]).T, 0, 1) ** (1 / 2.2)
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert distance[np.triu_indices(5, 1)].min() > 0.12
