"""The claim behind the demo, on fresh cohorts that no setting was chosen on."""

import pytest

from encodekit_brain_tuning._cohorts import paired_gain, run_cohorts
from encodekit_brain_tuning._settings import COHORT, SETTINGS

FRESH = range(3001, 3011)  # 101-105 chose the settings; 1001-1005 and 2001-2005 were looked at
FRESH_NULL = range(3101, 3104)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * 3600)]


@pytest.fixture
def say(capsys):
    def show(text):
        with capsys.disabled():
            print(text, flush=True)

    return show


def test_multi_tuned_features_beat_pretrained_ones_in_ten_fresh_cohorts(say):
    models = ("pretrained", "multi-tuned", "shuffled-tuned")
    table = run_cohorts(FRESH, SETTINGS, models=models, say=say, **COHORT)
    multi, shuffled = (paired_gain(table, model) for model in models[1:])
    say(f"multi-tuned minus pretrained, language: {multi.round(3).to_dict()}")
    say(f"shuffled-tuned minus pretrained, language: {shuffled.round(3).to_dict()}")
    assert multi["low"] > 0
    assert multi["n_positive"] >= 9
    assert shuffled["low"] <= 0


def test_nothing_gains_in_language_where_acoustics_are_all_there_is(say):
    models = ("pretrained", "single-tuned", "multi-tuned")
    table = run_cohorts(FRESH_NULL, SETTINGS, models=models, say=say, null="acoustics", **COHORT)
    for model in models[1:]:
        gain = paired_gain(table, model)
        say(f"{model} minus pretrained, acoustics alone: {gain.round(3).to_dict()}")
        assert gain["low"] <= 0
