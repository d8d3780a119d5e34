"""An experiment runs, leaves its provenance, and computes again only what changed."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.cli import main
from encodekit.experiments import ExperimentError, plan_experiment, run_experiment
from encodekit.testing import small_study

# One short story heard twice says little of a ceiling, and what is tested here is not its size.
pytestmark = pytest.mark.filterwarnings(
    "ignore:by_region. the noise ceiling cannot carry:UserWarning"
)

AREAS = """
regions:
  early: {name: named, regions: [A1]}
  late: {name: named, regions: [STSdp]}
"""


def steps(told):
    return [line for line in told if line.startswith(("tune", "score")) and ": kept" not in line]


def run(file, *changes, **more):
    told = []
    result = run_experiment(file, changes, say=told.append, **more)
    return result.tables["scores"], steps(told)


def test_the_table_is_that_of_the_same_steps_written_in_python(file):
    table, _ = run(file)
    parts = small_study(n_stories=6, seed=2).split(
        fit=[f"story-{k}" for k in (2, 3, 4, 5)], test=["story-6"]
    )
    model = make_pipeline(
        ek.WordRate(), ek.Delayer(seconds=[2, 4, 6]), ek.RidgeCV(np.logspace(0, 4, 5))
    )
    model.fit(parts.fit.stimuli, parts.fit.responses())
    scores = ek.correlation(parts.test.responses(), model.predict(parts.test.stimuli))
    scores = ek.normalise(scores, ek.noise_ceiling(parts.test.repeats()))
    expected = ek.by_region(scores, by=["participant"])
    found = table[table["model"] == "words"].drop(columns="model").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_features_that_learn_are_fitted_on_their_part_people_and_seed(file, small_plugin):
    small_plugin.Level.fits.clear()
    run(file)
    ((runs, responses, (held, watched), seed),) = small_plugin.Level.fits
    assert runs == ["story-1"]
    assert set(responses[0].participant.values) == {"P1"}
    assert [stimulus.run_name for stimulus in held] == ["story-2", "story-3", "story-4", "story-5"]
    assert set(watched[0].participant.values) == {"P1"}
    assert seed == 7


def test_a_second_run_computes_nothing_and_gives_the_same(file):
    first, taken = run(file)
    assert taken == ["score words", "tune tuned", "score tuned"]
    second, taken = run(file)
    assert taken == []
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("models.words.features.history=6", ["score words"]),
        ("models.tuned.tune.participants=[P2]", ["tune tuned", "score tuned"]),
        ("regressor.cv=2", ["score words", "score tuned"]),
        ("score.metric=r2", ["score words", "score tuned"]),
        ("title=another", []),
    ],
)
def test_only_what_changed_is_computed_again(file, change, again):
    run(file)
    more = ["score.ceiling=false"] if "r2" in change else []
    plan = plan_experiment(file, [change, *more])
    assert plan[~plan["kept"]]["step"].tolist() == again
    _, taken = run(file, change, *more)
    assert taken == again


def test_what_is_damaged_is_computed_again(file):
    run(file)
    model = file.with_name("loud-results") / "models" / "tuned" / "model.json"
    model.write_text(model.read_text() + " ")
    assert run(file)[1] == ["tune tuned"]
    next(file.with_name("loud-results").glob("scores/score-words*.nc")).unlink()
    assert run(file)[1] == ["score words"]


def test_everything_is_computed_again_where_it_is_asked_for(file):
    run(file)
    assert len(run(file, fresh=True)[1]) == 3


def test_the_folder_tells_how_the_results_were_made(file, tmp_path):
    run(file, output=tmp_path / "out")
    told = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert told["seed"] == 7
    assert told["versions"]["encodekit"] == ek.__version__
    assert "'small-plugin' (small-plugin 0.0)" in told["plugins"]
    study = small_study(n_stories=6, seed=2)
    assert told["stories"]["test"] == {"story-6": study.stimuli[5].content_hash}
    assert [step["computed"] for step in told["steps"]] == [True] * 3
    scores = ek.Result.load(next((tmp_path / "out" / "scores").glob("score-words*.nc"))).scores
    assert scores.sizes["target"] == 12
    table = pd.read_csv(tmp_path / "out" / "table.csv")
    assert table["model"].tolist() == ["words"] * 2 + ["tuned"] * 2


def test_a_plan_says_how_long_steps_took_before(file):
    plan = plan_experiment(file)
    assert plan["seconds"].isna().all()
    run(file)
    plan = plan_experiment(file, ["regressor.cv=2"])
    assert plan.set_index("step")["seconds"]["tune tuned"] == 0
    assert (plan.set_index("step")["seconds"][["score words", "score tuned"]] > 0).all()


def test_areas_are_fitted_and_scored_each_by_itself(file):
    file.write_text(file.read_text() + AREAS)
    table, taken = run(file)
    assert "score words in late" in taken
    assert table["area"].tolist() == ["early", "early", "late", "late"] * 2
    assert (table["n_targets"] == 2).all()


def test_the_result_holds_what_the_table_says(file):
    file.write_text(file.read_text() + AREAS)
    result = run_experiment(file)
    assert (result.models, result.groups) == (["words", "tuned"], ["early", "late"])
    table = result.tables["scores"].set_index(["model", "area", "participant"]).score
    again = result.table().set_index(["model", "group", "participant"]).score
    for key in table.index:
        assert again[key] == pytest.approx(table[key])
    history = result.tables["training"]
    assert history["model"].tolist() == ["tuned"] * 3
    assert history["epoch"][history["kept"]].tolist() == [2]
    back = ek.Result.load(file.with_name("loud-results") / "result.nc")
    xr.testing.assert_equal(back.scores, result.scores)
    pd.testing.assert_frame_equal(back.table(), result.table())
    pd.testing.assert_frame_equal(back.tables["scores"], result.tables["scores"], check_dtype=False)
    assert back.decisions == result.decisions


def test_areas_that_share_targets_are_scored_each(file, tmp_path):
    text = file.read_text() + AREAS
    file.write_text(text.replace("late: {name: named, regions: [STSdp]}",
                                 "all_of_it: {name: named, regions: [A1, STSdp]}"))  # fmt: skip
    result = run_experiment(file)
    assert result.tables["scores"]["n_targets"].tolist() == [2, 2, 4, 4] * 2
    assert result.scores.sizes["target"] == 12
    assert ek.report(tmp_path / "report.html", result).is_file()


def test_every_decision_names_its_model_and_area_and_none_is_the_tests(file):
    file.write_text(file.read_text() + AREAS)
    result = run_experiment(file)
    table = ek.audit(result).set_index("what")
    assert set(table.verdict) == {"ok"}
    assert (table.value["epoch (tuned)"], table.runs["epoch (tuned)"]) == (
        "2", "story-2, story-3, story-4, story-5",
    )  # fmt: skip
    assert table.participants["features (tuned)"] == "P1"
    assert table.value["regions"] == "early, late"
    assert table.participants["weights (words)"] == "P1, P2"
    for model in ("words", "tuned"):
        assert any(what.startswith(f"alpha ({model}") for what in table.index)
    assert table.runs["ceiling"] == "story-6"


def test_a_decision_of_the_test_data_is_told(file, small_plugin, monkeypatch):
    test = small_study(n_stories=6, seed=2).stimuli[5]
    monkeypatch.setattr(small_plugin.Level, "leaked", {test.heard_hash: "another-name"})
    with pytest.warns(ek.FittedOnWarning, match=r"\('story-6'\) validated its tuning"):
        result = run_experiment(file)
    assert ek.audit(result).query("verdict == 'TEST DATA'").what.tolist() == ["epoch (tuned)"]


def test_features_are_made_once_for_all_areas(file, small_plugin, monkeypatch):
    file.write_text(file.read_text() + AREAS)
    made, frames = [], small_plugin.Level.frames
    monkeypatch.setattr(
        small_plugin.Level, "frames", lambda self, s: made.append(s.run_name) or frames(self, s)
    )
    run(file, "models.tuned.features.cache=null")
    assert sorted(made) == [f"story-{k}" for k in (2, 3, 4, 5, 6)]


def test_a_layer_is_told_for_every_row(file):
    text = file.read_text().replace(
        "words:\n    features: {name: word-rate}",
        "words:\n    features: {name: layered}\n  other:\n    features: {name: layered, seed: 1}",
    )
    text = re.sub(r"  tuned:\n.*\n.*\n", "", text) + AREAS
    file.write_text(text)
    wide = "regressor.alphas={logspace: [-4, 4, 9]}"
    result = run_experiment(file, ["layers=true", wide])
    layers = result.tables["layers"]
    assert list(layers) == ["model", "area", "layer", "score", "chosen"]
    best = layers[layers["chosen"]].set_index(["model", "area"])
    assert len(best) == 4
    assert (best.score == layers.groupby(["model", "area"]).score.max()[best.index]).all()
    table = result.tables["scores"].set_index(["model", "area"])
    assert (table.layer == best.layer[table.index]).all()


def test_an_experiment_without_repeats_is_told_of_its_ceiling(file):
    change = ["split.fit=[story-2, story-3, story-4, story-6]", "split.test=[story-5]"]
    with pytest.raises(ValueError, match="repeats and noise ceilings need one"):
        run_experiment(file, change)
    table = run_experiment(file, [*change, "score.ceiling=false"]).tables["scores"]
    assert "ceiling" not in table


def test_stories_and_people_that_are_not_there_are_told_at_once(file):
    file.write_text(file.read_text().replace("[story-6]", "[story-66]").replace("[P1]", "[P11]"))
    with pytest.raises(ExperimentError, match="2 mistakes") as caught:
        run_experiment(file)
    assert "line 7: unknown story 'story-66': did you mean 'story-6'" in str(caught.value)
    assert "line 13: unknown participant 'P11': did you mean 'P1'" in str(caught.value)


def test_a_saved_study_is_found_beside_the_file(file):
    small_study(n_stories=6, seed=2).save(file.with_name("saved"))
    first, _ = run(file)
    file.write_text(
        file.read_text().replace("{name: small, n_stories: 6, seed: 2}", "{path: saved}")
    )
    second, taken = run(file)
    assert len(taken) == 3
    pd.testing.assert_frame_equal(first, second)


def test_runs_are_trimmed_before_anything_is_fitted_or_scored(file):
    first, _ = run(file)
    second, taken = run(file, "trim=[4]")
    assert len(taken) == 3
    parts = (
        small_study(n_stories=6, seed=2)
        .trim(4)
        .split(fit=[f"story-{k}" for k in (2, 3, 4, 5)], test=["story-6"])
    )
    model = make_pipeline(
        ek.WordRate(), ek.Delayer(seconds=[2, 4, 6]), ek.RidgeCV(np.logspace(0, 4, 5))
    )
    model.fit(parts.fit.stimuli, parts.fit.responses())
    r = ek.correlation(parts.test.responses(), model.predict(parts.test.stimuli))
    by_hand = ek.by_region(r, by="participant").score
    words = second[second.model == "words"]
    np.testing.assert_allclose(words.raw, by_hand, rtol=1e-6)
    assert not np.allclose(first.score, second.score)
    with pytest.raises(ExperimentError, match="trim"):
        run(file, "trim=[4, 2, 1]")


def program(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert not stopped.value.code
    return capsys.readouterr()


def test_the_commands_run_plan_and_print_the_schema(file, capsys, tmp_path):
    planned = program(capsys, "run", str(file), "--dry-run").out
    assert "not known yet" in planned
    assert "3 steps of which none was taken here yet" in planned
    shown = program(capsys, "run", str(file), "--set", "models.words.features.history=4").out
    assert "words" in shown
    assert "kept" in program(capsys, "run", str(file), "--dry-run").out
    program(capsys, "schema", "--output", str(tmp_path / "schema.json"))
    assert json.loads((tmp_path / "schema.json").read_text())["title"] == "Experiment"
