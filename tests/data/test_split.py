from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from encodekit.data import Stimulus, Study, check_disjoint, concat_runs, runs_heard_in
from encodekit.saving import load_study


class TestSplit:
    def test_one_part_leaves_the_rest_to_train(self, study):
        train, test = study.split(test=["story-03"])
        assert train.runs == ["story-00", "story-01", "story-02"]
        assert test.runs == ["story-03"]
        assert len(train.responses()) == len(train.stimuli) == 3

    def test_the_part_keeps_its_name(self, study):
        parts = study.split(validate="story-00")
        assert parts._fields == ("train", "validate")

    def test_several_parts_are_exactly_these(self, study):
        parts = study.split(tune=["story-00"], fit=["story-01"], test=["story-03"])
        assert parts._fields == ("tune", "fit", "test")
        assert parts.tune.responses(participants=["P1"])[0].sizes["target"] == 3
        assert parts.test.repeats().sizes["repeat"] == 3

    def test_all_parts_keep_all_targets(self, study):
        for part in study.split(tune=["story-01"], test=["story-03"]):
            assert (
                part.responses()[0].target.values.tolist() == study.repeats().target.values.tolist()
            )

    def test_the_order_is_that_of_the_study(self, study):
        parts = study.split(a=["story-02", "story-00"], b=["story-01"])
        assert parts.a.runs == ["story-00", "story-02"]

    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            ({"test": ["story-3"]}, "study 'tiny', test: unknown stimulus 'story-3': did you mean"),
            ({"test": []}, "test: it has no stimuli"),
            ({}, "split got no part"),
            ({"train": ["story-00"]}, "name the part held out"),
            ({"test": [f"story-0{k}" for k in range(4)]}, "part 'test' takes every stimulus"),
            (
                {"fit": ["story-00", "story-01"], "test": ["story-01"]},
                r"'story-01' \(fit\) and 'story-01' \(test\) are the same stimulus",
            ),
        ],
    )
    def test_parts_that_make_no_sense_are_refused(self, study, parts, message):
        with pytest.raises(ValueError, match=message):
            study.split(**parts)

    def test_a_share_is_answered_with_stories(self, study):
        with pytest.raises(TypeError, match=r"test=0.2: expected names of stimuli, such as test="):
            study.split(test=0.2)

    def test_one_array_for_all_runs_is_answered(self, new_stimulus, new_response):
        with pytest.raises(TypeError, match=r"'P1': the responses are one DataArray, expected one"):
            Study("s", [new_stimulus(0)], {"P1": new_response(new_stimulus(0))})

    def test_the_same_audio_under_another_name_is_found(self, new_stimulus, new_response):
        stimuli = [new_stimulus(0), new_stimulus(1), new_stimulus(0, name="renamed")]
        study = Study("s", stimuli, {"P1": [new_response(s) for s in stimuli]})
        with pytest.raises(ValueError, match="'story-00'.*'renamed'.*have the same audio"):
            study.split(test=["renamed"])
        assert study.split(test=["story-01"]).train.runs == ["story-00", "renamed"]

    def test_every_overlap_is_listed(self, new_stimulus):
        twice = [new_stimulus(k) for k in range(2)]
        with pytest.raises(ValueError, match="has 2 mistakes"):
            check_disjoint({"a": twice, "b": [new_stimulus(k, name=f"x{k}") for k in range(2)]})

    def test_the_same_words_without_audio_are_found(self, stimuli):
        one, two = (Stimulus(name, words=stimuli[0].words) for name in "ab")
        with pytest.raises(ValueError, match="have the same words"):
            check_disjoint({"fit": [one], "test": [two]})

    def test_a_story_heard_in_two_runs_stays_together(self, new_stimulus, new_response):
        stimuli = [new_stimulus(0), new_stimulus(1, run="r1"), new_stimulus(1, run="r2")]
        study = Study("s", stimuli, {"P1": [new_response(s) for s in stimuli]})
        assert study.split(test=["story-01"]).test.runs == ["r1", "r2"]
        with pytest.raises(ValueError, match="are the same stimulus 'story-01'"):
            study.split(test=["r2"])


