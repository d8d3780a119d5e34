"""The shipped experiment file is the demo: the same cohort, settings and table."""

from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import encodekit as ek
from encodekit.experiments import read_experiment, run_experiment
from encodekit.experiments._steps import value_of
from encodekit_brain_tuning._experiment import (
    AREAS,
    MODELS,
    Settings,
    compare_models,
    split_stories,
)
from encodekit_brain_tuning._settings import COHORT, SETTINGS

FILE = Path(str(files("encodekit_brain_tuning") / "demo.yaml"))


@pytest.fixture(scope="module")
def content():
    return read_experiment(FILE).content


def test_its_cohort_is_that_of_the_demo(content):
    assert content["study"] == {"name": "simulated", **COHORT, "seed": 2026}


def test_its_stories_and_people_are_those_of_the_demo(content):
    names = [f"story-{number:02d}" for number in range(1, COHORT["n_stories"] + 1)]
    study = SimpleNamespace(
        name="simulated",
        stimuli=[SimpleNamespace(name=name) for name in names],
        truth=SimpleNamespace(attrs={"test_stories": ["story-10", "story-16"]}),
    )
    assert content["split"] == split_stories(study, SETTINGS)
    people = [f"P{number}" for number in range(1, COHORT["n_participants"] + 1)]
    assert content["participants"] == people[SETTINGS.n_tuned :]
    tuned = content["models"]["multi-tuned"]["tune"]["participants"]
    assert tuned == people[: SETTINGS.n_tuned]


def test_its_models_and_settings_are_those_of_the_demo(content):
    assert tuple(content["models"]) == MODELS
    assert {name: part["regions"][0] for name, part in content["regions"].items()} == AREAS
    assert tuple(content["delays"]) == SETTINGS.delays
    np.testing.assert_allclose(value_of(content["regressor"]["alphas"]), SETTINGS.alphas)
    for model in MODELS[1:]:
        given = content["models"][model]["features"]
        assert {name: given[name] for name in SETTINGS.tuning} == SETTINGS.tuning
        assert given["backbone"] == SETTINGS.backbone


SMALL = {"n_participants": 3, "n_stories": 9, "minutes": 0.6, "vertices": 120, "n_test": 1,
         "test_repeats": 3, "seed": 5}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_its_table_is_that_of_the_demo_on_a_small_cohort(tmp_path, monkeypatch):
    monkeypatch.setenv("ENCODEKIT_CACHE", str(tmp_path / "cache"))
    study = ek.simulate_study(**SMALL)
    tuning = {**SETTINGS.tuning, "epochs": 1}
    settings = Settings(n_tuned=2, n_validate=2, n_fit=3, tuning=tuning)
    expected = compare_models(study, settings, random_state=5).table
    changes = [f"study.{name}={value}" for name, value in SMALL.items()]
    changes += [f"split.{part}={names}" for part, names in split_stories(study, settings).items()]
    changes += ["seed=5", "participants=[P3]", "models.multi-tuned.tune.participants=[P1, P2]"]
    changes += ["models.shuffled-tuned.tune.participants=[P1, P2]"]
    changes += [f"models.{model}.features.epochs=1" for model in MODELS[1:]]
    found = run_experiment(FILE, changes, output=tmp_path / "results")
    keys = ["model", "area", "participant"]
    pd.testing.assert_frame_equal(
        found.sort_values(keys).reset_index(drop=True)[expected.columns],
        expected.sort_values(keys).reset_index(drop=True),
        check_dtype=False, rtol=1e-6,
    )  # fmt: skip
