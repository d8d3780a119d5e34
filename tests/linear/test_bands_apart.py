"""What each band says: its part of a prediction and of a score, its weights by delay."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import encodekit as ek


def test_the_bands_and_the_intercept_sum_to_the_prediction(banded, quick):
    X, Y = banded(participants=("P1", "P2"))
    parts = quick.fit(X, Y + 7).predict(X, split=True)
    assert parts.dims == ("band", "time", "target")
    assert parts.band.values.tolist() == ["low", "high"]
    assert parts.run.values.tolist() == Y.run.values.tolist()
    assert np.allclose(parts.sum("band") + quick.intercept_, quick.predict(X), atol=1e-4)
    low = X.values[:, X.band.values == "low"] @ quick.coef_.values[X.band.values == "low"]
    assert np.allclose(parts.sel(band="low"), low, atol=1e-5)
    assert np.allclose(parts.mean("time"), quick.band_means_, atol=1e-4)


@pytest.mark.parametrize("metric", ["correlation", "r2"])
def test_shares_sum_to_the_score(banded, quick, metric):
    X, Y = banded(participants=("P1", "P2"), n_stories=5)
    Y.values[np.ix_(Y.run.values == "story-1", Y.participant.values == "P2")] = np.nan
    Y.values[:, 1] = 3
    quick.fit(X, Y)
    shares = quick.score_targets(X, Y, split=True, metric=metric)
    whole = quick.score_targets(X, Y, metric=metric)
    assert shares.dims == ("band", "target")
    assert np.allclose(shares.sum("band", skipna=False), whole, atol=1e-6, equal_nan=True)
    assert np.isnan(whole).values.tolist() == [False, True, False, False, False, False]
    assert shares.attrs == whole.attrs
    assert shares.participant.values.tolist() == Y.participant.values.tolist()
    reference = ek.correlation if metric == "correlation" else ek.r2
    assert np.allclose(whole, reference(Y, quick.predict(X)), equal_nan=True)


def test_shares_are_those_of_himalaya(two_bands, quick):
    theirs = pytest.importorskip("himalaya.scoring")
    X, Y, runs, bands = two_bands()
    quick.fit(X, Y, runs=runs, bands=bands)
    parts = quick.predict(X, split=True)
    ours = quick.score_targets(X, Y, split=True)
    assert np.allclose(ours, theirs.correlation_score_split(Y, parts))
    ours = quick.score_targets(X, Y, split=True, metric="r2")
    centred = parts - parts.mean(axis=1, keepdims=True)
    assert np.allclose(ours, theirs.r2_score_split(Y - Y.mean(axis=0), centred))


def test_a_band_that_hurts_has_a_negative_share(quick):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 6))
    X[:, 3:] = -X[:, :3] + 0.3 * X[:, 3:]
    y = X[:, :3].sum(axis=1, keepdims=True)
    runs, bands = np.repeat(["a", "b", "c"], 30), np.repeat(["one", "two"], 3)
    quick.fit(X, y, runs=runs, bands=bands)
    quick.coef_[3:] = 0.2
    for metric in ("correlation", "r2"):
        shares = quick.score_targets(X, y, runs=runs, split=True, metric=metric)
        assert shares[1, 0] < 0 < shares[0, 0]


def test_a_split_r2_needs_an_intercept(two_bands, quick):
    X, Y, runs, bands = two_bands()
    quick.set_params(fit_intercept=False).fit(X, Y, runs=runs, bands=bands)
    assert np.isfinite(quick.score_targets(X, Y, metric="r2")).all()
    shares = quick.score_targets(X, Y, runs=runs, split=True)
    assert np.allclose(shares.sum(axis=0), quick.score_targets(X, Y, runs=runs))
    with pytest.raises(ValueError, match="fit with fit_intercept=True, or use metric='corr"):
        quick.score_targets(X, Y, split=True, metric="r2")


# Weights by delay


def test_bands_of_other_delays_have_weights_at_their_own(extractor, cohort, quick):
    stories, runs = cohort()
    spaces = ek.FeatureSpaces([
        ("fast", make_pipeline(extractor, ek.Delayer(seconds=[2, 4]))),
        ("slow", make_pipeline(extractor, ek.Delayer(seconds=[4, 6, 8]))),
    ])  # fmt: skip
    model = quick.fit(spaces.fit_transform(stories), runs)
    weights = model.fir()
    assert weights.dims == ("feature", "delay", "target")
    assert weights.sizes == {"feature": 10, "delay": 4, "target": 3}
    assert weights.delay.values.tolist() == [2, 4, 6, 8]
    assert weights.region.values.tolist() == ["A1", "A1", "V1"]
    there = ~np.isnan(weights).all("target").values
    assert there[:5].tolist() == 5 * [[True, True, False, False]]
    assert there[5:].tolist() == 5 * [[False, True, True, True]]
    slow = model.fir("slow")
    assert slow.delay.values.tolist() == [4, 6, 8]
    assert not np.isnan(slow).any()
    for row in range(model.coef_.sizes["feature"]):
        one = model.coef_.isel(feature=row)
        at = (weights.coords["name"] == one.coords["name"].item()) & (
            weights.band == one.band.item()
        )
        found = weights.isel(feature=np.flatnonzero(at)).sel(delay=one.delay.item())
        assert np.array_equal(found.values[0], one.values)


def test_weights_of_ridge_have_delays_too(labelled):
    X, Y = labelled()
    coef = ek.RidgeCV().fit(X, Y).coef_
    weights = ek.linear.fir(coef)
    assert np.array_equal(weights.values, coef.values.reshape(4, 5, 3).swapaxes(0, 1))


def test_weights_without_delays_are_refused(banded, extractor, cohort, quick):
    X, Y = banded()
    quick.fit(X, Y)
    with pytest.raises(ValueError, match="unknown band 'lwo': did you mean 'low'"):
        quick.fir("lwo")
    with pytest.raises(ValueError, match=r"no coordinate delay: fit .* through ek\.Delayer"):
        ek.linear.fir(quick.coef_.drop_vars("delay"))
    with pytest.raises(ValueError, match=r"two weights are of feature .* at a delay of 2 s"):
        ek.linear.fir(quick.coef_.assign_coords(delay=("feature", np.full(20, 2.0))))
    quick.fit(X.values, Y.values, runs=X.run.values, bands=X.band.values)
    with pytest.raises(TypeError, match="fir got a ndarray, expected the coef_ of a model"):
        quick.fir()
