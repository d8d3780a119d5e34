"""What the demo's report says, in words and as a result."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import Stimulus, Study, make_response
from encodekit_brain_tuning._demo_report import verdict
from encodekit_brain_tuning._demo_result import as_result
from encodekit_brain_tuning._experiment import Comparison, Settings

PARTS = {"tune": ["s0"], "validate": ["s1"], "fit": ["s2", "s3"], "test": ["s4"]}
SETTINGS = Settings(tuning={"epochs": 3, "learning_rate": 1e-3})


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ([0.10, 0.12, 0.11, 0.09], "better than"),
        ([-0.10, -0.12, -0.11, -0.09], "worse than"),
        ([0.001, -0.001, 0.004, 0.003], "about as well as"),
        ([0.2], "about as well as"),
    ],
)
def test_a_model_is_better_only_where_the_interval_over_people_is(gain, said):
    assert verdict(np.array(gain)) == said


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(0)
    stories = [Stimulus(f"s{k}", rng.standard_normal(160), 16, t_r=2.0) for k in range(5)]
    responses = {
        who: {
            s.name: make_response(
                np.zeros((5, 1)), run=s.name, participant=who, tr_times=s.grid, t_r=2.0
            )
            for s in stories
        }
        for who in ("P1", "P2", "P3")
    }
    return Study("toy", stories, responses)


def compared(**parts):
    layers = pd.DataFrame({"model": ["pretrained", "multi-tuned"], "area": "language", "layer": 2})
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "validation_r": [0.1, 0.3, 0.2], "kept": [False, True, False]}
    )
    maps = xr.DataArray(
        np.array([[0.5, 0.6], [0.7, 0.8]]),
        dims=("model", "target"),
        coords={
            "model": ["pretrained", "multi-tuned"],
            "target": ["P3/left/1", "P3/left/2"],
            "participant": ("target", ["P3", "P3"]),
            "area": ("target", ["language", "auditory"]),
            "n_repeats": ("target", [4, 4]),
            "raw": (("model", "target"), np.array([[0.25, 0.3], [0.35, 0.4]])),
            "ceiling": ("target", [0.5, 0.5]),
            "ceiling_squared": ("target", [0.25, 0.25]),
        },
    )
    splits = PARTS | {"tuned": ["P1", "P2"], "held out": ["P3"]} | parts
    return Comparison(layers, maps, layers, {"multi-tuned": history}, splits)


def test_the_demos_result_scores_as_its_table_does(study, tmp_path):
    kept = as_result(study, compared(), SETTINGS, seed=1)
    assert kept.groups == ["language", "auditory"]
    table = kept.table().set_index(["model", "group"]).score
    assert table["multi-tuned", "language"] == pytest.approx(0.7)
    assert table["pretrained", "auditory"] == pytest.approx(0.6)
    back = ek.Result.load(kept.save(tmp_path / "report.nc"))
    pd.testing.assert_frame_equal(back.table(), kept.table())


def test_the_demos_decisions_are_not_the_tests_and_a_planted_one_is_told(study):
    table = ek.audit(as_result(study, compared(), SETTINGS, seed=1)).set_index("what")
    assert set(table.verdict) == {"ok"}
    assert (table.value["epoch (multi-tuned)"], table.runs["epoch (multi-tuned)"]) == ("2", "s1")
    assert table.participants["features (multi-tuned)"] == "P1, P2"
    leaky = as_result(study, compared(validate=["s4"]), SETTINGS, seed=1)
    assert ek.audit(leaky).query("verdict == 'TEST DATA'").what.tolist() == ["epoch (multi-tuned)"]


def test_the_demos_methods_say_how_each_model_was_made(study):
    text = ek.methods(as_result(study, compared(), SETTINGS, seed=1))
    assert "Features were all hidden layers of the speech model `tiny`" in text
    assert "fine-tuned on the fMRI of 2 participants (loss l2, 3 epochs at most" in text
    assert "Moussa & Toneva (2025)" in text
    assert text.count("They were z-scored") == 1
