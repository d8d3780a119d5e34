"""Odd numbers never change silently what a linear model chooses: the same choice, or a refusal."""

import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import encodekit as ek
from encodekit.data import make_response
from encodekit.linear._stacked import simplex_weights

RUNS = np.repeat(["a", "b", "c"], 30)
ALPHAS = (0.1, 1.0, 10.0, 100.0)
FACTORS = (1e-30, 1e-22, 1e-9, 1e9, 1e20, 1e30)

pytestmark = pytest.mark.filterwarnings("ignore:.*alpha of the grid:UserWarning")


def plain(dtype="f4"):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 5)).astype(dtype)
    Y = X @ rng.standard_normal((5, 6)) * [1, 1, 0.5, 0.5, 0, 0] + 3 * rng.standard_normal((90, 6))
    return X, Y.astype(dtype)


def labelled(X, Y):
    """Return the arrays as runs of one participant, with two bands of features."""
    rows, features = [], []
    for run in np.unique(RUNS):
        here = np.flatnonzero(np.isin(RUNS, run))
        response = make_response(
            Y[here], run=str(run), participant="P1", tr_times=2.0 * np.arange(30), t_r=2.0
        )
        coords = {k: response.coords[k] for k in ("run", "stimulus", "tr", "seconds")}
        coords |= {"name": ("feature", list("vwxyz")), "band": ("feature", list("ppqqq"))}
        rows.append(response)
        features.append(
            xr.DataArray(X[here], dims=("time", "feature"), coords=coords, attrs=response.attrs)
        )
    return features, rows


def models():
    return {
        "ridge": lambda: ek.RidgeCV(ALPHAS),
        "r2": lambda: ek.RidgeCV(ALPHAS, scoring="r2_pooled"),
        "one alpha": lambda: ek.RidgeCV(ALPHAS, single_alpha=True),
        "no intercept": lambda: ek.RidgeCV(ALPHAS, fit_intercept=False),
        "banded": lambda: ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(4)),
        "banded r2": lambda: ek.BandedRidgeCV(ALPHAS, search=ek.BandSearch(4), scoring="r2_pooled"),
    }


