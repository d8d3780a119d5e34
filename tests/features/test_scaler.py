import numpy as np
import pytest

from encodekit.data import RunList, make_response
from encodekit.features import RunScaler


def test_every_run_gets_mean_zero_and_deviation_one(make_rows):
    rng = np.random.default_rng(0)
    rows = make_rows(5 + rng.standard_normal((40, 3)) * [1, 10, 100], runs=["a"] * 15 + ["b"] * 25)
    scaled = RunScaler().fit_transform(rows)
    for run in ("a", "b"):
        part = scaled.values[rows.run.values == run]
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(part.std(axis=0), 1)


def test_constant_features_become_zero_also_where_rounding_moves_them():
    values = np.full((50, 2), 0.1, dtype=np.float32)
    values[::2, 1] = np.nextafter(np.float32(0.1), np.float32(1))
    assert (RunScaler().fit_transform(values) == 0).all()


def test_small_but_real_variation_is_not_constant():
    values = 1000 + 0.01 * np.random.default_rng(0).standard_normal((50, 1))
    np.testing.assert_allclose(RunScaler().fit_transform(values).std(), 1)


def test_history_is_scaled_by_the_statistics_of_the_run_itself(make_rows):
    rows = make_rows([[100.0], [1.0], [2.0], [3.0]], n_history=1, first=2.0)
    scaled = RunScaler().fit_transform(rows).values[:, 0]
    np.testing.assert_allclose(scaled[1:], np.array([-1, 0, 1]) / np.std([1, 2, 3]))
    np.testing.assert_allclose(scaled[0], 98 / np.std([1, 2, 3]))


def test_censored_rows_stay_nan_and_do_not_count():
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    scaled = RunScaler().fit_transform(values)
    np.testing.assert_array_equal(scaled[:, 0], [-1, np.nan, 1])
    assert np.isnan(scaled[:, 1]).all()


def a_response(run, scale):
    values = scale * np.arange(6.0).reshape(3, 2)
    return make_response(
        values, run=run, participant="P1", tr_times=[0, 2, 4], t_r=2.0, units="scanner"
    )


def test_a_list_of_responses_stays_a_list_of_responses():
    scaled = RunScaler().transform(RunList([a_response("a", 1), a_response("b", 50)]))
    assert isinstance(scaled, RunList)
    np.testing.assert_allclose(scaled[0], scaled[1])
    assert scaled[0].attrs["units"] == "z"
    assert scaled[0].target.values.tolist() == ["P1/00000", "P1/00001"]


def test_repeats_are_scaled_each_by_itself():
    repeats = make_response(
        np.random.default_rng(0).standard_normal((2, 8, 3)),
        run="a",
        participant="P1",
        tr_times=np.arange(8) * 2,
        t_r=2.0,
    )
    scaled = RunScaler().transform(repeats)
    assert scaled.dims == ("repeat", "time", "target")
    np.testing.assert_allclose(scaled.mean("time"), 0, atol=1e-12)


def test_arrays_take_runs():
    scaled = RunScaler().fit_transform(np.array([[0.0], [2.0], [0.0], [8.0]]), runs=[0, 0, 1, 1])
    assert scaled.ravel().tolist() == [-1, 1, -1, 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_is_kept(dtype):
    assert RunScaler().fit_transform(np.arange(6.0, dtype=dtype)[:, None]).dtype == dtype