class TestSegment:
    def test_segments_are_runs_and_stimuli_of_their_own(self, study):
        cut = study.segment("story-00", 2, gap="8s")
        assert cut.runs[:2] == ["story-00/part-1", "story-00/part-2"]
        assert [s.name for s in cut.stimuli[:2]] == cut.runs[:2]
        assert cut.runs[2:] == study.runs[1:]

    def test_trs_count_from_zero_and_the_gap_is_purged(self, study):
        first, second = study.segment("story-00", 2, gap="8s").responses()[:2]
        assert first.tr.values.tolist() == second.tr.values.tolist() == list(range(7))
        assert first.seconds.values.tolist() == [0, 2, 4, 6, 8, 10, 12]
        assert second.seconds.values[0] - (first.seconds.values[-1] + 2) == 8

    def test_the_rows_are_those_of_the_whole_run(self, study):
        whole = study.responses()[0]
        second = study.segment("story-00", 2, gap=8).responses()[1]
        np.testing.assert_array_equal(second.values, whole.values[11:])

    def test_a_gap_that_is_no_multiple_of_the_tr_is_rounded_up(self, study):
        first, second = study.segment("story-00", 2, gap=7.1).responses()[:2]
        assert second.seconds.values[0] - (first.seconds.values[-1] + 2) == 8

    def test_delays_see_the_audio_before_a_segment(self, study):
        second = study.segment("story-00", 2, gap=8).stimuli[1]
        tr, onset = second.history_grid(8)
        assert tr.tolist() == [*range(-4, 0), *range(7)]
        assert onset[:5].tolist() == [14, 16, 18, 20, 22]
        assert second.load_audio().size == study.stimuli[0].load_audio().size

    def test_segments_are_disjoint_groups(self, study):
        cut = study.segment("story-00", 3, gap=4)
        parts = cut.split(fit=["story-00/part-1"], test=["story-00/part-3", "story-00/part-2"])
        assert parts.test.runs == ["story-00/part-2", "story-00/part-3"]

    def test_segments_overlap_with_the_whole_and_with_other_cuts(self, study):
        whole = study.stimuli[0]
        halves = study.segment("story-00", 2, gap=4).stimuli[:2]
        thirds = study.segment("story-00", 3, gap=4).stimuli[:3]
        with pytest.raises(ValueError, match="have the same audio"):
            check_disjoint({"a": [whole], "b": [halves[1]]})
        with pytest.raises(ValueError, match="are the same stimulus"):
            check_disjoint({"a": [halves[0]], "b": [thirds[0]]})
        with pytest.raises(ValueError, match="are less than 4 s apart in the same audio"):
            check_disjoint({"a": [halves[0]], "b": [thirds[1]]})
        check_disjoint({"a": [halves[0]], "b": [thirds[2]]})

    def test_runs_heard_before_are_told_as_parts_are_split(self, study):
        whole = study.stimuli[0]
        halves = study.segment("story-00", 2, gap=4).stimuli[:2]
        thirds = study.segment("story-00", 3, gap=4).stimuli[:3]
        assert len({one.heard_hash for one in (whole, *halves)}) == 3
        for known, heard in [
            (whole, [whole, *halves, *thirds]),
            (halves[0], [whole, halves[0], thirds[0], thirds[1]]),
            (thirds[2], [whole, halves[1], thirds[2]]),
        ]:
            everything = [whole, *halves, *thirds, study.stimuli[1]]
            runs = [one.run_name for one in everything if one in heard]
            assert runs_heard_in(everything, [known.heard_hash]) == runs

    def test_repeats_and_short_participants_are_cut_too(self, study):
        cut = study.segment("story-03", 2, gap=4).repeats()
        assert cut.sizes["repeat"] == 3
        assert list(dict.fromkeys(cut.run.values)) == ["story-03/part-1", "story-03/part-2"]
        short = study.segment("story-02", 2, gap=4).responses(participants="P2")
        assert [int(np.isnan(run[:, 0]).sum()) for run in short[2:4]] == [0, 6]

    def test_confounds_are_cut_with_their_run(self, stimuli, new_response):
        tables = {"P1": {"story-00": np.arange(18.0)[:, None]}}
        study = Study("s", stimuli[:1], {"P1": [new_response(stimuli[0])]}, confounds=tables)

        class Replace:
            def transform(self, response, confounds=None, sample_mask=None):
                return response.copy(data=np.repeat(confounds, 3, axis=1))

        second = study.segment("story-00", 2, gap=8).clean(Replace()).responses()[1]
        assert second.values[:, 0].tolist() == list(range(11, 18))

    def test_the_truth_is_cut_too(self, study):
        import xarray as xr

        whole = concat_runs([run[:, :1] for run in study.responses()])
        truth = xr.Dataset({"signal": whole.drop_vars("n_repeats")})
        known = Study("s", study.stimuli, study._contents.responses, truth=truth)
        cut = known.segment("story-00", 2, gap=8)
        part = cut.select("story-00/part-2")
        np.testing.assert_array_equal(part.truth.signal.values, part.responses()[0].values[:, :1])
        assert part.truth.tr.values.tolist() == list(range(7))
        assert cut.truth.sizes["time"] == 4 * 18 - 4

    def test_segments_of_a_segment_keep_the_larger_gap(self, study):
        cut = study.segment("story-00", 2, gap=8).segment("story-00/part-1", 2, gap=2)
        assert cut.runs[0] == "story-00/part-1/part-1"
        assert cut.stimuli[0].gap == 8

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("story-9", 2), "unknown run 'story-9': did you mean"),
            (("story-00", 1), "n=1, expected 2 or more"),
            (("story-00", 2, "soon"), "gap is 'soon', expected seconds, such as '16s'"),
            (("story-00", 2, -1), "gap is -1, expected seconds"),
            (("story-00", 3), r"has 18 TRs, too few for 3 segments with 8 TRs \(16 s\) purged"),
        ],
    )
    def test_a_cut_that_makes_no_sense_is_refused(self, study, arguments, message):
        with pytest.raises(ValueError, match=message):
            study.segment(*arguments)


