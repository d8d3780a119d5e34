"""What is registered, by kind and name, and the one way to load it."""

import importlib
import os
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from encodekit.core import MissingExtraError, isolated, plain, unknown_name
from encodekit.plugins._discovery import (
    BUILTINS,
    Plugin,
    PluginWarning,
    discover,
    unknown_plugins,
)
from encodekit.plugins._errors import PluginError, cause_of
from encodekit.plugins._known import ELSEWHERE
from encodekit.plugins._records import KINDS, Spec, name_key


@dataclass(frozen=True)
class Entry:
    """One record and the plugin that gave it."""

    spec: Spec
    plugin: Plugin


class Registry:
    """Every record of the discovered plugins; a name that two of them claim belongs to neither.

    Parameters
    ----------
    plugins : sequence of Plugin
        As `discover` returns them; those not loaded are kept to explain what is missing.
    prefer : mapping of name to plugin, optional
        To whom a name belongs that several claim: the name of a plugin or of its distribution.
        Default: what ``ENCODEKIT_PREFER`` says, such as ``pitch=my-lab,l2=other-lab``.
    """

    def __init__(
        self, plugins: Sequence[Plugin], *, prefer: Mapping[str, str] | None = None
    ) -> None:
        self.plugins = tuple(plugins)
        prefer = _preferred() if prefer is None else prefer
        self._prefer = {name_key(name): plugin for name, plugin in prefer.items()}
        self._claims: dict[str, dict[str, list[Entry]]] = {
            kind: defaultdict(list) for kind in KINDS
        }
        for plugin in self.plugins:
            for kind, spec in plugin.records:
                self._claims[kind][name_key(spec.name)].append(Entry(spec, plugin))
        self._warn_clashes()

    def entries(self, kind: str) -> list[Entry]:
        """Return the usable records of a kind, in order of name."""
        usable = (self._usable(key, claims) for key, claims in self._of_kind(kind).items())
        return sorted((e[0] for e in usable if len(e) == 1), key=lambda entry: entry.spec.name)

    def clashes(self) -> list[str]:
        """Return one message per name that two plugins claim and none is preferred for."""
        return [
            _clash(kind, claims)
            for kind, by_key in self._claims.items()
            for key, claims in by_key.items()
            if len(self._usable(key, claims)) > 1
        ]

    def find(self, kind: str, name: str, prefer: str | None = None) -> Entry:
        """Return the entry of a name; raise ValueError with what to do where there is none.

        ``prefer`` is the plugin, or the distribution, whose record is taken where several claim
        the name; ``ENCODEKIT_PREFER`` decides where it is not given.
        """
        key = name_key(str(name))
        claims = self._of_kind(kind).get(key, [])
        if not claims:
            known = [entry.spec.name for entry in self.entries(kind)]
            raise ValueError(self.why_absent(kind, str(name), known))
        usable = self._usable(key, claims, prefer)
        if len(usable) > 1:
            raise ValueError(_clash(kind, usable))
        return usable[0]

    def load(self, kind: str, name: str, prefer: str | None = None) -> Any:
        """Import and return what a name stands for."""
        return load_entry(self.find(kind, name, prefer))

    def why_absent(self, kind: str, name: str, known: Sequence[str]) -> str:
        """Return what to do about an absent name: install its plugin, or take a known name."""
        elsewhere = {name_key(theirs): dist for theirs, dist in ELSEWHERE.get(kind, {}).items()}
        noun = KINDS[kind].noun
        if name_key(name) not in elsewhere:
            return "; ".join([unknown_name(noun, name, known), *self._not_loaded()])
        dist = elsewhere[name_key(name)]
        return f"the {noun} {name!r} comes with {dist}, {self._why_not(dist)}"

    def _not_loaded(self) -> list[str]:
        """Return who may bring an absent name and was not loaded, and why."""
        return [
            f"the plugin {plugin.title}, which may bring it, is {plugin.status}: {plugin.cause}"
            for plugin in self.plugins
            if plugin.status != "loaded"
        ]

    def _of_kind(self, kind: str) -> dict[str, list[Entry]]:
        if kind not in self._claims:
            raise ValueError(unknown_name("kind of plugin", kind, KINDS))
        return self._claims[kind]

    def _usable(self, key: str, claims: list[Entry], prefer: str | None = None) -> list[Entry]:
        """Return the claims that are left when the preferred plugin's are taken alone."""
        wanted = prefer or self._prefer.get(key)
        if wanted is None or (prefer is None and len(claims) == 1):
            return claims
        taken = [entry for entry in claims if entry.plugin.is_called(wanted)]
        if prefer and not taken:
            owners = [entry.plugin.name for entry in claims]
            raise ValueError(f"prefer={prefer!r}: {unknown_name('plugin', prefer, owners)}")
        return taken or claims

    def _why_not(self, distribution: str) -> str:
        for plugin in self.plugins:
            if name_key(plugin.distribution) == name_key(distribution):
                if plugin.status == "loaded":
                    return f"whose version {plugin.version} lacks it: upgrade it"
                return f"which is {plugin.status}: {plugin.cause}"
        return f"which is not installed: pip install {distribution}"

    def _warn_clashes(self) -> None:
        unknown = unknown_plugins("ENCODEKIT_PREFER", self._prefer.values(), self.plugins)
        for message in [*unknown, *self.clashes()]:
            warnings.warn(message, PluginWarning, stacklevel=3)


