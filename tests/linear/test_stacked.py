"""StackedRidge: weights of feature spaces, chosen on runs that the ridges did not see."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize

import encodekit as ek
from encodekit.linear._stacked import simplex_weights


def in_bands(X, *bands):
    """Return features of named bands, (name, array (time, feature)) each, on the rows of X."""
    coords = {name: coord.variable for name, coord in X.coords.items() if coord.dims == ("time",)}
    coords["band"] = ("feature", [name for name, values in bands for _ in values.T])
    values = np.concatenate([values for _, values in bands], axis=1)
    coords["name"] = ("feature", [f"f{k}" for k in range(values.shape[1])])
    return xr.DataArray(values, dims=("time", "feature"), coords=coords, attrs=X.attrs)


def banded(labelled, **keywords):
    """Return features in two bands, what drives the responses and noise, and the responses."""
    X, Y = labelled(**keywords)
    noise = np.random.default_rng(5).standard_normal(X.shape)
    return in_bands(X, ("sound", X.values), ("noise", noise)), Y


def test_weights_are_those_of_a_general_solver():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((1, 80, 12))
    errors = 0.5 * shared + rng.standard_normal((4, 80, 12)) * rng.uniform(0.5, 2, (4, 1, 12))
    found = simplex_weights(errors)
    assert np.allclose(found.sum(axis=0), 1)
    assert (found >= 0).all()
    assert (found == 0).any()
    for target in range(12):
        solved = minimize(
            lambda w, e=errors[:, :, target]: np.square(w @ e).sum(),
            np.full(4, 0.25), bounds=[(0, 1)] * 4, method="SLSQP",
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-12},
        )  # fmt: skip
        assert np.allclose(found[:, target], solved.x, atol=1e-3)


def test_bands_that_err_alike_share_the_weight_and_nan_rows_do_not_count():
    errors = np.random.default_rng(0).standard_normal((1, 50, 3)).repeat(2, axis=0)
    assert np.allclose(simplex_weights(errors).sum(axis=0), 1)
    first = simplex_weights(np.random.default_rng(1).standard_normal((3, 50, 2)))
    padded = np.random.default_rng(1).standard_normal((3, 50, 2))
    padded = np.concatenate([padded, np.full((3, 5, 2), np.nan)], axis=1)
    assert np.allclose(simplex_weights(padded), first)
    padded[:, :, 1] = np.nan
    assert np.isnan(simplex_weights(padded)[:, 1]).all()


def test_the_band_that_drives_the_responses_gets_the_weight(labelled):
    X, Y = banded(labelled, participants=("P1", "P2"), n_stories=5)
    model = ek.StackedRidge().fit(X, Y)
    assert model.weights_.dims == ("band", "target")
    assert (model.weights_.sel(band="sound") > 0.8).all()
    assert list(model.weights_.target.values) == list(Y.target.values)
    parts = model.predict(X, split=True)
    assert parts.sizes["band"] == 2
    assert np.allclose(parts.sum("band"), model.predict(X), atol=1e-6)
    sound = X.isel(feature=np.flatnonzero(X.band.values == "sound"))
    alone = ek.RidgeCV().fit(sound, Y).predict(sound)
    assert np.allclose(parts.sel(band="sound"), model.weights_.values[0] * alone.values, atol=1e-6)


def test_weights_are_chosen_out_of_fold(labelled):
    """A band that knows the responses of its own runs by heart earns nothing."""
    X, Y = labelled(n_stories=4)
    memory = 10 * np.random.default_rng(0).standard_normal((X.sizes["time"], 400))
    wide = in_bands(X, ("sound", X.values), ("memory", memory))
    model = ek.StackedRidge(ek.RidgeCV([1e-2])).fit(wide, Y)
    fitted = model.estimators_[1].predict(wide.isel(feature=slice(X.sizes["feature"], None)))
    assert (ek.correlation(Y, fitted) > 0.9).all()
    assert (model.weights_.sel(band="memory") < 0.2).all()


def test_a_participant_who_lacks_a_run_is_weighed_on_the_others(labelled):
    X, Y = banded(labelled, participants=("P1", "P2"), n_stories=5)
    whole = ek.StackedRidge().fit(X, Y)
    Y.values[np.ix_(Y.run.values == "story-1", Y.participant.values == "P2")] = np.nan
    model = ek.StackedRidge().fit(X, Y)
    mine = model.weights_.participant.values == "P1"
    assert np.allclose(model.weights_.values[:, mine], whole.weights_.values[:, mine], atol=1e-6)
    assert np.isfinite(model.weights_.values).all()


def test_a_saved_stack_predicts_the_same(labelled, tmp_path):
    X, Y = banded(labelled)
    model = ek.StackedRidge(ek.RidgeCV([1.0, 10.0])).fit(X, Y)
    ek.save(model, tmp_path / "stack")
    assert np.allclose(ek.load(tmp_path / "stack").predict(X), model.predict(X))


def test_what_cannot_be_stacked_is_refused(labelled):
    X, Y = labelled()
    with pytest.raises(ValueError, match="needs the coordinate `band`"):
        ek.StackedRidge().fit(X, Y)
    X, Y = banded(labelled)
    model = ek.StackedRidge(ek.RidgeCV([1.0])).fit(X, Y)
    with pytest.raises(ValueError, match=r"lacks the bands \['noise'\]"):
        model.predict(X.isel(feature=np.flatnonzero(X.band.values == "sound")))
    many = X.assign_coords(band=("feature", [str(k % 9) for k in range(X.sizes["feature"])]))
    with pytest.raises(ValueError, match="9 bands, and stacking takes 8 at most"):
        ek.StackedRidge().fit(many, Y)
    with pytest.raises(TypeError, match="sample_weight"):
        model.score(X, Y, sample_weight=[1])
