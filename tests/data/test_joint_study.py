import numpy as np
import pytest
import xarray as xr

from encodekit.data import Stimulus, Study, concat_runs, split_runs, validate
from encodekit.saving import load_study


@pytest.fixture
def slow_study(stimuli, new_response):
    """P1 heard two stories at a TR of 2 s, one of them twice."""
    a, b = stimuli[:2]
    return Study("slow", [a, b], {"P1": [new_response(a, n_repeats=2), new_response(b)]},
                 description="scanned slowly")  # fmt: skip


@pytest.fixture
def quick_study(new_stimulus, new_response):
    """P2 and P3 heard two others at a TR of 1.5 s, in percent of another space."""
    heard = [new_stimulus(k, tr_times=1.5 * np.arange(20), t_r=1.5) for k in (7, 8)]
    given = {"t_r": 1.5, "units": "percent", "space": "volume", "n_repeats": 3}
    return Study("quick", heard, {p: [new_response(s, p, **given) for s in heard]
                                  for p in ("P2", "P3")})  # fmt: skip


@pytest.fixture
def joint(slow_study, quick_study):
    return slow_study.join(quick_study)


def test_every_run_keeps_its_tr_and_every_participant_their_values(joint, slow_study, quick_study):
    assert joint.name == "slow+quick"
    runs = joint.responses()
    assert [run.attrs["t_r"] for run in runs] == [2.0, 2.0, 1.5, 1.5]
    assert [run.attrs["sample_offset"] for run in runs] == [1.0, 1.0, 0.75, 0.75]
    for alone in (slow_study, quick_study):
        for mine in alone.responses():
            theirs = next(r for r in runs if r.run.values[0] == mine.run.values[0])
            known = theirs.sel(target=mine.target.values)
            xr.testing.assert_equal(known, mine)
            assert np.isnan(theirs.drop_sel(target=mine.target.values)).all()


def test_joined_runs_say_their_tr_row_by_row_and_come_apart_as_they_were(joint):
    runs = joint.responses()
    whole = validate(concat_runs(runs), "response")
    assert "t_r" not in whole.attrs
    assert whole.t_r.values.tolist() == [2.0] * 36 + [1.5] * 40
    assert whole.sample_offset.values.tolist() == [1.0] * 36 + [0.75] * 40
    for mine, theirs in zip(runs, split_runs(whole), strict=True):
        xr.testing.assert_identical(theirs, mine.assign_coords(n_repeats=theirs.n_repeats))
    one = concat_runs(runs[:2])
    assert (one.attrs["t_r"], "t_r" in one.coords) == (2.0, False)
    assert concat_runs([whole.isel(time=whole.t_r == 2.0)]).attrs["t_r"] == 2.0


def test_repeats_of_both_are_one_array(joint):
    repeats = validate(joint.repeats(), "repeats")
    assert repeats.sizes["repeat"] == 3
    assert repeats.t_r.values.tolist() == [2.0] * 18 + [1.5] * 40
    assert repeats.n_repeats.values.tolist() == [2] * 3 + [3] * 6


def test_spaces_and_units_are_those_of_the_participants(joint):
    assert joint.responses()[0].attrs["units"] == "mixed"
    assert joint.responses(participants=["P1"])[0].attrs["units"] == "z"
    assert joint.responses(participants=["P2"])[0].attrs["space"] == "volume"


def test_the_study_says_its_trs(joint, slow_study):
    assert "TR 1.5 and 2 s" in repr(joint)
    assert "(2.2 min), TR 1.5 and 2 s\nslow: scanned slowly" in joint.describe()
    assert joint.t_rs == [1.5, 2.0]
    assert joint.minutes == (36 * 2.0 + 40 * 1.5) / 60
    assert slow_study.t_r == joint.select(participants="P1", stimuli=slow_study.runs).t_r == 2.0
    with pytest.raises(ValueError, match=r"runs with TRs of 1.5 and 2 s.*\[s.t_r for s in study"):
        _ = joint.t_r


def test_what_is_saved_is_what_is_read(joint, tmp_path):
    again = load_study(joint.save(tmp_path / "joint"))
    assert again.t_rs == [1.5, 2.0]
    for mine, theirs in zip(joint.responses(), again.responses(), strict=True):
        xr.testing.assert_identical(theirs.compute(), mine)


def test_names_that_both_have_are_refused(joint, slow_study, quick_study):
    with pytest.raises(ValueError, match=r"participant 'P1' is in 'slow' and in 'slow': rename "
                       r"one, study.rename\(\{'P1': ...\}\)"):  # fmt: skip
        slow_study.join(slow_study.select())
    other = slow_study.rename({"P1": "P9"})
    with pytest.raises(ValueError, match="2 runs have the name 'story-00'"):
        slow_study.join(other)
    assert quick_study.join(other, name="both").participants == ["P2", "P3", "P9"]


def test_renaming_renames_targets_too(quick_study):
    renamed = quick_study.rename({"P2": "A", "P3": "P2"})
    assert renamed.participants == ["A", "P2"]
    mine, theirs = quick_study.responses()[0], renamed.responses()[0]
    assert theirs.target.values.tolist()[::3] == ["A/left/00007", "P2/left/00007"]
    assert theirs.participant.values.tolist() == ["A"] * 3 + ["P2"] * 3
    np.testing.assert_array_equal(theirs.values, mine.values)
    with pytest.raises(ValueError, match="(?s)unknown participant 'P4'.*two participants would be"):
        quick_study.rename({"P4": "A", "P2": "P3"})


def test_a_run_has_one_tr(joint):
    whole = concat_runs(joint.responses())
    broken = whole.assign_coords(t_r=("time", np.linspace(1, 2, 76)))
    with pytest.raises(ValueError, match=r"t_r of run 'story-00' changes \(1, 1.01333, .* one"):
        validate(broken, "response")
    with pytest.raises(ValueError, match="coordinate 't_r' has dims"):
        validate(whole.assign_coords(t_r=("target", np.ones(9))), "response")
    with pytest.raises(ValueError, match="attribute 't_r' is 0.0, expected seconds"):
        validate(whole.assign_coords(t_r=("time", np.zeros(76))), "response")


def test_stimuli_of_several_trs_are_a_study_too(new_stimulus, new_response):
    heard = [new_stimulus(0), Stimulus("b", t_r=3.0, duration=30)]
    study = Study("s", heard, {"P1": [new_response(heard[0])]})
    assert [run.attrs["t_r"] for run in study.responses()] == [2.0, 3.0]
