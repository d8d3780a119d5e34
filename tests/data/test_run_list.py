import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
    cross_validate,
    train_test_split,
)

from encodekit.data import RunList

LOST = "does not become one array.*ek.cross_val_predict.*ek.FeatureSpaces.*ek.LayerSelector"


class Seen(RegressorMixin, BaseEstimator):
    """Accepts nothing but lists of runs."""

    def __init__(self, wanted=1):
        self.wanted = wanted

    def fit(self, X, y):
        assert isinstance(y, RunList)
        assert len(X) == len(y)
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        assert isinstance(y, RunList)
        return float(self.wanted)


@pytest.fixture
def runs(stimuli, new_response):
    return RunList(new_response(stimulus) for stimulus in stimuli)


def test_it_is_a_list_of_runs(runs):
    assert len(runs) == 4
    assert repr(runs) == "RunList of 4: story-00, story-01, story-02, story-03"


def test_it_never_becomes_an_array(runs):
    with pytest.raises(TypeError, match=LOST):
        np.asarray(runs)


@pytest.mark.parametrize(
    "cv", [3, KFold(2), GroupKFold(2), LeaveOneGroupOut(), ShuffleSplit(2, random_state=0)]
)
def test_scikit_learn_cuts_it_by_run_and_it_stays_a_list_of_runs(stimuli, runs, cv):
    groups = ["a", "a", "b", "b"]
    with sklearn.config_context(enable_metadata_routing=True):
        params = {"groups": groups} if isinstance(cv, GroupKFold | LeaveOneGroupOut) else None
        scores = cross_validate(Seen(), stimuli, runs, cv=cv, error_score="raise", params=params)
    assert (scores["test_score"] == 1).all()


def test_a_grid_search_with_refit_keeps_the_runs(stimuli, runs):
    search = GridSearchCV(Seen(), {"wanted": [1, 2]}, cv=2, error_score="raise")
    assert search.fit(stimuli, runs).best_params_ == {"wanted": 2}


def test_train_test_split_keeps_the_runs(stimuli, runs):
    heard, held, train, test = train_test_split(stimuli, runs, test_size=1, random_state=0)
    assert isinstance(train, RunList)
    assert isinstance(test, RunList)
    names = [str(run.run.values[0]) for run in [*train, *test]]
    assert names == [stimulus.run_name for stimulus in [*heard, *held]]


def test_what_would_flatten_the_runs_raises(stimuli, runs):
    with pytest.raises(TypeError, match=r"TransformedTargetRegressor: .*ek\.RunScaler"):
        TransformedTargetRegressor(Seen()).fit(stimuli, runs)
    with pytest.raises(TypeError, match=r"StackingRegressor: .*ek\.StackedRidge"):
        StackingRegressor([("a", Seen())], LinearRegression()).fit(stimuli, runs)


def test_rows_are_selected_by_position_slice_or_mask(runs):
    for key in ([0, 2], slice(0, 4, 2), np.array([True, False, True, False])):
        assert [str(run.run.values[0]) for run in runs.iloc[key]] == ["story-00", "story-02"]


def test_there_is_one_axis(runs):
    with pytest.raises(ValueError, match="has one axis, got axis=1"):
        runs.take([0], axis=1)
