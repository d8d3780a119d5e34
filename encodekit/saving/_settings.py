"""Settings and functions in what is saved: by the names that stand for them, never by import."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from encodekit.core import Settings
from encodekit.plugins import load_entry, load_spec, name_of, registry, settings_class

Json = Any
_OWN = "own:"
_AS_PARAMETERS = ("losses", "metrics")  # kinds of registered functions that estimators take


def pack_settings(value: Settings, pack: Callable[[Any, str], Json], where: str) -> Json:
    """Return settings as JSON: the name that stands for their class, and their parameters.

    For what no plugin registers. The class is named within its base, whose parameter it is, so that
    nothing else can be made of it; one that has no name there is written as the user's own, and so
    it is read where the parameter states no base.
    """
    base = _base_of(type(value))
    name = name_of(base, type(value))
    params = {
        key: pack(part, f"{where}.{key}") for key, part in value.get_params(deep=False).items()
    }
    key = f"{_OWN}{type(value).__name__}" if name is None else name
    return {"$": "settings", "class": key, "type": type(value).__name__, "params": params}


def saved_settings_class(
    packed: Json, base: type[Settings] | None, own: Iterable[Any], what: str
) -> type[Settings]:
    """Return the class of settings that `pack_settings` wrote, below the base that is wanted.

    Without a base, such as that of a loss, which need not be settings, they are the user's own.

    Raises
    ------
    ValueError
        If the class is the user's own and not handed over.
    """
    key = packed["class"]
    if key.startswith(_OWN) or base is None:
        base = base or Settings
        cls = find_own(packed["type"], own)
        if not (isinstance(cls, type) and issubclass(cls, base)):
            raise ValueError(f"{what} is a {cls!r}, expected a class that extends {base.__name__}")
    else:
        cls = settings_class(base, key, what) if key else base
    return cls


def made_settings(cls: type[Settings], params: Mapping[str, Any], what: str) -> Settings:
    """Return settings of their saved parameters; ValueError if they do not fit any more."""
    try:
        return cls(**params)
    except TypeError as error:
        raise ValueError(
            f"the saved {what} does not fit the installed {cls.__name__} ({error}): load it with "
            "the version named in its README.md"
        ) from error


def pack_function(value: Any) -> Json | None:
    """Return a function, such as a loss, by the name under which it is registered, or its own.

    None for what is no function, or has no name by which it could be handed over again.
    """
    if not inspect.isroutine(value) or value.__name__ == "<lambda>":
        return None
    for kind in _AS_PARAMETERS:
        for entry in registry().entries(kind):
            if entry.spec.load.endswith(f":{value.__name__}") and load_entry(entry) is value:
                return {"$": "registered", "kind": kind, "name": entry.spec.name}
    return {"$": "own", "name": value.__name__}


def unpack_function(packed: Json, own: Iterable[Any]) -> Any:
    """Return the function that `pack_function` wrote."""
    if packed["$"] == "own":
        return find_own(packed["name"], own)
    if packed["kind"] not in _AS_PARAMETERS:
        raise ValueError(f"the model names one of the {packed['kind']} as a parameter")
    return load_spec(packed["kind"], packed["name"])


def find_own(name: str, own: Iterable[Any]) -> Any:
    """Return what the caller handed over under that name."""
    found = next((item for item in own if getattr(item, "__name__", None) == name), None)
    if found is None:
        raise ValueError(
            f"the model has {name!r}, which is your own: pass load(..., classes=[{name}]); nothing "
            "was loaded"
        )
    return found


def _base_of(cls: type[Settings]) -> type[Settings]:
    """Return the topmost class below `Settings`: the one that a parameter is annotated with."""
    tops = [base for base in cls.__mro__ if issubclass(base, Settings) and base is not Settings]
    return tops[-1]
