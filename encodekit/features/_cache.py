"""Rows of features kept in files, found again by what they were made from."""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator

from encodekit.core import Settings, atomic_write

_FORMAT = "1"


def cache_folder(cache: str | Path | None, name: str = "features") -> Path | None:
    """Return the folder of ``cache``: None, a path, or ``"auto"``.

    ``"auto"`` is the folder ``name`` in ``$ENCODEKIT_CACHE``, or in the user's cache folder. ``~``
    and ``$HOME`` in a path stand for what they do in a shell. The folder is not made, and need
    not be one: who writes to it warns where it cannot be written.

    Warns
    -----
    UserWarning
        If nothing says what ``~somebody`` or ``$SOMETHING`` is; the user's cache folder is taken.
    """
    if cache is None:
        return None
    if str(cache) != "auto":
        return _expanded(str(cache), "cache") or _users_folder() / name
    given = os.environ.get("ENCODEKIT_CACHE")
    return ((_expanded(given, "ENCODEKIT_CACHE") if given else None) or _users_folder()) / name


def _users_folder() -> Path:
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("encodekit"))


def _expanded(given: str, what: str) -> Path | None:
    """Return the path that a shell would make of it; None, with a warning, where it cannot."""
    path = os.path.expandvars(os.path.expanduser(given))  # noqa: PTH111 (Path raises)
    # A folder of that name would be made below wherever the program was started.
    if path.startswith("~") or re.search(r"\$\w|\$\{", path):
        warnings.warn(
            f"{what}={given!r} names a home or a variable that is not there, and is not used: "
            f"{_users_folder()} is",
            stacklevel=3,
        )
        return None
    return Path(path)


def make_key(*parts: object) -> str:
    """Return the sha256 of the parts; arrays count by their bytes."""
    digest = hashlib.sha256(_FORMAT.encode())
    for part in parts:
        data = part.tobytes() if isinstance(part, np.ndarray) else str(part).encode()
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()


def describe(parameters: Mapping[str, Any]) -> str:
    """Return parameters as JSON, the same for equal values in every process.

    Raises
    ------
    ValueError
        If a value has no such description (a function, a model).
    """
    plain = {name: _plain(name, value) for name, value in parameters.items()}
    return json.dumps(plain, sort_keys=True)


def _plain(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | range):
        return [_plain(name, item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(name, item) for key, item in value.items()}
    return _plain_object(name, value)


def _plain_object(name: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": value.shape, "sha256": make_key(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseEstimator | Settings):
        return [type(value).__qualname__, _plain(name, value.get_params(deep=False))]
    raise ValueError(
        f"the parameter {name!r} is a {type(value).__name__}, which has no lasting description "
        "for the cache: use numbers, strings, arrays or lists, or cache=None"
    )


def read_rows(path: Path) -> tuple[np.ndarray[Any, Any], dict[str, list[Any]]] | None:
    """Return (values, coordinates of ``feature``), or None where there is no whole file."""
    from safetensors import SafetensorError, safe_open

    try:
        if not path.is_file():  # raises where the name is too long, or a folder is closed to us
            return None
        with safe_open(path, framework="numpy") as file:
            kept, values = json.loads(file.metadata()["rows"]), file.get_tensor("values")
        whole = kept["sha256"] == make_key(json.dumps(kept["feature"]), values)
        return (values, kept["feature"]) if whole else None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None


def write_rows(path: Path, rows: xr.DataArray) -> None:
    """Write rows and their coordinates of ``feature``.

    Warns
    -----
    UserWarning
        If the folder cannot be written; in the same words for every run, so that it is told once.
    """
    from safetensors.numpy import save

    values = np.ascontiguousarray(rows.values)
    coordinates = {
        str(name): rows.coords[name].values.tolist()
        for name in rows.coords
        if rows.coords[name].dims == ("feature",)
    }
    digest = make_key(json.dumps(coordinates), values)
    described = json.dumps({"feature": coordinates, "sha256": digest})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, save({"values": values}, {"rows": described}))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        warnings.warn(
            f"features are not cached, {path.parent} cannot be written ({why}): set "
            "ENCODEKIT_CACHE, or cache=None",
            stacklevel=2,
        )
