"""NumPy or dask, whichever the arrays are."""

import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np


def dask_array() -> Any:
    """Return the module ``dask.array``, imported when first asked for."""
    return importlib.import_module("dask.array")


def namespace(arrays: Iterable[Any]) -> Any:
    """Return ``dask.array`` if any of the arrays is lazy, else ``numpy``."""
    return dask_array() if any(hasattr(array, "dask") for array in arrays) else np


def later(function: Any, shape: tuple[int, ...], dtype: Any, *arguments: Any) -> Any:
    """Return ``function(*arguments)`` as one dask block that is computed when asked for."""
    block = importlib.import_module("dask").delayed(function)(*arguments)
    return dask_array().from_delayed(block, shape, dtype)
