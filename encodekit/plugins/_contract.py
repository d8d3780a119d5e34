"""What a plugin's module must be: its API stated, its hooks marked, its records of their kind."""

import importlib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import fields
from importlib.metadata import EntryPoint
from itertools import islice
from types import ModuleType
from typing import Any

import pluggy

from encodekit.core import plain, shown, unknown_name
from encodekit.plugins._errors import PluginError
from encodekit.plugins._hooks import API, PROJECT, Hooks
from encodekit.plugins._records import KINDS, Spec

_MOST = 20_000  # records of one hook, which may yield without end


def admit(manager: pluggy.PluginManager, point: EntryPoint) -> Iterator[tuple[str, Spec]]:
    """Import one plugin, check it against the contract, and give its records by kind.

    Raises
    ------
    PluginError
        If it breaks the contract; and whatever its code raises. The manager forgets it then.
    """
    module = _imported(point)
    _check_api(module)
    _check_marks(module)
    try:
        manager.register(module, name=point.name)
        manager.check_pending()
        yield from list(_records(manager, module))
    except BaseException:
        if manager.has_plugin(point.name):
            manager.unregister(name=point.name)
        raise


def _imported(point: EntryPoint) -> ModuleType:
    if not EntryPoint.pattern.fullmatch(point.value) or point.attr:
        raise PluginError(
            f"its entry point is {point.value!r}, expected a module, such as 'my_lab.plugin'"
        )
    return importlib.import_module(point.module)


def _check_api(module: ModuleType) -> None:
    stated = getattr(module, "encodekit_api", None)
    if stated is None:
        raise PluginError(f"{module.__name__} does not state its API: add encodekit_api = {API}")
    if type(stated) is not int or stated != API:
        raise PluginError(
            f"{module.__name__} states encodekit_api = {shown(stated)}, this encodekit has {API}: "
            "upgrade whichever is older"
        )


def _check_marks(module: ModuleType) -> None:
    """Refuse what would be passed over: hooks that are not marked, or whose name is not known."""
    for name, value in vars(module).items():
        unmarked = callable(value) and not hasattr(value, f"{PROJECT}_impl")
        if name.startswith(f"{PROJECT}_") and unmarked:
            raise PluginError(f"{module.__name__}.{name} is not marked: put @hookimpl above it")
        if hasattr(value, f"{PROJECT}_impl") and not hasattr(Hooks, name):
            hooks = [hook for hook in vars(Hooks) if hook.startswith(PROJECT)]
            raise PluginError(f"{module.__name__}: {unknown_name('hook', name, hooks)}")


def _records(manager: pluggy.PluginManager, module: ModuleType) -> Iterator[tuple[str, Spec]]:
    for caller in manager.get_hookcallers(module) or ():
        kind = caller.name.removeprefix(f"{PROJECT}_")
        for impl in caller.get_hookimpls():
            if impl.plugin is module:
                given = _several(kind, impl.function())
                for n_given, record in enumerate(islice(given, _MOST + 1)):
                    if n_given == _MOST:
                        raise PluginError(f"{caller.name} yields more than {_MOST:,} records")
                    yield kind, _checked(kind, record)


def _several(kind: str, given: Any) -> Iterable[object]:
    """Return what a hook gave, which may be nothing, if it can hold records at all."""
    if given is None:
        return ()
    if isinstance(given, str | bytes | dict) or not isinstance(given, Iterable):
        if inspect.iscoroutine(given):
            given.close()
        raise PluginError(
            f"{PROJECT}_{kind} must yield {KINDS[kind].__name__} records or return a list of "
            f"them, got {shown(given)}"
        )
    return given


def _checked(kind: str, record: object) -> Spec:
    expected = KINDS[kind]
    if not isinstance(record, expected):
        raise PluginError(
            f"{PROJECT}_{kind} must give {expected.__name__} records, got {shown(record)}"
        )
    return _copied(expected, record)


def _copied(expected: type[Spec], record: Spec) -> Spec:
    """Return a record of ours with the same content, checked again.

    What a plugin gave may be changed after it was checked, or be of classes of its own.
    """
    content = {field.name: getattr(record, field.name) for field in fields(expected)}
    return expected(
        **{name: plain(value) if isinstance(value, str) else value
           for name, value in content.items()}
    )  # fmt: skip
