"""Check a whole plugin: every record loads, and what it loads keeps the contract of its kind."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from encodekit.core import isolated, shown
from encodekit.plugins import Entry, Plugin, Registry, cause_of, load_entry
from encodekit.testing._features import check_feature_extractor
from encodekit.testing._losses import check_loss
from encodekit.testing._metrics import check_metric
from encodekit.testing._regressors import check_regressor


def check_plugin(plugin: Plugin, registry: Registry) -> Iterator[tuple[str, str, str | None]]:
    """Load every record of a plugin, check it by its kind, and yield what came out.

    Features, regressors, losses and metrics that can be made without parameters are checked with
    the small study; of the other kinds, and of what needs parameters, it is checked that the
    record loads, is described and can be called: check those by their own ``check_*``.

    Yields
    ------
    record, said, error : str, str, str or None
        Such as ``("features pitch", "19 checks", None)``; the error says what is wrong.
    """
    for kind, spec in plugin.records:
        said, error = isolated(partial(_outcome, kind, Entry(spec, plugin)), _failed)
        yield f"{kind} {spec.name}", said, error
    for clash in registry.clashes():
        if plugin.title in clash:
            yield "names", "", clash


def _outcome(kind: str, entry: Entry) -> tuple[str, str | None]:
    return _checked(kind, entry), None


def _failed(error: BaseException) -> tuple[str, str | None]:
    return "", cause_of(error)


_CHECKS: dict[str, Callable[[Any], tuple[str, ...]]] = {
    "features": check_feature_extractor,
    "regressors": check_regressor,
    "losses": check_loss,
    "metrics": check_metric,
}


def _checked(kind: str, entry: Entry) -> str:
    loaded = load_entry(entry)
    if not callable(loaded):
        raise TypeError(f"{entry.spec.load} is no class or function, but {shown(loaded, 60)}")
    if not (inspect.getdoc(loaded) or "").strip():
        raise ValueError(f"{entry.spec.load} has no docstring")
    if kind not in _CHECKS:
        return "loads"
    needed = _needed(loaded)
    if kind in ("features", "regressors") or isinstance(loaded, type):
        if needed:
            return f"loads; needs {', '.join(needed)}"
        loaded = loaded()
    return f"{len(_CHECKS[kind](loaded))} checks"


def _needed(loaded: Any) -> list[str]:
    """Return the parameters of a class or function that have no default."""
    return [
        parameter.name
        for parameter in inspect.signature(loaded).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
