"""The demo's experiment file, for cohorts of other seeds: its models, areas and stories."""

import warnings
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline, make_pipeline

import encodekit as ek
from encodekit.experiments import read_experiment
from encodekit.experiments._made import made
from encodekit_brain_tuning import RevertedToPretrainedWarning

FILE = Path(str(files("encodekit_brain_tuning.demo") / "demo.yaml"))
CONTENT = read_experiment(FILE).content
MODELS, AREAS = tuple(CONTENT["models"]), tuple(CONTENT["regions"])
HELD_OUT = list(CONTENT["participants"])
COHORT = {key: value for key, value in CONTENT["study"].items() if key not in ("name", "seed")}


def experiment(seed: int, models: Iterable[str] = MODELS, **simulated: Any) -> dict[str, Any]:
    """Return the content of the file for one cohort, some of its models, and changes of the study.

    The study is not kept in the cache: each cohort is simulated once.
    """
    study = {**CONTENT["study"], "seed": seed, "cache": False, **simulated}
    return {
        **CONTENT,
        "seed": seed,
        "study": study,
        "models": {model: CONTENT["models"][model] for model in models},
    }


def split_stories(
    study: Any,
    n_validate: int = len(CONTENT["split"]["validate"]),
    n_fit: int = len(CONTENT["split"]["fit"]),
) -> dict[str, list[str]]:
    """Return the names of the stories that tune, validate, fit and test.

    The test stories are the study's own, which have repeats; the last of the others fit the ridge,
    the ones before them validate, and all that are left tune.
    """
    test = list(study.truth.attrs["test_stories"])
    names = [stimulus.name for stimulus in study.stimuli if stimulus.name not in test]
    n_tune = len(names) - n_validate - n_fit
    if n_tune < 1:
        raise ValueError(
            f"study {study.name!r} has {len(names)} stories beside those for the test; "
            f"{n_validate} validate and {n_fit} fit the ridge, so none is left to tune on: "
            "simulate more stories or lower n_validate and n_fit"
        )
    n_seen = n_tune + n_validate
    return {
        "tune": names[:n_tune],
        "validate": names[n_tune:n_seen],
        "fit": names[n_seen:],
        "test": test,
    }


def features_of(model: str, parts: Any, seed: int) -> Any:
    """Return the features of a model of the file, tuned on ``parts.tune`` if it says so."""
    given = CONTENT["models"][model]
    if "tune" not in given:
        return made("features", given["features"])
    tuned = made("features", given["features"], random_state=seed)
    people = given["tune"]["participants"]
    held = (parts.validate.stimuli, parts.validate.responses(participants=people))
    with warnings.catch_warnings():  # whose weights were kept is asked of the model
        warnings.simplefilter("ignore", RevertedToPretrainedWarning)
        responses = parts.tune.responses(participants=people)
        return tuned.fit(parts.tune.stimuli, responses, validation=held)


def area(name: str = "language") -> Any:
    """Return the selector of an area of the file."""
    return made("regions", CONTENT["regions"][name])


def ridge() -> ek.RidgeCV:
    """Return the file's ridge, not fitted."""
    return made("regressors", CONTENT["regressor"])


def prepared() -> Pipeline:
    """Return the steps between features and ridge: delays and z-scores within runs."""
    return make_pipeline(ek.Delayer(seconds=CONTENT["delays"]), ek.RunScaler())
