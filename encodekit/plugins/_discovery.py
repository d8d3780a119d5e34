"""Find plugins by their entry points, and keep those that keep the contract.

A plugin that does not is set aside with its cause: one bad import must not stop the others.
"""

import importlib
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from encodekit._errors import unknown_name
from encodekit.plugins._hooks import API, PROJECT, Hooks
from encodekit.plugins._records import KINDS, Spec, name_key

BUILTINS = "encodekit-builtins"


class PluginWarning(UserWarning):
    """A plugin, or a name that two plugins claim, was skipped."""


class PluginError(Exception):
    """A plugin breaks the contract; the message says how."""


@dataclass(frozen=True)
class Plugin:
    """One discovered plugin: where it comes from, what it gives, and why not if it was skipped.

    ``status`` is ``"loaded"``, ``"skipped"`` (``cause`` says why) or ``"disabled"`` (by
    ``ENCODEKIT_PLUGINS``).
    """

    name: str
    distribution: str
    version: str
    module: str
    status: str = "loaded"
    cause: str | None = None
    records: tuple[tuple[str, Spec], ...] = ()

    @property
    def title(self) -> str:
        """Name the plugin and its distribution, for messages."""
        return f"{self.name!r} ({self.distribution} {self.version})"


def discover(found: Iterable[EntryPoint] | None = None, wanted: str | None = None) -> list[Plugin]:
    """Return every plugin among the entry points, in order of name, with one warning per failure.

    Parameters
    ----------
    found : iterable of EntryPoint, optional
        Default: the installed ones of the group ``encodekit``.
    wanted : str, optional
        What ``ENCODEKIT_PLUGINS`` says, which is the default: names separated by commas; empty
        for no plugin but the built-in ones.
    """
    points = sorted(entry_points(group=PROJECT) if found is None else found, key=_order)
    wanted = os.environ.get("ENCODEKIT_PLUGINS") if wanted is None else wanted
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    twice = {name for name, count in Counter(point.name for point in points).items() if count > 1}
    plugins = [_consider(manager, point, wanted, twice) for point in points]
    _warn_failures(plugins)
    _warn_unknown(wanted, plugins)
    return plugins


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    return point.name != BUILTINS, point.name, point.value


def _consider(
    manager: pluggy.PluginManager, point: EntryPoint, wanted: str | None, twice: set[str]
) -> Plugin:
    plugin = _describe(point)
    if not _is_wanted(plugin, wanted):
        return replace(plugin, status="disabled")
    try:
        if point.name in twice:
            raise PluginError(f"two distributions have a plugin named {point.name!r}")
        return replace(plugin, records=tuple(_admit(manager, point)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 (plugins may raise anything)
        return replace(plugin, status="skipped", cause=_cause(error))


def _describe(point: EntryPoint) -> Plugin:
    dist = point.dist
    return Plugin(
        name=point.name,
        distribution=dist.name if dist else "unknown distribution",
        version=dist.version if dist else "?",
        module=point.value,
    )


def _is_wanted(plugin: Plugin, wanted: str | None) -> bool:
    if wanted is None or plugin.name == BUILTINS:
        return True
    keys = {name_key(name) for name in _listed(wanted)}
    return bool(keys & {name_key(plugin.name), name_key(plugin.distribution)})


def _listed(wanted: str) -> list[str]:
    return [name.strip() for name in wanted.split(",") if name.strip()]


def _admit(manager: pluggy.PluginManager, point: EntryPoint) -> Iterator[tuple[str, Spec]]:
    """Import one plugin, check it against the contract, and give its records by kind."""
    module = importlib.import_module(point.module)
    _check_api(module)
    _check_marks(module)
    try:
        manager.register(module, name=point.name)
        manager.check_pending()
        yield from list(_records(manager, module))
    except BaseException:
        manager.unregister(name=point.name)
        raise


def _check_api(module: ModuleType) -> None:
    stated = getattr(module, "encodekit_api", None)
    if stated is None:
        raise PluginError(f"{module.__name__} does not state its API: add encodekit_api = {API}")
    if stated != API:
        raise PluginError(
            f"{module.__name__} states encodekit_api = {stated!r}, this encodekit has {API}: "
            "upgrade whichever is older"
        )


def _check_marks(module: ModuleType) -> None:
    """Refuse what is named like a hook and would be passed over for want of its mark."""
    for name, value in vars(module).items():
        unmarked = callable(value) and not hasattr(value, f"{PROJECT}_impl")
        if name.startswith(f"{PROJECT}_") and unmarked:
            raise PluginError(f"{module.__name__}.{name} is not marked: put @hookimpl above it")


def _records(manager: pluggy.PluginManager, module: ModuleType) -> Iterator[tuple[str, Spec]]:
    for caller in manager.get_hookcallers(module) or ():
        kind = caller.name.removeprefix(f"{PROJECT}_")
        for impl in caller.get_hookimpls():
            if impl.plugin is module:
                given: Any = impl.function()
                yield from ((kind, _checked(kind, record)) for record in given or ())


def _checked(kind: str, record: object) -> Spec:
    expected = KINDS[kind]
    if not isinstance(record, expected):
        raise PluginError(f"{PROJECT}_{kind} must give {expected.__name__} records, got {record!r}")
    return record


def _cause(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, PluginError | pluggy.PluginValidationError):
        return text
    return f"{type(error).__name__}: {text}"


def _warn_failures(plugins: Sequence[Plugin]) -> None:
    for plugin in plugins:
        if plugin.status == "skipped":
            warnings.warn(
                f"plugin {plugin.title} is skipped: {plugin.cause}", PluginWarning, stacklevel=4
            )


def _warn_unknown(wanted: str | None, plugins: Sequence[Plugin]) -> None:
    known = sorted({name for plugin in plugins for name in (plugin.name, plugin.distribution)})
    keys = {name_key(name) for name in known}
    for name in _listed(wanted or ""):
        if name_key(name) not in keys:
            text = f"ENCODEKIT_PLUGINS names {unknown_name('plugin', name, known)}"
            warnings.warn(text, PluginWarning, stacklevel=4)
