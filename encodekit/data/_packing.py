"""Values to JSON and named arrays, and back; nothing that is read is ever executed."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import SealedFolder

Json = Any
Arrays = dict[str, NDArray[Any]]
_PLAIN = "biuf"


_METHODS: tuple[tuple[type, str], ...] = (  # the first that fits; a Dataset is a Mapping too
    (np.generic, "_scalar"),
    (float, "_float"),
    (list, "_list"),
    (tuple, "_tuple"),
    (xr.Dataset, "_dataset"),
    (Mapping, "_mapping"),
    (np.ndarray, "_array"),
    (Path, "_path"),
    (slice, "_slice"),
    (range, "_range"),
    (xr.DataArray, "_dataarray"),
    (pd.DataFrame, "_table"),
    (pd.Series, "_series"),
)


class Packer:
    """Turns values into JSON; their arrays gather in ``arrays``, named by where they were.

    Parameters
    ----------
    other : callable, optional
        ``other(value, where) -> JSON or None`` for what is no plain value, such as an estimator.
    """

    def __init__(self, other: Callable[[Any, str], Json | None] | None = None) -> None:
        self.arrays: Arrays = {}
        self._other = other

    def pack(self, value: Any, where: str) -> Json:
        """Return JSON for ``value``; ``where`` names it in errors and among the arrays."""
        if value is None or type(value) in (bool, int, str):
            return value
        for kind, method in _METHODS:
            if isinstance(value, kind):
                return getattr(self, method)(value, where)
        packed = None if self._other is None else self._other(value, where)
        if packed is None:
            raise TypeError(
                f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which cannot "
                "be saved without pickle: use numbers, text, arrays, tables, registered names or "
                "estimators that encodekit knows"
            )
        return packed

    def _float(self, value: float, where: str) -> Json:
        return float(value) if math.isfinite(value) else {"$": "float", "value": str(float(value))}

    def _scalar(self, value: np.generic, where: str) -> Json:
        return {"$": "scalar", "array": self._array(np.asarray(value), where)}

    def _list(self, value: list[Any], where: str) -> Json:
        return [self.pack(item, f"{where}[{n}]") for n, item in enumerate(value)]

    def _tuple(self, value: tuple[Any, ...], where: str) -> Json:
        return {"$": "tuple", "items": self._list(list(value), where)}

    def _mapping(self, value: Mapping[Any, Any], where: str) -> Json:
        items = [
            [self.pack(key, f"key of {where}"), self.pack(item, f"{where}.{key}")]
            for key, item in value.items()
        ]
        return {"$": "dict", "items": items}

    def _path(self, value: Path, where: str) -> Json:
        return {"$": "path", "value": str(value)}

    def _slice(self, value: slice, where: str) -> Json:
        ends = [value.start, value.stop, value.step]
        return {"$": "slice", "items": self._list(ends, where)}

    def _range(self, value: range, where: str) -> Json:
        return {"$": "range", "items": [value.start, value.stop, value.step]}

    def _array(self, value: NDArray[Any], where: str) -> Json:
        if value.dtype.kind in _PLAIN and value.dtype.itemsize <= 8:
            native = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
            return {"$": "array", "key": self._keep(native.reshape(value.shape), where)}
        if value.dtype.kind == "U":
            letters = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("="))
            codes = (
                letters.reshape(-1).view(np.uint32).reshape(*value.shape, value.dtype.itemsize // 4)
            )
            return {"$": "text", "shape": list(value.shape), "key": self._keep(codes, where)}
        if value.dtype.kind in "OT":
            items = self._list(value.astype(object).reshape(-1).tolist(), where)
            return {"$": "objects", "shape": list(value.shape), "items": items}
        raise TypeError(f"{where} is an array of {value.dtype}, which cannot be saved: convert it")

    def _keep(self, array: NDArray[Any], where: str) -> str:
        key, n = where, 1
        while key in self.arrays:
            key, n = f"{where} ({n + 1})", n + 1
        self.arrays[key] = array
        return key

    def _variable(self, value: Any, where: str) -> Json:
        dims = [str(dim) for dim in value.dims]
        attrs = self._mapping(value.attrs, f"{where}.attrs")
        return {"dims": dims, "attrs": attrs, "array": self._array(value.values, where)}

    def _coords(self, value: xr.DataArray | xr.Dataset, where: str) -> Json:
        for name, index in value.indexes.items():
            if isinstance(index, pd.MultiIndex):
                raise TypeError(f"{where}: index {name!r} has levels: reset_index it before saving")
        return {str(n): self._variable(c, f"{where}.{n}") for n, c in value.coords.items()}

    def _dataarray(self, value: xr.DataArray, where: str) -> Json:
        name = None if value.name is None else str(value.name)
        coords = self._coords(value, where)
        return {"$": "dataarray", "name": name, **self._variable(value, where), "coords": coords}

    def _dataset(self, value: xr.Dataset, where: str) -> Json:
        variables = {str(n): self._variable(v, f"{where}.{n}") for n, v in value.data_vars.items()}
        attrs = self._mapping(value.attrs, f"{where}.attrs")
        coords = self._coords(value, where)
        return {"$": "dataset", "variables": variables, "coords": coords, "attrs": attrs}

    def _table(self, value: pd.DataFrame, where: str) -> Json:
        columns = [
            [
                self.pack(name, f"column of {where}"),
                self._column(value.iloc[:, n], f"{where}.{name}"),
            ]
            for n, name in enumerate(value.columns)
        ]
        return {"$": "table", "columns": columns, "index": self._index(value.index, where)}

    def _series(self, value: pd.Series, where: str) -> Json:
        index = self._index(value.index, where)
        name = self.pack(value.name, f"name of {where}")
        return {"$": "series", "name": name, "values": self._column(value, where), "index": index}

    def _column(self, column: pd.Series, where: str) -> Json:
        kind = getattr(column.dtype, "kind", "?")
        if not (isinstance(column.dtype, np.dtype | pd.StringDtype) and kind in f"{_PLAIN}O"):
            raise TypeError(f"{where} is a column of {column.dtype}, which cannot be saved")
        return self._array(column.to_numpy(), where)

    def _index(self, index: pd.Index, where: str) -> Json:
        plain = isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1
        if plain and index.name is None:
            return None
        if isinstance(index, pd.MultiIndex):
            raise TypeError(f"{where}: its index has levels: reset_index it before saving")
        name = self.pack(index.name, f"name of the index of {where}")
        return {"name": name, "values": self._array(index.to_numpy(), f"{where}.index")}


class Unpacker:
    """Turns JSON of a `Packer` and its arrays into values.

    Parameters
    ----------
    arrays : dict of str to array
    other : callable, optional
        ``other(JSON) -> value`` for the kinds that a `Packer`'s ``other`` made.
    """

    def __init__(self, arrays: Arrays, other: Callable[[Json], Any] | None = None) -> None:
        self._arrays = arrays
        self._other = other

    def unpack(self, packed: Json) -> Any:
        """Return the value."""
        if isinstance(packed, list):
            return [self.unpack(item) for item in packed]
        if not isinstance(packed, dict):
            return packed
        read = _READERS.get(packed["$"])
        if read is not None:
            return read(self, packed)
        if self._other is None:
            raise ValueError(
                f"unknown kind of value {packed['$']!r}: the file was not saved by this"
            )
        return self._other(packed)

    def _float(self, packed: Json) -> float:
        return float(packed["value"])

    def _scalar(self, packed: Json) -> Any:
        return self.unpack(packed["array"])[()]

    def _tuple(self, packed: Json) -> tuple[Any, ...]:
        return tuple(self.unpack(packed["items"]))

    def _dict(self, packed: Json) -> dict[Any, Any]:
        return {self.unpack(key): self.unpack(item) for key, item in packed["items"]}

    def _path(self, packed: Json) -> Path:
        return Path(packed["value"])

    def _slice(self, packed: Json) -> slice:
        return slice(*self.unpack(packed["items"]))

    def _range(self, packed: Json) -> range:
        return range(*packed["items"])

    def _array(self, packed: Json) -> NDArray[Any]:
        return self._arrays[packed["key"]]

    def _text(self, packed: Json) -> NDArray[Any]:
        codes = np.ascontiguousarray(self._arrays[packed["key"]])
        width = max(codes.shape[-1], 1)
        if codes.size == 0:
            return np.empty(packed["shape"], dtype=f"U{width}")
        return codes.reshape(-1).view(f"U{width}").reshape(packed["shape"])

    def _objects(self, packed: Json) -> NDArray[Any]:
        flat = np.empty(len(packed["items"]), dtype=object)
        for n, item in enumerate(packed["items"]):
            flat[n] = self.unpack(item)
        return flat.reshape(packed["shape"])

    def _variable(self, packed: Json) -> tuple[list[str], Any, dict[str, Any]]:
        return packed["dims"], self.unpack(packed["array"]), self.unpack(packed["attrs"])

    def _coords(self, packed: Json) -> dict[str, Any]:
        return {name: self._variable(coord) for name, coord in packed["coords"].items()}

    def _dataarray(self, packed: Json) -> xr.DataArray:
        dims, values, attrs = self._variable(packed)
        coords = self._coords(packed)
        return xr.DataArray(values, coords=coords, dims=dims, name=packed["name"], attrs=attrs)

    def _dataset(self, packed: Json) -> xr.Dataset:
        variables = {name: self._variable(item) for name, item in packed["variables"].items()}
        return xr.Dataset(
            variables, coords=self._coords(packed), attrs=self.unpack(packed["attrs"])
        )

    def _table(self, packed: Json) -> pd.DataFrame:
        names = [self.unpack(name) for name, _ in packed["columns"]]
        columns = {n: self.unpack(values) for n, (_, values) in enumerate(packed["columns"])}
        table = pd.DataFrame(columns, index=self._index(packed["index"]))
        table.columns = pd.Index(names)
        return table

    def _series(self, packed: Json) -> pd.Series:
        values, name = self.unpack(packed["values"]), self.unpack(packed["name"])
        return pd.Series(values, index=self._index(packed["index"]), name=name)

    def _index(self, packed: Json) -> pd.Index | None:
        if packed is None:
            return None
        index: pd.Index = pd.Index(self.unpack(packed["values"]), name=self.unpack(packed["name"]))
        return index


# Written out: a file reaches what stands here and nothing else, whatever methods come to be.
_READERS: dict[str, Callable[[Unpacker, Json], Any]] = {
    "float": Unpacker._float,
    "scalar": Unpacker._scalar,
    "tuple": Unpacker._tuple,
    "dict": Unpacker._dict,
    "path": Unpacker._path,
    "slice": Unpacker._slice,
    "range": Unpacker._range,
    "array": Unpacker._array,
    "text": Unpacker._text,
    "objects": Unpacker._objects,
    "dataarray": Unpacker._dataarray,
    "dataset": Unpacker._dataset,
    "table": Unpacker._table,
    "series": Unpacker._series,
}


def packed_names(stem: str) -> tuple[str, str]:
    """Return the names of the files that `write_packed` writes and `read_packed` reads."""
    return f"{stem}.json", f"{stem}.safetensors"


def write_packed(folder: Path, stem: str, tree: Json, arrays: Arrays) -> None:
    """Write ``stem``.json and ``stem``.safetensors."""
    from safetensors.numpy import save

    told, numbers = packed_names(stem)
    (folder / numbers).write_bytes(save(arrays))
    (folder / told).write_bytes(json.dumps(tree, indent=1, allow_nan=False).encode())


def read_packed(folder: SealedFolder, stem: str) -> tuple[Json, Arrays]:
    """Return the JSON and the arrays that `write_packed` wrote."""
    told, numbers = packed_names(stem)
    return folder.read_json(told), read_arrays(folder, numbers)


def read_arrays(folder: SealedFolder, name: str) -> Arrays:
    """Return the arrays of a listed safetensors file; none where no such file is listed."""
    from safetensors.numpy import load

    return load(folder.read(name)) if name in folder.files else {}
