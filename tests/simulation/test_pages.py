"""The pages about simulated people and planning: their code runs, and says what they say."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="needs the repository's docs")


def run_page(name: str) -> dict[str, Any]:
    text = (DOCS / name).read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, name, "exec"), names)
    return names


def test_the_page_of_simulated_people_makes_the_study_that_it_shows() -> None:
    names = run_page("simulation.md")
    study, truth = names["study"], names["truth"]
    assert [stimulus.n_trs for stimulus in study.stimuli] == [50] * 4
    assert set(truth.part.values) == {"language/0", "language/1", "auditory"}
    assert study.repeats().sizes["repeat"] == 8
    low, high = (truth.share.values[truth.region.values == "auditory"][k] for k in (0, 1))
    assert 0.05 <= min(low, high) <= max(low, high) <= 0.2
    told = set(re.findall(r"`(\w+)`", (DOCS / "simulation.md").read_text(encoding="utf-8")))
    assert {*truth.data_vars, "latent", "weight"} <= told


def test_the_page_of_planning_finds_what_its_words_say(capsys: pytest.CaptureFixture[str]) -> None:
    names = run_page("planning.md")
    guess = names["guess"].set_index("people").minutes
    assert "79 minutes of test stories for four people, or 50 for eight" in (
        DOCS / "planning.md"
    ).read_text(encoding="utf-8")
    assert guess.round().to_dict() == {4: 79, 8: 50}
    assert "scan_minutes" in capsys.readouterr().out
    reached = {n_fit: names["power"](n_fit, 2, 2, n_studies=4)[0] for n_fit in (3, 12)}
    assert reached[3] < 0.01 < names["difference"]
    assert reached[3] < reached[12] < names["difference"] + 0.01
    assert np.isfinite(list(reached.values())).all()
