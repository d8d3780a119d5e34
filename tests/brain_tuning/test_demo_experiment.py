"""The demo is its shipped experiment file: its cohort, settings, models, and how they are read."""

from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from encodekit.experiments import read_experiment
from encodekit.experiments._made import made, value_of
from encodekit_brain_tuning import Streamed, TopBlocks
from encodekit_brain_tuning.demo._backbones import changes_for

FILE = Path(str(files("encodekit_brain_tuning.demo") / "demo.yaml"))
COHORT = {"n_participants": 8, "n_stories": 16, "minutes": 2.5, "snr": "clear"}
TRAINING = {"learning_rate": 1e-3, "epochs": 4, "batch_size": 4, "keep": "two_se"}
AREAS = {"language": "late_language", "auditory": "early_auditory"}
MODELS = ("pretrained", "single-tuned", "multi-tuned", "shuffled-tuned")
N_TUNED = 4


@pytest.fixture(scope="module")
def content():
    return read_experiment(FILE).content


def test_its_cohort_is_that_of_the_demo(content):
    assert content["study"] == {"name": "simulated", **COHORT, "seed": 2026}


def test_its_stories_and_people_are_those_of_the_demo(content, paper):
    names = [f"story-{number:02d}" for number in range(1, COHORT["n_stories"] + 1)]
    study = SimpleNamespace(
        name="simulated",
        stimuli=[SimpleNamespace(name=name) for name in names],
        truth=SimpleNamespace(attrs={"test_stories": ["story-10", "story-16"]}),
    )
    split = paper("demo_file").split_stories
    assert content["split"] == split(study, n_validate=2, n_fit=4) == split(study)
    with pytest.raises(ValueError, match="14 stories beside those for the test; 2 validate and 12"):
        split(study, n_fit=12)
    people = [f"P{number}" for number in range(1, COHORT["n_participants"] + 1)]
    assert content["participants"] == people[N_TUNED:]
    tuned = content["models"]["multi-tuned"]["tune"]["participants"]
    assert tuned == people[:N_TUNED]


def test_its_models_and_settings_are_those_of_the_demo(content):
    assert tuple(content["models"]) == MODELS
    assert {name: part["regions"][0] for name, part in content["regions"].items()} == AREAS
    assert tuple(content["delays"]) == (2.0, 4.0, 6.0, 8.0)
    np.testing.assert_allclose(value_of(content["regressor"]["alphas"]), np.logspace(0, 7, 15))
    for model in MODELS[1:]:
        given = content["models"][model]["features"]
        assert given["training"] == TRAINING
        assert given["update"] == "all_weights"
        assert given["backbone"] == "tiny"


def test_the_file_is_what_the_demo_of_tiny_runs(content):
    assert read_experiment(FILE, changes_for("tiny")).content == content


@pytest.mark.parametrize("backbone", ["whisper-tiny.en", "/some where/model: a", "lab/speech"])
def test_another_backbone_changes_what_is_said_and_nothing_else(content, backbone):
    changed = read_experiment(FILE, changes_for(backbone)).content
    assert changed["title"].startswith("Brain-tuning the speech model ")
    assert changed["title"].endswith(backbone.rpartition("/")[2])
    for key in content:
        assert changed[key] == content[key] or key in {"title", "models"}
    assert changed["models"]["pretrained"]["features"]["model"] == backbone
    for model in MODELS[1:]:
        before, after = (of["models"][model] for of in (content, changed))
        assert after["tune"] == before["tune"]
        assert after["features"]["backbone"] == backbone
        tuned = made("features", after["features"])
        assert tuned.setting("update") == TopBlocks(2)
        assert tuned.setting("windows") == Streamed(30, 8)
        assert tuned.setting("training").learning_rate == 1e-4
        for key in before["features"]:
            same = after["features"][key] == before["features"][key]
            assert same or key in {"backbone", "update", "training"}


def test_no_features_of_an_earlier_run_are_taken(content):
    for model in content["models"].values():
        features = model["features"]
        assert features.get("runtime", features)["cache"] is None


def test_a_cohort_of_the_campaigns_is_the_file_with_another_seed(content, paper):
    cohort = paper("demo_file").experiment(7, ("pretrained", "multi-tuned"), null="acoustics")
    assert list(cohort["models"]) == ["pretrained", "multi-tuned"]
    study = {"name": "simulated", **COHORT, "seed": 7, "cache": False, "null": "acoustics"}
    assert cohort.pop("study") == study
    assert cohort.pop("seed") == 7
    assert all(cohort[key] == content[key] for key in cohort if key != "models")


def test_pretrained_features_are_read_as_those_of_a_tuned_model_are(
    content, tuned, backbone_folder, stories, responses
):
    """Weights that were not tuned: the same features, window for window and TR for TR."""
    given = {
        **content["models"]["pretrained"]["features"],
        "model": backbone_folder,
        "windows": {"chunk": 16},
    }
    head = tuned(update="head_only", layer="all", training__epochs=1).fit(
        stories[:2], responses[:2]
    )
    before = made("features", given).transform(stories[2:])
    after = head.transform(stories[2:])
    np.testing.assert_allclose(after.values, before.values, rtol=1e-4, atol=1e-5)
