"""What is registered, by kind and name, and the one way to load it."""

import importlib
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from encodekit._errors import MissingExtraError, unknown_name
from encodekit.plugins._discovery import Plugin, PluginError, PluginWarning, discover
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
    """

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self._claims: dict[str, dict[str, list[Entry]]] = {
            kind: defaultdict(list) for kind in KINDS
        }
        for plugin in self.plugins:
            for kind, spec in plugin.records:
                self._claims[kind][name_key(spec.name)].append(Entry(spec, plugin))
        self._warn_clashes()

    def entries(self, kind: str) -> list[Entry]:
        """Return the usable records of a kind, in order of name."""
        claims = self._of_kind(kind).values()
        return sorted((c[0] for c in claims if len(c) == 1), key=lambda entry: entry.spec.name)

    def clashes(self) -> list[str]:
        """Return one message per name that two plugins claim."""
        return [
            _clash(kind, entries)
            for kind, claims in self._claims.items()
            for entries in claims.values()
            if len(entries) > 1
        ]

    def find(self, kind: str, name: str) -> Entry:
        """Return the entry of a name; raise ValueError with what to do where there is none."""
        entries = self._of_kind(kind).get(name_key(str(name)), [])
        if len(entries) > 1:
            raise ValueError(_clash(kind, entries))
        if not entries:
            known = [entry.spec.name for entry in self.entries(kind)]
            raise ValueError(self.why_absent(kind, str(name), known))
        return entries[0]

    def load(self, kind: str, name: str) -> Any:
        """Import and return what a name stands for."""
        return load_entry(self.find(kind, name))

    def why_absent(self, kind: str, name: str, known: Sequence[str]) -> str:
        """Return what to do about an absent name: install its plugin, or take a known name."""
        elsewhere = {name_key(theirs): dist for theirs, dist in ELSEWHERE.get(kind, {}).items()}
        noun = KINDS[kind].noun
        if name_key(name) not in elsewhere:
            return unknown_name(noun, name, known)
        dist = elsewhere[name_key(name)]
        return f"the {noun} {name!r} comes with {dist}, {self._why_not(dist)}"

    def _of_kind(self, kind: str) -> dict[str, list[Entry]]:
        if kind not in self._claims:
            raise ValueError(unknown_name("kind of plugin", kind, KINDS))
        return self._claims[kind]

    def _why_not(self, distribution: str) -> str:
        for plugin in self.plugins:
            if name_key(plugin.distribution) == name_key(distribution):
                return {
                    "disabled": "which ENCODEKIT_PLUGINS leaves out: add it there",
                    "skipped": f"which was skipped: {plugin.cause}",
                }.get(plugin.status, f"whose version {plugin.version} lacks it: upgrade it")
        return f"which is not installed: pip install {distribution}"

    def _warn_clashes(self) -> None:
        for message in self.clashes():
            warnings.warn(message, PluginWarning, stacklevel=3)


def _clash(kind: str, entries: Sequence[Entry]) -> str:
    claims = " and ".join(f"{e.spec.name!r} by plugin {e.plugin.title}" for e in entries)
    return (
        f"the same {KINDS[kind].noun} is registered as {claims}: none of them is used; "
        "rename one or uninstall its distribution"
    )


def load_entry(entry: Entry) -> Any:
    """Import what a record names, or raise with the pip line of what it lacks."""
    module, _, attribute = entry.spec.load.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise _lacking(entry, error) from error
    except AttributeError as error:
        raise PluginError(_broken(entry, f"{module} has no {attribute!r}")) from error


def _lacking(entry: Entry, error: ModuleNotFoundError) -> Exception:
    spec, module = entry.spec, entry.spec.load.partition(":")[0]
    if error.name and f"{module}.".startswith(f"{error.name}."):
        return PluginError(_broken(entry, f"there is no module {error.name!r}"))
    package = (error.name or "?").partition(".")[0]
    wanted = f"{entry.plugin.distribution}[{spec.extra}]" if spec.extra else package
    return MissingExtraError(
        f"the {spec.noun} {spec.name!r} needs the package {package!r}, which is not installed: "
        f"pip install '{wanted}'"
    )


def _broken(entry: Entry, cause: str) -> str:
    return (
        f"plugin {entry.plugin.title} registers the {entry.spec.noun} {entry.spec.name!r} at "
        f"{entry.spec.load!r}, but {cause}: tell its authors"
    )


@cache
def registry() -> Registry:
    """Return what is registered in this process; plugins are discovered on the first call."""
    return Registry(discover())
