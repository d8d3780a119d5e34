"""What of a response is there: missing blocks, stray NaN, constant targets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_TARGETS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class TargetGroup:
    """Targets of one participant: where they are, which rows they have, which are degenerate.

    Attributes
    ----------
    name : str
        The participant, for messages.
    columns : array (n,) of int
        Positions along ``target``.
    present : array (time,) of bool
        False where ALL targets of the participant are NaN: a block that was not measured.
    degenerate : array (n,) of bool
        Targets that are NaN in a row that is present, or constant over the rows that are.
    """

    name: str
    columns: NDArray[np.intp]
    present: NDArray[np.bool_]
    degenerate: NDArray[np.bool_]


def is_constant(largest: ArrayLike, smallest: ArrayLike, dtype: Any) -> NDArray[np.bool_]:
    """Return where max equals min, up to four rounding steps of ``dtype``.

    A standard deviation of zero is no test: rounding gives constant float32 values one above 0.
    """
    high, low = np.asarray(largest, np.float64), np.asarray(smallest, np.float64)
    scale = np.maximum(np.abs(high), np.abs(low))
    step = np.finfo(dtype).eps if np.issubdtype(dtype, np.floating) else 0.0
    with np.errstate(invalid="ignore"):
        return np.asarray(high - low <= 4 * step * scale)


def blocks(columns: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    """Cut ``columns`` into pieces of at most ``size``."""
    for start in range(0, columns.size, size):
        yield columns[start : start + size]


def load_columns(values: Any, columns: NDArray[np.intp]) -> NDArray[Any]:
    """Return ``values[..., columns]`` in memory; a contiguous stretch is a view where it can be."""
    start, stop = int(columns[0]), int(columns[-1]) + 1
    if np.array_equal(columns, np.arange(start, stop)):
        return np.asarray(values[..., start:stop])
    return np.asarray(values[..., columns])


def participants_of(coords: Any, n_targets: int) -> NDArray[Any]:
    """Return the participant of each target; one and the same where nothing says who it is."""
    if "participant" in coords:
        return np.asarray(coords["participant"].values)
    return np.zeros(n_targets, dtype=np.int8)


def group_targets(values: Any, participants: NDArray[Any]) -> list[TargetGroup]:
    """Return one `TargetGroup` per participant, from one pass over ``values`` (time, target).

    Parameters
    ----------
    values : array (time, target)
        NumPy or dask; read in blocks of targets.
    participants : array (target,)
    """
    names = list(dict.fromkeys(participants.tolist()))
    return [_group(values, name, np.flatnonzero(participants == name)) for name in names]


def _group(values: Any, name: object, columns: NDArray[np.intp]) -> TargetGroup:
    present = np.zeros(values.shape[0], dtype=bool)
    n_nan, constant = [], []
    for some in blocks(columns, N_TARGETS_AT_ONCE):
        part = load_columns(values, some)
        nan = np.isnan(part)
        present |= ~nan.all(axis=1)
        n_nan.append(nan.sum(axis=0))
        high = np.max(part, axis=0, initial=-np.inf, where=~nan)
        low = np.min(part, axis=0, initial=np.inf, where=~nan)
        constant.append(is_constant(high, low, part.dtype) | (high < low))
    stray = np.concatenate(n_nan) != np.count_nonzero(~present)
    return TargetGroup(str(name), columns, present, stray | np.concatenate(constant))
