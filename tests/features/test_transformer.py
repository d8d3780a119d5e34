import numpy as np
import pytest
import xarray as xr
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import encodekit as ek
from encodekit.data import split_runs


def features(layers=(3, 7), n_columns=6, n_trs=(20, 30), seed=0):
    """Return two runs, one row of history each, of as many features in each layer."""
    rng = np.random.default_rng(seed)
    tr = np.concatenate([np.arange(-1, n) for n in n_trs])
    run = np.repeat(["run-1", "run-2"], [n + 1 for n in n_trs])
    layer = np.repeat(layers, n_columns)
    values = rng.standard_normal((tr.size, layer.size)) @ rng.standard_normal((layer.size,) * 2)
    coords = {
        "run": ("time", run), "stimulus": ("time", run), "tr": ("time", tr),
        "seconds": ("time", 10 + 2.0 * tr), "layer": ("feature", layer),
        "name": ("feature", [f"f{k}" for k in range(layer.size)]),
    }  # fmt: skip
    attrs = {"t_r": 2.0, "sample_offset": 1.0, "history": 2.0}
    return xr.DataArray(values, coords, ("time", "feature"), attrs=attrs)


def test_each_layer_is_reduced_alone_and_keeps_its_rows():
    X = features()
    reduced = ek.FeatureTransformer(PCA(2)).fit_transform(X)
    assert reduced.layer.values.tolist() == [3, 3, 7, 7]
    assert reduced["name"].values.tolist() == ["pca0", "pca1"] * 2
    for layer in (3, 7):
        expected = PCA(2).fit_transform(X.values[:, X.layer.values == layer])
        assert np.allclose(reduced.values[:, reduced.layer.values == layer], expected)
    for name in ("run", "stimulus", "tr", "seconds"):
        assert reduced[name].identical(X[name])
    assert reduced.attrs == X.attrs
    assert ek.validate(reduced, "features") is reduced


def test_a_test_run_has_no_part_in_it():
    train, test = split_runs(features())
    for transformer in (PCA(3), StandardScaler()):
        model = ek.FeatureTransformer(transformer).fit(train)
        before = model.transform(train)
        alone = model.transform(test)
        assert model.transform(train).identical(before)
        # A row is transformed alike whatever it is transformed with.
        assert np.allclose(model.transform(test[:1]), alone[:1])
        seen = ek.FeatureTransformer(transformer).fit([train, 5 * test])
        assert not np.allclose(seen.transform(train), before)


def test_a_scaler_keeps_every_coordinate():
    X = features().assign_coords(delay=("feature", np.tile([2.0, 4.0], 6)))
    scaled = ek.FeatureTransformer(StandardScaler()).fit_transform(X)
    assert {*scaled.coords} == {*X.coords}
    assert scaled.delay.identical(X.delay)
    assert np.allclose(scaled.std("time"), 1)
    assert "delay" not in ek.FeatureTransformer(PCA(2)).fit_transform(X).coords


def test_a_transformer_without_names_gets_some():
    class Halves:
        def get_params(self, deep=True):
            return {}

        def fit(self, X):
            return self

        def transform(self, X):
            return X[:, ::2]

    reduced = ek.FeatureTransformer(Halves()).fit_transform(features((3,)).drop_vars("name"))
    assert reduced["name"].values.tolist() == ["halves0", "halves1", "halves2"]


def test_arrays_come_out_as_the_transformer_gives_them():
    X = np.random.default_rng(0).standard_normal((30, 4))
    found = ek.FeatureTransformer(PCA(2)).fit(X[:20]).transform(X[20:])
    assert np.allclose(found, PCA(2).fit(X[:20]).transform(X[20:]))


def test_it_reduces_before_the_delays_in_a_pipeline():
    X = features()
    model = make_pipeline(ek.FeatureTransformer(PCA(2)), ek.Delayer(seconds=[0, 2]))
    delayed = model.fit_transform(X)
    assert delayed.sizes["feature"] == 8
    assert delayed.delay.values.tolist() == [0.0] * 4 + [2.0] * 4


def test_other_features_than_those_of_the_fit_are_refused():
    X = features()
    model = ek.FeatureTransformer(PCA(2)).fit(X)
    with pytest.raises(ValueError, match=r"6 features \(f0, f1, \.\.\.\) .* fitted on 12"):
        model.transform(X[:, :6])
    with pytest.raises(ValueError, match="use the extractor of the fit"):
        model.transform(X[:, [1, 0, *range(2, 12)]])


def test_a_saved_transformer_gives_the_same(tmp_path):
    X = features()
    model = ek.FeatureTransformer(PCA(2)).fit(X)
    loaded = ek.load(ek.save(model, tmp_path / "model"))
    again, first = loaded.transform(X), model.transform(X)
    assert np.allclose(again, first)
    assert again.coords.identical(first.coords)
