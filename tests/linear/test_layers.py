import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import split_runs


@pytest.fixture
def layered(labelled):
    """Return three layers, the middle one the features that the responses follow."""
    X, Y = labelled(noise=2.0)
    rng = np.random.default_rng(1)
    layers = []
    for layer, noise in ((2, 4.0), (5, 0.0), (9, 8.0)):
        noisy = X + noise * rng.standard_normal(X.shape).astype("f4")
        names = [f"layer-{layer}.{name}" for name in X["name"].values]
        layers.append(
            noisy.assign_coords(
                layer=("feature", np.full(X.sizes["feature"], layer)), name=("feature", names)
            )
        )
    joined = xr.concat(layers, "feature", coords="minimal", compat="override", join="override")
    return joined.transpose("time", "feature"), X, Y


def test_the_layer_that_the_responses_follow_is_chosen(layered):
    X, _, Y = layered
    model = ek.LayerSelector().fit(X, Y)
    assert model.best_layer_ == 5
    assert model.layer_scores_.dims == ("layer", "target")
    assert model.layer_scores_.layer.values.tolist() == [2, 5, 9]
    assert np.argmax(model.layer_scores_.mean("target").values) == 1


def test_it_predicts_as_the_ridge_of_that_layer(layered):
    X, only, Y = layered
    model, ridge = ek.LayerSelector().fit(X, split_runs(Y)), ek.RidgeCV().fit(only, Y)
    assert np.allclose(model.predict(X), ridge.predict(only))
    assert model.score(X, Y) == pytest.approx(ridge.score(only, Y))
    shared = ek.RidgeCV(exhaustive=True).fit(only, Y).cv_scores_
    at_its_best = shared.isel(alpha=int(shared.mean("target").argmax("alpha")))
    assert np.allclose(model.layer_scores_.sel(layer=5), at_its_best)
    own = ek.LayerSelector(by="target").fit(X, Y).layer_scores_
    assert np.allclose(own.sel(layer=5), ridge.best_scores_)
    assert (own >= model.layer_scores_).all()


@pytest.mark.parametrize("by", ["all", "participant"])
def test_a_layer_of_noise_gains_nothing_by_penalties_of_each_targets_own(labelled, by):
    X, Y = labelled(n_stories=6, noise=1.0)
    rng = np.random.default_rng(0)
    weak = X[:, :2].values @ rng.standard_normal((2, 400)) / float(X[:, :2].std())
    values = 0.03 * weak + rng.standard_normal((X.sizes["time"], 400))
    many = xr.concat(
        [Y.isel(target=[0])] * 400, "target", coords="minimal", compat="override", join="override"
    ).assign_coords(target=[f"P1/{k:05d}" for k in range(400)])
    many = many.transpose("time", "target").copy(data=values.astype("f4"))
    noise = rng.standard_normal((X.sizes["time"], 120)).astype("f4")
    names = [f"noise {k}" for k in range(120)]
    layers = xr.concat(
        [
            xr.DataArray(
                noise, dims=("time", "feature"), attrs=X.attrs,
                coords={k: X[k] for k in ("run", "stimulus", "tr", "seconds")}
                | {"name": ("feature", names), "layer": ("feature", np.zeros(120, int))},
            ),
            X[:, :2].drop_vars("delay", errors="ignore").assign_coords(layer=("feature", [1, 1])),
        ],
        "feature", coords="minimal", compat="override", join="override",
    ).transpose("time", "feature")  # fmt: skip
    grid = np.logspace(-1, 6, 15)
    each = ek.LayerSelector(ek.RidgeCV(grid), by="target").fit(layers, many)
    means = each.layer_scores_.mean("target").values
    assert means[0] > means[1]  # each target's best of fifteen penalties, without any signal
    shared = ek.LayerSelector(ek.RidgeCV(grid), by=by).fit(layers, many)
    assert np.all(np.asarray(shared.best_layer_) == 1)


