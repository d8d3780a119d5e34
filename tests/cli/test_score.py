import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.cli import main
from encodekit.data import Stimulus, Study, make_response

# The study is small, and what is tested is not the size of its ceilings.
pytestmark = pytest.mark.filterwarnings(
    "ignore:by_region. the noise ceiling cannot carry:UserWarning"
)

T_R, N_TRS = 2.0, 60
STORIES = ("one", "two", "three", "four")


@pytest.fixture(scope="module", autouse=True)
def _no_cache():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ek.WordRate, "cache", None)
        yield


def story(name, seed):
    rng = np.random.default_rng(seed)
    onsets = np.sort(rng.uniform(0, N_TRS * T_R - 2, 200)).round(3)
    words = pd.DataFrame({"word": "fox", "onset": onsets, "duration": 0.01})
    return Stimulus(
        name, rng.normal(size=int(N_TRS * T_R * 100)).astype("f4"), 100,
        words=words, tr_times=np.arange(N_TRS) * T_R, t_r=T_R,
    )  # fmt: skip


def follow(stimuli, participant, n_repeats=None):
    """Responses of two targets to the words of two TRs before, and of one to nothing."""
    rng = np.random.default_rng(len(participant))
    by_run = {}
    for stimulus in stimuli:
        rate = ek.Delayer(delays=[2]).fit_transform(ek.WordRate().fit_transform([stimulus]))
        signal = (rate.values[-N_TRS:] - rate.values.mean()) * np.array([3.0, 3.0, 0.0])
        shape = signal.shape if n_repeats is None else (n_repeats, *signal.shape)
        by_run[stimulus.name] = make_response(
            (signal + rng.normal(size=shape)).astype("f4"),
            run=stimulus.name, participant=participant, tr_times=stimulus.grid, t_r=T_R,
            hemisphere="left", vertex=[1, 2, 3], region=["A1", "A1", "V1"], space="fsaverage5",
        )  # fmt: skip
    return by_run


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A study of two people, whose last story was repeated, and a model of the first three."""
    folder = tmp_path_factory.mktemp("saved")
    stimuli = [story(name, seed) for seed, name in enumerate(STORIES)]
    people = ("P1", "P22")
    responses = {p: follow(stimuli[:3], p) | follow(stimuli[3:], p, 4) for p in people}
    study = Study("small", stimuli, responses)
    study.save(folder / "study")
    train = study.select(stimuli=STORIES[:3])
    for name, participants in [("model", None), ("model-of-P1", ["P1"])]:
        model = make_pipeline(ek.WordRate(), ek.Delayer(delays=[1, 2, 3]), ek.RidgeCV())
        model.fit(train.stimuli, train.responses(participants=participants))
        ek.save(model, folder / name)
    return folder


def score(saved, *options, model="model"):
    with pytest.raises(SystemExit) as stopped:
        main(["score", str(saved / model), str(saved / "study"), *options])
    return stopped.value.code or 0


def test_the_table_has_a_row_for_each_participant_and_region(saved, tmp_path, capsys):
    assert score(saved, "--test", "four", "--output", str(tmp_path / "table.csv")) == 0
    assert re.search(r"P1 +A1 +\d\.\d{3}", capsys.readouterr().out)
    table = pd.read_csv(tmp_path / "table.csv").set_index(["participant", "region"])
    assert list(table.index) == [("P1", "A1"), ("P1", "V1"), ("P22", "A1"), ("P22", "V1")]
    assert (table.loc[[("P1", "A1"), ("P22", "A1")], "score"] > 0.8).all()
    assert table.n_targets.tolist() == [2, 1, 2, 1]


def test_a_repeated_story_is_divided_by_its_ceiling(saved, tmp_path):
    score(saved, "--test", "four", "--by", "region", "--output", str(tmp_path / "table.csv"))
    table = pd.read_csv(tmp_path / "table.csv").set_index("region")
    np.testing.assert_allclose(table.score["A1"], (table.raw / table.ceiling)["A1"], rtol=1e-6)


def test_raw_leaves_the_ceiling_out(saved, tmp_path):
    score(saved, "--test", "four", "--raw", "--output", str(tmp_path / "table.csv"))
    assert "ceiling" not in pd.read_csv(tmp_path / "table.csv")


def test_stories_that_were_not_repeated_have_plain_scores(saved, tmp_path):
    score(saved, "--test", "one", "--test", "two", "--output", str(tmp_path / "table.csv"))
    assert "ceiling" not in pd.read_csv(tmp_path / "table.csv")


def test_stories_of_which_some_were_repeated_have_plain_scores_and_a_note(saved, tmp_path, capsys):
    assert score(saved, "--output", str(tmp_path / "table.csv")) == 0
    assert "no noise ceiling, the numbers of repeats differ (1, 4)" in capsys.readouterr().err
    assert "ceiling" not in pd.read_csv(tmp_path / "table.csv")


def test_the_scores_of_each_target_are_what_the_library_gives(saved, tmp_path):
    score(saved, "--test", "four", "--raw", "--output", str(tmp_path / "scores.nc"))
    test = ek.load_study(saved / "study").select(stimuli=["four"])
    model = ek.load(saved / "model")
    expected = ek.correlation(test.responses(), model.predict(test.stimuli))
    with xr.open_dataset(tmp_path / "scores.nc", engine="scipy") as written:
        np.testing.assert_allclose(written["score"].values, expected.values, rtol=1e-6)
        assert written["score"].attrs["runs"] == "four"
        assert written["region"].values.astype(str).tolist() == ["A1", "A1", "V1"] * 2
        assert written["target"].values.astype(str).tolist() == expected.target.values.tolist()


def test_one_participant_may_be_asked_for(saved, capsys):
    assert score(saved, "--participant", "P22") == 0
    out = capsys.readouterr().out
    assert "P22" in out
    assert "P1 " not in out


def test_targets_that_the_model_does_not_have_are_counted(saved, capsys):
    assert score(saved, model="model-of-P1") == 0
    out, err = capsys.readouterr()
    assert "the model predicts 3 of the study's 6 targets" in err
    assert "P22" not in out


def test_a_model_of_other_people_is_refused(saved, capsys):
    assert score(saved, "--participant", "P22", model="model-of-P1") == 2
    err = capsys.readouterr().err
    assert "error: the model predicts none of the study's 3 targets (P22/left/" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--test", "fuor"), "'fuor'.*did you mean 'four'"),
        (("--participant", "P3"), "unknown participant 'P3'"),
        (("--by", "regoin"), "'regoin'.*did you mean 'region'"),
        (("--output", "scores.txt"), "--output: unknown ending '.txt': known: '.csv', '.nc'"),
        (("--output", "not/there/scores.csv"), "there is no folder not/there: make it first"),
    ],
)
def test_a_wrong_option_is_answered_in_one_line(saved, capsys, options, message):
    assert score(saved, *options) == 2
    assert re.search(f"(?m)^error: .*{message}", capsys.readouterr().err)


def test_a_model_that_is_not_there_is_an_error(saved, capsys):
    assert score(saved, model="modle") == 2
    assert re.match(r"error: .*modle", capsys.readouterr().err)


def test_stories_that_fitted_the_model_are_told(saved, capsys):
    assert score(saved) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "fitted on 3 of the runs that it is scored on ('one', 'two', 'three')" in said
    assert score(saved, "--test", "four") == 0
    assert "fitted on" not in capsys.readouterr().err


def test_a_story_that_validated_the_tuning_is_told(saved, capsys, monkeypatch):
    model = ek.load(saved / "model")
    model[0].validated_on_ = {story("four", 3).heard_hash: "four"}
    monkeypatch.setattr(ek, "load", lambda path: model)
    assert score(saved, "--test", "four") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of the runs that the model is scored on ('four') validated its tuning" in said


def test_a_folder_that_predicts_nothing_is_answered_with_what_would(saved, capsys):
    ek.save(ek.Delayer(), saved / "delays")
    assert score(saved, model="delays") == 2
    assert "holds a Delayer, which predicts no fMRI: put it before a ridge" in (
        capsys.readouterr().err
    )
    assert score(saved, model="study") == 2
    assert "holds a study, expected a model: ek.load_study(path) reads it" in (
        capsys.readouterr().err
    )
