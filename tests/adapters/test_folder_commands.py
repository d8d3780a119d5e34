"""A lab's own folder where a study is named: score, run, tune."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.cli import main
from encodekit.experiments import run_experiment
from encodekit.experiments._read import ExperimentError, read_experiment
from encodekit.experiments._schema import experiment_schema

FILE = """
study: lab
split: {fit: [a, b], test: [c]}
models: {words: {features: {name: word-rate}}}
delays: [2, 4]
regressor: {name: ridge, alphas: {logspace: [0, 4, 5]}}
score: {ceiling: false}
"""


@pytest.fixture
def folder(load_module, tmp_path, monkeypatch):
    """``lab``, three stories of one person, where the test runs."""
    lab = load_module(Path(__file__).with_name("lab_folder.py"))
    rng = np.random.default_rng(0)
    arrays = {"P1": {run: rng.standard_normal((30, 4)) for run in "abc"}}
    stimuli = {run: {"scan_starts": 0, "words": f"{run}.csv"} for run in "abc"}
    sounds = {"a": 60.0, "b": 61.0, "c": 62.0}
    root = lab.write_lab(tmp_path / "lab", sounds, arrays, stimuli=stimuli)
    for run in "abc":
        table = pd.DataFrame({"word": "w", "onset": np.sort(rng.uniform(0, 59, 80))})
        table.assign(duration=0.2).to_csv(root / f"{run}.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "cache"))
    return root


def by_hand(study):
    """Return r of each target in story c, of a ridge on a and b."""
    train, test = study.split(test=["c"])
    model = make_pipeline(
        ek.WordRate(), ek.Delayer(seconds=[2, 4]), ek.RidgeCV(np.logspace(0, 4, 5))
    )
    model.fit(train.stimuli, train.responses())
    return model, ek.correlation(test.responses(), model.predict(test.stimuli))


@pytest.mark.filterwarnings("ignore:.*are scored from:UserWarning")
class TestRun:
    @pytest.mark.parametrize("study", ["lab", "./lab", "{path: lab}", "lab/study.json"])
    def test_an_experiment_names_the_folder(self, folder, study):
        path = folder.with_name("e.yaml")
        path.write_text(FILE.replace("study: lab", f"study: {study}"))
        run_experiment(path)
        table = pd.read_csv(next(path.parent.glob("e-results/**/*.csv")))
        r = by_hand(ek.load_study("lab"))[1]
        assert float(table["raw" if "raw" in table else "score"].iloc[0]) == pytest.approx(
            float(r.mean()), abs=1e-5
        )

    def test_what_changed_in_the_folder_is_computed_again(self, folder):
        path = folder.with_name("e.yaml")
        path.write_text(FILE)
        read = []

        def steps():
            from encodekit.experiments._steps import Work

            read.append([step.key for step in Work(read_experiment(path)).steps()])
            return read[-1]

        assert steps() == steps()
        np.save(folder / "P1_a.npy", np.load(folder / "P1_a.npy") * 2)
        assert read[-1] != steps()
        before = read[-1]
        (folder / "b.csv").write_text("word,onset,duration\nw,3,0.1\n")
        assert before != steps()

    def test_a_name_of_nothing_gets_close_matches(self, folder):
        path = folder.with_name("e.yaml")
        path.write_text(FILE.replace("study: lab", "study: simulatd"))
        with pytest.raises(ExperimentError, match="unknown study 'simulatd': did you mean 'simula"):
            read_experiment(path)

    def test_a_registered_name_and_a_folder_of_it_must_be_told_apart(self, folder):
        folder.rename(folder.with_name("simulated"))
        path = folder.with_name("e.yaml")
        path.write_text(FILE.replace("study: lab", "study: simulated"))
        with pytest.raises(ExperimentError, match="write {name: simulated} or {path: simulated}"):
            read_experiment(path)

    def test_the_schema_for_editors_takes_a_name(self):
        kinds = experiment_schema()["properties"]["study"]["anyOf"]
        assert {"type": "string"} in kinds


@pytest.mark.filterwarnings("ignore:.*are scored from:UserWarning")
def test_score_takes_the_folder(folder, capsys):
    model, r = by_hand(ek.load_study("lab"))
    ek.save(model, "model")
    with pytest.raises(SystemExit) as ended:
        main(["score", "model", "lab", "--test", "c", "--by", "participant", "--output", "s.csv"])
    assert ended.value.code in (0, None), capsys.readouterr().err
    table = pd.read_csv("s.csv")
    assert float(table.score.iloc[0]) == pytest.approx(float(r.mean()), abs=1e-5)


def test_tune_takes_the_folder(folder):
    command = pytest.importorskip("encodekit_brain_tuning._tune_command")
    parts = command._split("lab", ["c"], [])
    assert (parts.tune.runs, parts.validate.runs) == (["a", "b"], ["c"])
    assert json.loads((folder / "study.json").read_text())["name"] == parts.tune.name
