import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from encodekit.data import RunList, Stimulus, Study, make_response, validate


class TestResponses:
    def test_there_is_one_run_per_stimulus_over_all_participants(self, study):
        runs = study.responses()
        assert isinstance(runs, RunList)
        assert [run.run.values[0] for run in runs] == study.runs
        assert {run.sizes["target"] for run in runs} == {5}
        validate(runs, "response")

    def test_runs_share_the_index_of_their_targets(self, study):
        """Names and index of 80,000 voxels take 10 MB: not for each of 84 runs."""
        first, *others = study.responses()
        assert all(run.indexes["target"] is first.indexes["target"] for run in others)
        assert all(np.shares_memory(run.participant, first.participant) for run in others)

    def test_a_lacking_run_is_nan_for_its_participant_alone(self, study):
        run = study.responses()[1]
        assert np.isnan(run.values).all(axis=0).tolist() == [False] * 3 + [True] * 2
        assert run.n_repeats.values.tolist() == [1, 1, 1, 0, 0]

    def test_lacking_trs_are_nan(self, study):
        run = study.responses()[2].sel(target="P2/left/00007")
        assert np.flatnonzero(np.isnan(run.values)).tolist() == list(range(12, 18))

    def test_a_repeated_run_is_the_mean_of_its_own_number_of_repeats(self, study):
        mean, repeats = study.responses()[3], study.repeats()
        assert mean.n_repeats.values.tolist() == [2, 2, 2, 3, 3]
        np.testing.assert_allclose(mean.values, np.nanmean(repeats.values, axis=0), rtol=1e-5)

    def test_a_censored_tr_of_one_repeat_is_nan_in_the_mean(self, stimuli, new_response):
        response = new_response(stimuli[0], n_repeats=2)
        response[1, 5] = np.nan
        study = Study("s", stimuli[:1], {"P1": {"story-00": response}})
        assert np.flatnonzero(np.isnan(study.responses()[0][:, 0])).tolist() == [5]

    def test_some_participants_are_asked_for(self, study):
        runs = study.responses(participants=["P2"])
        assert set(runs[1].participant.values) == {"P2"}
        assert len(runs) == 4
        assert np.isnan(runs[1]).all()

    def test_regions_are_asked_for_by_name(self, study):
        run = study.responses(regions="STSda")[0]
        assert run.target.values.tolist() == ["P1/right/00123"]

    def test_regions_are_asked_for_by_a_selector(self, study):
        class RightHemisphere:
            def transform(self, response):
                return response.isel(target=np.flatnonzero(response.hemisphere == "right"))

        run = study.responses(regions=RightHemisphere())[0]
        assert set(run.hemisphere.values) == {"right"}
        assert set(study.repeats(regions=RightHemisphere()).hemisphere.values) == {"right"}

    def test_coordinates_that_one_participant_lacks_are_empty(self, stimuli, new_response):
        other = new_response(stimuli[0], "P2", vertex=None, voxel=[1, 2, 3], region=None)
        responses = {"P1": {"story-00": new_response(stimuli[0])}, "P2": {"story-00": other}}
        run = Study("s", stimuli[:1], responses).responses()[0]
        assert run.voxel.values.tolist() == [-1, -1, -1, 1, 2, 3]
        assert run.region.values.tolist()[3:] == ["", "", ""]

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"participants": "P3"}, "study 'tiny': unknown participant 'P3': known: 'P1', 'P2'"),
            ({"participants": []}, "no participant asked for"),
            ({"regions": ["STSdp"]}, "unknown region 'STSdp': did you mean 'STSda'"),
        ],
    )
    def test_unknown_names_get_close_matches(self, study, asked, message):
        with pytest.raises(ValueError, match=message):
            study.responses(**asked)

    def test_names_of_regions_need_the_coordinate(self, stimuli, new_response):
        response = new_response(stimuli[0], region=None)
        study = Study("s", stimuli[:1], {"P1": {"story-00": response}})
        with pytest.raises(ValueError, match="targets of P1 have no coordinate 'region'"):
            study.responses(regions="A1")

    @settings(max_examples=15, deadline=None)
    @given(st.data())
    def test_whatever_is_lacking_the_rest_stays_in_its_place(self, data):
        n_trs = 6
        stimuli = [Stimulus(f"s{k}", t_r=1.0, duration=float(n_trs)) for k in range(2)]
        responses, expected = {}, np.full((2, n_trs, 4), np.nan)
        for column, participant in enumerate(["P1", "P2"]):
            here = data.draw(st.lists(st.sampled_from([0, 1]), min_size=1, unique=True))
            responses[participant] = {}
            for k in here:
                rows = sorted(data.draw(st.sets(st.integers(0, n_trs - 1), min_size=1)))
                values = np.random.default_rng(k).normal(size=(len(rows), 2))
                responses[participant][f"s{k}"] = make_response(
                    values, run=f"s{k}", participant=participant, tr=rows,
                    tr_times=stimuli[k].grid[rows], t_r=1.0,
                )  # fmt: skip
                expected[k, rows, 2 * column : 2 * column + 2] = values
        for lazy in (False, True):
            given = responses
            if lazy:
                given = {
                    p: {r: a.chunk() for r, a in runs.items()} for p, runs in responses.items()
                }
            joined = Study("s", stimuli, given).responses()
            for k in range(2):
                np.testing.assert_array_equal(joined[k].values, expected[k])


