"""Arrays of NumPy or of torch, by one spelling: where they lie and how they get there."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TARGETS_AT_ONCE = 512  # of some thousand float32 rows: a few MB, the size of a core's cache


def namespace(values: Any) -> Any:
    """Return the module whose functions take ``values``: torch for a tensor, else NumPy."""
    if isinstance(values, np.ndarray):
        return np
    import torch

    return torch


def on_device(values: Any, device: str | None) -> Any:
    """Return ``values`` as an array of NumPy (None), or as a tensor of torch on ``device``.

    Raises
    ------
    ImportError
        If a device is named and torch is missing.
    """
    if device is None:
        return values
    try:
        import torch
    except ImportError:
        raise ImportError(
            f"device={device!r} needs torch: pip install 'encodekit[speech]', or leave device=None"
        ) from None
    return torch.as_tensor(values, device=device)


def to_numpy(values: Any) -> NDArray[Any]:
    """Return ``values`` in the memory of the processor."""
    return values if isinstance(values, np.ndarray) else np.asarray(values.cpu().numpy())


def cast(values: Any, like: Any) -> Any:
    """Return ``values`` in the precision of ``like``."""
    if isinstance(values, np.ndarray):
        return values.astype(like.dtype, copy=False)
    return values.to(like.dtype)


def to_float64(values: Any) -> Any:
    """Return ``values`` in float64."""
    return values.astype(np.float64) if isinstance(values, np.ndarray) else values.double()


def take(values: Any, rows: NDArray[np.intp]) -> Any:
    """Return ``values[rows]``; a contiguous stretch is a view."""
    if rows.size and rows[-1] - rows[0] + 1 == rows.size and np.all(np.diff(rows) == 1):
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return values[rows]


def target_slices(n_targets: int, like: Any) -> Iterator[slice]:
    """Yield some targets after others: few, so that a processor's work arrays stay in its cache."""
    step = _TARGETS_AT_ONCE if isinstance(like, np.ndarray) else max(1, n_targets)
    return (slice(start, min(start + step, n_targets)) for start in range(0, n_targets, step))
