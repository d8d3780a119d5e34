"""Options of an experiment file, made from the parameters of a registered class or function."""

import collections.abc
import inspect
import re
import types
from functools import cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Union,
    get_args,
    get_origin,
)

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, create_model

from encodekit.core import Settings
from encodekit.plugins import (
    KINDS,
    Entry,
    PluginError,
    Registry,
    load_entry,
    name_key,
    name_of,
    registry,
    resolved_hints,
    settings_class,
    settings_in,
    settings_names,
)

_PLAIN = (int, float, str, bool, type(None))
_SERIES = (list, tuple, collections.abc.Sequence, collections.abc.Iterable)
_ENTRY = re.compile(r"^(\w+(?:, \w+)*)(?: :(.*))?$", re.MULTILINE)
_CHOICES = re.compile(r"\{([^{}]*)\}")
_CHOICE = re.compile(r'"([^"]*)"')
_NOT_IN_FILES = ("coef_store",)  # paths and objects that a file cannot hold


class Strict(BaseModel):
    """A mapping of which every key is known."""

    model_config: ClassVar[ConfigDict] = {
        "extra": "forbid",
        "strict": True,
        "protected_namespaces": (),
    }


class Logspace(Strict):
    """Numbers evenly spaced in their logarithm: ``{logspace: [0, 8, 17]}``."""

    logspace: list[float] = Field(min_length=3, max_length=3)


class Made(BaseModel):
    """Something registered, as the value of an option: ``{make: regions, name: glasser, ...}``."""

    model_config: ClassVar[ConfigDict] = {"extra": "allow", "strict": True}

    make: Literal[tuple(KINDS)]  # type: ignore[valid-type]
    name: str


class _Broken(BaseModel):
    model_config: ClassVar[ConfigDict] = {"extra": "allow"}


Numbers = float | list[float] | Logspace


def options_of(kind: str, entry: Entry) -> type[Strict]:
    """Return the model of the options of a registered thing: ``name`` and its parameters."""
    return _options_of(kind, entry.spec.name, load_entry(entry), registry())


@cache
def _options_of(kind: str, name: str, loaded: Any, _known: Registry) -> type[Strict]:
    # the registry is part of the key: settings may be of any name that is registered
    named: dict[str, Any] = {"name": (Literal[name], ...)}
    if hasattr(loaded, "recipe_names"):
        recipes: Any = Literal[tuple(loaded.recipe_names())]
        told = "A preset; what the file says beside it wins."
        named["recipe"] = (recipes | None, Field(default=None, description=told))
    return _model(f"{kind}: {name}", loaded, named)


def _model(title: str, loaded: Any, more: dict[str, Any]) -> type[Strict]:
    """Return the model of the parameters of a class or function, and of ``more`` fields."""
    words, known = described(loaded), resolved_hints(loaded)
    given = {
        parameter.name: _field(parameter, known.get(parameter.name, Any), words)
        for parameter in inspect.signature(loaded).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and parameter.name not in _NOT_IN_FILES
    }
    first = (inspect.getdoc(loaded) or "").partition("\n")[0]
    made: type[Strict] = create_model(title, __base__=Strict, __doc__=first, **{**more, **given})
    return made


def _settings(base: type[Settings], default: Any) -> Any:
    """Return what a file may hold for settings: a mapping of their parameters, or a name.

    A mapping without ``name`` is of the class of the default. Which model judges a mapping is told
    by its name alone, so that a mistake is not answered by every class there is.
    """
    names = settings_names(base)
    if not names:
        return _model(base.__name__, base, {})
    usual = name_of(base, type(default)) if isinstance(default, base) else None
    if isinstance(default, str):
        usual = next((name for name in names if name_key(name) == name_key(default)), None)
    keys = {name_key(name): name for name in names}
    spelt = BeforeValidator(lambda v: keys.get(name_key(v), v) if isinstance(v, str) else v)
    every: Any = Annotated[Literal[tuple(names)], spelt]
    models = [
        Annotated[
            _choice(base, name, {"name": (every, usual or ...)}),
            Tag(name),
        ]
        for name in names
    ]

    def tag(value: Any) -> str:
        if isinstance(value, BaseModel):  # on the way out
            given = str(value.name)  # type: ignore[attr-defined]
        elif not isinstance(value, dict):
            return "name"
        else:
            given = str(value.get("name", usual or names[0]))
        # an unknown name is answered by the list of those there are, which every model holds
        return keys.get(name_key(given), usual or names[0])

    union: Any = Union[(Annotated[every, Tag("name")], *models)]
    return Annotated[union, Discriminator(tag)]


