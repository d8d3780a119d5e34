"""The claim behind the demo, on fresh cohorts that no setting was chosen on."""

import pytest

FRESH = range(3201, 3211)  # 101-105 chose the settings; 1001-3103 were looked at
FRESH_NULL = range(3301, 3304)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * 3600)]


@pytest.fixture
def say(capsys):
    def show(text):
        with capsys.disabled():
            print(text, flush=True)

    return show


@pytest.fixture(scope="module")
def cohorts(paper):
    return paper("cohorts")


@pytest.fixture(scope="module")
def table(cohorts):
    models = ("pretrained", "multi-tuned", "shuffled-tuned")
    return cohorts.run_cohorts(FRESH, models=models)


def test_multi_tuned_features_beat_pretrained_ones_in_ten_fresh_cohorts(cohorts, table, say):
    say(table.to_string())
    multi = cohorts.paired_gain(table, "multi-tuned")
    say(f"multi-tuned minus pretrained, language: {multi.round(3).to_dict()}")
    assert multi["low"] > 0
    assert multi["n_positive"] >= 9


def test_multi_tuned_features_beat_those_tuned_on_shuffled_fmri(cohorts, table, say):
    bond = cohorts.paired_gain(table, "multi-tuned", reference="shuffled-tuned")
    say(f"multi-tuned minus shuffled-tuned, language: {bond.round(3).to_dict()}")
    assert bond["low"] > 0
    assert bond["n_positive"] >= 9


def test_tuning_on_shuffled_fmri_gains_nothing(cohorts, table, say):
    shuffled = cohorts.paired_gain(table, "shuffled-tuned")
    say(f"shuffled-tuned minus pretrained, language: {shuffled.round(3).to_dict()}")
    assert shuffled["low"] <= 0


def test_nothing_gains_in_language_where_acoustics_are_all_there_is(cohorts, say):
    models = ("pretrained", "single-tuned", "multi-tuned")
    table = cohorts.run_cohorts(FRESH_NULL, models=models, say=say, null="acoustics")
    for model in models[1:]:
        gain = cohorts.paired_gain(table, model)
        say(f"{model} minus pretrained, acoustics alone: {gain.round(3).to_dict()}")
        assert gain["low"] <= 0
