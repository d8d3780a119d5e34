"""Which classes a saved model may name: never imported by a name that a file holds."""

import importlib
import sys
from collections.abc import Iterator, Sequence

from encodekit.core import unknown_name
from encodekit.plugins import KINDS, load_entry, load_spec, registry

_SKLEARN = {
    "Pipeline": "sklearn.pipeline",
    "FrozenEstimator": "sklearn.frozen",
    "StandardScaler": "sklearn.preprocessing",
    "PCA": "sklearn.decomposition",
    "Ridge": "sklearn.linear_model",
    "LinearRegression": "sklearn.linear_model",
    **dict.fromkeys(
        (
            "KFold",
            "GroupKFold",
            "LeaveOneGroupOut",
            "LeavePGroupsOut",
            "LeaveOneOut",
            "ShuffleSplit",
            "GroupShuffleSplit",
            "PredefinedSplit",
            "TimeSeriesSplit",
            "RepeatedKFold",
        ),
        "sklearn.model_selection",
    ),
}


def class_key(cls: type, own: Sequence[type] = ()) -> str | None:
    """Return the key under which a file may name ``cls``, or None where it may not.

    Keys are ``sklearn:Pipeline``, ``encodekit:RidgeCV``, ``features:pitch`` (a plugin's record),
    or ``own:Name`` for a class that the caller hands over.
    """
    return next(_keys(cls, own), None)


def _keys(cls: type, own: Sequence[type]) -> Iterator[str]:
    name = cls.__name__
    module = sys.modules.get(_SKLEARN.get(name, ""))
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
        found = getattr(importlib.import_module(_SKLEARN[name]), name)
    elif home == "encodekit":
        encodekit = importlib.import_module("encodekit")
        found = getattr(encodekit, name) if name in encodekit.__all__ else None
    else:
        found = next((cls for cls in own if home == "own" and cls.__name__ == name), None)
    if not isinstance(found, type):
        raise ValueError(f"{_why(home, name)}; nothing was loaded")
    return found


def _why(home: str, name: str) -> str:
    if home == "own":
        return f"the model has a class {name!r} of your own: pass load(..., classes=[{name}])"
    known = [*_SKLEARN, *importlib.import_module("encodekit").__all__]
    return f"the model names an {unknown_name('class', name, known)}"
