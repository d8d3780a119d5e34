"""Find plugins by their entry points, and keep those that keep the contract.

A plugin that does not is set aside with its cause: one bad import must not stop the others.
"""

import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points

import pluggy

from encodekit.core import isolated, printable, unknown_name
from encodekit.plugins._contract import admit
from encodekit.plugins._errors import PluginError, cause_of
from encodekit.plugins._hooks import PROJECT, Hooks
from encodekit.plugins._records import Spec, name_key
from encodekit.plugins._switches import SwitchesError, switched_off

BUILTINS = "encodekit-builtins"
# Packages that take long to import, or are not there for everybody: none belongs in discovery.
HEAVY = {
    "jax", "librosa", "matplotlib", "nilearn", "pandas", "scipy", "sklearn", "tensorflow", "torch",
    "torchaudio", "transformers", "xarray",
}  # fmt: skip
LEFT_OUT = "ENCODEKIT_PLUGINS leaves it out: add it there"

Watch = Callable[[EntryPoint], None]


class PluginWarning(UserWarning):
    """A plugin, or a name that two plugins claim, was skipped."""


@dataclass(frozen=True)
class Plugin:
    """One discovered plugin: where it comes from, what it gives, and why not if it was skipped.

    ``status`` is ``"loaded"``, ``"skipped"`` or ``"disabled"``; ``cause`` says why it is not
    loaded. ``early`` are the modules that its discovery imported too soon: those that its records
    load, and heavy packages that were not imported before.
    """

    name: str
    distribution: str
    version: str
    module: str
    status: str = "loaded"
    cause: str | None = None
    records: tuple[tuple[str, Spec], ...] = ()
    early: tuple[str, ...] = field(default=(), compare=False)

    @property
    def title(self) -> str:
        """Name the plugin and its distribution, for messages."""
        return f"{self.name!r} ({self.distribution} {self.version})"

    def is_called(self, name: str) -> bool:
        """Tell whether ``name`` is the plugin's or its distribution's, however it is written."""
        return name_key(name) in {name_key(self.name), name_key(self.distribution)}


def discover(
    found: Iterable[EntryPoint] | None = None,
    wanted: str | None = None,
    *,
    off: Collection[str] | None = None,
    watch: Watch | None = None,
    heavy: Collection[str] = HEAVY,
) -> list[Plugin]:
    """Return every plugin among the entry points, in order of name, with one warning per failure.

    Parameters
    ----------
    found : iterable of EntryPoint, optional
        Default: the installed ones of the group ``encodekit``.
    wanted : str, optional
        What ``ENCODEKIT_PLUGINS`` says, which is the default: names separated by commas; empty
        for no plugin but the built-in ones.
    off : collection of str, optional
        Plugins that are switched off, unless ``wanted`` names them. Default: what
        ``encodekit plugins disable`` has written.
    watch : callable, optional
        Told of each entry point before it is imported; what it raises is the cause of skipping.
    heavy : collection of str
        Packages that are told as ``early`` where discovery imports them.
    """
    damaged: list[Plugin] = []
    if found is None:
        found, damaged = _installed()
    wanted = os.environ.get("ENCODEKIT_PLUGINS") if wanted is None else wanted
    off = _switched_off() if off is None else off
    points = sorted(found, key=_order)
    described = [_switched(describe(point), wanted, off) for point in points]
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    plugins = damaged + [
        _consider(manager, point, plugin, _same_name(plugin, described), watch, heavy)
        for point, plugin in zip(points, described, strict=True)
    ]
    _warn_failures(plugins)
    _warn_unknown(wanted, plugins)
    return plugins


def installed_plugins() -> list[Plugin]:
    """Return who is installed; nothing is imported."""
    points, damaged = _installed()
    return damaged + [describe(point) for point in sorted(points, key=_order)]


def _installed() -> tuple[list[EntryPoint], list[Plugin]]:
    """Return the entry points, and the distributions whose entry points cannot be read."""
    try:
        return list(entry_points(group=PROJECT)), []
    except Exception:  # noqa: BLE001 (one damaged file fails the whole query: find out whose)
        return _one_by_one()


def _one_by_one() -> tuple[list[EntryPoint], list[Plugin]]:
    points: list[EntryPoint] = []
    damaged: list[Plugin] = []
    seen = set()
    for dist in distributions():
        name = _name(dist)
        if name_key(name) in seen:
            continue
        seen.add(name_key(name))
        try:
            points += dist.entry_points.select(group=PROJECT)
        except Exception as error:  # noqa: BLE001 (the parser of the metadata raises anything)
            if _names_us(dist):
                cause = f"its entry_points.txt cannot be read ({cause_of(error)}): reinstall it"
                damaged.append(Plugin(name, name, _version(dist), "?", "skipped", cause))
    return points, damaged


