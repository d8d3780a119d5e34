"""With nothing to find, the default pipeline finds nothing; nested cross-validation included."""

import numpy as np
import pytest
import xarray as xr
from scipy.signal import lfilter
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

import encodekit as ek
from encodekit.data import RunList, make_response

N_SETS, N_RUNS, N_TRS, N_FEATURES, N_TARGETS = 200, 5, 75, 3, 10
EXACT = {"coords": "minimal", "compat": "override", "join": "override"}
RUNS = np.repeat(np.arange(N_RUNS), N_TRS)


def ar(rng, n_columns, phi=0.8):
    """Return an AR(1) process, another one in each run: array (run, time, column)."""
    white = rng.standard_normal((N_RUNS, N_TRS + 40, n_columns))
    return lfilter([1], [1, -phi], white, axis=1)[:, 40:].astype("f4")


def nothing(seed):
    """Return features and responses that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    return ar(rng, N_FEATURES), ar(rng, N_TARGETS)


def labelled(seed):
    X, Y = nothing(seed)
    features, responses = [], RunList()
    for k in range(N_RUNS):
        responses.append(
            make_response(
                Y[k], run=f"run-{k}", participant="P1", tr_times=2.0 * np.arange(N_TRS), t_r=2.0
            )
        )
        names = ("run", "stimulus", "tr", "seconds")
        coords = {name: responses[k].coords[name] for name in names}
        coords["name"] = ("feature", ["a", "b", "c"])
        attrs = responses[k].attrs
        features.append(xr.DataArray(X[k], dims=("time", "feature"), coords=coords, attrs=attrs))
    return features, responses


def check_zero(scores, what):
    """Targets of one set share its features, so that the error is taken over sets."""
    scores = np.asarray(scores)
    mean, error = scores.mean(), scores.std(ddof=1) / np.sqrt(scores.size)
    print(f"{what}, {scores.size} sets of AR(0.8): mean r {mean:+.5f} +- {error:.5f}")
    assert scores.size >= 200
    assert abs(mean) < 3 * error
    assert error < 0.01


def delayed(X, n_delays):
    flat = ek.RunScaler().fit_transform(X.reshape(-1, X.shape[-1]), runs=RUNS)
    return ek.Delayer(delays=range(1, n_delays + 1)).fit_transform(flat, runs=RUNS)


def fit_and_score(X, Y, train, test):
    model = ek.RidgeCV().fit(X[train], Y[train], runs=RUNS[train])
    return model.score(X[test], Y[test], runs=RUNS[test])


def test_the_default_pipeline_finds_nothing_in_two_hundred_sets():
    scores = []
    for seed in range(N_SETS):
        X, Y = nothing(seed)
        test = seed % N_RUNS == RUNS
        scores.append(fit_and_score(delayed(X, 4), Y.reshape(-1, N_TARGETS), ~test, test))
    check_zero(scores, "default pipeline")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nested_cross_validation_finds_nothing_in_two_hundred_sets():
    scores = []
    for seed in range(1000, 1000 + N_SETS):
        X, Y = nothing(seed)
        Y = Y.reshape(-1, N_TARGETS)
        by_delays = [delayed(X, n) for n in (2, 4)]
        test = seed % N_RUNS == RUNS
        inner = (~test) & ((seed + 1) % N_RUNS == RUNS)
        best = np.argmax([fit_and_score(one, Y, ~test & ~inner, inner) for one in by_delays])
        scores.append(fit_and_score(by_delays[best], Y, ~test, test))
    check_zero(scores, "nested choice of the delays")


def test_the_canary_dies_when_the_test_run_is_in_the_training():
    scores = []
    for seed in range(20):
        X, Y = nothing(seed)
        every = np.ones(RUNS.size, dtype=bool)
        scores.append(fit_and_score(delayed(X, 4), Y.reshape(-1, N_TARGETS), every, every))
    assert np.mean(scores) > 3 * np.std(scores) / np.sqrt(20)


def test_the_labelled_pipeline_scores_as_the_plain_one():
    X, Y = nothing(0)
    runs, responses = labelled(0)
    model = make_pipeline(ek.RunScaler(), ek.Delayer(delays=[1, 2, 3, 4]), ek.RidgeCV())
    train, test = RUNS != 0, RUNS == 0
    model.fit(xr.concat(runs[1:], "time", **EXACT), responses[1:])
    expected = fit_and_score(delayed(X, 4), Y.reshape(-1, N_TARGETS), train, test)
    assert model.score(runs[0], responses[:1]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_labelled_pipeline_finds_nothing_over_all_folds():
    model = make_pipeline(ek.RunScaler(), ek.Delayer(), ek.RidgeCV())
    scores = []
    for seed in range(N_SETS):
        X, Y = labelled(seed)
        scores.append(float(ek.correlation(Y, ek.cross_val_predict(model, X, Y)).mean()))
    check_zero(scores, "labelled pipeline, every run held out once")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_nested_grid_search_over_runs_finds_nothing():
    scores = []
    for seed in range(N_SETS):
        runs, Y = labelled(seed)
        by_run = dict(zip([run.coords["run"].values[0] for run in runs], runs, strict=True))
        model = make_pipeline(_Look(by_run), ek.Delayer(), ek.RidgeCV())
        search = GridSearchCV(model, {"delayer__seconds": [[2, 4], [2, 4, 6, 8]]}, cv=KFold(2))
        names = list(by_run)
        k = seed % N_RUNS
        rest = [i for i in range(N_RUNS) if i != k]
        search.fit([names[i] for i in rest], [Y[i] for i in rest])
        scores.append(search.score([names[k]], [Y[k]]))
    check_zero(scores, "nested grid search")


class _Look(ek.FeatureExtractor):
    """Features that are known already, by the name of the run."""

    def __init__(self, by_run):
        self.by_run = by_run

    def frames(self, stimulus):
        raise AssertionError("the features are known")

    def transform(self, X):
        return xr.concat([self.by_run[name] for name in X], "time", **EXACT)