def _choice(base: type[Settings], name: str, named: dict[str, Any]) -> type[BaseModel]:
    title = f"{base.__name__}: {name}"
    try:
        cls = settings_class(base, name, base.__name__)
    except (
        ImportError,
        PluginError,
        TypeError,
        ValueError,
    ):  # a broken plugin's: told where a file names it
        broken: type[BaseModel] = create_model(title, __base__=_Broken, **named)
        return broken
    return _model(title, cls, named)


def settings_options(loaded: Any, parameter: inspect.Parameter, given: dict[str, Any]) -> list[str]:
    """Return what a mapping for settings may hold; nothing where the parameter takes none."""
    base = settings_in(resolved_hints(loaded).get(parameter.name))
    if base is None:
        return []
    names = settings_names(base)
    if not names:
        return base.parameters()
    default = parameter.default
    usual = default if isinstance(default, str) else name_of(base, type(default))
    name = given.get("name") or usual
    return ["name", *settings_class(base, str(name), parameter.name).parameters()]


def _field(parameter: inspect.Parameter, hint: Any, words: dict[str, tuple[str, str]]) -> Any:
    kind, text = words.get(parameter.name, ("", ""))
    base = settings_in(hint)
    if base is not None:
        described_as = Field(default=None, description=text or None)
        takes = _settings(base, parameter.default)
        return (takes | None if type(None) in get_args(hint) else takes, described_as)
    default = ... if parameter.default is parameter.empty else _default(parameter.default)
    return (_narrowed(plain(hint), kind), Field(default, description=text or None))


def _default(value: Any) -> Any:
    """Return a default as a file would hold it."""
    if isinstance(value, tuple | np.ndarray):
        return list(value)
    return value


def plain(hint: Any) -> Any:
    """Return an annotation as far as YAML can hold it; ``Made`` stands for objects.

    >>> plain(Path), plain(Any), plain(tuple[float, ...])
    (<class 'str'>, typing.Any, list[float])
    """
    origin = get_origin(hint) or hint
    if hint in _PLAIN or origin is Literal:
        return hint
    if origin in (Union, types.UnionType):
        return _union(get_args(hint))
    if origin in _SERIES:
        inner = [item for item in get_args(hint) if item is not Ellipsis]
        return list[plain(inner[0])] if len(set(inner)) == 1 else list[Any]  # type: ignore[misc]
    known = {Path: str, np.ndarray: Numbers, object: Any, Any: Any}
    return known.get(origin, Made if isinstance(origin, type) else Any)


def _union(members: tuple[Any, ...]) -> Any:
    """Return the union of the plain members; NumPy's ArrayLike is numbers."""
    if any("NestedSequence" in repr(member) for member in members):
        return Numbers | None if type(None) in members else Numbers
    kept = list(dict.fromkeys(plain(member) for member in members))
    return Any if Any in kept else Union[tuple(kept)]  # noqa: UP007 (of a computed tuple)


def _narrowed(hint: Any, kind: str) -> Any:
    """Return ``hint`` with its texts limited to the choices of ``{"a", "b"}`` in a docstring."""
    found = _CHOICES.search(kind)
    choices = tuple(_CHOICE.findall(found.group(1))) if found else ()
    closed = found and not kind[found.end() :].strip(" ,").startswith("or")
    if not choices or not closed or not isinstance(hint, type | types.UnionType):
        return hint
    literal: Any = Literal.__getitem__(choices)
    members = get_args(hint) or (hint,)
    return Union[tuple(literal if item in (str, Any) else item for item in members)]  # noqa: UP007


def described(loaded: Any) -> dict[str, tuple[str, str]]:
    """Return what the numpydoc docstrings say of each parameter: its type and its description."""
    found: dict[str, tuple[str, str]] = {}
    for base in reversed(loaded.__mro__ if isinstance(loaded, type) else (loaded,)):
        text = inspect.cleandoc(base.__doc__ or "")
        section = re.search(
            r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL
        )
        parts = _ENTRY.split(section.group(1)) if section else []
        for names, kind, words in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            told = ((kind or "").strip(), " ".join(words.split()))
            found |= dict.fromkeys(names.split(", "), told)
    return found