def _preferred() -> dict[str, str]:
    """Return what ``ENCODEKIT_PREFER`` says; a part without '=' prefers nothing and is named."""
    parts = [part.strip() for part in os.environ.get("ENCODEKIT_PREFER", "").split(",")]
    pairs = [part.partition("=") for part in parts if part]
    for name, equals, plugin in pairs:
        if not (name.strip() and equals and plugin.strip()):
            raise ValueError(
                f"ENCODEKIT_PREFER holds {name + equals + plugin!r}, expected name=plugin, such as "
                "pitch=my-lab"
            )
    return {name.strip(): plugin.strip() for name, _, plugin in pairs}


def _clash(kind: str, entries: Sequence[Entry]) -> str:
    ordered = sorted(entries, key=lambda entry: entry.plugin.title)
    claims = " and ".join(f"{e.spec.name!r} by plugin {e.plugin.title}" for e in ordered)
    return (
        f"the same {KINDS[kind].noun} is registered as {claims}: none of them is used; "
        f"choose by prefer= or ENCODEKIT_PREFER={entries[0].spec.name}=PLUGIN, rename one, or "
        "uninstall its distribution"
    )


def load_entry(entry: Entry) -> Any:
    """Import what a record names, or raise with the pip line of what it lacks.

    Raises
    ------
    Exception
        Whatever the plugin's code raises, as it is.
    PluginError
        If the plugin lacks what its record names, or raises what would end the program:
        SystemExit, or KeyboardInterrupt where nobody pressed a key.
    """

    def failed(error: BaseException) -> Any:
        if issubclass(type(error), Exception):
            raise error
        raise PluginError(_broken(entry, f"loading it raised {cause_of(error)}")) from error

    return isolated(lambda: _loaded(entry), failed)


def _loaded(entry: Entry) -> Any:
    module, _, attribute = entry.spec.load.partition(":")
    try:
        holder = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _lacking(entry, error) from error
    try:
        return getattr(holder, attribute)
    except AttributeError as error:
        names = [name for name in dir(holder) if not name.startswith("_")]
        told = unknown_name("name", attribute, names)
        raise PluginError(_broken(entry, f"{module} has no {attribute!r} ({told})")) from error


def _lacking(entry: Entry, error: ModuleNotFoundError) -> Exception:
    spec, module = entry.spec, entry.spec.load.partition(":")[0]
    missing = plain(error.name or "?")
    if f"{module}.".startswith(f"{missing}."):
        return PluginError(_broken(entry, f"there is no module {missing!r}"))
    package = missing.partition(".")[0]
    wanted = f"{entry.plugin.distribution}[{spec.extra}]" if spec.extra else package
    return MissingExtraError(
        f"the {spec.noun} {spec.name!r} needs the package {package!r}, which is not installed: "
        f"pip install '{wanted}'"
    )


def _broken(entry: Entry, cause: str) -> str:
    if entry.plugin.name == BUILTINS:
        return (
            f"the {entry.spec.noun} {entry.spec.name!r} of encodekit cannot be loaded, {cause}: "
            "encodekit is not installed whole, reinstall it"
        )
    return (
        f"plugin {entry.plugin.title} registers the {entry.spec.noun} {entry.spec.name!r} at "
        f"{entry.spec.load!r}, but {cause}: tell its authors"
    )


_active: ContextVar[Registry] = ContextVar("registry")


def registry() -> Registry:
    """Return what is registered in this process; plugins are discovered on the first call."""
    return _active.get(None) or _installed()


@cache
def _installed() -> Registry:
    return Registry(discover())


@contextmanager
def use_registry(other: Registry) -> Iterator[Registry]:
    """Within the block, let `registry` return another one; for tests."""
    token = _active.set(other)
    try:
        yield other
    finally:
        _active.reset(token)
