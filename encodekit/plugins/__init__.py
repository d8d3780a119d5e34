"""The plugin host: hooks, records and the registry of everything that has a name.

A plugin is a module that states ``encodekit_api = 1``, implements hooks with `hookimpl`, and is
named by an entry point of the group ``encodekit``. It is imported at discovery, so it holds
records alone; what they name is imported when it is first used. The environment variable
``ENCODEKIT_PLUGINS`` limits which plugins are imported: names separated by commas, or nothing
for the built-in ones alone; ``ENCODEKIT_PREFER`` says whose a name is that two plugins claim.
`encodekit.core` has the messages that encodekit itself gives, for a name that is not known and a
package that is not installed.
"""

from encodekit.plugins._discovery import Plugin, PluginWarning, discover, installed_plugins
from encodekit.plugins._errors import PluginError, cause_of
from encodekit.plugins._has_settings import (
    HasSettings,
    as_settings,
    name_of,
    resolved_hints,
    settings_class,
    settings_in,
    settings_names,
    settings_of,
)
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
    HeadSpec,
    LossSpec,
    MetricSpec,
    PanelSpec,
    RegionSpec,
    RegressorSpec,
    Spec,
    StrategySpec,
    StudySpec,
    UpdateSpec,
    name_key,
)
from encodekit.plugins._registry import Entry, Registry, load_entry, registry, use_registry

__all__ = [
    "API",
    "KINDS",
    "BackboneSpec",
    "CommandSpec",
    "Entry",
    "FeatureSpec",
    "HasSettings",
    "HeadSpec",
    "LossSpec",
    "MetricSpec",
    "PanelSpec",
    "Plugin",
    "PluginError",
    "PluginWarning",
    "RegionSpec",
    "Registry",
    "RegressorSpec",
    "Spec",
    "StrategySpec",
    "StudySpec",
    "UpdateSpec",
    "as_settings",
    "cause_of",
    "discover",
    "hookimpl",
    "installed_plugins",
    "known_names",
    "load_entry",
    "load_spec",
    "make_features",
    "make_loss",
    "make_regions",
    "make_regressor",
    "name_key",
    "name_of",
    "registry",
    "resolved_hints",
    "settings_class",
    "settings_in",
    "settings_names",
    "settings_of",
    "use_registry",
]
