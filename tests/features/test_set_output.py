"""Arrays come out in the container of set_output; labelled rows keep their labels."""

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
import xarray as xr
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

import encodekit as ek
from encodekit.data import RunList, concat_runs, make_response

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(RNG.standard_normal((12, 2)), columns=["mel", "pitch"], index=range(5, 17))
TRANSFORMERS = [
    ek.Delayer([0, 2]),
    ek.RunScaler(),
    ek.ConfoundRemover(n_cosines=1),
    ek.FeatureTransformer(StandardScaler()),
    ek.FeatureTransformer(PCA(1)),
]
CHECKS = [
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_global_set_output_transform_polars,
]


@pytest.mark.filterwarnings("ignore:X .* feature names")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_scikit_learns_checks_of_set_output(transformer, check):
    if "polars" in check.__name__:
        pytest.importorskip("polars")
    check(type(transformer).__name__, sklearn.clone(transformer))


def test_delayed_columns_are_named_by_column_and_delay():
    delayed = ek.Delayer([1, 0]).set_output(transform="pandas").fit_transform(TABLE)
    assert list(delayed) == ["mel_delay1", "pitch_delay1", "mel_delay0", "pitch_delay0"]
    expected = pd.concat([TABLE.shift(1, fill_value=0.0), TABLE], axis=1)
    assert delayed.index.equals(TABLE.index)
    np.testing.assert_array_equal(delayed.values, expected.values)


def test_runs_still_mark_borders_under_pandas():
    runs = ["a"] * 5 + ["b"] * 7
    delayer = ek.Delayer([1]).set_output(transform="pandas").fit(TABLE)
    delayed = delayer.transform(TABLE, runs=runs)
    expected = TABLE.groupby(np.asarray(runs)).shift(1, fill_value=0.0)
    np.testing.assert_array_equal(delayed.values, expected.values)


def test_scaled_columns_keep_their_names():
    scaled = ek.RunScaler().set_output(transform="pandas").fit_transform(TABLE)
    assert list(scaled) == ["mel", "pitch"]
    np.testing.assert_allclose(scaled, (TABLE - TABLE.mean()) / TABLE.std(ddof=0))


def test_arrays_are_named_x0_x1():
    scaled = ek.RunScaler().set_output(transform="pandas").fit_transform(TABLE.values)
    assert list(scaled) == ["x0", "x1"]


def test_default_gives_arrays_again():
    scaler = ek.RunScaler().set_output(transform="pandas").set_output(transform="default")
    assert isinstance(scaler.fit_transform(TABLE.values), np.ndarray)


def test_a_pipeline_sets_all_its_steps():
    model = make_pipeline(StandardScaler(), ek.Delayer([1]), ek.RunScaler())
    out = model.set_output(transform="pandas").fit_transform(TABLE)
    assert list(out) == list(model.get_feature_names_out()) == ["mel_delay1", "pitch_delay1"]


def test_a_ridge_knows_the_names_of_the_columns():
    model = make_pipeline(ek.Delayer([1, 2]), ek.RidgeCV([1.0], cv=[(range(6), range(6, 12))]))
    model.set_output(transform="pandas").fit(TABLE, TABLE.values)
    assert list(model[-1].feature_names_in_)[:2] == ["mel_delay1", "pitch_delay1"]
    plain = make_pipeline(ek.Delayer([1, 2]), sklearn.clone(model[-1])).fit(TABLE, TABLE.values)
    np.testing.assert_array_equal(model.predict(TABLE), plain.predict(TABLE))


def labelled(name):
    rows = make_response(
        RNG.standard_normal((6, 2)), run=name, participant="P1",
        tr_times=2.0 * np.arange(6), t_r=2.0,
    )  # fmt: skip
    features = rows.drop_vars(["participant", "n_repeats", "target"]).rename(target="feature")
    return rows, features.assign_coords(name=("feature", ["f0", "f1"]))


@pytest.mark.parametrize("container", ["pandas", "polars", "default"])
def test_labelled_rows_stay_labelled_whatever_is_set(container):
    if container == "polars":
        pytest.importorskip("polars")
    response, features = labelled("a")
    responses = RunList([response, labelled("b")[0]])
    with sklearn.config_context(transform_output=container), warnings.catch_warnings():
        warnings.simplefilter("error")
        for made in (ek.Delayer([1]), ek.RunScaler(), ek.FeatureTransformer(StandardScaler())):
            expected = sklearn.clone(made).fit(features).transform(features)
            made.set_output(transform=container)
            found = made.fit_transform(features)
            assert isinstance(found, xr.DataArray)
            assert found.identical(expected)
        for made in (ek.RunScaler(), ek.ConfoundRemover(n_cosines=1)):
            made.set_output(transform=container)
            assert isinstance(made.fit_transform(responses), RunList)
            assert "run" in made.fit_transform(concat_runs(responses)).coords


def test_a_setting_survives_clone_and_is_not_saved(tmp_path):
    scaler = ek.RunScaler().set_output(transform="pandas")
    assert isinstance(sklearn.clone(scaler).fit_transform(TABLE), pd.DataFrame)
    loaded = ek.load(ek.save(scaler, tmp_path / "scaler"))
    assert isinstance(loaded.fit_transform(TABLE), np.ndarray)


def test_names_are_asked_for_after_the_fit():
    with pytest.raises(NotFittedError):
        ek.Delayer([1]).get_feature_names_out()


def test_names_of_several_bands_are_said_by_the_coordinate():
    _, features = labelled("a")
    features = features.assign_coords(band=("feature", ["one", "two"]))
    fitted = ek.FeatureTransformer(StandardScaler()).fit(features)
    with pytest.raises(ValueError, match="fitted on 2 bands and layers: .* coordinate `name`"):
        fitted.get_feature_names_out()


@pytest.mark.parametrize("method", ["transform", "fit_transform"])
def test_signatures_and_docstrings_are_those_of_the_method(method):
    assert "runs" in inspect.signature(getattr(ek.Delayer, method)).parameters
    assert "Return" in getattr(ek.Delayer, method).__doc__
