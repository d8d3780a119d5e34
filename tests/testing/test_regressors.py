"""Each check of a regressor fails on one that is broken in exactly that way."""

import warnings

import numpy as np
import pytest

import encodekit as ek
from encodekit.testing import ContractError, check_regressor, small_features, small_study
from encodekit.testing._estimators import ESTIMATOR_CHECKS
from encodekit.testing._regressors import REGRESSOR_CHECKS, RegressorCase

STUDY = small_study()
X, Y = small_features(STUDY), STUDY.responses()
ALPHAS = (1.0, 100.0)


class Sound(ek.RidgeCV):
    """Ridge."""

    def __init__(self, alphas=ALPHAS):
        super().__init__(alphas)

    def get_params(self, deep=True):
        return {"alphas": self.alphas}

    def __sklearn_clone__(self):
        return type(self)(self.alphas)


class Unlabelled(Sound):
    def predict(self, X):
        given = super().predict(X)
        return given.drop_vars("participant") if hasattr(given, "dims") else given


class JoinsByPosition(Sound):
    def predict(self, X):
        given = super().predict(X)
        return given + self.n_runs_ if hasattr(given, "dims") else given

    def fit(self, X, y, groups=None, runs=None):
        super().fit(X, y, groups, runs)
        self.n_runs_ = float(X.values[0, 0]) if hasattr(X, "dims") else 0.0
        return self


class TargetsTalk(Sound):
    def predict(self, X):
        given = super().predict(X)
        return (
            given.copy(data=given.values + given.values[:, :1]) if hasattr(given, "dims") else given
        )


class PeopleTalk(Sound):
    def predict(self, X):
        given = super().predict(X)
        return given * given.shape[1] if hasattr(given, "dims") else given


class FillsWithZero(Sound):
    def fit(self, X, y, groups=None, runs=None):
        return super().fit(
            X, [run.fillna(0.0) for run in y] if isinstance(y, list) else y, groups, runs
        )


class PredictsConstants(Sound):
    def predict(self, X):
        given = super().predict(X)
        return given.fillna(9.0) if hasattr(given, "dims") else given


class MistakesDask(Sound):
    def fit(self, X, y, groups=None, runs=None):
        lazy = isinstance(y, list) and hasattr(y[0].data, "dask")
        return super().fit(X, [run * 2 for run in y] if lazy else y, groups, runs)


class LabelsArrays(Sound):
    def predict(self, X):
        given = super().predict(X)
        return given if hasattr(given, "dims") else given.tolist()


class TakesNaN(Sound):
    def predict(self, X):
        return super().predict(X.fillna(0.0) if hasattr(X, "dims") else X)


class DropsRuns(Sound):
    def fit(self, X, y, groups=None, runs=None):
        if isinstance(y, list):
            there = set(X.run.values.tolist())
            y = [run for run in y if run.run.values[0] in there]
        return super().fit(X, y, groups, runs)


class ScoresTargets(Sound):
    def score(self, X, y, sample_weight=None, runs=None):
        return self.score_targets(X, y)


class PredictsNoise(Sound):
    def predict(self, X):
        given = super().predict(X)
        noise = np.random.default_rng(0).standard_normal(given.shape)
        return given * 0 + noise if hasattr(given, "dims") else given


BROKEN = {
    "predictions_keep_the_labels_of_both": Unlabelled,
    "the_order_of_runs_does_not_matter": JoinsByPosition,
    "the_order_of_targets_does_not_matter": TargetsTalk,
    "a_participant_alone_is_predicted_the_same": PeopleTalk,
    "missing_rows_are_left_out_and_not_filled": FillsWithZero,
    "a_constant_target_is_not_predicted": PredictsConstants,
    "dask_gives_what_numpy_gives": MistakesDask,
    "arrays_give_arrays": LabelsArrays,
    "nan_in_features_is_refused": TakesNaN,
    "rows_that_do_not_match_are_refused": DropsRuns,
    "score_is_one_number": ScoresTargets,
    "what_is_there_is_found": PredictsNoise,
}
OWN = REGRESSOR_CHECKS[len(ESTIMATOR_CHECKS) :]


def test_every_check_has_a_regressor_that_is_broken_in_that_way():
    assert list(BROKEN) == [check.__name__ for check in OWN]


@pytest.mark.parametrize("check", OWN, ids=list(BROKEN))
def test_one_that_is_broken_fails_and_a_sound_one_passes(check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(RegressorCase(Sound(), X, Y))
        with pytest.raises((AssertionError, ValueError), match=r"\w+ \w+"):
            check(RegressorCase(BROKEN[check.__name__](), X, Y))


LABELLED_ONLY = {"arrays_give_arrays": "feature spaces and layers have labels"}
SHIPPED = {
    "ridge": (ek.RidgeCV(ALPHAS), {}),
    "banded": (ek.BandedRidgeCV(search=ek.BandSearch(10)), {}),
    "stacked": (ek.StackedRidge(), LABELLED_ONLY),
    "layers": (ek.LayerSelector(ek.RidgeCV(ALPHAS)), LABELLED_ONLY),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_encodekit_ships_passes(name):
    regressor, skip = SHIPPED[name]
    # Two features each: with one alone, r is the same for every alpha, and chance chooses.
    two = {"layer": ("feature", [0, 0, 1, 1]), "band": ("feature", ["a", "a", "b", "b"])}
    layered = small_features(STUDY, 4).assign_coords(two)
    names = check_regressor(regressor, STUDY, layered, skip=skip)
    assert len(names) == len(REGRESSOR_CHECKS) - len(skip)


def test_one_cause_of_many_failures_is_told_once():
    with pytest.raises(ContractError) as caught:
        check_regressor(ek.LayerSelector())
    told = str(caught.value)
    assert "LayerSelector() fails" in told
    assert told.count("needs the coordinate `layer`") == 1
