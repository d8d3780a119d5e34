"""The README's scripts run as written, on a smaller study."""

import re
import warnings
from pathlib import Path

import pytest

import encodekit as ek

README = Path(__file__).parents[1] / "README.md"
SCRIPTS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def small_study(monkeypatch):
    """The simulated study with short stories and fewer vertices, repeated story-10 included."""
    whole = ek.simulate_study

    def load_study(name):
        assert name == "simulated"
        return whole(8, 16, minutes=0.7, vertices=60, test_repeats=3, seed=4, cache=False)

    monkeypatch.setattr(ek, "load_study", load_study)


@pytest.mark.timeout(240)
def test_the_scripts_run_one_after_the_other(small_study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(SCRIPTS) == 4
    names = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*alphas", category=UserWarning)
        warnings.filterwarnings("ignore", message="tuning did not beat the pretrained")
        # of the smaller study: three repeats of 24 s say little of a ceiling
        warnings.filterwarnings("ignore", message="by_region: the noise ceiling cannot carry")
        for script in SCRIPTS:
            exec(compile(script, str(README), "exec"), names)
    table = names["table"]
    assert set(table["participant"]) == {f"P{i}" for i in range(1, 9)}
    assert table["score"].notna().any()
    assert (tmp_path / "my-model" / "manifest.json").is_file()
    predicted = names["new_person"].predict(names["parts"].test.stimuli)
    assert set(predicted.participant.values) == {"P8"}
    assert names["best"] in (1, 2, 3)
    assert set(names["imagined"].run.values) == {"clip"}
    assert names["imagined"].notnull().any()
    loud = names["Loudness"]().transform(names["study"].stimuli[:1])
    assert (loud.values >= 0).all()
    assert loud.values.max() > 0


def test_the_scripts_use_public_names_only():
    for script in SCRIPTS:
        assert not re.search(r"\bek\._|encodekit\._|brain_tuning\._", script)
