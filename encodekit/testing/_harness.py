"""PluginHarness: a plugin registered for as long as a test runs, without installing it."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import Distribution, EntryPoint, entry_points
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from encodekit.core import unknown_name
from encodekit.plugins import Plugin, Registry, discover, use_registry


class PluginHarness:
    """A registry that holds what encodekit brings and the plugins that are added, and no other.

    Nothing is installed, and the plugins that are installed stay out. Within the block,
    ``encodekit.make_features`` and all else that asks for a name see this registry.

    Parameters
    ----------
    *plugins : module
        As by `add`, named after the module.

    Examples
    --------
    >>> import types
    >>> import encodekit as ek
    >>> plugin = types.ModuleType("my_lab_plugin")
    >>> source = '''
    ... from encodekit import FeatureSpec, hookimpl
    ... encodekit_api = 1
    ... @hookimpl
    ... def encodekit_features():
    ...     yield FeatureSpec("rate", load="encodekit:WordRate", summary="words per TR")
    ... '''
    >>> exec(source, vars(plugin))
    >>> with PluginHarness(plugin) as harness:
    ...     harness["my-lab-plugin"].status, ek.make_features("rate")
    ('loaded', WordRate())
    """

    def __init__(self, *plugins: ModuleType) -> None:
        self._points = [point for point in entry_points(group="encodekit") if _is_ours(point)]
        self._modules: dict[str, ModuleType] = {}
        self._stack = ExitStack()
        self.registry = Registry([])
        for plugin in plugins:
            self.add(plugin)

    def add(
        self,
        plugin: ModuleType,
        *,
        name: str | None = None,
        distribution: str | None = None,
        version: str = "0.0",
    ) -> Self:
        """Add a plugin, as if a distribution of that name and version had brought it.

        Parameters
        ----------
        plugin : module
            The one that the entry point would name.
        name, distribution : str, optional
            Of the entry point and of the distribution; made from the module's name if not given.
        version : str
        """
        name = name or plugin.__name__.replace("_", "-").replace(".", "-")
        self._modules[plugin.__name__] = plugin
        point = EntryPoint(name=name, value=plugin.__name__, group="encodekit")
        vars(point)["dist"] = _Faked(distribution or name, version)
        self._points.append(point)
        return self

    def __enter__(self) -> Self:
        self._stack.enter_context(_importable(self._modules))
        self.registry = Registry(discover(self._points, wanted=None, off=()), prefer={})
        self._stack.enter_context(use_registry(self.registry))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __getitem__(self, name: str) -> Plugin:
        """Return what became of a plugin: its status, its cause, its records."""
        for plugin in self.registry.plugins:
            if plugin.is_called(name):
                return plugin
        known = [plugin.name for plugin in self.registry.plugins]
        raise KeyError(unknown_name("plugin", name, known))


def _is_ours(point: EntryPoint) -> bool:
    return point.value == "encodekit.plugins.builtins"


class _Faked(Distribution):
    """A distribution that is nowhere on the disk."""

    def __init__(self, name: str, version: str) -> None:
        self._text = f"Name: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: str | PathLike[str]) -> Any:
        return Path(path)


@contextmanager
def _importable(modules: dict[str, ModuleType]) -> Iterator[None]:
    """Within the block, let these modules be imported by their names."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
