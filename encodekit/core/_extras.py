"""Packages that only some features need: imported when asked for, or answered by their pip line."""

import importlib
from types import ModuleType


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
