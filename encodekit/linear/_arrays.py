"""Arrays of NumPy or of torch, by one spelling: where they lie and how they get there."""

import warnings
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


def power_of_two(largest: Any) -> NDArray[np.float64]:
    """Return the power of two that brings a magnitude to between 1/2 and 1; 1 for 0.

    Products with it are exact, and squares of what it scales stay within the range of float32.
    """
    magnitude = np.asarray(largest, dtype=np.float64)
    exponent = np.clip(np.frexp(magnitude)[1], -1000, 1000)  # a power of two of its own
    return np.where(magnitude > 0, np.ldexp(1.0, -exponent), 1.0)


def narrowed(weights: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    """Return weights (feature, target) in the precision of the data.

    Raises
    ------
    ValueError
        If some are too large for it.

    Warns
    -----
    UserWarning
        If all weights of a target are so small that they lose digits.
    """
    with np.errstate(over="ignore", under="ignore"):
        narrow = weights.astype(dtype)
    largest = abs(weights).max(axis=0, initial=0.0)
    limits = np.finfo(dtype)
    said = f"of {largest.size} targets are beyond the range of {limits.dtype}: give X or y in"
    if n := np.count_nonzero(largest > limits.max):
        raise ValueError(f"the weights of {n} {said} other units, such as z-scores")
    if n := np.count_nonzero((largest > 0) & (largest < limits.tiny)):
        told = f"the weights of {n} {said} other units, such as z-scores; they lose digits"
        warnings.warn(told, UserWarning, stacklevel=2)
    return narrow


def target_slices(n_targets: int, like: Any) -> Iterator[slice]:
    """Yield some targets after others: few, so that a processor's work arrays stay in its cache."""
    step = _TARGETS_AT_ONCE if isinstance(like, np.ndarray) else max(1, n_targets)
    return (slice(start, min(start + step, n_targets)) for start in range(0, n_targets, step))