class TestTrim:
    """Runs of 18 TRs of 2 s; the trimmed seconds count from the first TR and from the last."""

    def test_the_first_and_the_last_seconds_are_left_out_of_every_run(self, study):
        short = study.trim(start="6s", end=4)
        assert short.runs == study.runs
        assert [s.name for s in short.stimuli] == [s.name for s in study.stimuli]
        for whole, part in zip(study.responses(), short.responses(), strict=True):
            np.testing.assert_array_equal(part.values, whole.values[3:16])
            assert part.tr.values.tolist() == list(range(13))
            assert part.seconds.values.tolist() == list(range(6, 32, 2))

    @pytest.mark.parametrize(
        ("start", "end", "rows"),
        [
            (0, 0, (0, 18)),
            (2, 0, (1, 18)),
            (2.1, 0, (2, 18)),
            (0, "0.1s", (0, 17)),
            (20, 14, (10, 11)),
        ],
    )
    def test_a_tr_that_is_only_in_part_within_is_left_out(self, study, start, end, rows):
        seconds = study.trim(start, end).responses()[0].seconds.values / 2
        assert (seconds[0], seconds[-1] + 1) == rows

    def test_twenty_seconds_are_left_out_if_nothing_is_said(self, study):
        assert study.trim().responses()[0].seconds.values[0] == 20

    def test_delays_see_the_audio_before(self, study):
        first = study.trim(8).stimuli[0]
        assert first.history_grid(6)[1].tolist()[:4] == [2, 4, 6, 8]
        assert first.load_audio().size == study.stimuli[0].load_audio().size
        assert first.heard_hash == study.stimuli[0].heard_hash

    def test_repeats_short_participants_confounds_and_truth_are_cut_too(self, study):
        short = study.trim(8, 2)
        assert short.repeats().sizes["time"] == 13
        assert int(np.isnan(short.responses(participants="P2")[2][:, 0]).sum()) == 5
        cut = study.trim(8)
        assert cut.trim(0, 2).responses()[0].identical(short.responses()[0])

    def test_segments_are_trimmed_too(self, study):
        short = study.segment("story-00", 2, gap="4s").trim(4)
        assert short.responses()[1].seconds.values[0] == 24
        assert short.stimuli[0].gap == 4

    def test_it_is_kept_when_the_study_is_saved(self, study, tmp_path):
        saved = load_study(study.trim(8).save(tmp_path / "short"))
        assert saved.responses()[0].seconds.values[0] == 8

    def test_a_loader_trims(self, study, tmp_path):
        folder = study.save(tmp_path / "whole")
        assert load_study(folder, trim="8s").responses()[0].seconds.values[0] == 8
        both = load_study(folder, trim=(8, "4s")).responses()[0].seconds.values
        assert (both[0], both[-1]) == (8, 30)

    def test_nothing_is_left_of_a_run_that_is_too_short(self, study):
        with pytest.raises(ValueError, match="run 'story-00' lasts 36 s, and nothing is left"):
            study.trim(20, 16)
        with pytest.raises(ValueError, match="start is 'soon', expected seconds"):
            study.trim("soon")
        with pytest.raises(ValueError, match="end is None, expected seconds"):
            study.trim(0, None)

    def test_many_runs_are_cut_in_one_pass_with_what_a_simulation_knows(
        self, new_stimulus, new_response
    ):
        """Run by run, each would be a function around the one before, and 330 too deep."""
        first = new_stimulus(0)
        stimuli = [replace(first, name=f"s{k}") for k in range(340)]
        runs = {s.run_name: new_response(s) for s in stimuli}
        whole = concat_runs([run[:, :1] for run in runs.values()]).drop_vars("n_repeats")
        truth = xr.Dataset({"signal": whole})
        short = Study("many", stimuli, {"P1": runs}, truth=truth).trim(8)
        assert short.truth.sizes["time"] == 340 * 14

    def test_the_description_says_when_runs_begin(self, study):
        assert "first TR: 0 s after the sound begins (study.trim()" in study.describe()
        assert "first TR: 20 s after the sound begins\n" in study.trim().describe()


