import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encodekit.features import Delayer


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    delays=st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True),
)
def test_arrays_equal_the_slow_version(reference, lengths, delays):
    runs = np.repeat(np.arange(len(lengths)), lengths)
    values = np.random.default_rng(0).standard_normal((runs.size, 2))
    expected = reference("delays").delayed(values, runs, delays)
    np.testing.assert_array_equal(Delayer(delays).fit(values).transform(values, runs), expected)


def test_delays_do_not_cross_run_borders(make_rows):
    rows = make_rows(np.arange(1, 7)[:, None], runs=list("aaabbb"))
    assert Delayer([1]).fit_transform(rows).values[:, 0].tolist() == [0, 1, 2, 0, 4, 5]


def test_history_is_used_and_then_dropped(make_rows):
    rows = make_rows(np.arange(6)[:, None], n_history=2, first=4.0)
    out = Delayer([1, 2]).fit_transform(rows)
    assert out.tr.values.tolist() == [0, 1, 2, 3]
    assert out.values.tolist() == [[1, 0], [2, 1], [3, 2], [4, 3]]
    assert out.attrs["history"] == 0.0


def test_zeros_stand_only_before_the_audio(make_rows):
    out = Delayer([3]).fit_transform(make_rows(np.arange(1, 7)[:, None], n_history=2, first=4.0))
    assert out.values[:, 0].tolist() == [0, 1, 2, 3]


def test_too_little_history_names_what_to_ask_for(make_rows):
    rows = make_rows(np.arange(6)[:, None], n_history=1, first=10.0)
    with pytest.raises(ValueError, match=r"run 'a' starts at TR -1 but TR -3 .* history=6 or more"):
        Delayer(seconds=[2, 6]).fit_transform(rows)


def test_rows_dropped_within_the_run_are_named(make_rows):
    rows = make_rows(np.arange(6)[:, None]).isel(time=[0, 1, 3, 4, 5])
    with pytest.raises(ValueError, match="lacks the rows of TR 2: delay before"):
        Delayer([1]).fit_transform(rows)


def test_the_order_is_delay_major_and_the_coordinate_is_in_seconds(make_rows):
    rows = make_rows(np.stack([np.arange(4), 10 + np.arange(4)], axis=1))
    out = Delayer([0, 1]).fit_transform(rows)
    assert out.values[3].tolist() == [3, 13, 2, 12]
    assert out.coords["name"].values.tolist() == ["f0", "f1", "f0", "f1"]
    assert out.delay.values.tolist() == [0, 0, 2, 2]


def test_seconds_are_turned_into_trs(make_rows):
    rows = make_rows(np.arange(1.0, 9.0)[:, None])
    np.testing.assert_array_equal(
        Delayer(seconds=[2, 6]).fit_transform(rows), Delayer([1, 3]).fit_transform(rows)
    )


def test_seconds_between_two_trs_are_interpolated(make_rows):
    rows = make_rows(np.arange(1.0, 9.0)[:, None], t_r=1.5)
    out = Delayer(seconds=[2]).fit_transform(rows)
    np.testing.assert_allclose(out.values[2:, 0], rows.values[2:, 0] - 2 / 1.5)
    np.testing.assert_allclose(out.delay, 2)


def test_without_arguments_it_delays_by_2_4_6_and_8_seconds(make_rows):
    out = Delayer().fit_transform(make_rows(np.arange(6)[:, None]))
    assert out.delay.values.tolist() == [2, 4, 6, 8]


def test_layers_are_carried_along(make_rows):
    rows = make_rows(np.ones((3, 2))).assign_coords(layer=("feature", [4, 8]))
    assert Delayer([0, 1]).fit_transform(rows).layer.values.tolist() == [4, 8, 4, 8]


@pytest.mark.parametrize(
    ("delayer", "match"),
    [
        (Delayer([1], seconds=[2]), "give one of them"),
        (Delayer([1.5]), "expected whole numbers"),
        (Delayer([-1]), "numbers of 0 or more"),
        (Delayer([]), "numbers of 0 or more"),
        (Delayer([1, 1]), "names a delay twice"),
        (Delayer(seconds=[2000, 4000]), "are these milliseconds"),
    ],
)
def test_bad_delays_are_refused(make_rows, delayer, match):
    with pytest.raises(ValueError, match=match):
        delayer.fit_transform(make_rows(np.ones((3, 1))))


def test_seconds_of_an_array_are_refused():
    with pytest.raises(ValueError, match=r"does not say how long a TR is.*FeatureTransformer\("):
        Delayer(seconds=[2]).fit(np.ones((3, 1)))


def test_runs_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"runs has shape \(2,\) but there are 3 rows"):
        Delayer([1]).fit_transform(np.ones((3, 1)), runs=[0, 1])


def test_an_interrupted_run_is_refused():
    with pytest.raises(ValueError, match="run 'a' is interrupted"):
        Delayer([1]).fit_transform(np.ones((3, 1)), runs=["a", "b", "a"])


def test_rows_without_coordinates_are_refused(make_rows):
    with pytest.raises(ValueError, match="without tr: pass what an extractor"):
        Delayer([1]).fit_transform(make_rows(np.ones((3, 1))).drop_vars("tr"))


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "bool"])
def test_whole_numbers_are_delayed_as_their_floats_are(make_rows, kind):
    rows = make_rows(np.arange(1, 9)[:, None], t_r=1.5)
    counts = rows.copy(data=(rows.values * 25).astype(kind))
    out = Delayer(seconds=[2, 4]).fit_transform(counts)
    np.testing.assert_allclose(out, Delayer(seconds=[2, 4]).fit_transform(counts.astype("f8")))
