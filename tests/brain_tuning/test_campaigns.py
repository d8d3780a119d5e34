"""The paper's comparisons on ten fresh cohorts: `benchmarks/paper/campaign.py`, every question."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from encodekit.reports import t_interval


@pytest.fixture(scope="module")
def campaign():
    path = Path(__file__).parents[2] / "benchmarks" / "paper" / "campaign.py"
    spec = importlib.util.spec_from_file_location("campaign", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["campaign"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["campaign"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("campaign") / "results.jsonl"


NOT_BELOW = {
    ("windows", "streamed - exact"): -0.01,
    ("windows", "joined - exact"): -0.01,
    ("people", "multi - pretrained"): 0.0,
}
NOT_ABOVE = ("shuffled - pretrained", "phases - pretrained")


@pytest.mark.slow
@pytest.mark.timeout(2 * 3600)
@pytest.mark.parametrize(
    "question", ["controls", "people", "hours", "loss", "windows", "strategies", "heads"]
)
def test_ten_fresh_cohorts(campaign, results, question, capsys):
    table = campaign.run(question, campaign.FRESH, results)
    with capsys.disabled():
        print(f"\n### {question}\n\n{campaign.show(table, question)}")
    for name, gain in campaign.differences(table, question):
        assert len(gain) == len(campaign.FRESH)
        interval = t_interval(gain)
        if name in NOT_ABOVE:
            assert interval.low <= 0, name
        if (question, name) in NOT_BELOW:
            assert interval.low > NOT_BELOW[question, name], name


def test_every_question_is_asked(campaign):
    marked = next(m for m in test_ten_fresh_cohorts.pytestmark if m.name == "parametrize")
    asked = set(campaign.QUESTIONS) - set(campaign.OF_DEVELOPMENT)
    assert sorted(marked.args[1]) == sorted(asked)
    assert not set(campaign.FRESH) & set(campaign.DEVELOPMENT)


def test_what_was_measured_is_not_measured_again(campaign, results, monkeypatch):
    asked = []

    def measure(cohort, name):
        asked.append((cohort.seed, name))
        return dict.fromkeys(("score", "raw", "layer", "steps", "kept_step", "cpu_seconds"), 0)

    monkeypatch.setattr(campaign, "measure", measure)
    monkeypatch.setattr(campaign.Cohort, "simulate", lambda seed: campaign.Cohort(seed, None))
    path = results.with_name("again.jsonl")
    first = campaign.run("loss", [7, 8], path)
    assert sorted(asked) == sorted((s, arm) for s in (7, 8) for arm in campaign.arms_of("loss"))
    asked.clear()
    again = campaign.run("windows", [7, 8], path)
    new = [arm for arm in campaign.arms_of("windows") if arm != "joint"]
    assert sorted(asked) == sorted((seed, arm) for seed in (7, 8) for arm in new)
    assert len(first) == 2 * len(campaign.arms_of("loss"))
    assert set(again["arm"]) == {"joint", *new}
    monkeypatch.setattr(campaign, "STEPS", campaign.STEPS + 1)
    assert campaign.read_results(path).empty


def test_differences_are_within_cohorts(campaign):
    scores = {"correlation": (0.30, 0.50), "joint": (0.29, 0.51)}
    scores |= {"correlation, a quarter": (0.2, 0.3), "4 people, the same quarter": (0.2, 0.3)}
    rows = [(cohort, arm, r) for arm, pair in scores.items() for cohort, r in enumerate(pair)]
    table = pd.DataFrame(rows, columns=["cohort", "arm", "score"])
    (name, gain), (_, none) = campaign.differences(table, "loss")
    assert name == "correlation - l2, all stories"
    np.testing.assert_allclose(gain, [0.01, -0.01])
    np.testing.assert_allclose(none, 0)
    assert "all stories | +0.0000 | -0.1271 to +0.1271 | 1 of 2 |" in campaign.show(table, "loss")
