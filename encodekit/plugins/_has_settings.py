"""Estimators whose parameters are `Settings`: by name or object, nested for scikit-learn."""

import inspect
import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Self, Union, get_args, get_origin, get_type_hints

from encodekit.core import Settings, split_nested, unknown_name
from encodekit.plugins._make import known_names, load_spec
from encodekit.plugins._records import KINDS, name_key
from encodekit.plugins._registry import load_entry, registry


class HasSettings:
    """For an estimator some of whose parameters are `Settings`, as its annotations say.

    A parameter annotated ``update: Update | str`` takes an `Update`, or the name of one with its
    defaults. ``get_params`` reads into it and ``set_params(update__rank=4)`` puts a changed copy
    in its place, as scikit-learn's searches do.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with ``deep`` those within, as ``name__parameter``."""
        found: dict[str, Any] = super().get_params(deep=deep)  # type: ignore[misc]
        if deep:
            for name in settings_of(type(self)):
                if isinstance(found[name], str):  # objects were read by scikit-learn
                    inner = self.setting(name).get_params()
                    found |= {f"{name}__{key}": value for key, value in inner.items()}
        return found

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters; ``name__parameter`` replaces the settings ``name`` by a changed copy.

        Raises
        ------
        ValueError
            For a parameter that there is not, with close matches, or a value that is refused.
        """
        plain, within = split_nested(parameters)
        known = super().get_params(deep=False)  # type: ignore[misc]
        wrong = [name for name in {**plain, **within} if name not in known]
        if wrong:
            said = [unknown_name(f"parameter of {type(self).__name__}", n, known) for n in wrong]
            raise ValueError("; ".join(said))
        for name, value in plain.items():  # scikit-learn would first read within the old ones
            setattr(self, name, value)
        for name, changes in within.items():
            stated = name in settings_of(type(self))
            old = self.setting(name) if stated else getattr(self, name)
            if isinstance(old, Settings):  # such as a loss, which need not be any
                setattr(self, name, _changed(type(self).__name__, name, old, changes))
            elif hasattr(old, "set_params"):
                old.set_params(**changes)
            else:
                super().set_params(**{f"{name}__{key}": v for key, v in changes.items()})  # type: ignore[misc]
        return self

    def setting(self, name: str) -> Any:
        """Return the settings that the parameter ``name`` is, or is the name of."""
        return as_settings(settings_of(type(self))[name], getattr(self, name), name)


def _changed(owner: str, name: str, old: Settings, changes: Mapping[str, Any]) -> Settings:
    try:
        return old.replace(**changes)
    except TypeError as error:
        raise ValueError(f"{owner}, parameter {name!r}: {error}") from error


def settings_of(cls: type) -> dict[str, type[Settings]]:
    """Return which parameters of a class are settings, and of which base class."""
    found: dict[str, type[Settings]] = _settings_of(cls)
    return found


@cache
def _settings_of(cls: type) -> dict[str, type[Settings]]:
    hints = resolved_hints(cls)
    return {name: base for name, hint in hints.items() if (base := settings_in(hint)) is not None}


def resolved_hints(loaded: Any) -> dict[str, Any]:
    """Return the annotations of a function, or of a class's parameters: those that resolve."""
    function: Any = getattr(loaded, "__init__") if isinstance(loaded, type) else loaded  # noqa: B009
    known = getattr(inspect.unwrap(function), "__globals__", {})
    found: dict[str, Any] = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        one: Any = types.SimpleNamespace(__annotations__={name: hint})
        try:
            found |= get_type_hints(one, known)
        except (NameError, TypeError, AttributeError):  # what only a type checker imports
            continue
    return found


def settings_in(hint: Any) -> type[Settings] | None:
    """Return the `Settings` class that an annotation names, alone or in a union with others."""
    if get_origin(hint) in (Union, types.UnionType, Annotated):
        members = get_args(hint)[: 1 if get_origin(hint) is Annotated else None]
        return next((found for one in members if (found := settings_in(one)) is not None), None)
    return hint if inspect.isclass(hint) and issubclass(hint, Settings) else None


def settings_names(base: type[Settings]) -> list[str]:
    """Return the names that stand for a subclass of ``base``."""
    return known_names(base.registered_as) if base.registered_as else list(base.choices)


def settings_class(base: type[Settings], name: str, what: str) -> type[Settings]:
    """Return the subclass of ``base`` that ``name`` stands for.

    Raises
    ------
    ValueError
        If there is none; with close matches, or the pip line of the plugin that brings it.
    """
    if base.registered_as:
        found = load_spec(base.registered_as, name)
    else:
        keys = {name_key(known): known for known in base.choices}
        if name_key(name) not in keys:
            raise ValueError(unknown_name(what, name, base.choices))
        found = base.choices[keys[name_key(name)]]
    if not (isinstance(found, type) and issubclass(found, base)):
        raise TypeError(
            f"the {KINDS[base.registered_as].noun if base.registered_as else what} {name!r} is "
            f"{found!r}, expected a class that extends {base.__name__}: tell its authors"
        )
    return found


def name_of(base: type[Settings], cls: type) -> str | None:
    """Return the name that stands for ``cls``; ``""`` for ``base`` itself, None if it has none."""
    if cls is base:
        return ""
    if not base.registered_as:
        return next((name for name, known in base.choices.items() if known is cls), None)
    for entry in registry().entries(base.registered_as):
        # only what may be it is imported: another plugin's may be broken
        if entry.spec.load.endswith(f":{cls.__name__}") and load_entry(entry) is cls:
            return str(entry.spec.name)
    return None


def as_settings(base: type[Settings], value: Any, what: str) -> Any:
    """Return ``value`` if it is of ``base``, or the settings that a name stands for.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For anything else, a class included.
    """
    if isinstance(value, base):
        return value
    if isinstance(value, str) and (base.registered_as or base.choices):
        return settings_class(base, value, what)()
    told = f"{value.__name__} itself" if isinstance(value, type) else f"a {type(value).__name__}"
    names = ", ".join(map(repr, settings_names(base)))
    example = f"{value.__name__}()" if isinstance(value, type) else f"{base.__name__}(...)"
    raise TypeError(
        f"{what} is {told}, expected {base.__name__}{' or one of ' + names if names else ''}: "
        f"pass {example}"
    )
