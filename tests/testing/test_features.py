"""Each check of a feature extractor fails on one that is broken in exactly that way."""

import random
import warnings

import numpy as np
import pytest
import xarray as xr
from sklearn.exceptions import NotFittedError

import encodekit as ek
from encodekit.features import FeatureExtractor
from encodekit.testing import ContractError, check_feature_extractor, small_study
from encodekit.testing._features import FEATURE_CHECKS, FeatureCase

STUDY = small_study(n_stories=2, seconds=8.0, missing=False)


def loud(stimulus, scale=1.0):
    sound = stimulus.load_audio()
    power = (sound[: sound.size // 1600 * 1600].reshape(-1, 1600) ** 2).mean(axis=1)
    return xr.DataArray(
        scale * power[:, None],
        dims=("time", "feature"),
        coords={
            "seconds": ("time", (np.arange(power.size) + 0.5) / 10),
            "name": ("feature", ["loudness"]),
        },
    )


class Loudness(FeatureExtractor):
    """Power of the sound, times the mean that fit learns.

    Parameters
    ----------
    scale : float

    Attributes
    ----------
    level_ : float
    """

    resample = "mean"

    def __init__(self, scale=1.0, history=4.0, resample="mean", cache=None):
        self.scale = scale
        self.history = history
        self.resample = resample
        self.cache = cache

    def fit(self, X, y=None):
        self.level_ = float(np.mean([loud(stimulus).mean() for stimulus in X]))
        return self

    def weights_hash(self):
        return f"{self.level_}"

    def frames(self, stimulus):
        if not hasattr(self, "level_"):
            raise NotFittedError("call fit")
        return loud(stimulus, self.scale * self.level_)


class TakesACopy(Loudness):
    """Scale."""

    def __init__(self, scale=(1.0,), history=4.0, resample="mean", cache=None):
        super().__init__(scale, history, resample, cache)
        self.scale_array = np.ones(1)

    def frames(self, stimulus):
        return loud(stimulus)


class RenamesAParameter(Loudness):
    """Scale."""

    def set_params(self, **parameters):
        return super().set_params(**{k: v for k, v in parameters.items() if k != "scale"})


class IgnoresItsArguments(Loudness):
    """Scale."""

    def __init__(self, scale=1.0, history=4.0, resample="mean", cache=None):
        super().__init__()


class TakesItsOwnAlone(Loudness):
    """Scale."""

    def __init__(self, scale=1.0):
        self.scale = scale


class Anonymous(Loudness):
    """Scale."""

    def __repr__(self):
        return "an extractor"


class Undescribed(Loudness):
    """Scale."""

    def fit(self, X, y=None):
        self.secret_ = 1
        return super().fit(X, y)


class ReturnsNothing(Loudness):
    """Scale."""

    def fit(self, X, y=None):
        super().fit(X, y)


class LearnsOn(Loudness):
    """Scale."""

    def fit(self, X, y=None):
        before = getattr(self, "level_", 0.0)
        super().fit(X, y)
        self.level_ += before
        return self


class ChangesItsInput(Loudness):
    """Scale."""

    def fit(self, X, y=None):
        y[0].values[0] += 1
        return super().fit(X, y)


class CountsCalls(Loudness):
    """Scale, n_calls."""

    n_calls = 0

    def frames(self, stimulus):
        self.n_calls = self.n_calls + 1
        return super().frames(stimulus)


class DrawsGlobally(Loudness):
    """Scale."""

    def frames(self, stimulus):
        return super().frames(stimulus) * (1 + 1e-3 * random.random())


class WorksUnfitted(Loudness):
    """Scale."""

    def weights_hash(self):
        return f"{getattr(self, 'level_', 0.5)}"

    def frames(self, stimulus):
        return loud(stimulus, getattr(self, "level_", 0.5))


class ForgetsWhenSaved(Loudness):
    """Scale."""

    def _save_state(self, folder):
        return {}

    def _load_state(self, folder, state):
        self.level_ = 0.0


class GivesDoubles(Loudness):
    """Scale."""

    def transform(self, X):
        return super().transform(X).astype("float64")


class LosesARow(Loudness):
    """Scale."""

    def transform(self, X):
        return super().transform(X).isel(time=slice(0, -1))


class NamesTwoTheSame(Loudness):
    """Scale."""

    def frames(self, stimulus):
        one = super().frames(stimulus)
        return xr.concat([one, one], "feature")


class CaresForOrder(Loudness):
    """Scale."""

    def transform(self, X):
        rows = super().transform(X)
        return rows.copy(data=np.cumsum(rows.values, axis=0))


class NormalisesOverRuns(Loudness):
    """Scale."""

    def transform(self, X):
        rows = super().transform(X)
        return rows.copy(data=rows.values / rows.values.max())


class DependsOnHistory(Loudness):
    """Scale."""

    def frames(self, stimulus):
        return super().frames(stimulus) * (1 + self.history)


class CachesSomethingElse(Loudness):
    """Scale."""

    def transform(self, X):
        rows = super().transform(X)
        return rows if self.cache is None else rows + np.float32(1)


class TakesAnything(Loudness):
    """Scale."""

    def transform(self, X):
        if isinstance(X, ek.Stimulus) or not X:
            return None
        return super().transform(list(dict.fromkeys(X)) if len(X) > 1 and X[0] is X[1] else X)


BROKEN = {
    "clone_has_equal_parameters": TakesACopy,
    "parameters_are_kept_as_given": RenamesAParameter,
    "init_keeps_every_argument": IgnoresItsArguments,
    "repr_is_the_class_with_its_parameters": Anonymous,
    "docstring_describes_parameters_and_attributes": Undescribed,
    "fit_returns_itself": ReturnsNothing,
    "fitting_twice_gives_the_same": LearnsOn,
    "inputs_are_left_as_they_were": ChangesItsInput,
    "giving_an_output_changes_nothing": CountsCalls,
    "global_randomness_is_left_alone": DrawsGlobally,
    "unfitted_says_so": WorksUnfitted,
    "saving_and_loading_gives_the_same": ForgetsWhenSaved,
    "it_takes_what_every_extractor_takes": TakesItsOwnAlone,
    "rows_keep_the_data_contract": GivesDoubles,
    "rows_lie_on_the_grid_of_the_trs": LosesARow,
    "features_have_names_of_their_own": NamesTwoTheSame,
    "the_order_of_runs_does_not_matter": CaresForOrder,
    "a_run_alone_has_the_same_rows": NormalisesOverRuns,
    "the_rows_of_the_trs_do_not_depend_on_the_history": DependsOnHistory,
    "the_cache_gives_the_same": CachesSomethingElse,
    "what_is_no_list_of_stimuli_is_refused": TakesAnything,
}


def test_every_check_has_an_extractor_that_is_broken_in_that_way():
    assert list(BROKEN) == [check.__name__ for check in FEATURE_CHECKS]


def test_a_sound_extractor_passes_every_check():
    assert check_feature_extractor(Loudness(), STUDY) == tuple(BROKEN)


@pytest.mark.parametrize("check", FEATURE_CHECKS, ids=list(BROKEN))
def test_one_that_is_broken_fails(check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(AssertionError, match=r"\w+ \w+"):
            check(FeatureCase(BROKEN[check.__name__](), STUDY))


def test_the_others_of_its_checks_pass():
    message = (
        r"GivesDoubles\(\) fails 1 of 21 checks:\n- rows_keep_the_data_contract: dtype is float"
    )
    with pytest.raises(ContractError, match=message):
        check_feature_extractor(GivesDoubles(), STUDY)


def test_what_init_loses_is_named():
    with pytest.raises(ContractError, match=r"takes cache, history, resample, scale and does not"):
        check_feature_extractor(IgnoresItsArguments(), STUDY)
    with pytest.raises(ContractError, match=r"not take history, resample, cache, so users cannot"):
        check_feature_extractor(TakesItsOwnAlone(), STUDY)


def test_attributes_that_frames_sets_are_named():
    with pytest.raises(ContractError, match=r"sets the attributes \['n_calls'\]: compute them in"):
        check_feature_extractor(CountsCalls(), STUDY)


def test_a_cause_of_many_failures_stands_before_the_list_of_checks():
    class Fails(Loudness):
        """Scale."""

        def frames(self, stimulus):
            raise OSError("no licence")

    with pytest.raises(ContractError, match=r"- OSError: no licence .*\n  in \d+ checks: fitting"):
        check_feature_extractor(Fails(), STUDY)


def test_a_check_is_left_out_for_a_reason():
    skip = dict.fromkeys(list(BROKEN)[:-1], "too slow here")
    assert check_feature_extractor(Loudness(), STUDY, skip=skip) == (list(BROKEN)[-1],)


def test_a_check_that_there_is_not_cannot_be_left_out():
    with pytest.raises(ValueError, match="skip: unknown check 'rows_keep': "):
        check_feature_extractor(Loudness(), STUDY, skip={"rows_keep": "doubles are wanted"})


def test_a_check_is_not_left_out_without_a_reason():
    with pytest.raises(ValueError, match="skip: say why 'unfitted_says_so' does not apply"):
        check_feature_extractor(Loudness(), STUDY, skip={"unfitted_says_so": " "})
