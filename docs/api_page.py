"""The API page, made from the public names of the code, so that none can be missing."""

import inspect
from importlib import import_module

import encodekit

_TITLES = {
    "data": "Data",
    "features": "Features",
    "linear": "Regression",
    "scoring": "Scores",
    "regions": "Regions",
    "simulation": "Simulation",
    "reports": "Reports",
    "plugins": "Plugins",
}
_ROUTING = "   :exclude-members: set_fit_request, set_transform_request, set_score_request"
_ELSEWHERE = {"encodekit.experiments": "Experiments", "encodekit.testing": "The test kit"}
_WITH_MEMBERS = {
    "Stimulus",
    "Study",
    "FeatureExtractor",
    "RidgeCV",
    "Atlas",
    "RegionSelector",
    "PluginHarness",
}


def api_page() -> str:
    """Return the page in reStructuredText: a section per room, then the modules beside it."""
    parts = ["API\n===\n\nThe names of ``import encodekit as ek``, then those of two rooms.\n"]
    for room, names in encodekit._HOME.items():
        parts.append(_section(_TITLES.get(room, room.capitalize()), "encodekit", list(names)))
    for module, title in _ELSEWHERE.items():
        parts.append(_section(title, module, list(import_module(module).__all__)))
    return "\n".join(parts)


def _section(title: str, module: str, names: list[str]) -> str:
    lines = [title, "-" * len(title), "", f".. currentmodule:: {module}", ""]
    for name in names:
        lines += _directive(name, getattr(import_module(module), name))
    return "\n".join(lines) + "\n"


def _directive(name: str, value: object) -> list[str]:
    if isinstance(value, type) and issubclass(value, Exception):
        return [f".. autoexception:: {name}"]
    if isinstance(value, type):
        members = ["   :members:", _ROUTING] if name in _WITH_MEMBERS else []
        return [f".. autoclass:: {name}", *members]
    if inspect.isfunction(value):
        return [f".. autofunction:: {name}"]
    words = inspect.getdoc(type(value)) or ""
    return [f".. data:: {name}", "", f"   {words.splitlines()[0] if words else ''}", ""]
