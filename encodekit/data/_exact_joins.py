"""Exact joins: two labelled arrays meet by (run, tr), and by target, or not at all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.data._numbers import as_floats
from encodekit.data._response import concat_runs, drop_history

_SAME_TIME = 0.01  # s


def is_labelled(rows: object) -> bool:
    """Whether ``rows`` is a DataArray, or a list of them (one per run)."""
    if isinstance(rows, xr.DataArray):
        return True
    return isinstance(rows, list | tuple) and any(isinstance(run, xr.DataArray) for run in rows)


def one_array(rows: xr.DataArray | Sequence[xr.DataArray], name: str) -> xr.DataArray:
    """Return ``rows`` as one DataArray of floats without history rows.

    ``name`` is for the messages. Whole numbers become float64.

    Raises
    ------
    TypeError
        If a part of the list is not a DataArray, or does not hold real numbers.
    ValueError
        If coordinates ``run`` or ``tr`` are missing, or a (run, tr) comes twice.
    """
    parts = [rows] if isinstance(rows, xr.DataArray) else list(rows)
    for place, part in enumerate(parts):
        if not isinstance(part, xr.DataArray):
            raise TypeError(
                f"{name}: item {place} of the list is a {type(part).__name__}, expected a "
                "DataArray per run (encodekit.data.make_response makes one)"
            )
        lacking = [coord for coord in ("run", "tr") if coord not in part.coords]
        if lacking:
            raise ValueError(
                f"{name} has no coordinate {' and '.join(lacking)} on time: rows are joined by "
                "(run, tr); encodekit.data.make_response writes them"
            )
    parts = [as_floats(part, name) for part in parts]
    joined = drop_history(parts[0] if len(parts) == 1 else concat_runs(parts))
    _refuse_twice(joined, name)
    return joined


def _keys(rows: xr.DataArray) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([rows.coords["run"].values, rows.coords["tr"].values])


def _refuse_twice(rows: xr.DataArray, name: str) -> None:
    keys = _keys(rows)
    twice = keys.duplicated()
    if twice.any():
        raise ValueError(
            f"{name} has {_describe(keys[twice])} more than once: runs need unique names "
            "(Stimulus(run=...) names a second run of the same stimulus)"
        )


def join_rows(
    left: xr.DataArray, right: xr.DataArray, left_name: str, right_name: str
) -> xr.DataArray:
    """Return ``right`` with its rows in the order of ``left``; both must have the same (run, tr).

    Raises
    ------
    ValueError
        If either lacks a row of the other; the message says which runs and TRs are missing where.
    """
    mine, theirs = _keys(left), _keys(right)
    if mine.equals(theirs):
        _check_same_times(left, right, left_name, right_name)
        return right
    mistakes = []
    for keys, owner, others, other in (
        (mine, left_name, theirs, right_name),
        (theirs, right_name, mine, left_name),
    ):
        missing = keys[~keys.isin(others)]
        if len(missing):
            mistakes.append(f"{owner} has {_describe(missing)}, which {other} lacks")
    if mistakes:
        raise ValueError(
            f"{left_name} and {right_name} have different rows: {'; '.join(mistakes)}. Pass the "
            "same runs and TRs on both sides"
        )
    right = right.isel(time=theirs.get_indexer(mine))
    _check_same_times(left, right, left_name, right_name)
    return right


def _check_same_times(
    left: xr.DataArray, right: xr.DataArray, left_name: str, right_name: str
) -> None:
    """Refuse rows of the same name that lie at other times of the audio."""
    if "seconds" not in left.coords or "seconds" not in right.coords:
        return
    mine, theirs = left.coords["seconds"].values, right.coords["seconds"].values
    apart = np.flatnonzero(np.abs(mine - theirs) > _SAME_TIME)
    if apart.size:
        row = int(apart[0])
        run, tr = str(left.coords["run"].values[row]), left.coords["tr"].values[row]
        raise ValueError(
            f"TR {tr} of run {run!r} begins at {mine[row]:g} s in {left_name} and at "
            f"{theirs[row]:g} s in {right_name}: use the same tr_times for the stimulus and the "
            "response"
        )


def _describe(keys: pd.MultiIndex) -> str:
    """Say which rows: ``TRs 0-9 of run 'a', TRs 3, 5 of run 'b'``."""
    table = pd.DataFrame({"run": keys.get_level_values(0), "tr": keys.get_level_values(1)})
    said = [f"{_ranges(rows.tr.to_numpy())} of run {run!r}" for run, rows in table.groupby("run")]
    more = f" and {len(said) - 4} more runs" if len(said) > 4 else ""
    return ", ".join(said[:4]) + more


def _ranges(trs: NDArray[Any]) -> str:
    trs = np.unique(trs)
    stretches = np.split(trs, np.flatnonzero(np.diff(trs) > 1) + 1)
    said = [f"{part[0]}-{part[-1]}" if part.size > 1 else f"{part[0]}" for part in stretches]
    more = " ..." if len(said) > 5 else ""
    return ("TR " if trs.size == 1 else "TRs ") + ", ".join(said[:5]) + more


def check_same_targets(
    left: xr.DataArray | xr.Dataset,
    right: xr.DataArray | xr.Dataset,
    left_name: str,
    right_name: str,
) -> None:
    """Refuse two objects whose targets differ, or come in another order.

    Raises
    ------
    ValueError
        With the first targets that either side lacks, or the first place where the order differs.
    """
    mine, theirs = left.coords["target"].values, right.coords["target"].values
    if np.array_equal(mine, theirs):
        return
    lacking = []
    for names, owner, others, other in (
        (mine, left_name, theirs, right_name),
        (theirs, right_name, mine, left_name),
    ):
        missing = names[~np.isin(names, others)]
        if missing.size:
            shown = ", ".join(repr(str(item)) for item in missing[:3])
            lacking.append(f"{missing.size} targets of {owner} are not in {other} ({shown})")
    if lacking:
        raise ValueError(
            f"{left_name} and {right_name} have different targets: {'; '.join(lacking)}. Select "
            "the same targets on both sides, such as with .sel(target=...)"
        )
    where = int(np.flatnonzero(mine != theirs)[0]) if mine.size == theirs.size else 0
    raise ValueError(
        f"{left_name} and {right_name} have the same targets in another order: target {where} is "
        f"{str(mine[where])!r} in {left_name} and {str(theirs[where])!r} in {right_name}. Bring "
        f"one into the order of the other: {right_name}.sel(target={left_name}.target)"
    )


def target_coords(rows: xr.DataArray, *, drop: Sequence[str] = ()) -> dict[str, Any]:
    """Return the coordinates of ``rows`` that lie on ``target``."""
    return {
        str(name): coord.variable
        for name, coord in rows.coords.items()
        if coord.dims == ("target",) and name not in drop
    }
