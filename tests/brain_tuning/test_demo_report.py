"""The demo on a small cohort, and what its report says in words."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import encodekit as ek
from encodekit_brain_tuning.demo._command import demo, run_demo
from encodekit_brain_tuning.demo._report import print_table, splits, verdict, write_report

SPLIT = {
    "tune": ["story-01", "story-02"], "validate": ["story-03", "story-04"],
    "fit": ["story-05", "story-06"], "test": ["story-07"],
}  # fmt: skip
SMALL = {
    "n_participants": 4, "n_stories": 7, "minutes": 0.5, "vertices": 100, "n_test": 1,
    "test_repeats": 20,
}  # fmt: skip
TUNED = ("single-tuned", "multi-tuned", "shuffled-tuned")


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ([0.10, 0.12, 0.11, 0.09], "better than"),
        ([-0.10, -0.12, -0.11, -0.09], "worse than"),
        ([0.001, -0.001, 0.004, 0.003], "not shown to differ from"),
        ([0.2], "not shown to differ from"),
    ],
)
def test_a_model_is_better_only_where_the_interval_over_people_is(gain, said):
    assert verdict(np.array(gain)) == said


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def result(tmp_path_factory, told):
    """The demo's file with short stories, four people and one epoch."""
    changes = [f"study.{name}={value}" for name, value in SMALL.items()]
    changes += [f"split.{part}={names}" for part, names in SPLIT.items()]
    changes += ["participants=[P3, P4]"]
    changes += [f"models.{model}.tune.participants=[P1, P2]" for model in TUNED[1:]]
    changes += [f"models.{model}.features.training.epochs=1" for model in TUNED]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENCODEKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return run_demo(5, told.append, changes)


# The study is small, and what is tested is not the size of its ceilings.
pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore:by_region. the noise ceiling cannot carry:UserWarning"),
]


def test_the_demos_result_scores_as_its_table_does(result, tmp_path):
    assert result.models == ["pretrained", *TUNED]
    assert result.groups == ["language", "auditory"]
    table = result.tables["scores"]
    assert len(table) == 4 * 2 * 2
    assert table.score.notna().all()
    means = result.table().rename(columns={"group": "area"})
    keys = ["model", "area", "participant"]
    both = table.merge(means, on=keys, suffixes=("", "_again"))
    assert len(both) == len(table)
    np.testing.assert_allclose(both.score, both.score_again, rtol=1e-12)
    back = ek.Result.load(result.save(tmp_path / "report.nc"))
    pd.testing.assert_frame_equal(back.table(), result.table())


def test_the_demos_seed_is_that_of_the_study_and_of_the_tuning(result, told):
    experiment = result.provenance["experiment"]
    assert (experiment["seed"], experiment["study"]["seed"]) == (5, 5)
    assert not any("kept" in line for line in told)


def test_every_run_of_the_demo_computes_all_anew(monkeypatch):
    """Each has a folder of its own, which is gone afterwards."""
    folders = []

    def run(file, changes, *, output, say):
        folders.append(Path(output))
        assert list(folders[-1].iterdir()) == []
        (folders[-1] / "table.csv").write_text("model\n")

    monkeypatch.setattr("encodekit.experiments.run_experiment", run)
    for _ in range(2):
        run_demo(1, print)
    assert not any(folder.exists() for folder in folders)


def test_the_demos_decisions_are_not_the_tests(result):
    table = ek.audit(result).set_index("what")
    assert set(table.verdict) == {"ok"}
    assert table.runs["epoch (multi-tuned)"] == "story-03, story-04"
    assert table.participants["features (multi-tuned)"] == "P1, P2"
    assert table.participants["weights (multi-tuned)"] == "P3, P4"


def test_the_demos_methods_say_how_each_model_was_made(result):
    text = ek.methods(result)
    assert "Features were all hidden layers of the speech model `tiny`" in text
    assert "fine-tuned on the fMRI of 2 participants (loss l2, 1 epochs at most" in text
    assert "a control: shuffled between stories in blocks of 10 TRs" in text
    assert "Moussa & Toneva (2025)" in text
    assert text.count("They were z-scored") == 1


def test_the_demos_report_names_stories_and_people(result, tmp_path):
    assert splits(result) == {**SPLIT, "tuned": ["P1", "P2"], "held out": ["P3", "P4"]}
    page = write_report(tmp_path / "report.html", result, seconds=3.0).read_text()
    assert "A simulated cohort of 4 people, seed 5, backbone tiny" in page
    assert "<title>Brain-tuning the speech model tiny</title>" in page
    assert "encodekit demo --seed 5 --backbone tiny" in page
    assert "recognise words of the same small vocabulary in synthetic speech" in page
    assert "(story-05, story-06); the test stories had no say." in page
    assert (tmp_path / "report.nc").is_file()
    console = Console(record=True, width=100)
    print_table(result, console)
    printed = console.export_text()
    score = result.tables["scores"].query("model == 'multi-tuned' and area == 'language'").score
    assert f"{score.mean():.3f}" in printed


def with_auditory_scores(result, change):
    """The result, with all that tuning did to auditory areas replaced by ``change``."""
    table = result.tables["scores"].copy()
    wide = table.set_index(["participant", "model", "area"])["score"]
    for row in table.index[(table.model == "multi-tuned") & (table.area == "auditory")]:
        person = table.loc[row, "participant"]
        table.loc[row, "score"] = wide[person, "pretrained", "auditory"] + change[person]
    return dataclasses.replace(result, tables={**result.tables, "scores": table})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"P3": -0.1, "P4": 0.02}, "In auditory areas no loss is shown: .* lower in 1 of"),
        ({"P3": 0.1, "P4": -0.02}, None),
    ],
)
def test_the_summary_says_a_loss_in_auditory_areas_beside_the_gain(result, tmp_path, change, said):
    changed = with_auditory_scores(result, change)
    kept = changed.tables["training"].assign(kept=lambda table: table.epoch > 0)
    changed = dataclasses.replace(changed, tables={**changed.tables, "training": kept})
    page = write_report(tmp_path / "report.html", changed, seconds=3.0).read_text()
    [sentence] = re.findall(r"<li>(<strong>multi-tuned</strong> features predict .*?)</li>", page)
    assert bool(re.search(said or "loses", sentence)) == (said is not None)


def test_a_backbone_that_is_nowhere_is_refused_before_anything_is_simulated(monkeypatch):
    monkeypatch.setattr("encodekit.experiments.run_experiment", None)
    with pytest.raises(ValueError, match="unknown backbone 'tinny': did you mean 'tiny'"):
        run_demo(1, print, backbone="tinny")


def test_the_command_passes_the_backbone_on(result, tmp_path, monkeypatch):
    asked = []

    def run(seed, say, *, backbone):
        asked.append((seed, backbone))
        return result

    monkeypatch.setattr("encodekit_brain_tuning.demo._command.run_demo", run)
    demo(output=tmp_path / "report.html", seed=5, backbone="whisper-tiny.en")
    demo(output=tmp_path / "report.html", seed=5)
    assert asked == [(5, "whisper-tiny.en"), (5, "tiny")]
    assert (tmp_path / "report.html").is_file()