def test_a_sound_that_begins_late_is_told_with_the_rows(new_stimulus, new_response):
    """Words from 6 s on in the second run; in the first they begin at once."""
    early, late = new_stimulus(0), new_stimulus(1)
    late = replace(late, words=late.words.assign(onset=late.words.onset + 5.5))
    study = Study("s", [early, late], {"P1": [new_response(early), new_response(late)]})
    assert (early.sound_onset, late.sound_onset) == (0.0, 6.0)
    assert [set(run.sound_onset.values.tolist()) for run in study.responses()] == [{0.0}, {6.0}]
    assert "first TR: -6 to 0 s after the sound begins (study.trim()" in study.describe()
    alone = Study("s", [early], {"P1": [new_response(early)]})
    assert "sound_onset" not in alone.responses()[0].coords


def test_runs_of_two_calls_join_whether_or_not_a_sound_begins_late(new_stimulus, new_response):
    early, late = new_stimulus(0), new_stimulus(1)
    late = replace(late, words=late.words.assign(onset=late.words.onset + 5.5))
    study = Study("s", [early, late], {"P1": [new_response(early), new_response(late)]})
    apart = [*study.select("story-00").responses(), *study.select("story-01").responses()]
    joined = concat_runs(apart)
    assert joined.sound_onset.values[[0, -1]].tolist() == [0.0, 6.0]