def _names_us(dist: Distribution) -> bool:
    """Tell whether a distribution whose entry points cannot be read has plugins of ours."""
    try:
        return f"[{PROJECT}]" in (dist.read_text("entry_points.txt") or "")
    except UnicodeDecodeError as error:  # the bytes are there, whatever they mean
        return f"[{PROJECT}]".encode() in error.object
    except Exception:  # noqa: BLE001 (nothing can be read: it may be anybody's)
        return False


def _name(dist: Distribution) -> str:
    return _metadata(dist, "Name") or "unknown distribution"


def _version(dist: Distribution) -> str:
    return _metadata(dist, "Version") or "?"


def _metadata(dist: Distribution, field: str) -> str | None:
    try:
        found: str | None = dist.metadata[field]
    except Exception:  # noqa: BLE001 (the file is not there, or holds no text)
        return None
    return None if found is None else printable(found)


def describe(point: EntryPoint) -> Plugin:
    """Return who stands behind an entry point, which is not imported."""
    dist = point.dist
    return Plugin(
        name=point.name,
        distribution=_name(dist) if dist else "unknown distribution",
        version=_version(dist) if dist else "?",
        module=point.value,
    )


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    return point.name != BUILTINS, point.name, point.value


def _switched(plugin: Plugin, wanted: str | None, off: Collection[str]) -> Plugin:
    if plugin.name == BUILTINS:
        return plugin
    if wanted is not None:
        listed = any(plugin.is_called(name) for name in _listed(wanted))
        return plugin if listed else replace(plugin, status="disabled", cause=LEFT_OUT)
    if name_key(plugin.name) in off:
        cause = f"switched off: encodekit plugins enable {plugin.name}"
        return replace(plugin, status="disabled", cause=cause)
    return plugin


def _listed(wanted: str) -> list[str]:
    return [name.strip() for name in wanted.split(",") if name.strip()]


def _same_name(plugin: Plugin, described: Sequence[Plugin]) -> list[Plugin]:
    return [
        other
        for other in described
        if other.status != "disabled" and name_key(other.name) == name_key(plugin.name)
    ]


def _consider(
    manager: pluggy.PluginManager,
    point: EntryPoint,
    plugin: Plugin,
    same_name: Sequence[Plugin],
    watch: Watch | None,
    heavy: Collection[str],
) -> Plugin:
    if plugin.status == "disabled":
        return plugin

    def brought() -> Plugin:
        if len(same_name) > 1:
            raise PluginError(_twice(same_name))
        if watch is not None:
            watch(point)
        before = set(sys.modules)
        with warnings.catch_warnings():  # its filters would hide what is said of other plugins
            records = tuple(admit(manager, point))
        imported = set(sys.modules) - before
        return replace(plugin, records=records, early=_early(records, imported, heavy))

    def skipped(error: BaseException) -> Plugin:
        return replace(plugin, status="skipped", cause=cause_of(error))

    try:
        return isolated(brought, skipped)
    except KeyboardInterrupt as pressed:
        pressed.add_note(f"plugin {plugin.title} was being imported: encodekit plugins names it")
        raise


def _early(
    records: Sequence[tuple[str, Spec]], imported: Collection[str], heavy: Collection[str]
) -> tuple[str, ...]:
    loaded_later = {spec.load.partition(":")[0] for _, spec in records}
    return tuple(sorted((loaded_later | set(heavy)) & set(imported)))


def _twice(plugins: Sequence[Plugin]) -> str:
    claims = " and ".join(sorted(plugin.title for plugin in plugins))
    return (
        f"two distributions have a plugin of one name, {claims}: uninstall one, or name the "
        "distribution to take in ENCODEKIT_PLUGINS"
    )


def _switched_off() -> Collection[str]:
    try:
        return switched_off()
    except SwitchesError as error:
        warnings.warn(str(error), PluginWarning, stacklevel=4)
        return ()


def _warn_failures(plugins: Sequence[Plugin]) -> None:
    for plugin in plugins:
        if plugin.status == "skipped":
            warnings.warn(
                f"plugin {plugin.title} is skipped: {plugin.cause}", PluginWarning, stacklevel=4
            )


def _warn_unknown(wanted: str | None, plugins: Sequence[Plugin]) -> None:
    for message in unknown_plugins("ENCODEKIT_PLUGINS", _listed(wanted or ""), plugins):
        warnings.warn(message, PluginWarning, stacklevel=4)


def unknown_plugins(
    variable: str, names: Iterable[str], plugins: Sequence[Plugin]
) -> Iterator[str]:
    """Yield what is wrong with the names of plugins that an environment variable holds."""
    known = sorted({name for plugin in plugins for name in (plugin.name, plugin.distribution)})
    for name in names:
        if not any(plugin.is_called(name) for plugin in plugins):
            yield f"{variable} names {unknown_name('plugin', name, known)}"
