import numpy as np
import pytest
import xarray as xr
from sklearn.pipeline import make_pipeline

import encodekit as ek

ALPHAS = [1e-3]
R2 = ek.RidgeCV(ALPHAS, scoring="r2_pooled")
N_TRS, N_RUNS, N_TARGETS = 400, 4, 40


def spaces(values, bands):
    """Return labelled features (time, feature) of ``N_RUNS`` runs."""
    n = N_TRS // N_RUNS
    coords = {
        "run": ("time", np.repeat([f"run-{i}" for i in range(N_RUNS)], n)),
        "stimulus": ("time", np.repeat([f"run-{i}" for i in range(N_RUNS)], n)),
        "tr": ("time", np.tile(np.arange(n), N_RUNS)),
        "seconds": ("time", np.tile(2.0 * np.arange(n), N_RUNS)),
        "name": ("feature", [f"{band}{i}" for i, band in enumerate(bands)]),
        "band": ("feature", bands),
    }
    attrs = {"t_r": 2.0, "sample_offset": 1.0}
    return xr.DataArray(values, dims=("time", "feature"), coords=coords, attrs=attrs)


@pytest.fixture(scope="module")
def problem():
    """Two spaces see a common latent and each its own; a third sees nothing."""
    rng = np.random.default_rng(0)
    common, own_a, own_b, nothing = rng.standard_normal((4, N_TRS))
    features = spaces(
        np.stack([common, own_a, common, own_b, nothing], axis=1), ["a", "a", "b", "b", "c"]
    )
    signal = 1.0 * common + 0.7 * own_a + 0.5 * own_b
    noise = rng.standard_normal((N_TRS, N_TARGETS))
    y = xr.DataArray(
        signal[:, None] + noise,
        dims=("time", "target"),
        coords={
            **{
                name: features.coords[name].variable
                for name in ("run", "stimulus", "tr", "seconds")
            },
            "target": [f"P1/{i:05d}" for i in range(N_TARGETS)],
            "participant": ("target", ["P1"] * N_TARGETS),
            "n_repeats": ("target", [1] * N_TARGETS),
        },
        attrs={"t_r": 2.0, "sample_offset": 1.0, "space": "native", "units": "z"},
    )
    return features, y, {"common": 1.0, "a": 0.49, "b": 0.25, "total": 1 + 0.49 + 0.25 + 1}


@pytest.fixture(scope="module")
def found(problem):
    features, y, _ = problem
    return ek.variance_partition(R2, features, y)


def test_parts_are_the_variances_of_what_each_space_sees(problem, found):
    power = problem[2]
    part = found.parts.mean("target")
    assert found.parts.part.values.tolist() == [
        "a",
        "b",
        "c",
        "a & b",
        "a & c",
        "b & c",
        "a & b & c",
    ]
    for name, value in (("a", "a"), ("b", "b"), ("a & b", "common")):
        assert float(part.sel(part=name)) == pytest.approx(power[value] / power["total"], abs=0.04)
    for name in ("c", "a & c", "b & c", "a & b & c"):
        assert float(part.sel(part=name)) == pytest.approx(0, abs=0.01)
    np.testing.assert_array_equal(found.unique.sel(space="a"), found.parts.sel(part="a"))


def test_r2_of_each_set_is_the_sum_of_the_parts_that_touch_it(found):
    for subset in found.subset.values.tolist():
        members = set(subset.split(" & "))
        touching = [name for name in found.parts.part.values if members & set(name.split(" & "))]
        np.testing.assert_allclose(
            found.parts.sel(part=touching).sum("part"), found.explained.sel(subset=subset)
        )
    np.testing.assert_allclose(
        found.unique.sum("space") + found.shared, found.explained.sel(subset="a & b & c")
    )


