"""What a value holds, as one hash: to see whether something changed it, or made it anew."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.data import Stimulus, Study


def digest(value: Any) -> str:
    """Return a hash of everything ``value`` holds: numbers to the bit, labels, attributes, order.

    Known are arrays (NumPy, dask, torch), DataArrays, tables, stimuli, studies, estimators,
    mappings and sequences; anything else counts by its repr.

    Examples
    --------
    >>> import numpy as np
    >>> digest([np.zeros(2), "a"]) == digest([np.zeros(2), "a"])
    True
    >>> digest(np.zeros(2)) == digest(np.zeros((2, 1)))
    False
    """
    found = hashlib.sha256()
    for part in _parts(value):
        found.update(f"{len(part)}:".encode() + part)
    return found.hexdigest()


def _parts(value: Any) -> Iterable[bytes]:
    yield type(value).__qualname__.encode()
    for kind, parts in _KNOWN:
        if isinstance(value, kind):
            yield from parts(value)
            return
    if hasattr(value, "__array__") and hasattr(value, "shape"):
        yield from _array(np.asarray(value.detach().cpu() if hasattr(value, "detach") else value))
    elif hasattr(value, "get_params"):
        yield from _mapping(public(value))
    else:
        yield repr(value).encode()


def public(estimator: Any) -> dict[str, Any]:
    """Return the parameters and public attributes of an estimator."""
    return {name: item for name, item in vars(estimator).items() if not name.startswith("_")}


def _array(value: np.ndarray[Any, Any]) -> Iterable[bytes]:
    yield f"{value.dtype.str} {value.shape}".encode()
    if value.dtype.hasobject:
        yield from _sequence(value.ravel().tolist())
    else:
        yield np.ascontiguousarray(value).tobytes()


def _labelled(value: xr.DataArray) -> Iterable[bytes]:
    yield repr((value.name, value.dims)).encode()
    yield from _array(np.asarray(value.values))
    yield from _mapping({str(name): coord.values for name, coord in value.coords.items()})
    yield from _mapping({str(name): item for name, item in value.attrs.items()})


def _dataset(value: xr.Dataset) -> Iterable[bytes]:
    yield from _mapping({str(name): value[name] for name in value.variables})


def _table(value: pd.DataFrame) -> Iterable[bytes]:
    yield from _array(value.reset_index().to_numpy(dtype=object))
    yield repr(list(value.columns)).encode()


def _stimulus(value: Stimulus) -> Iterable[bytes]:
    yield repr((value.name, value.run_name, value.t_r, value.sampling_rate)).encode()
    yield from _array(value.grid)
    if value.audio is not None:  # the samples themselves: content_hash is computed once
        yield from _array(value.load_audio())
    for table in (value.words, value.phones):
        yield from _parts(table)


def _study(value: Study) -> Iterable[bytes]:
    for part in (value.name, value.participants, value.stimuli, value.responses()):
        yield from _parts(part)


def _mapping(value: Mapping[Any, Any]) -> Iterable[bytes]:
    for key, item in value.items():
        yield repr(key).encode()
        yield from _parts(item)


def _sequence(value: Iterable[Any]) -> Iterable[bytes]:
    for item in value:
        yield from _parts(item)


_KNOWN: tuple[tuple[Any, Any], ...] = (
    (np.ndarray, _array),
    (xr.DataArray, _labelled),
    (xr.Dataset, _dataset),
    (pd.DataFrame, _table),
    (Stimulus, _stimulus),
    (Study, _study),
    (Mapping, _mapping),
    (list | tuple, _sequence),
)
