"""Which classes a saved model may name: never imported by a name that a file holds."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass

from encodekit.core import unknown_name
from encodekit.plugins import KINDS, load_entry, load_spec, registry

_SHUFFLED = ("n_splits", "test_size", "train_size", "random_state")
# What scikit-learn's classes are made with here. What is not listed is not saved, and not taken
# from a file: `memory` of a Pipeline names a folder of pickles, which the next fit would open.
_SKLEARN: dict[str, tuple[str, tuple[str, ...]]] = {
    "Pipeline": ("sklearn.pipeline", ("steps", "transform_input", "verbose")),
    "FrozenEstimator": ("sklearn.frozen", ("estimator",)),
    "StandardScaler": ("sklearn.preprocessing", ("copy", "with_mean", "with_std")),
    "PCA": (
        "sklearn.decomposition",
        (
            "n_components", "copy", "whiten", "svd_solver", "tol", "iterated_power",
            "n_oversamples", "power_iteration_normalizer", "random_state",
        ),
    ),
    "Ridge": (
        "sklearn.linear_model",
        (
            "alpha", "fit_intercept", "copy_X", "max_iter", "tol", "solver", "positive",
            "random_state",
        ),
    ),
    "LinearRegression": (
        "sklearn.linear_model", ("fit_intercept", "copy_X", "tol", "n_jobs", "positive"),
    ),
    "KFold": ("sklearn.model_selection", ("n_splits", "shuffle", "random_state")),
    "GroupKFold": ("sklearn.model_selection", ("n_splits", "shuffle", "random_state")),
    "LeaveOneGroupOut": ("sklearn.model_selection", ()),
    "LeavePGroupsOut": ("sklearn.model_selection", ("n_groups",)),
    "LeaveOneOut": ("sklearn.model_selection", ()),
    "ShuffleSplit": ("sklearn.model_selection", _SHUFFLED),
    "GroupShuffleSplit": ("sklearn.model_selection", _SHUFFLED),
    "PredefinedSplit": ("sklearn.model_selection", ("test_fold",)),
    "TimeSeriesSplit": (
        "sklearn.model_selection", ("n_splits", "max_train_size", "test_size", "gap"),
    ),
    "RepeatedKFold": ("sklearn.model_selection", ("n_splits", "n_repeats", "random_state")),
}  # fmt: skip


def allowed_parameters(key: str) -> tuple[str, ...] | None:
    """Return the parameters that a file may give to the class of a key; None if they are its own.

    Of classes of others, a list; encodekit's, and those of plugins, know themselves what they take.
    """
    home, _, name = key.partition(":")
    return _SKLEARN[name][1] if home == "sklearn" and name in _SKLEARN else None


def class_key(cls: type, own: Sequence[type] = ()) -> str | None:
    """Return the key under which a file may name ``cls``, or None where it may not.

    Keys are ``sklearn:Pipeline``, ``encodekit:RidgeCV``, ``features:pitch`` (a plugin's record),
    or ``own:Name`` for a class that the caller hands over.
    """
    return next(_keys(cls, own), None)


def _keys(cls: type, own: Sequence[type]) -> Iterator[str]:
    name = cls.__name__
    module = sys.modules.get(_SKLEARN[name][0]) if name in _SKLEARN else None
    if module is not None and getattr(module, name) is cls:
        yield f"sklearn:{name}"
    encodekit = importlib.import_module("encodekit")
    if name in encodekit.__all__ and getattr(encodekit, name) is cls:
        yield f"encodekit:{name}"
    for kind in KINDS:
        for entry in registry().entries(kind):
            if entry.spec.load.endswith(f":{name}") and load_entry(entry) is cls:
                yield f"{kind}:{entry.spec.name}"
    if cls in own:
        yield f"own:{name}"


def find_class(key: str, own: Sequence[type] = ()) -> type:
    """Return the class of a key, imported from where this installation registers it.

    Raises
    ------
    ValueError
        Where nothing here has that key.
    """
    home, _, name = key.partition(":")
    if home in KINDS:
        found = load_spec(home, name)
    elif home == "sklearn" and name in _SKLEARN:
        found = getattr(importlib.import_module(_SKLEARN[name][0]), name)
    elif home == "encodekit":
        encodekit = importlib.import_module("encodekit")
        found = getattr(encodekit, name) if name in encodekit.__all__ else None
    else:
        found = next((cls for cls in own if home == "own" and cls.__name__ == name), None)
    if not isinstance(found, type):
        raise ValueError(f"{_why(home, name)}; nothing was loaded")
    if home != "sklearn" and not (hasattr(found, "get_params") or is_dataclass(found)):
        raise ValueError(f"{key!r} is no estimator; nothing was loaded")
    return found


def _why(home: str, name: str) -> str:
    if home == "own":
        return f"the model has a class {name!r} of your own: pass load(..., classes=[{name}])"
    known = [*_SKLEARN, *importlib.import_module("encodekit").__all__]
    return f"the model names an {unknown_name('class', name, known)}"
