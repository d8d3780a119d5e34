"""Responses that stay in their files until they are computed."""

import hashlib
import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Read = Callable[[], NDArray[Any]]


def lazy_rows(
    read: Read,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    *,
    source: Sequence[Path],
    label: str,
    key: str = "",
) -> Any:
    """Return a dask array of one block that is ``read()`` when computed, as ``dtype``.

    Its name follows from the source files (path, size, time of change) and ``key``, so that the
    same files give the same array in every process. A block of another shape than was stated at
    opening raises: the file changed.
    """
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in source]
    digest = hashlib.sha256(repr((stats, key, shape, np.dtype(dtype).str)).encode()).hexdigest()
    name = f"rows-{digest[:32]}"
    checked = partial(_checked, read, shape, np.dtype(dtype), label)
    block = importlib.import_module("dask").delayed(checked, pure=True, name=f"task-{name}")()
    return dask_array().from_delayed(block, shape, np.dtype(dtype), name=name)


def dask_array() -> Any:
    """Return the module ``dask.array``, imported when first asked for."""
    return importlib.import_module("dask.array")


def _checked(read: Read, shape: tuple[int, ...], dtype: Any, label: str) -> NDArray[Any]:
    values = np.asarray(read())
    if values.shape != shape:
        raise OSError(
            f"{label} has shape {values.shape} but had {shape} when it was opened: open it again"
        )
    refuse_gaps(values, label)
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(values, dtype=dtype)
    if dtype.kind == "f" and values.dtype.itemsize > dtype.itemsize and not np.isfinite(cast).all():
        beyond = np.isinf(cast)
        if beyond.any():
            raise ValueError(
                f"{label} holds {int(beyond.sum())} values beyond what {dtype} can hold, the "
                f"largest {np.abs(values[beyond]).max():.3g}: mend it, or load it with "
                "dtype='float64'"
            )
    return cast


def refuse_gaps(values: NDArray[Any], label: str) -> None:
    """Raise where some rows (TRs) of (..., time, target) are NaN, or a value is infinite.

    Targets that are NaN throughout are left: they are voxels without signal.
    """
    rows = values if values.ndim > 1 else values[:, None]
    finite = np.isfinite(rows).reshape(-1, rows.shape[-2], rows.shape[-1])
    if finite.all():
        return
    if np.isinf(values).any():
        raise ValueError(f"{label} holds {int(np.isinf(values).sum())} infinite values: mend it")
    partly = ~finite.all(axis=1) & finite.any(axis=1)
    if partly.any():
        repeat, target = (int(k) for k in np.argwhere(partly)[0])
        first = int(np.flatnonzero(~finite[repeat, :, target])[0])
        raise ValueError(
            f"{label}: {int(partly.sum())} targets are NaN in some TRs, the first is target "
            f"{target} from TR {first}: get or preprocess the run again, or leave it out"
        )
    if not finite.any():
        raise ValueError(f"{label} is NaN throughout: get or preprocess it again")