class TestResponsesInOtherUnits:
    @pytest.mark.parametrize("name", models())
    @pytest.mark.parametrize("factor", FACTORS)
    def test_choices_and_scores_are_the_same(self, name, factor):
        X, Y = plain()
        first = models()[name]().fit(X, Y, runs=RUNS)
        other = models()[name]().fit(X, Y * np.float32(factor), runs=RUNS)
        assert np.array_equal(other.best_alphas_, first.best_alphas_)
        np.testing.assert_allclose(other.best_scores_, first.best_scores_, atol=1e-5)
        np.testing.assert_allclose(other.coef_ / factor, first.coef_, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(
            other.predict(X) / factor, first.predict(X), rtol=1e-3, atol=1e-5
        )

    @pytest.mark.parametrize("name", ["ridge", "r2", "banded", "banded r2"])
    @pytest.mark.parametrize("factor", [1e-290, 1e-170, 1e170, 1e290])
    def test_choices_are_the_same_at_the_ends_of_float64(self, name, factor):
        X, Y = plain("f8")
        first = models()[name]().fit(X, Y, runs=RUNS)
        other = models()[name]().fit(X, Y * factor, runs=RUNS)
        assert np.array_equal(other.best_alphas_, first.best_alphas_)
        np.testing.assert_allclose(other.best_scores_, first.best_scores_, atol=1e-9)

    def test_many_targets_of_many_scales_choose_as_each_would(self):
        X, Y = plain()
        many = np.tile(Y, (1, 400)) + np.random.default_rng(1).standard_normal((90, 2400))
        scales = 10.0 ** np.random.default_rng(2).integers(-25, 25, 2400)
        first, other = (
            ek.RidgeCV(ALPHAS).fit(X, (many * by).astype("f4"), runs=RUNS) for by in (1, scales)
        )
        same = np.mean(np.asarray(first.best_alphas_) == np.asarray(other.best_alphas_))
        assert same > 0.999  # rounding of the scaled values to float32 may tip a tie

    def test_an_offset_of_a_million_in_float64_changes_no_choice(self):
        X, Y = plain("f8")
        first = ek.RidgeCV(ALPHAS).fit(X, Y, runs=RUNS)
        other = ek.RidgeCV(ALPHAS).fit(X + 1e6, Y + 1e6, runs=RUNS)
        assert np.array_equal(other.best_alphas_, first.best_alphas_)
        np.testing.assert_allclose(other.coef_, first.coef_, rtol=1e-5)

    def test_labelled_float64_responses_are_solved_in_float64(self):
        X, Y = plain("f8")
        features, rows = labelled(X.astype("f4"), Y + 1e6)
        model = ek.RidgeCV(ALPHAS).fit(features, rows)
        assert model.coef_.dtype == np.float64
        scores = ek.correlation(labelled(X, Y)[1], model.predict(features))
        assert scores.notnull().all()

    @pytest.mark.parametrize("factor", [1e-30, 1e20])
    def test_layers_and_weights_of_bands_are_the_same(self, factor):
        X, Y = plain()
        (features, rows), (_, scaled) = labelled(X, Y), labelled(X, Y * np.float32(factor))
        first, other = (
            ek.StackedRidge(ek.RidgeCV(ALPHAS)).fit(features, r) for r in (rows, scaled)
        )
        np.testing.assert_allclose(other.weights_, first.weights_, atol=1e-4)
        layered = [run.assign_coords(layer=("feature", [1, 1, 2, 2, 2])) for run in features]
        layers = [
            ek.LayerSelector(ek.RidgeCV(ALPHAS), by="target").fit(layered, r).best_layer_.values
            for r in (rows, scaled)
        ]
        assert np.array_equal(*layers)

    @pytest.mark.parametrize("factor", [1e-200, 1e200])
    def test_weights_of_a_stack_do_not_overflow(self, factor):
        errors = np.random.default_rng(0).standard_normal((3, 40, 5)) * [[[1]], [[2]], [[1.5]]]
        np.testing.assert_allclose(simplex_weights(errors * factor), simplex_weights(errors))


class TestFeaturesInOtherUnits:
    @pytest.mark.parametrize("factor", FACTORS)
    @pytest.mark.parametrize("name", ["ridge", "r2", "banded"])
    def test_with_alphas_in_those_units_the_fit_is_the_same(self, name, factor):
        X, Y = plain()
        first = models()[name]().fit(X, Y, runs=RUNS)
        other = models()[name]()
        other.set_params(alphas=np.array(ALPHAS) * factor**2).fit(
            X * np.float32(factor), Y, runs=RUNS
        )
        assert np.array_equal(np.array(other.best_alphas_) / factor**2 > 5, first.best_alphas_ > 5)
        np.testing.assert_allclose(other.best_scores_, first.best_scores_, atol=1e-5)
        np.testing.assert_allclose(other.coef_ * factor, first.coef_, rtol=2e-3, atol=1e-5)

    @pytest.mark.parametrize("factor", [1e9, 1e20])
    def test_features_beside_which_no_alpha_counts_give_least_squares(self, factor):
        X, Y = plain()
        model = ek.RidgeCV(ALPHAS).fit(X * np.float32(factor), Y, runs=RUNS)
        centred = X.astype("f8") - X.mean(axis=0, dtype="f8")
        expected = np.linalg.lstsq(centred, Y - Y.mean(axis=0), rcond=None)[0]
        np.testing.assert_allclose(model.coef_ * factor, expected, rtol=1e-3, atol=1e-5)
        assert (model.best_alphas_ == min(ALPHAS)).all()  # all score alike: the least penalty

    @pytest.mark.parametrize("factor", [1e-9, 1e-20])
    def test_features_that_every_alpha_shrinks_choose_the_smallest(self, factor):
        X, Y = plain()
        model = ek.RidgeCV(ALPHAS).fit(X * np.float32(factor), Y, runs=RUNS)
        assert (model.best_alphas_ == min(ALPHAS)).all()
        assert np.isfinite(model.best_scores_).all()
        centred = X.astype("f8") - X.mean(axis=0, dtype="f8")
        expected = centred.T @ (Y - Y.mean(axis=0)) / min(ALPHAS)
        np.testing.assert_allclose(model.coef_ / factor, expected, rtol=1e-3, atol=1e-4)

    def test_weights_beyond_the_precision_are_refused_or_told(self):
        X, Y = plain()
        with pytest.raises(ValueError, match="weights of 6 of 6 targets are beyond the range of f"):
            ek.RidgeCV([1e-40]).fit(X * np.float32(1e-20), Y * np.float32(1e30), runs=RUNS)
        with pytest.warns(UserWarning, match="in other units, such as z-scores; they lose digits"):
            ek.RidgeCV([1.0]).fit(X * np.float32(1e20), Y * np.float32(1e-25), runs=RUNS)


class TestParameters:
    @pytest.mark.parametrize("kind", [ek.RidgeCV, ek.BandedRidgeCV])
    @pytest.mark.parametrize(
        "alphas",
        [[], [0.0], [-1.0], [np.inf], [1.0, np.nan], ["a"], "b", None, [[1.0]], [1.0, None],
         [1 + 2j], [{}], 3.0, [1.0, [2.0]], -np.inf],
        ids=str,
    )  # fmt: skip
    def test_alphas_that_are_none_are_refused_by_name(self, kind, alphas):
        with pytest.raises(ValueError, match=f"{kind.__name__}: alphas must be a list of positive"):
            kind(alphas).fit(*plain(), runs=RUNS)

    @pytest.mark.parametrize("alpha", [1e-200, 1e200])
    def test_alphas_whose_squares_leave_float64_are_refused(self, alpha):
        with pytest.raises(ValueError, match="whose squares are too, by alpha_convention='huth'"):
            ek.RidgeCV([alpha], alpha_convention="huth").fit(*plain(), runs=RUNS)

    @pytest.mark.parametrize("alpha", [1e-300, 1e-30, 1e30, 1e300])
    def test_extreme_alphas_give_finite_predictions(self, alpha):
        X, Y = plain()
        twice = np.concatenate([X, X], axis=1)  # components of no size, which rounding fills
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*they lose digits", UserWarning)
            model = ek.RidgeCV([alpha]).fit(twice, Y, runs=RUNS)
        assert np.isfinite(model.predict(twice)).all()

    def test_no_features_are_refused(self):
        X, Y = plain()
        features, rows = labelled(X, Y)
        nothing = [run.isel(feature=[]) for run in features]
        for model in (ek.RidgeCV(), ek.BandedRidgeCV()):
            with pytest.raises(ValueError, match=r"X has no features \(time, 0\)"):
                model.fit(nothing, rows)
        with pytest.raises(ValueError, match="0 feature"):
            ek.RidgeCV().fit(X[:, :0], Y, runs=RUNS)


class Client:
    """As much of a dask client as is asked for its state."""

    def __init__(self, status):
        self.status = status
        self.scheduler = SimpleNamespace(address="tcp://10.0.0.1:8786")


class TestADeadScheduler:
    @pytest.mark.parametrize(("status", "seconds"), [("connecting", 8), ("closed", 1)])
    def test_is_told_within_seconds(self, status, seconds):
        from encodekit.data._target_blocks import _check_scheduler

        began = time.monotonic()
        with pytest.raises(RuntimeError, match=r"the dask scheduler at tcp://10\.0\.0\.1:8786 is"):
            _check_scheduler(Client(status))
        assert time.monotonic() - began < seconds

    def test_a_client_that_finds_it_again_goes_on(self):
        from threading import Timer

        from encodekit.data._target_blocks import _check_scheduler

        client = Client("connecting")
        Timer(0.3, setattr, (client, "status", "running")).start()
        _check_scheduler(client)

    @pytest.mark.parametrize("of", ["values and coordinates", "coordinates"])
    def test_is_told_before_lazy_rows_are_asked_for(self, of, monkeypatch):
        pytest.importorskip("dask")
        monkeypatch.setattr("encodekit.data._target_blocks._client", lambda: Client("closed"))
        features, rows = labelled(*plain())
        lazy = [run.chunk({"target": 2}) for run in rows]
        if of == "coordinates":
            lazy = [part.copy(data=run.values) for run, part in zip(rows, lazy, strict=True)]
        with pytest.raises(RuntimeError, match="is gone"):
            ek.RidgeCV(ALPHAS).fit(features, lazy)
        ek.RidgeCV(ALPHAS).fit(features, rows)  # what is in memory needs nobody

    @pytest.mark.slow  # dask takes half a minute to give up its scheduler
    def test_a_fit_ends_with_it(self):
        distributed = pytest.importorskip("distributed")
        X, Y = plain()
        features, rows = labelled(X, Y)
        lazy = [run.chunk({"target": 2}) for run in rows]
        lazy = [run.copy(data=part.data) for run, part in zip(rows, lazy, strict=True)]
        with (
            distributed.LocalCluster(
                n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster, timeout=6) as client,
        ):
            kept = ek.RidgeCV(ALPHAS).fit(features, lazy).best_alphas_
            assert np.array_equal(kept, ek.RidgeCV(ALPHAS).fit(features, rows).best_alphas_)
            client.sync(cluster.scheduler.close)
            began = time.monotonic()
            with pytest.raises(RuntimeError, match="the dask scheduler at .* is gone"):
                ek.RidgeCV(ALPHAS).fit(features, lazy)
            assert time.monotonic() - began < 15
