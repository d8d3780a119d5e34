"""How a result was made: versions, seeds, splits, commands."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

from encodekit.reports._sections import Table

PACKAGES = (
    "encodekit",
    "encodekit-brain-tuning",
    "numpy",
    "scipy",
    "scikit-learn",
    "xarray",
    "torch",
    "transformers",
    "peft",
    "nilearn",
)

Provenance = Mapping[str, Mapping[str, Any] | pd.DataFrame]


def environment(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of those ``packages`` that are installed.

    Examples
    --------
    >>> sorted(environment(["numpy", "no-such-package"]))
    ['Python', 'numpy', 'system']
    """
    found = {"Python": platform.python_version(), "system": platform.platform(terse=True)}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def provenance_tables(provenance: Provenance) -> list[Table]:
    """Return one table per heading: a DataFrame as it is, a mapping as names and values."""
    return [_table(heading, content) for heading, content in provenance.items()]


def _table(heading: str, content: Mapping[str, Any] | pd.DataFrame) -> Table:
    if isinstance(content, pd.DataFrame):
        return Table(content, caption=heading)
    rows = [(str(name), _text(value)) for name, value in content.items()]
    frame = pd.DataFrame(rows, columns=["what", "value"], dtype=object)
    return Table(frame, caption=heading, plain=True)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {str(item)[:12]}" for name, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(item) for item in value)
    return str(value)