def test_r2_is_out_of_fold_against_the_training_mean(problem):
    features, y, _ = problem
    y = y.copy(data=y.values + np.repeat([0.0, 1, 2, 3], 100)[:, None])
    found = ek.variance_partition(R2, features, y, full=False)
    error = spread = 0.0
    for run in range(N_RUNS):
        test = np.arange(N_TRS) // (N_TRS // N_RUNS) == run
        model = ek.RidgeCV(ALPHAS).fit(features[~test], y[~test])
        error += ((y[test].values - model.predict(features[test]).values) ** 2).sum(axis=0)
        spread += ((y[test].values - y[~test].values.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(
        found.explained.sel(subset="a & b & c"), 1 - error / spread, rtol=1e-6
    )


def test_nuisance_counts_as_one_space_and_what_goes_beyond_it_is_returned(problem):
    features, y, power = problem
    found = ek.variance_partition(R2, features, y, nuisance=["b", "c"], full=False)
    assert sorted(found.space.values) == ["a", "nuisance"]
    np.testing.assert_allclose(found.beyond_nuisance, found.unique.sel(space="a"))
    expected = power["a"] / power["total"]
    assert float(found.beyond_nuisance.mean()) == pytest.approx(expected, abs=0.04)
    three = ek.variance_partition(R2, features, y, nuisance="c", full=False)
    assert three.subset.values.tolist() == ["nuisance", "a & b", "a & nuisance", "b & nuisance",
                                            "a & b & nuisance"]  # fmt: skip
    assert "parts" not in three


def test_banded_ridge_is_partitioned_too(problem):
    features, y, _ = problem
    model = ek.BandedRidgeCV([0.1, 1.0, 10.0], search=ek.BandSearch(3), scoring="r2_pooled")
    found = ek.variance_partition(model, features, y[:, :5], nuisance="c", full=False)
    assert float(found.beyond_nuisance.mean()) == pytest.approx(1.74 / 2.74, abs=0.06)


def test_features_without_bands_are_refused(problem):
    features, y, _ = problem
    with pytest.raises(ValueError, match="X has no coordinate band on feature: join the spaces by"):
        ek.variance_partition(ek.RidgeCV(), features.drop_vars("band"), y)


def test_an_unknown_nuisance_is_answered_with_close_matches(problem):
    features, y, _ = problem
    renamed = features.assign_coords(band=("feature", ["mel", "mel", "rate", "rate", "speech"]))
    with pytest.raises(ValueError, match="unknown band 'mell': did you mean 'mel'"):
        ek.variance_partition(ek.RidgeCV(), renamed, y, nuisance="mell")


def test_one_space_is_refused(problem):
    features, y, _ = problem
    with pytest.raises(ValueError, match=r"one space only \('nuisance'\).*X has the bands a, b, c"):
        ek.variance_partition(ek.RidgeCV(), features, y, nuisance=["a", "b", "c"])


def test_too_many_combinations_are_refused(problem):
    _, y, _ = problem
    features = spaces(np.random.default_rng(0).standard_normal((N_TRS, 6)), list("abcdef"))
    with pytest.raises(ValueError, match="6 spaces have 63 combinations: pass full=False"):
        ek.variance_partition(ek.RidgeCV(), features, y)


def test_what_r_chose_is_measured_by_r(problem):
    """``r |r|`` of the held-out runs, which `RidgeCV` chooses alpha by if nothing is said."""
    features, y, _ = problem
    found = ek.variance_partition(ek.RidgeCV(), features, y, full=False)
    assert found.attrs == {"metric": "correlation", "over": "stimulus"}
    runs = [run for _, run in features.groupby("run")]
    for subset, bands in (("a & b & c", "abc"), ("a & c", "ac")):
        some = [run[:, np.isin(run.band, list(bands))] for run in runs]
        r = ek.correlation(y, ek.cross_val_predict(ek.RidgeCV(), some, y))
        np.testing.assert_allclose(found.explained.sel(subset=subset), r * abs(r), rtol=1e-6)


def test_noise_costs_little_where_r_chooses_and_is_measured(problem):
    """Sixty features of noise: alpha is chosen by r, and R2 would fall by a third."""
    features, y, _ = problem
    noise = np.random.default_rng(1).standard_normal((N_TRS, 60))
    more = spaces(np.hstack([features.values[:, :4], noise]), list("aabb") + ["c"] * 60)
    found = ek.variance_partition(ek.RidgeCV(), more, y, full=False).sel(space="c")
    assert -0.15 < float(found.unique.mean()) < 0.0
    assert float(found.unique_p.min()) > 0.5


def test_intervals_are_of_blocks_and_means_of_regions_have_their_own(problem):
    features, y, power = problem
    y = y.assign_coords(region=("target", np.repeat(["x", "y"], N_TARGETS // 2)))
    found = ek.variance_partition(R2, features, y, by="region")
    each = ek.variance_partition(R2, features, y)
    assert found.region.values.tolist() == ["x", "y"]
    np.testing.assert_allclose(found.unique[:, 0], each.unique[:, : N_TARGETS // 2].mean("target"))
    for name, value in (("a", "a"), ("b", "b"), ("a & b", "common")):
        low, high = (found[f"parts_{end}"].sel(part=name) for end in ("low", "high"))
        assert (low < power[value] / power["total"] + 0.02).all()
        assert (high > power[value] / power["total"] - 0.02).all()
        assert ((high - low) < 0.2).all()
    assert (found.unique_p.sel(space=["a", "b"]) < 1e-4).all()
    assert (found.unique_p.sel(space="c") > 0.05).all()
    assert {"unique_q", "shared_low", "explained_high"} <= set(found.data_vars)
    beyond = ek.variance_partition(R2, features, y, by="region", nuisance="c", full=False)
    assert (beyond.beyond_nuisance_p < 1e-4).all()


def test_the_error_of_r2_is_that_of_the_jackknife(problem):
    """Without each block of 20 TRs, written out for one target."""
    features, y, _ = problem
    found = ek.variance_partition(R2, features, y[:, :1], full=False)
    error, spread = np.zeros((2, N_TRS))
    for run in range(N_RUNS):
        test = np.arange(N_TRS) // (N_TRS // N_RUNS) == run
        guess = R2.fit(features[~test], y[~test, :1]).predict(features[test]).values[:, 0]
        error[test] = (y.values[test, 0] - guess) ** 2
        spread[test] = (y.values[test, 0] - y.values[~test, 0].mean()) ** 2
    blocks = np.arange(N_TRS) // 20
    whole = 1 - error.sum() / spread.sum()
    without = np.array(
        [1 - error[blocks != k].sum() / spread[blocks != k].sum() for k in range(20)]
    )
    influence = (whole - without).reshape(4, 5) * 19 / 20
    variance = 5 / 4 * ((influence - influence.mean(axis=1, keepdims=True)) ** 2).sum()
    half = 2.119905 * np.sqrt(variance)  # t of sixteen degrees of freedom
    explained = found.sel(subset="a & b & c")
    got = float(explained.explained_high[0] - explained.explained[0])
    assert got == pytest.approx(np.sqrt(2) * half, rel=0.02)  # runs predict each other


def test_pipelines_and_models_without_a_criterion_are_partitioned(problem):
    features, y, _ = problem
    y = y[:, :3]
    delayed = make_pipeline(ek.Delayer([0, 1]), ek.RidgeCV(ALPHAS))
    found = ek.variance_partition(delayed, features, y, full=False)
    assert found.attrs["metric"] == "correlation"

    stacked = ek.variance_partition(ek.StackedRidge(R2), features, y, full=False)
    assert stacked.attrs["metric"] == "r2"


def test_another_metric_than_that_of_the_choice_is_refused(problem):
    features, y, _ = problem
    with pytest.raises(
        ValueError, match="metric='r2', but RidgeCV chooses by scoring='correlation'"
    ):
        ek.variance_partition(ek.RidgeCV(), features, y, metric="r2")
    with pytest.raises(
        ValueError, match="metric='correlation', but RidgeCV chooses by.*'r2_pooled'"
    ):
        ek.variance_partition(R2, features, y, metric="correlation")
    with pytest.raises(ValueError, match="unknown metric 'rsquared'"):
        ek.variance_partition(R2, features, y, metric="rsquared")


def test_a_criterion_that_nobody_knows_needs_a_metric(problem):
    features, y, _ = problem
    model = ek.RidgeCV(ALPHAS)
    model.scoring = "spearman"
    with pytest.raises(
        ValueError, match="scoring='spearman', which is not known here: pass metric="
    ):
        ek.variance_partition(model, features, y)


def test_a_space_that_is_absent_from_a_run_explains_nothing_of_it(problem):
    features, y, _ = problem
    absent = features.values.copy()
    absent[:100, features.band.values == "b"] = 0.0
    found = ek.variance_partition(
        ek.RidgeCV(ALPHAS), spaces(absent, list("aabbc")), y[:, :4], full=True
    )
    assert np.isfinite(found.explained).all()
    assert np.isfinite(found.unique_p).all()


def test_the_name_of_what_is_controlled_for_is_no_band(problem):
    features, y, _ = problem
    taken = features.assign_coords(band=("feature", ["nuisance", "a", "b", "b", "c"]))
    with pytest.raises(ValueError, match="X has a band named 'nuisance', which is the name of"):
        ek.variance_partition(R2, taken, y)


def test_rows_in_another_order_than_time_are_refused(problem):
    features, y, _ = problem
    with pytest.raises(ValueError, match="variance_partition: TR 98 of run .* comes after TR 99"):
        ek.variance_partition(R2, features[::-1], y[::-1])


def test_segments_are_purged_as_in_cross_val_predict(problem):
    features, y, _ = problem
    names = {f"run-{k}": f"long/part-{k + 1}" for k in range(N_RUNS)}
    seconds = ("time", 2.0 * np.arange(N_TRS))

    def cut(rows):
        run = ("time", [names[name] for name in rows.run.values])
        return rows.assign_coords(run=run, stimulus=run, seconds=seconds)

    whole, purged = (
        ek.variance_partition(R2, cut(features), cut(y[:, :3]), full=False, purge=purge)
        for purge in (0, "40s")
    )
    assert not np.allclose(whole.explained, purged.explained)
    np.testing.assert_allclose(whole.explained, purged.explained, atol=0.1)
