"""The one check of the data contract, called at every door."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import refuse, unknown_name
from encodekit.data._run_names import check_run_names
from encodekit.data._timing import TIMING, timing

Kept = TypeVar("Kept")

DIMS: dict[str, tuple[str, ...]] = {
    "response": ("time", "target"),
    "features": ("time", "feature"),
    "repeats": ("repeat", "time", "target"),
    "score": ("target",),
}
TIME_COORDS = {"run": "U", "stimulus": "U", "tr": "i", "seconds": "f"}
_KIND_NAMES = {"U": "text", "i": "whole numbers", "f": "numbers"}


def validate(obj: Kept, kind: str | None = None) -> Kept:
    """Return ``obj`` as it is if it keeps the data contract.

    Parameters
    ----------
    obj : DataArray, or a list of them (one per run)
    kind : {"response", "features", "repeats", "score"}, optional
        What it should be; guessed from its dims if not given.

    Raises
    ------
    TypeError
        If it is neither a DataArray nor a list of them.
    ValueError
        With every mistake in one message: dims, lacking coordinates, ``tr`` that does not
        increase within a run, duplicate targets, infinite values, lacking attributes.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import make_response
    >>> response = make_response(np.zeros((3, 1)), run="a", participant="P1",
    ...                          tr_times=[0, 2, 4], t_r=2.0)
    >>> validate(response, "response") is response
    True
    """
    if kind is not None and kind not in DIMS:
        raise ValueError(unknown_name("kind", kind, DIMS))
    if isinstance(obj, xr.DataArray):
        _validate_one(obj, kind)
    elif isinstance(obj, list | tuple):
        _validate_list(obj, kind)
    else:
        raise TypeError(
            f"validate got {type(obj).__name__}, expected a DataArray or a list of them: "
            "make responses by encodekit.data.make_response"
        )
    return obj


def _validate_list(runs: Sequence[Any], kind: str | None) -> None:
    for position, run in enumerate(runs):
        if not isinstance(run, xr.DataArray):
            raise TypeError(
                f"entry {position} of the list is {type(run).__name__}, expected a DataArray per "
                "run: make responses by encodekit.data.make_response"
            )
        _validate_one(run, kind)
    names = [name for run in runs for name in dict.fromkeys(run.coords["run"].values.tolist())]
    check_run_names(names, "list of runs")


def _validate_one(array: xr.DataArray, kind: str | None) -> None:
    refuse(_subject(array, kind), list(_mistakes(array, kind)))


def _subject(array: xr.DataArray, kind: str | None) -> str:
    name = kind or "array"
    runs = array.coords.get("run")
    if runs is None or runs.ndim != 1 or runs.size == 0:
        return name
    names = list(dict.fromkeys(runs.values.tolist()))
    return f"{name} of run {names[0]!r}" + (f" and {len(names) - 1} more" if names[1:] else "")


def _mistakes(array: xr.DataArray, kind: str | None) -> Iterator[str]:
    dims = tuple(map(str, array.dims))
    if kind is None:
        kind = next((name for name, wanted in DIMS.items() if wanted == dims), None)
    if kind is None or dims != DIMS[kind]:
        wanted = " or ".join(map(str, DIMS.values() if kind is None else [DIMS[kind]]))
        yield f"dims are {dims}, expected {wanted}: rename or transpose it"
        return
    if "time" in dims:
        yield from _time_mistakes(array)
        yield from _timing_mistakes(array)
    if "target" in dims:
        yield from _target_mistakes(array)
    if "feature" in dims:
        yield from _coord_mistakes(array, {"name": "U"}, "feature")
    yield from _value_mistakes(array)


def _coord_mistakes(array: xr.DataArray, wanted: dict[str, str], dim: str) -> Iterator[str]:
    for name, letter in wanted.items():
        if name not in array.coords:
            yield f"coordinate {name!r} on {dim} is missing: encodekit.data.make_response writes it"
        elif array.coords[name].dims != (dim,):
            yield f"coordinate {name!r} has dims {array.coords[name].dims}, expected ({dim!r},)"
        elif not _is_kind(array.coords[name], letter):
            yield (
                f"coordinate {name!r} holds {array.coords[name].dtype}, expected "
                f"{_KIND_NAMES[letter]}"
            )


def _is_kind(coord: xr.DataArray, letter: str) -> bool:
    if letter == "U":
        return coord.dtype.kind in "UT" or all(isinstance(item, str) for item in coord.values)
    return coord.dtype.kind in {"i": "iu", "f": "iuf"}[letter]


def _time_mistakes(array: xr.DataArray) -> Iterator[str]:
    found = list(_coord_mistakes(array, TIME_COORDS, "time"))
    yield from found
    if found:
        return
    runs, trs = array.coords["run"].values, array.coords["tr"].values
    seconds = array.coords["seconds"].values
    for run in dict.fromkeys(runs.tolist()):
        rows = np.flatnonzero(runs == run)
        yield from _order_mistakes(run, "tr", trs[rows])
        yield from _order_mistakes(run, "seconds", seconds[rows])
        heard = set(array.coords["stimulus"].values[rows].tolist())
        if len(heard) > 1:
            yield f"run {run!r} has {len(heard)} stimuli {sorted(heard)}: a run has one"


def _order_mistakes(run: str, name: str, values: NDArray[Any]) -> Iterator[str]:
    if name == "seconds" and not np.isfinite(values).all():
        yield f"seconds of run {run!r} holds NaN or infinite values"
        return
    back = np.flatnonzero(np.diff(values) <= 0)
    if back.size:
        at = int(back[0])
        yield (
            f"{name} of run {run!r} does not increase: {values[at + 1]:g} in row {at + 1} follows "
            f"{values[at]:g}: sort the rows, give each TR once"
        )


def _target_mistakes(array: xr.DataArray) -> Iterator[str]:
    found = list(_coord_mistakes(array, {"target": "U", "participant": "U"}, "target"))
    yield from found
    if found:
        return
    if not array.indexes["target"].is_unique:  # the index remembers it for every run that shares it
        names, counts = np.unique(array.coords["target"].values.astype(str), return_counts=True)
        yield (
            f"{int((counts > 1).sum())} targets come more than once, the first is "
            f"{str(names[counts > 1][0])!r}: give every target one name, such as 'P1/left/00123'"
        )
    if "hemisphere" in array.coords:
        odd = sorted(
            set(np.unique(array.coords["hemisphere"].values).tolist()) - {"left", "right", ""}
        )
        if odd:
            yield f"hemisphere holds {odd}, expected 'left' or 'right' ('' where there is none)"


def _timing_mistakes(array: xr.DataArray) -> Iterator[str]:
    for name in TIMING:
        if name in array.coords:
            found = list(_coord_mistakes(array, {name: "f"}, "time"))
            yield from found
            if found:
                continue
        seconds = timing(array, name)
        if seconds is None:
            yield f"attribute {name!r} is missing: set .attrs[{name!r}] in seconds"
            continue
        bad = ~np.isfinite(seconds) | (seconds < 0) | ((seconds == 0) & (name == "t_r"))
        if bad.any():
            yield f"attribute {name!r} is {seconds[bad][0]}, expected seconds"
        elif name in array.coords and "run" in array.coords:
            yield from _changing(array.coords["run"].values, name, seconds)


def _changing(runs: NDArray[Any], name: str, seconds: NDArray[np.float64]) -> Iterator[str]:
    for run in dict.fromkeys(runs.tolist()):
        found = np.unique(seconds[runs == run])
        if found.size > 1:
            shown = ", ".join(f"{item:g}" for item in found[:3])
            yield f"{name} of run {run!r} changes ({shown} s): a run has one"


def _value_mistakes(array: xr.DataArray) -> Iterator[str]:
    if array.dtype.kind != "f":
        yield f"values are {array.dtype}, expected floats: convert them, say by .astype('float32')"
    elif array.chunks is None:
        count = sum(int(np.isinf(row).sum()) for row in np.atleast_2d(array.values))
        if count:
            yield f"{count} values are infinite: set what is lacking to NaN"
