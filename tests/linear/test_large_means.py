"""Raw BOLD has means of hundreds of SDs; r must be of the prediction, not of its rounding."""

import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import concat_runs, make_response

N_TRS, ALPHAS = 100, np.logspace(0, 8, 17)


def runs(mean, sd, n_targets=40, bands=None):
    """Float32 features and responses of four runs; features explain nothing."""
    rng = np.random.default_rng(0)
    features, responses = [], []
    for k in range(4):
        coords = {
            "run": ("time", [f"s{k}"] * N_TRS), "stimulus": ("time", [f"s{k}"] * N_TRS),
            "tr": ("time", np.arange(N_TRS)), "seconds": ("time", 2.0 * np.arange(N_TRS)),
            "name": ("feature", [f"f{k}" for k in range(8)]), **(bands or {}),
        }  # fmt: skip
        x = rng.standard_normal((N_TRS, 8)).astype("f4")
        attrs = {"t_r": 2.0, "sample_offset": 1.0}
        features.append(xr.DataArray(x, dims=("time", "feature"), coords=coords, attrs=attrs))
        y = (rng.standard_normal((N_TRS, n_targets)) * sd + mean).astype("f4")
        given = {"participant": "P1", "tr_times": 2.0 * np.arange(N_TRS), "t_r": 2.0}
        responses.append(make_response(y, run=f"s{k}", **given))
    return features, responses


def plain_r(x, coef, y):
    """r by NumPy of predictions without the intercept, which r does not see."""
    guess = x.astype("f8") @ coef.astype("f8")
    return np.array([np.corrcoef(guess[:, k], y[:, k])[0, 1] for k in range(y.shape[1])])


@pytest.mark.parametrize(("mean", "sd"), [(0, 1), (100, 1), (1100, 1), (10000, 100), (-20000, 100)])
def test_r_of_what_nothing_explains_is_that_of_the_weights(mean, sd):
    features, responses = runs(mean, sd)
    model = ek.RidgeCV(ALPHAS).fit(concat_runs(features[:3]), concat_runs(responses[:3]))
    found = ek.correlation(responses[3], model.predict(features[3]))
    expected = plain_r(features[3].values, model.coef_.values, responses[3].values)
    np.testing.assert_allclose(found.values, expected, atol=1e-4)


def test_scores_of_raw_and_of_z_scored_responses_agree_out_of_fold():
    features, responses = runs(11000, 100)
    scaled = [(run - run.mean("time")) / run.std("time") for run in responses]
    scaled = [run.assign_attrs(raw.attrs) for run, raw in zip(scaled, responses, strict=True)]
    scores = [
        ek.correlation(y, ek.cross_val_predict(ek.RidgeCV([1e5]), features, y))
        for y in (responses, scaled)
    ]
    # Z-scores move the mean and the SD of each run a little, and so the weights.
    np.testing.assert_allclose(*[score.values for score in scores], atol=0.06)
    assert np.isfinite(scores[0].values).all()


def test_layers_and_stacks_keep_the_digits():
    features, responses = runs(11000, 100)
    y = concat_runs(responses[:3])
    layered = [
        xr.concat([run, run * 2], "feature").assign_coords(layer=("feature", np.repeat([1, 2], 8)))
        for run in features
    ]
    layered = [run.assign_attrs(features[0].attrs) for run in layered]
    selector = ek.LayerSelector(ek.RidgeCV(ALPHAS)).fit(concat_runs(layered[:3]), y)
    assert np.isfinite(ek.correlation(responses[3], selector.predict(layered[3])).values).all()


def test_small_means_stay_float32():
    features, responses = runs(0, 1)
    model = ek.RidgeCV([1.0]).fit(concat_runs(features[:3]), concat_runs(responses[:3]))
    assert model.predict(features[3]).dtype == np.float32
