"""The test kit for plugin authors: checks of every contract, a harness, small studies, fixtures.

Each ``check_*`` runs a list of small checks on one thing, returns their names, and raises
`ContractError` with every check that failed and why. What encodekit itself ships passes them too.
`PluginHarness` registers a plugin without installing it. pytest finds the fixtures
``encodekit_study``, ``encodekit_responses`` and ``encodekit_plugins`` by itself.
"""

from importlib import import_module
from typing import Any

from encodekit.core import unknown_name

_HOME = {
    "_run_checks": ("ContractError",),
    "_features": ("check_feature_extractor",),
    "_regressors": ("check_regressor",),
    "_losses": ("check_loss",),
    "_regions": ("check_region_selector",),
    "_metrics": ("check_metric",),
    "_studies": ("check_study",),
    "_plugin": ("check_plugin",),
    "_harness": ("PluginHarness",),
    "_small_studies": ("small_features", "small_responses", "small_study"),
    "_digest": ("digest",),
}
_ROOM = {name: room for room, names in _HOME.items() for name in names}
__all__ = sorted(_ROOM)  # noqa: PLE0605 (ruff reads only literal lists)


def __getattr__(name: str) -> Any:
    if name not in _ROOM:
        raise AttributeError(f"encodekit.testing: {unknown_name('name', name, __all__)}")
    value = getattr(import_module(f"{__name__}.{_ROOM[name]}"), name)
    globals()[name] = value
    return value
