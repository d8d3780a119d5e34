import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from encodekit.data import RunList, concat_runs, drop_history, make_response, split_runs


def a_run(name="a", n=4, participant="P1", **more):
    values = np.arange(n * 2, dtype=np.float32).reshape(n, 2)
    given = {"tr_times": np.arange(n) * 2.0, "t_r": 2.0, **more}
    return make_response(values, run=name, participant=participant, **given)


class TestMakeResponse:
    def test_it_carries_the_coordinates_of_the_contract(self):
        run = a_run(hemisphere="left", vertex=[3, 12345], region="A1", stimulus="story")
        assert run.dims == ("time", "target")
        assert run.dtype == np.float32
        assert run.target.values.tolist() == ["P1/left/00003", "P1/left/12345"]
        assert set(run.stimulus.values) == {"story"}
        assert run.tr.values.tolist() == [0, 1, 2, 3]
        assert run.region.values.tolist() == ["A1", "A1"]
        assert run.attrs == {"t_r": 2.0, "sample_offset": 1.0, "space": "native", "units": "z"}

    @pytest.mark.parametrize(
        ("places", "names"),
        [
            ({"voxel": [5, 9]}, ["P1/voxel/00005", "P1/voxel/00009"]),
            ({"vertex": [5, 9]}, ["P1/vertex/00005", "P1/vertex/00009"]),
            ({"region": ["A1", "A4"]}, ["P1/A1", "P1/A4"]),
            ({"region": "A1"}, ["P1/00000", "P1/00001"]),
            ({"target": ["x", "y"]}, ["x", "y"]),
        ],
    )
    def test_targets_are_named_by_where_they_are(self, places, names):
        assert a_run(**places).target.values.tolist() == names

    def test_repeats_are_counted(self):
        run = make_response(
            np.zeros((5, 3, 2)), run="a", participant="P1", tr_times=[0, 1, 2], t_r=1.0
        )
        assert run.dims == ("repeat", "time", "target")
        assert run.n_repeats.values.tolist() == [5, 5]
        assert a_run(n_repeats=3).n_repeats.values.tolist() == [3, 3]

    def test_lengths_that_differ_come_in_one_message(self):
        with pytest.raises(ValueError, match=r"'P1' in run 'a' has 2 mistakes.*\n.*tr_times has 3 "
                           r"entries but values has 4 rows.*\n.*vertex has 3 entries"):  # fmt: skip
            a_run(tr_times=[0, 2, 4], tr=[0, 1, 2, 3], vertex=[1, 2, 3])

    def test_tr_that_nobody_gave_is_not_named(self):
        with pytest.raises(ValueError, match="tr_times has 3 entries") as caught:
            a_run(tr_times=[0, 2, 4])
        assert "tr has" not in str(caught.value)

    def test_values_without_targets_are_refused(self):
        with pytest.raises(ValueError, match=r"shape \(3,\), expected \(time, target\)"):
            make_response(np.zeros(3), run="a", participant="P1", tr_times=[0, 1, 2], t_r=1.0)


class TestConcat:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    def test_splitting_gives_back_what_was_joined(self, lengths):
        runs = [a_run(f"run-{'x' * k}{k}", n) for k, n in enumerate(lengths)]
        joined = concat_runs(runs)
        assert joined.sizes["time"] == sum(lengths)
        back = split_runs(joined)
        assert isinstance(back, RunList)
        for mine, theirs in zip(runs, back, strict=True):
            xr.testing.assert_identical(mine, theirs)

    def test_other_targets_are_refused(self):
        with pytest.raises(
            ValueError, match=r"run 'b': its targets differ .*2 against 2, or in an"
        ):
            concat_runs([a_run("a"), a_run("b", participant="P2")])

    def test_other_attributes_are_refused(self):
        with pytest.raises(ValueError, match="run 'b' has 2 mistakes:\n.*space is 'volume', the "
                           "first run has 'native'\n.*units is 'percent'"):  # fmt: skip
            concat_runs([a_run("a"), a_run("b", space="volume", units="percent")])

    def test_a_run_that_does_not_say_its_tr_is_refused_beside_one_that_does(self):
        silent = a_run("b")
        del silent.attrs["t_r"]
        with pytest.raises(ValueError, match="run 'b': its t_r is not said, that of the first run"):
            concat_runs([a_run("a"), silent])
        with pytest.raises(
            ValueError, match="run 'a': its t_r is said, that of the first run is n"
        ):
            concat_runs([silent, a_run("a")])

    def test_other_dims_are_refused(self):
        with pytest.raises(ValueError, match=r"run 'b' has dims"):
            concat_runs([a_run("a"), a_run("b").rename(target="feature")])

    def test_nothing_to_join_is_refused(self):
        with pytest.raises(ValueError, match="got no run"):
            concat_runs([])

    def test_means_of_other_numbers_of_repeats_have_no_single_number(self):
        runs = [a_run("a", n_repeats=3), a_run("b", n_repeats=3), a_run("c", n_repeats=0)]
        assert concat_runs(runs).n_repeats.values.tolist() == [3, 3]
        assert concat_runs([*runs, a_run("d", n_repeats=2)]).n_repeats.values.tolist() == [0, 0]


def test_rows_of_history_are_dropped():
    run = a_run().assign_coords(tr=("time", [-2, -1, 0, 1]))
    assert drop_history(run).tr.values.tolist() == [0, 1]
    assert drop_history(a_run()).sizes["time"] == 4


def test_a_response_like_another_shares_its_targets(stimuli, new_response):
    from encodekit.data import response_like

    first = new_response(stimuli[0])
    given = {"run": "b", "stimulus": "story-01", "tr_times": stimuli[1].grid[:5]}
    second = response_like(first, np.ones((2, 5, 3)), **given, tr=np.arange(5))
    assert second.indexes["target"] is first.indexes["target"]
    assert second.n_repeats.values.tolist() == [2, 2, 2]
    assert second.stimulus.values.tolist() == ["story-01"] * 5
    with pytest.raises(ValueError, match="target has 3 entries but values has 4 targets"):
        response_like(first, np.ones((5, 4)), **given)


def test_joined_features_know_what_all_their_runs_were_made_from():
    one, two = (a_run(run).assign_attrs(heard=f'{{"{run}": "sha-{run}"}}') for run in "ab")
    joined = concat_runs([one, two])
    assert joined.attrs["heard"] == '{"a": "sha-a", "b": "sha-b"}'
    assert [run.attrs["heard"] for run in split_runs(joined)] == [
        one.attrs["heard"],
        two.attrs["heard"],
    ]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"vertex": [0.5, 1.0]}, "vertex is float64 from 0.5, expected whole numbers"),
        ({"voxel": [-1, 1]}, "voxel is int64 from -1, expected whole numbers from 0 up"),
        ({"hemisphere": ["left", "rihgt"]}, r"hemisphere has \['left', 'rihgt'\], expected 'left'"),
        ({"hemisphere": "L", "vertex": [0.0, 1.0]}, "has 2 mistakes"),
    ],
)
def test_places_that_no_brain_has_are_refused(places, message):
    given = {"run": "a", "participant": "P1", "tr_times": [0, 2], "t_r": 2.0}
    with pytest.raises(ValueError, match=message):
        make_response(np.zeros((2, 2)), **given, **places)
