import numpy as np
import pytest

from encodekit.features import Lanczos
from encodekit.features._resampling import TrRows

TIMES = 1.0 + 2.0 * np.arange(20)


def rows_of(how, seconds, values, n_blocks=1, events=False):
    rows = TrRows(how, TIMES, 2.0, events=events)
    for part in np.array_split(np.arange(seconds.size), n_blocks):
        rows.add(seconds[part], values[part])
    return rows.rows()


@pytest.mark.parametrize("rate", [10, 50, 100])
def test_a_constant_signal_keeps_its_value_at_any_frame_rate(rate):
    seconds = np.arange(0, 40, 1 / rate)
    rows = rows_of("lanczos", seconds, np.full((seconds.size, 1), 5.0))
    np.testing.assert_allclose(rows[4:-4], 5, rtol=0.01)


def test_lanczos_is_the_published_formula_times_a_constant(reference):
    seconds = np.arange(0, 40, 0.02)
    values = np.random.default_rng(0).standard_normal((seconds.size, 2))
    dense = reference("lanczos").dense_lanczos(values, seconds, TIMES)
    np.testing.assert_allclose(rows_of("lanczos", seconds, values), dense * 0.01, atol=1e-5)


def test_irregular_events_are_summed_as_published(reference):
    onsets = np.array([0.5, 0.9, 4.0, 11.0, 11.2])
    dense = reference("lanczos").dense_lanczos(np.ones((5, 1)), onsets, TIMES)
    np.testing.assert_allclose(rows_of("lanczos", onsets, np.ones((5, 1))), dense, atol=1e-6)


def test_events_are_summed_as_published_even_when_they_are_evenly_spaced(reference):
    onsets = np.arange(10.0, 30.0, 0.5)
    ones = np.ones((onsets.size, 1))
    dense = reference("lanczos").dense_lanczos(ones, onsets, TIMES)
    np.testing.assert_allclose(rows_of("lanczos", onsets, ones, events=True), dense, atol=1e-6)


def test_a_lanczos_of_ones_own_is_used_as_it_is(reference):
    seconds = np.arange(0, 40, 0.1)
    values = np.sin(seconds)[:, None]
    dense = reference("lanczos").dense_lanczos(values, seconds, TIMES, 2, 0.5)
    np.testing.assert_allclose(rows_of(Lanczos(2, 0.5), seconds, values), dense, atol=1e-4)


@pytest.mark.parametrize("how", ["lanczos", "mean", "sum"])
def test_blocks_give_what_the_whole_gives(how):
    seconds = np.arange(0, 40, 0.05)
    values = np.random.default_rng(0).standard_normal((seconds.size, 2))
    np.testing.assert_allclose(
        rows_of(how, seconds, values, 7), rows_of(how, seconds, values), atol=1e-6
    )


def test_a_frame_on_the_border_belongs_to_the_later_tr():
    assert rows_of("sum", np.array([2.0]), np.ones((1, 1)))[:3, 0].tolist() == [0, 1, 0]


def test_mean_is_over_the_frames_of_the_tr():
    seconds = np.arange(0.25, 40, 0.5)
    np.testing.assert_allclose(rows_of("mean", seconds, seconds[:, None])[:, 0], TIMES)


def test_a_tr_without_frames_has_no_mean():
    with pytest.raises(ValueError, match="19 of 20 TRs hold no frame, the first around 3 s"):
        rows_of("mean", np.array([1.0]), np.ones((1, 1)))


def test_an_unknown_way_is_answered_with_close_matches():
    with pytest.raises(ValueError, match="did you mean 'lanczos'"):
        TrRows("lancsos", TIMES, 2.0)


def test_no_block_at_all_is_refused():
    with pytest.raises(ValueError, match="no frames came"):
        TrRows("sum", TIMES, 2.0).rows()