class TestRepeats:
    def test_fewer_repeats_are_padded_with_nan(self, study):
        repeats = study.repeats()
        assert repeats.dims == ("repeat", "time", "target")
        assert repeats.sizes["repeat"] == 3
        assert repeats.n_repeats.values.tolist() == [2, 2, 2, 3, 3]
        lacking = np.isnan(repeats.values).all(axis=1)
        assert lacking.tolist() == [[False] * 5, [False] * 5, [True] * 3 + [False] * 2]
        assert set(repeats.run.values) == {"story-03"}

    def test_repeats_of_nothing_but_nan_are_lacking(self, stimuli, new_response):
        response = new_response(stimuli[0], n_repeats=3)
        response[1] = np.nan
        study = Study("s", stimuli[:1], {"P1": {"story-00": response}})
        assert study.repeats().n_repeats.values.tolist() == [2, 2, 2]
        assert not np.isnan(study.responses()[0]).any()

    def test_a_study_made_of_its_own_repeats_is_the_same(self, study):
        repeats = study.repeats()
        columns = {
            p: repeats.isel(target=np.flatnonzero(repeats.participant == p)) for p in ("P1", "P2")
        }
        again = Study("s", study.stimuli[3:], {p: [c] for p, c in columns.items()})
        xr.testing.assert_identical(again.repeats(), repeats)

    def test_without_a_repeated_run_it_says_so(self, study):
        with pytest.raises(ValueError, match="has nothing that P1, P2 heard more than once"):
            study.select(stimuli=["story-00"]).repeats()


class TestMistakes:
    def test_runs_need_unique_names(self, new_stimulus):
        with pytest.raises(ValueError, match="2 runs have the name 'story-00'"):
            Study("s", [new_stimulus(0), new_stimulus(0)], {})

    def test_a_list_of_responses_has_each_run_once(self, stimuli, new_response):
        twice = [new_response(stimuli[0]), new_response(stimuli[0])]
        with pytest.raises(ValueError, match="participant 'P1': 2 runs have the name 'story-00'"):
            Study("s", stimuli, {"P1": twice})

    def test_a_study_needs_stimuli(self):
        with pytest.raises(ValueError, match="has no stimuli"):
            Study("s", [], {})

    def test_an_unknown_run_gets_close_matches(self, stimuli, new_response):
        response = new_response(stimuli[0])
        with pytest.raises(ValueError, match="unknown run 'story-0': did you mean 'story-0"):
            Study("s", stimuli, {"P1": {"story-0": response}})

    def test_a_participant_needs_a_run(self, stimuli):
        with pytest.raises(ValueError, match="participant 'P9' has no run"):
            Study("s", stimuli, {"P9": {}})

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"participant": "P2"}, r"coordinate participant says \['P2'\]"),
            ({"run": "story-01"}, r"coordinate run says \['story-01'\]"),
            ({"stimulus": "other"}, r"stimulus says \['other'\], not 'story-00'"),
            ({"t_r": 1.5, "sample_offset": 1.0}, "its t_r is 1.5 s but its stimulus has 2 s"),
            ({"sample_offset": 0.0}, "sample_offset is 0 s but its stimulus has 1 s"),
            ({"tr": range(1, 19)}, "TRs go from 1 to 18 but its stimulus has 18 TRs"),
            ({"tr_times": np.arange(18) * 2.0 + 0.1}, "TR 0 is at 0.1 s but the stimulus has it"),
        ],
    )
    def test_a_response_that_is_not_of_its_stimulus_is_refused(
        self, stimuli, new_response, changes, message
    ):
        response = new_response(stimuli[0], **changes)
        with pytest.raises(ValueError, match=message):
            Study("s", stimuli, {"P1": {"story-00": response}})

    def test_a_response_that_breaks_the_contract_is_refused(self, stimuli, new_response):
        with pytest.raises(ValueError, match="'P1' in run 'story-00': response of .*'seconds'"):
            Study("s", stimuli, {"P1": {"story-00": new_response(stimuli[0]).drop_vars("seconds")}})

    def test_targets_are_the_same_in_every_run(self, stimuli, new_response):
        runs = [new_response(stimuli[0]), new_response(stimuli[1]).isel(target=[1, 0, 2])]
        with pytest.raises(ValueError, match="'P1' in run 'story-01' has other targets than in"):
            Study("s", stimuli, {"P1": runs})

    def test_targets_belong_to_one_participant(self, stimuli, new_response):
        names = ["a", "b", "c"]
        responses = {p: [new_response(stimuli[0], p, target=names)] for p in ("P1", "P2")}
        with pytest.raises(ValueError, match="target 'a' belongs to 'P1' and 'P2'"):
            Study("s", stimuli, responses)

    def test_a_participant_has_one_space_and_units(self, stimuli, new_response):
        runs = [new_response(stimuli[0]), new_response(stimuli[1], units="percent", space="volume")]
        with pytest.raises(ValueError, match=r"(?s)'P1' have space fsaverage5 and volume: one.*"
                           "'P1' have units percent and z: one is needed"):  # fmt: skip
            Study("s", stimuli, {"P1": runs})

    def test_confounds_fit_their_responses(self, stimuli, new_response):
        responses = {"P1": [new_response(stimuli[0], n_repeats=2)]}
        short = {"story-00": [np.zeros((18, 2)), np.zeros((17, 2))]}
        for confounds, message in [
            ({"P2": {}}, "unknown participant 'P2'"),
            ({"P1": {"story-1": None}}, "confounds of 'P1' in run 'story-1': unknown run"),
            ({"P1": {"story-00": np.zeros((18, 2))}}, "1 tables for 2 repeats"),
            ({"P1": short}, "a table has 17 rows but the response has 18 TRs"),
        ]:
            with pytest.raises(ValueError, match=message):
                Study("s", stimuli, responses, confounds=confounds)


