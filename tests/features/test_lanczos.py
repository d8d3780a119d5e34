import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encodekit.features import Lanczos


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    window=st.integers(1, 4),
    cutoff_mult=st.sampled_from([0.5, 1.0, 2.0]),
    regular=st.booleans(),
)
def test_the_sparse_matrix_equals_the_dense_formula(reference, seed, window, cutoff_mult, regular):
    rng = np.random.default_rng(seed)
    old = np.arange(0, 40, 0.1) if regular else np.sort(rng.uniform(0, 40, 150))
    new = 1.0 + 2.0 * np.arange(20)
    values = rng.standard_normal((old.size, 3))
    rows = Lanczos(window, cutoff_mult).resample(values, old, new)
    dense = reference("lanczos").dense_lanczos(values, old, new, window, cutoff_mult)
    np.testing.assert_allclose(rows, dense, atol=1e-10)


def test_float32_frames_stay_float32_and_equal_the_formula_to_1e_5(reference):
    old, new = np.arange(0, 60, 0.02), np.arange(1, 60, 2.0)
    values = np.random.default_rng(0).standard_normal((old.size, 2)).astype("float32")
    rows = Lanczos().resample(values, old, new)
    dense = reference("lanczos").dense_lanczos(values, old, new)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, dense, rtol=1e-5, atol=1e-5 * np.abs(dense).max())


def test_the_matrix_stores_only_what_lies_within_the_window():
    matrix = Lanczos().matrix(np.arange(0, 600, 0.02), np.arange(1, 600, 2.0))
    assert matrix.format == "csr"
    assert matrix.nnz <= 300 * 601


def test_the_amplitude_of_the_formula_grows_with_the_frame_rate():
    new = np.arange(20, 60, 2.0)
    sums = [Lanczos().matrix(np.arange(0, 80, step), new).sum(axis=1) for step in (0.02, 0.01)]
    np.testing.assert_allclose(sums[1] / sums[0], 2, rtol=1e-3)


def test_normalised_weights_keep_a_constant_also_at_the_ends():
    rows = Lanczos(normalise=True).resample(
        np.ones((2000, 1)), np.arange(2000) / 50, np.arange(1, 40, 2.0)
    )
    np.testing.assert_allclose(rows, 1)


def test_normalised_weights_refuse_sparse_events():
    with pytest.raises(ValueError, match="weights of 1 of 3 rows cancel, the first at 4 s"):
        Lanczos(normalise=True).matrix([1.0, 7.0], [1.0, 4.0, 7.0], spacing=2.0)


def test_one_new_time_needs_a_spacing():
    with pytest.raises(ValueError, match="pass spacing="):
        Lanczos().matrix([0.0, 1.0], [0.5])
    assert Lanczos().matrix([0.0, 1.0], [0.5], spacing=2.0).shape == (1, 2)


@pytest.mark.parametrize(
    ("old", "match"),
    [([1.0, 0.0], "decrease after frame 0"), ([np.nan, 1.0], "old_times must be finite")],
)
def test_bad_times_are_refused(old, match):
    with pytest.raises(ValueError, match=match):
        Lanczos().matrix(old, [0.0, 2.0])


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="give one time per frame"):
        Lanczos().resample(np.ones((3, 1)), [0.0, 1.0], [0.0, 2.0])


def test_a_window_of_zero_is_refused():
    with pytest.raises(ValueError, match="both must be above 0"):
        Lanczos(window=0).matrix([0.0], [0.0, 2.0])
