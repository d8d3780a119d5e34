"""Settings: what belongs together among an estimator's parameters, as one frozen object."""

import dataclasses
import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from numbers import Integral, Real
from typing import Any, ClassVar, Self, dataclass_transform, get_args, get_type_hints

from encodekit.core._messages import unknown_name


class _OfInit:
    """The signature of ``__init__``, which that of ``__new__`` would hide from help and editors."""

    def __get__(self, _: object, cls: type) -> inspect.Signature:
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]
        return whole.replace(parameters=list(whole.parameters.values())[1:])


# what a parameter of that name would hide
_TAKEN = frozenset(
    ("parameters", "mistakes", "get_params", "set_params", "replace", "changed", "name")
)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
class Settings:
    """A frozen group of parameters that scikit-learn can read, clone, search and replace.

    A subclass names its parameters with their types and defaults, as a dataclass does, and says
    in ``mistakes`` what values are refused. An estimator that takes one (`HasSettings`) lets
    ``set_params(update__rank=4)`` put a changed copy in its place; the object itself never changes,
    so that estimators can share it.

    Attributes
    ----------
    registered_as : str or None
        Of a base class: the kind of record under which plugins register subclasses by a name.
    choices : mapping of str to class
        Of a base class without such a kind: its subclasses by the name that stands for them.

    Examples
    --------
    >>> class Schedule(Settings):
    ...     epochs: int = 30
    ...     rate: float = 1e-4
    ...
    ...     def mistakes(self):
    ...         if self.epochs < 1:
    ...             yield f"epochs={self.epochs}: expected at least 1"
    >>> Schedule(epochs=4), Schedule().replace(rate=1e-3)
    (Schedule(epochs=4), Schedule(rate=0.001))
    >>> Schedule(epoch=4)
    Traceback (most recent call last):
    TypeError: Schedule: unknown parameter 'epoch': did you mean 'epochs'?
    """

    affects_results: ClassVar[bool] = True  # False: left out of the keys of an experiment
    registered_as: ClassVar[str | None] = None
    choices: ClassVar[Mapping[str, type]] = {}
    __signature__ = _OfInit()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        taken = [name for name in vars(cls).get("__annotations__", {}) if name in _TAKEN]
        if taken:
            raise TypeError(f"{cls.__name__}: a parameter cannot be called {', '.join(taken)}")
        dataclasses.dataclass(frozen=True, repr=False)(cls)

    def __new__(cls, *_: Any, **given: Any) -> Self:
        """Refuse an unknown parameter by the name that was meant."""
        cls._check_known(given)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name in self.parameters():  # what estimators share cannot change
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        # values are judged only where their types are right: a comparison would raise otherwise
        mistakes = list(self._wrong_types()) or list(self.mistakes())
        if mistakes:
            raise ValueError(f"{type(self).__name__}: {'; '.join(mistakes)}")

    def _wrong_types(self) -> Iterator[str]:
        cls: Any = type(self)
        for name, kinds in _numbers_of(cls).items():
            value = getattr(self, name)
            if not any(_is_a(value, kind) for kind in kinds):
                words = " or ".join(_WORDS[kind] for kind in kinds)
                yield f"{name}={value!r}: expected {words}"

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values; all are told in one message."""
        return iter(())

    @classmethod
    def parameters(cls) -> list[str]:
        """Return the names of the parameters."""
        return [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with ``deep`` those of settings within, as ``name__parameter``."""
        found: dict[str, Any] = {name: getattr(self, name) for name in self.parameters()}
        if deep:
            for name, value in list(found.items()):
                if isinstance(value, Settings):
                    found |= {f"{name}__{key}": part for key, part in value.get_params().items()}
        return found

    def replace(self, **changes: Any) -> Self:
        """Return a copy with other values; ``name__parameter`` reaches into settings within.

        Raises
        ------
        TypeError
            For a parameter that there is not.
        ValueError
            For a value that is refused.
        """
        own, within = split_nested(changes)
        self._check_known({**own, **within})
        for name, inner in within.items():
            own[name] = own.get(name, getattr(self, name)).replace(**inner)
        return dataclasses.replace(self, **own)  # type: ignore[type-var]

    def set_params(self, **changes: Any) -> Self:
        """Refuse to change what estimators may share."""
        raise TypeError(
            f"{type(self).__name__} does not change: put the copy that replace({_said(changes)}) "
            "returns in its place, or set it on the estimator, set_params(name__parameter=...)"
        )

    def __sklearn_clone__(self) -> Self:
        return self  # frozen, so that a clone may share it

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_said(self.changed())})"

    def changed(self) -> dict[str, Any]:
        """Return the parameters whose values are not the defaults."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.init and repr(getattr(self, field.name)) != repr(_default(field))
        }

    @classmethod
    def _check_known(cls, given: Mapping[str, Any]) -> None:
        known = cls.parameters() if dataclasses.is_dataclass(cls) else list(given)
        wrong = [unknown_name("parameter", name, known) for name in given if name not in known]
        if wrong:
            raise TypeError(f"{cls.__name__}: {'; '.join(wrong)}")


_WORDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    type(None): "None",
}


@cache
def _numbers_of(cls: type) -> dict[str, tuple[type, ...]]:
    """Return the parameters that are numbers or None by their annotations, with these types."""
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError):
        return {}
    members = {name: get_args(hint) or (hint,) for name, hint in hints.items()}
    return {
        name: members[name]
        for name in cls.parameters()  # type: ignore[attr-defined]
        if name in members and all(kind in _WORDS for kind in members[name])
    }


def _is_a(value: Any, kind: type) -> bool:
    if kind in (int, float):
        number = Integral if kind is int else Real
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, kind)


def split_nested(
    parameters: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the plain parameters, and by the name before ``__`` those that reach further in.

    >>> split_nested({"layer": 3, "update__rank": 4})
    ({'layer': 3}, {'update': {'rank': 4}})
    """
    plain: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, value in parameters.items():
        name, reaches_in, rest = key.partition("__")
        if reaches_in:
            nested[name][rest] = value
        else:
            plain[name] = value
    return plain, dict(nested)


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _said(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
