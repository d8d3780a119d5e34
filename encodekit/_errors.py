"""Messages that every room shares: an unknown name with its close matches, a missing extra."""

import importlib
from collections.abc import Iterable
from difflib import get_close_matches
from types import ModuleType


def unknown_name(kind: str, name: object, known: Iterable[object]) -> str:
    """Return the message for a ``name`` that is not among the ``known`` names of a ``kind``."""
    names = [str(item) for item in known]
    by_case = {item.lower(): item for item in names}
    close = [by_case[item] for item in get_close_matches(str(name).lower(), by_case, n=3)]
    if close:
        hint = "did you mean " + " or ".join(repr(item) for item in close) + "?"
    elif names:
        shown = ", ".join(repr(item) for item in names[:8])
        hint = f"known: {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    else:
        hint = "none is known"
    return f"unknown {kind} {str(name)!r}: {hint}"


class MissingExtraError(ImportError):
    """A feature needs a package that is not installed; the message has the pip line."""


def import_extra(
    module: str, *, extra: str, purpose: str, distribution: str = "encodekit"
) -> ModuleType:
    """Import ``module``, or raise `MissingExtraError` with the pip line that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs the package {module.partition('.')[0]!r}, which is not installed: "
            f"pip install '{distribution}[{extra}]'"
        ) from error
