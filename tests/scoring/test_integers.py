"""Whole numbers, as NIfTI stores BOLD, are scored as NumPy scores them in float64."""

import dask.array
import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import Ridge

import encodekit as ek
from encodekit.data import make_response

# Products of the values of each type overflow it.
TYPES = {
    "int16": (9000, 20000), "uint16": (9000, 30000), "uint8": (35, 120), "int8": (30, 0),
    "int32": (3e8, 1e9), "int64": (1e9, 1e12), "bool": (1, 0.5),
}  # fmt: skip
KINDS = list(TYPES)
N = 80


def responses(dtype, seed=0, shape=(N, 3)):
    scale, mean = TYPES[dtype]
    values = np.random.default_rng(seed).standard_normal(shape)
    if dtype == "bool":
        return values > 0
    limits = np.iinfo(dtype)
    return np.clip(values * scale + mean, limits.min, limits.max).astype(dtype)


def labelled(values, run="a", start=0.0):
    times = start + 2.0 * np.arange(values.shape[-2])
    return make_response(values, run=run, participant="P1", tr_times=times, t_r=2.0)


def features(run, seed):
    like = labelled(np.random.default_rng(seed).standard_normal((N, 2)), run)
    coords = {name: like.coords[name] for name in ("run", "stimulus", "tr", "seconds")}
    coords["name"] = ("feature", ["x", "y"])
    attrs = {name: like.attrs[name] for name in ("t_r", "sample_offset")}
    return xr.DataArray(like.values, coords, ("time", "feature"), attrs=attrs)


def pearson(left, right):
    wide = [np.asarray(side, dtype=np.float64) for side in (left, right)]
    return [np.corrcoef(wide[0][:, k], wide[1][:, k])[0, 1] for k in range(wide[0].shape[1])]


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("swapped", [False, True])
def test_correlations_are_those_of_numpy(dtype, swapped):
    true = responses(dtype)
    guess = np.random.default_rng(1).standard_normal(true.shape) + true / TYPES[dtype][0]
    sides = (guess, true) if swapped else (true, guess)
    got = ek.correlation(*(labelled(side) for side in sides))
    np.testing.assert_allclose(got.values, pearson(true, guess), rtol=1e-10)
    np.testing.assert_allclose(ek.correlation(*sides), pearson(true, guess), rtol=1e-10)


@pytest.mark.parametrize("dtype", KINDS)
def test_two_sides_of_whole_numbers_correlate_without_overflow(dtype):
    left, right = responses(dtype, 0), responses(dtype, 1)
    got = ek.correlation(labelled(left), labelled(right)).values
    np.testing.assert_allclose(got, pearson(left, right), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", KINDS)
def test_r2_is_that_of_its_formula(dtype):
    true, mean = responses(dtype), TYPES[dtype][1]
    guess = np.random.default_rng(1).standard_normal(true.shape) * TYPES[dtype][0] / 2 + mean
    wide = true.astype(np.float64)
    expected = 1 - ((wide - guess) ** 2).sum(axis=0) / ((wide - mean) ** 2).sum(axis=0)
    np.testing.assert_allclose(
        ek.r2(labelled(true), labelled(guess), mean=mean).values, expected, rtol=1e-10
    )
    np.testing.assert_allclose(ek.r2(true, guess, mean=mean), expected, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["int16", "int32", "bool"])
def test_lazy_responses_are_scored_alike_and_stay_whole_numbers(dtype):
    true = responses(dtype)
    lazy = labelled(dask.array.from_array(true, chunks=(40, 2)))
    guess = np.random.default_rng(1).standard_normal(true.shape)
    got = ek.correlation(lazy, labelled(guess)).values
    np.testing.assert_allclose(got, pearson(true, guess), rtol=1e-10)
    assert lazy.dtype == dtype


@pytest.mark.parametrize("dtype", KINDS)
def test_a_constant_has_no_score(dtype):
    true = responses(dtype)
    true[:, 1] = true[0, 1]
    got = ek.correlation(labelled(true), labelled(np.random.default_rng(1).normal(size=(N, 3))))
    assert np.isnan(got.values).tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", KINDS)
def test_ceilings_follow_sahani_and_linden(dtype):
    repeats = responses(dtype, shape=(4, N, 2))
    wide = repeats.astype(np.float64)
    total = wide.var(axis=1, ddof=1).mean(axis=0)
    signal = (4 * wide.mean(axis=0).var(axis=0, ddof=1) - total) / 3
    for given in (labelled(repeats), repeats):
        found = ek.noise_ceiling(given).signal_share.values
        np.testing.assert_allclose(found, signal / total, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("lazy", [False, True])
def test_a_ridge_of_whole_numbers_is_that_of_scikit_learn(dtype, lazy):
    runs = ["a", "b", "c"]
    x = [features(run, seed) for seed, run in enumerate(runs)]
    y = [responses(dtype, 10 + seed) for seed in range(3)]
    read = dask.array.from_array if lazy else np.asarray
    given = [labelled(read(values), run) for values, run in zip(y, runs, strict=True)]
    model = ek.RidgeCV(alphas=[10.0]).fit(x, given)
    rows, wide = np.concatenate([run.values for run in x]), np.concatenate(y).astype(np.float64)
    peer = Ridge(alpha=10.0).fit(rows, wide)
    np.testing.assert_allclose(model.coef_.values, peer.coef_.T, rtol=1e-7)
    scores = [pearson(whole, peer.predict(run.values)) for whole, run in zip(y, x, strict=True)]
    assert model.score(x, given) == pytest.approx(np.mean(scores), rel=1e-6)


def test_tests_of_whole_numbers_are_those_of_the_same_floats():
    true = responses("int16", shape=(N, 3))
    guess = np.random.default_rng(1).standard_normal((N, 3)) + true / 9000
    whole, wide = (
        ek.permutation_test(
            labelled(side, start=30.0), labelled(guess, start=30.0), n_permutations=99,
            random_state=0,
        )
        for side in (true, true.astype(np.float64))
    )  # fmt: skip
    xr.testing.assert_identical(whole, wide)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "bool"])
def test_whole_numbers_are_z_scored_as_floats(dtype):
    true = responses(dtype)
    wide = true.astype(np.float64)
    expected = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    np.testing.assert_allclose(ek.RunScaler().fit_transform(labelled(true)).values, expected)


@pytest.mark.parametrize(
    ("dtype", "advice"), [("complex64", r"\.real"), ("U8", "float64"), ("M8[s]", "float64")]
)
def test_what_is_not_a_real_number_is_refused_by_its_type(dtype, advice):
    odd = responses("int16").astype("int64").astype(dtype)
    fine = np.random.default_rng(1).standard_normal((N, 3))
    said = f"{np.dtype(dtype)}".replace("[", r"\[").replace("]", r"\]")
    with pytest.raises(TypeError, match=rf"true: values are {said}, expected real .*{advice}"):
        ek.correlation(labelled(odd), labelled(fine))
    with pytest.raises(TypeError, match=rf"r2: predicted: values are {said}, expected real"):
        ek.r2(fine, odd, mean=0.0)
    with pytest.raises(TypeError, match=rf"y: values are {said}, expected real"):
        ek.RidgeCV().fit(features("a", 0), labelled(odd))
    with pytest.raises(TypeError, match=rf"repeats: values are {said}, expected real"):
        ek.noise_ceiling(labelled(np.stack([odd, odd])))
