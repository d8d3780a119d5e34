"""What of a response is there: missing blocks, stray NaN, constant targets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encodekit.data._target_blocks import column_blocks, over_blocks

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


def participants_of(coords: Any, n_targets: int) -> NDArray[Any]:
    """Return the participant of each target; one and the same where nothing says who it is."""
    if "participant" in coords:
        return np.asarray(coords["participant"].values)
    return np.zeros(n_targets, dtype=np.int8)


def group_targets(values: Any, participants: NDArray[Any]) -> list[TargetGroup]:
    """Return one `TargetGroup` per participant, from one pass over ``values`` (time, target).

    ``values`` may be a dask array, which is read in blocks of targets.
    """
    names = list(dict.fromkeys(participants.tolist()))
    return [_group(values, name, np.flatnonzero(participants == name)) for name in names]


def _group(values: Any, name: object, columns: NDArray[np.intp]) -> TargetGroup:
    present = np.zeros(values.shape[0], dtype=bool)
    n_nan, constant = np.zeros(columns.size, dtype=np.intp), np.zeros(columns.size, dtype=bool)
    pieces = list(column_blocks(columns, N_TARGETS_AT_ONCE))
    for some, (there, missing, flat) in over_blocks(_look, None, values, pieces):
        here = np.searchsorted(columns, some)
        present |= there
        n_nan[here], constant[here] = missing, flat
    stray = n_nan != np.count_nonzero(~present)
    return TargetGroup(str(name), columns, present, stray | constant)


def _look(
    _: None, block: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.bool_]]:
    """Return which rows have a value; of each target how many have none, and if it is constant."""
    nan = np.isnan(block)
    high = np.max(block, axis=0, initial=-np.inf, where=~nan)
    low = np.min(block, axis=0, initial=np.inf, where=~nan)
    flat = is_constant(high, low, block.dtype) | (high < low)
    return ~nan.all(axis=1), nan.sum(axis=0), flat
