"""Make what the options of an experiment file describe, or say what of them is refused."""

import io
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr
from inspect import signature
from typing import Any

import numpy as np

from encodekit.core import Settings
from encodekit.plugins import (
    PluginError,
    as_settings,
    load_spec,
    settings_class,
    settings_names,
    settings_of,
)


def made(kind: str, given: dict[str, Any], **more: Any) -> Any:
    """Make what the options of a file describe."""
    make = load_spec(kind, given["name"])
    options = {n: item for n, item in given.items() if n not in ("name", "recipe")}
    bases = _settings_taken(make)
    if given.get("recipe"):
        # what the file says wins; a mapping without a name changes what the recipe has
        return make.from_recipe(given["recipe"], **{**more, **dict(_nested(options, bases))})
    whole = {name: _whole(name, item, make, bases) for name, item in options.items()}
    return make(**{**more, **whole})


def _settings_taken(make: Any) -> Mapping[str, type[Settings]]:
    """Return which options are settings; none of what is made by a function."""
    return settings_of(make) if isinstance(make, type) else {}


def _nested(options: dict[str, Any], bases: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, item in options.items():
        if name in bases and isinstance(item, dict) and "name" not in item:
            yield from ((f"{name}__{key}", value_of(part)) for key, part in item.items())
        elif name in bases and isinstance(item, dict):
            yield name, settings_from(bases[name], item, None, name)
        else:
            yield name, value_of(item)


def _whole(name: str, item: Any, make: Any, bases: Mapping[str, Any]) -> Any:
    if name in bases and isinstance(item, dict):
        default = signature(make).parameters[name].default
        return settings_from(bases[name], item, default, name)
    return value_of(item)


def settings_from(base: type[Settings], given: dict[str, Any], default: Any, what: str) -> Any:
    """Return the settings that a mapping of a file stands for.

    Parameters
    ----------
    base : type of Settings
        What the parameter takes.
    given : dict
        Parameters, and the ``name`` of the class; of the default's class without one.
    default : Settings or str
    what : str
        The parameter's name.
    """
    cls = base
    if "name" in given:
        cls = settings_class(base, given["name"], what)
    elif settings_names(base):
        cls = type(as_settings(base, default, what))
    return cls(**{key: value_of(part) for key, part in given.items() if key != "name"})


def value_of(item: Any) -> Any:
    """Return what a value of a file stands for: numbers, or something registered."""
    if isinstance(item, dict) and set(item) == {"logspace"}:
        first, last, count = item["logspace"]
        return tuple(np.logspace(first, last, int(count)).tolist())
    if isinstance(item, dict) and "make" in item:
        return made(item["make"], {name: part for name, part in item.items() if name != "make"})
    if isinstance(item, list):
        return [value_of(part) for part in item]
    return item


def decisive(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of features that decide their values: not what they are computed on."""
    make = load_spec("features", given["name"])
    bases = _settings_taken(make)
    return {n: item for n, item in given.items() if n not in bases or bases[n].affects_results}


def refused(kind: str, given: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield (path, message) of the settings in the options that their own checks refuse."""
    make = load_spec(kind, given["name"])
    for name in _settings_taken(make):
        item = given.get(name)
        told = "" if item is None else _refused(make, given.get("recipe"), name, item)
        if not told:
            continue
        parts = item if isinstance(item, dict) else {}
        alone = [
            ((name, key), why)
            for key in parts
            if key != "name"
            and (why := _refused(make, given.get("recipe"), name, _only(parts, key)))
        ]
        if alone:
            yield from alone
        else:
            yield (name,), told


def _only(parts: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if name in ("name", key)}


def _refused(make: Any, recipe: str | None, name: str, item: Any) -> str:
    bases = settings_of(make)
    try:
        if isinstance(item, str):
            as_settings(bases[name], item, name)
        elif recipe:
            with redirect_stderr(io.StringIO()):  # it prints its values
                make.from_recipe(recipe, **dict(_nested({name: item}, bases)))
        else:
            _whole(name, item, make, bases)
    except (ValueError, TypeError, ImportError, PluginError) as error:
        return str(error)
    return ""
