"""The plugin host: hooks, records and the registry of everything that has a name.

A plugin is a module that states ``encodekit_api = 1``, implements hooks with `hookimpl`, and is
named by an entry point of the group ``encodekit``. It is imported at discovery, so it holds
records alone; what they name is imported when it is first used. The environment variable
``ENCODEKIT_PLUGINS`` limits which plugins are imported: names separated by commas, or nothing
for the built-in ones alone; ``ENCODEKIT_PREFER`` says whose a name is that two plugins claim.
`unknown_name` and `import_extra` are the messages that encodekit itself gives for a name that is
not known and a package that is not installed.
"""

from encodekit._errors import MissingExtraError, import_extra, unknown_name
from encodekit.plugins._contract import PluginError
from encodekit.plugins._discovery import Plugin, PluginWarning, discover, installed_plugins
from encodekit.plugins._hooks import API, hookimpl
from encodekit.plugins._make import (
    known_names,
    load_spec,
    make_features,
    make_loss,
    make_regions,
    make_regressor,
)
from encodekit.plugins._records import (
    KINDS,
    BackboneSpec,
    CommandSpec,
    FeatureSpec,
    LossSpec,
    MetricSpec,
    PanelSpec,
    RegionSpec,
    RegressorSpec,
    Spec,
    StudySpec,
)
from encodekit.plugins._registry import Entry, Registry, load_entry, registry, use_registry

__all__ = [
    "API",
    "KINDS",
    "BackboneSpec",
    "CommandSpec",
    "Entry",
    "FeatureSpec",
    "LossSpec",
    "MetricSpec",
    "MissingExtraError",
    "PanelSpec",
    "Plugin",
    "PluginError",
    "PluginWarning",
    "RegionSpec",
    "Registry",
    "RegressorSpec",
    "Spec",
    "StudySpec",
    "discover",
    "hookimpl",
    "import_extra",
    "installed_plugins",
    "known_names",
    "load_entry",
    "load_spec",
    "make_features",
    "make_loss",
    "make_regions",
    "make_regressor",
    "registry",
    "unknown_name",
    "use_registry",
]