class Remover:
    """Takes the mean over time and the first confound out."""

    def __init__(self):
        self.seen = []

    def transform(self, response, confounds=None, sample_mask=None):
        self.seen.append((str(response.run.values[0]), response.dims, sample_mask))
        clean = response - response.mean("time")
        return clean if confounds is None else clean - confounds["x"].to_numpy()[:, None]


class TestClean:
    @pytest.mark.parametrize("lazy", [False, True])
    def test_each_run_and_repeat_is_cleaned_with_its_own_confounds(
        self, stimuli, new_response, lazy
    ):
        response = new_response(stimuli[0], n_repeats=2)
        tables = [pd.DataFrame({"x": np.full(18, k)}) for k in (1.0, 2.0)]
        given = response.chunk() if lazy else response
        study = Study("s", stimuli[:1], {"P1": [given]}, confounds={"P1": {"story-00": tables}})
        clean = study.clean(Remover()).repeats()
        assert (clean.chunks is not None) == lazy
        expected = response - response.mean("time")
        np.testing.assert_allclose(clean.values[0], expected.values[0] - 1, atol=1e-6)
        np.testing.assert_allclose(clean.values[1], expected.values[1] - 2, atol=1e-6)

    def test_the_remover_sees_one_run_and_its_mask(self, study):
        remover, mask = Remover(), np.ones(18, dtype=bool)
        study.clean(remover, sample_mask={"P1": {"story-00": mask}})
        assert remover.seen[0] == ("story-00", ("time", "target"), mask)
        assert len(remover.seen) == 3 + 2 + 2 + 3


def test_select_keeps_participants_who_lack_every_selected_run(study):
    part = study.select(stimuli="story-01")
    assert part.participants == ["P1", "P2"]
    assert np.isnan(part.responses(participants="P2")[0]).all()
    assert study.select(participants="P2").participants == ["P2"]


def test_a_description_says_what_is_there_and_what_is_lacking(study):
    text = study.describe()
    assert text.splitlines() == [
        "tiny: 2 participants, 4 runs (2.4 min), TR 2 s",
        "  heard: story-00, story-01, story-02, story-03 (8 words)",
        "  first TR: 0 s after the sound begins (study.trim() leaves out the first 20 s)",
        "  P1: 3 targets, 4 runs, 1 of them heard 2 times",
        "  P2: 2 targets, 3 runs, 1 of them heard 3 times, lacks story-01, "
        "12 of 18 TRs in story-02",
    ]
    assert repr(study) == "Study('tiny': 2 participants, 4 runs, TR 2 s)"


def test_the_truth_follows_selections(study):
    times = {"run": ("time", np.repeat(study.runs, 2)), "tr": ("time", np.tile([0, 1], 4))}
    people = {"participant": ("target", ["P1", "P2"])}
    truth = xr.Dataset({"signal": (("time", "target"), np.arange(16.0).reshape(8, 2))},
                       coords={**times, **people})  # fmt: skip
    known = Study("s", study.stimuli, study._contents.responses, truth=truth)
    part = known.select(stimuli="story-02", participants="P2").truth
    assert part.signal.values.tolist() == [[9.0], [11.0]]
    assert known.truth.identical(truth)
    assert known.select("story-02").select(participants="P1").truth.signal.shape == (2, 1)


@pytest.mark.parametrize(
    ("heard", "measured", "message"),
    [
        (None, {"P1": {"story-00": np.zeros((6, 3))}}, r"a response is a ndarray.*make_response\("),
        (None, {"P1": [np.zeros((6, 3))]}, "'P1': a response is a ndarray"),
        (None, [np.zeros((6, 3))], "responses are a list, expected {participant"),
        (["story.wav"], {}, r"its stimuli hold a str.*ek\.Stimulus\("),
    ],
)
def test_what_is_no_stimulus_or_response_is_refused(study, heard, measured, message):
    with pytest.raises(TypeError, match=message):
        Study("s", study.stimuli if heard is None else heard, measured)