def test_each_target_may_have_its_own_layer(layered):
    X, _, Y = layered
    swapped = Y.copy()
    of_layer_2 = X.isel(feature=X.layer.values == 2).values
    swapped[:, 0] = of_layer_2 @ np.ones(of_layer_2.shape[1])
    model = ek.LayerSelector(by="target").fit(X, swapped)
    assert model.best_layer_.values.tolist() == [2, 5, 5]
    assert model.best_layer_.target.values.tolist() == Y.target.values.tolist()
    for target, layer in enumerate([2, 5, 5]):
        part = X.isel(feature=X.layer.values == layer)
        alone = ek.RidgeCV().fit(part, swapped).predict(part)
        assert np.allclose(model.predict(X)[:, target], alone[:, target])
    assert model.fitted_layers_.tolist() == [2, 5]


def test_each_participant_may_have_their_own_layer(layered):
    X, _, Y = layered
    swapped = Y.assign_coords(participant=("target", ["P1", "P1", "P2"])).copy()
    of_layer_2 = X.isel(feature=X.layer.values == 2).values
    swapped[:, :2] = of_layer_2 @ np.ones((of_layer_2.shape[1], 2))
    model = ek.LayerSelector(by="participant").fit(X, swapped)
    assert model.best_layer_.values.tolist() == [2, 2, 5]
    alone = ek.LayerSelector().fit(X, swapped[:, 2:])
    assert np.allclose(model.predict(X)[:, 2:], alone.predict(X))


def test_test_runs_do_not_choose_the_layer(layered):
    X, _, Y = layered
    last = X.run.values == "story-3"
    train = {"time": np.flatnonzero(~last)}
    model = ek.LayerSelector().fit(X.isel(train), Y.isel(train))
    scores = model.layer_scores_.values.copy()
    changed = Y.copy(deep=True)
    changed.values[last] = 1e3
    again = ek.LayerSelector().fit(X.isel(train), changed.isel(train))
    assert np.array_equal(again.layer_scores_, scores)


def test_degenerate_targets_do_not_choose(layered):
    X, _, Y = layered
    Y[:, 0] = 3
    model = ek.LayerSelector(by="target").fit(X, Y)
    assert model.best_layer_.values.tolist() == [5, 5, 5]
    assert np.isnan(model.predict(X)).all("time").values.tolist() == [True, False, False]


def test_the_estimator_is_cloned_with_its_parameters(layered):
    X, _, Y = layered
    ridge = ek.RidgeCV([10.0], targets=["P1/00001"])
    model = ek.LayerSelector(ridge).fit(X, Y)
    assert not hasattr(ridge, "coef_")
    assert model.predict(X).target.values.tolist() == ["P1/00001"]
    assert model.score(X, Y) == pytest.approx(float(model.score_targets(X, Y)[0]))
    assert model.set_params(estimator__alphas=[1.0]).estimator.alphas == [1.0]


@pytest.mark.parametrize("by", ["all", "target"])
def test_a_saved_selector_predicts_the_same(layered, tmp_path, by):
    X, _, Y = layered
    model = ek.LayerSelector(by=by).fit(X, Y)
    loaded = ek.load(ek.save(model, tmp_path / "model"))
    assert loaded.predict(X).identical(model.predict(X))


def test_features_without_layers_are_refused(labelled):
    with pytest.raises(ValueError, match=r"needs the coordinate `layer` .* layer='all'"):
        ek.LayerSelector().fit(*labelled())


def test_a_chosen_layer_that_is_not_there_is_refused(layered):
    X, _, Y = layered
    model = ek.LayerSelector().fit(X, Y)
    with pytest.raises(ValueError, match="X: unknown layer '5': .*; the fit chose it"):
        model.predict(X.isel(feature=X.layer.values != 5))


def test_an_unknown_choice_is_refused(layered):
    X, _, Y = layered
    with pytest.raises(ValueError, match="unknown by 'targets': did you mean 'target'"):
        ek.LayerSelector(by="targets").fit(X, Y)
