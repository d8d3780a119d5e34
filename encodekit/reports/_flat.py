"""Datasets and tables as arrays that netCDF 3 and zarr hold, and back without a loss.

What the files cannot hold (names, attributes, types, missing text) is written down as JSON beside
the arrays, so that nothing comes back as something else.
"""

import re
from collections.abc import Hashable, Mapping
from datetime import date, datetime
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

Record = dict[str, Any]
_MARK = "encodekit:"  # of a JSON object that stands for what JSON has not
_ARRAY = "the array itself"  # beside coordinates of any name
_KINDS = frozenset("biufcmMUSTO")
_INT32 = np.iinfo(np.int32)


class Flat:
    """Gathers arrays under names of their own, each with a record of how it is restored."""

    def __init__(self) -> None:
        self.dataset = xr.Dataset()
        self._dims: dict[tuple[str, Hashable], str] = {}

    def add_dataset(self, part: str, given: xr.Dataset) -> Record:
        """Add every variable, and return the record of `dataset_of`."""
        return {
            "attrs": as_json(given.attrs),
            "coords": [as_json(name) for name in given.coords],
            "variables": [
                {
                    "name": as_json(name),
                    "dims": [as_json(dim) for dim in variable.dims],
                    "attrs": as_json(variable.attrs),
                    "values": self._add(part, name, variable.dims, variable.values),
                }
                for name, variable in given.variables.items()
            ],
        }

    def add_array(self, part: str, given: xr.DataArray) -> Record:
        """Add an array and its coordinates, and return the record of `array_of`."""
        return {
            "name": as_json(given.name),
            "of": self.add_dataset(part, given.to_dataset(name=_ARRAY)),
        }

    def add_table(self, part: str, given: pd.DataFrame) -> Record:
        """Add a table's columns, its index and its names; return the record of `table_of`."""
        levels = [given.index.get_level_values(k) for k in range(given.index.nlevels)]
        plain = _label_type(given.index) == "range"
        index = [] if plain else [self._add_series(part, f"index{k}", of) for k, of in
                                  enumerate(levels)]  # fmt: skip
        columns = [
            self._add_series(part, label, given.iloc[:, k]) for k, label in enumerate(given.columns)
        ]
        return {
            "attrs": as_json(given.attrs),
            "rows": len(given),
            "columns": columns,
            "labels": as_json(list(given.columns)),
            "labels_named": as_json(list(given.columns.names)),
            "labels_dtype": _label_type(given.columns),
            "index": index,
            "index_named": as_json(list(given.index.names)),
        }

    def _add_series(self, part: str, label: Hashable, given: Any) -> Record:
        """Add a column or a level of an index; categories are a column of their own."""
        dtype = given.dtype
        if isinstance(dtype, pd.CategoricalDtype):
            codes = given.cat.codes if isinstance(given, pd.Series) else given.codes
            return {
                "categories": self._add_series(part, f"{label} categories", dtype.categories),
                "ordered": bool(dtype.ordered),
                "codes": self._add(part, label, ("row",), np.asarray(codes)),
            }
        if isinstance(dtype, np.dtype):
            return {"values": self._add(part, label, ("row",), np.asarray(given))}
        values, name = _objects(given), str(dtype)
        try:
            pd.Series([from_json(as_json(one)) for one in values], dtype=name)
        except (TypeError, ValueError):  # such as intervals: kept as their text
            name = "object"
        return {"pandas": name, "values": self._add(part, label, ("row",), values)}

    def _add(self, part: str, name: Hashable, dims: tuple[Hashable, ...], values: Any) -> Record:
        array = np.asarray(values)
        if array.dtype.kind not in _KINDS:
            array = array.astype(object)
        record: Record = {"dtype": _named(array.dtype), "shape": list(array.shape)}
        if not array.size:
            return record  # a dimension of length 0 is an unlimited one in netCDF 3
        kept, how = _kept(array)
        if how == "json":  # texts of any length would be padded to the longest
            return {**record, "json": [as_json(one) for one in array.ravel().tolist()]}
        at = self._free(part, name)
        sized = zip(dims, array.shape, strict=True)
        self.dataset[at] = ([self._dim(part, dim, n) for dim, n in sized], kept)
        return {**record, "kept": how, "at": at}

    def _free(self, part: str, name: Hashable) -> str:
        """Return a name that no other array has, of letters that every format takes."""
        stem = at = re.sub(r"[^\w.-]", "_", f"{part}.{name}", flags=re.ASCII)[:100]
        number = 1
        while at in self.dataset.variables:
            number += 1
            at = f"{stem}.{number}"
        return at

    def _dim(self, part: str, dim: Hashable, size: int) -> str:
        # by size too: the levels of a category are of another length than its rows
        stem = re.sub(r"[^\w.-]", "_", f"{part}.{dim}", flags=re.ASCII)[:100]
        known = {name for key, name in self._dims.items() if key != (part, (dim, size))}
        name = self._dims.setdefault((part, (dim, size)), stem)
        while name in known:
            name = self._dims[part, (dim, size)] = f"{name}_"
        return name


def dataset_of(flat: xr.Dataset, record: Record) -> xr.Dataset:
    """Return a dataset as it was added."""
    made: dict[Hashable, tuple[Any, ...]] = {}
    for of in record["variables"]:
        dims = [from_json(dim) for dim in of["dims"]]
        made[from_json(of["name"])] = (dims, _restored(flat, of["values"]), from_json(of["attrs"]))
    coords = [from_json(name) for name in record["coords"]]
    return xr.Dataset(
        {name: of for name, of in made.items() if name not in coords},
        {name: made[name] for name in coords},
        from_json(record["attrs"]),
    )


def array_of(flat: xr.Dataset, record: Record) -> xr.DataArray:
    """Return an array as it was added."""
    return dataset_of(flat, record["of"])[_ARRAY].rename(from_json(record["name"]))


def table_of(flat: xr.Dataset, record: Record) -> pd.DataFrame:
    """Return a table as it was added."""
    columns = [_series_of(flat, of) for of in record["columns"]]
    table = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(record["rows"]))
    labels, names = from_json(record["labels"]), from_json(record["labels_named"])
    if record["labels_dtype"] == "range":
        table.columns = pd.RangeIndex(len(labels), name=names[0])
    elif len(names) > 1:
        table.columns = pd.MultiIndex.from_tuples(labels, names=names)
    else:
        table.columns = pd.Index(labels, dtype=record["labels_dtype"], name=names[0])
    if record["index"]:
        levels = [pd.Index(_series_of(flat, of)) for of in record["index"]]
        called = from_json(record["index_named"])
        table.index = (
            levels[0].rename(called[0])
            if len(levels) == 1
            else pd.MultiIndex.from_arrays(levels, names=called)
        )
    table.attrs = from_json(record["attrs"])
    return table


def _label_type(labels: "pd.Index[Any]") -> str:
    counted = isinstance(labels, pd.RangeIndex) and labels.equals(pd.RangeIndex(len(labels)))
    return "range" if counted else str(labels.dtype)


def _series_of(flat: xr.Dataset, record: Record) -> "pd.Series[Any]":
    if "categories" in record:
        categories = pd.Index(_series_of(flat, record["categories"]))
        dtype = pd.CategoricalDtype(categories, ordered=record["ordered"])
        return pd.Series(pd.Categorical.from_codes(_restored(flat, record["codes"]), dtype=dtype))
    values = _restored(flat, record["values"])
    series: pd.Series[Any] = pd.Series(values, dtype=record.get("pandas", values.dtype))
    return series


def _objects(given: Any) -> NDArray[np.object_]:
    """Return the values of a pandas array as objects; what is missing as None."""
    found = np.empty(len(given), dtype=object)
    missing = np.asarray(given.isna())
    found[:] = [None if gone else one for one, gone in zip(given, missing, strict=True)]
    return found


def _kept(array: NDArray[Any]) -> tuple[Any, str]:
    """Return an array that both formats hold, and how it stands for this one."""
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.int8), "number"
    if kind in "iu":
        small = array.min() >= _INT32.min and array.max() <= _INT32.max
        return array.astype(np.int32 if small else str), "number"
    if kind == "f" and array.dtype.itemsize <= 8:
        return array.astype(np.float64 if array.dtype.itemsize == 8 else np.float32), "number"
    if kind in "mM":
        return array.astype(np.int64).astype(str), "time"
    values = array.ravel().tolist()
    texts = kind in "UT" and all(isinstance(value, str) for value in values)
    if texts and _is_plain("".join(values)) and any(values):
        return np.array(values, dtype=str).reshape(array.shape), "text"
    return None, "json"


def _named(dtype: Any) -> str:
    """Return the name of a type for `_type_of`; pandas has texts with NaN where one is missing."""
    if dtype.kind != "T":
        return str(dtype.str)
    return "T" if getattr(dtype, "na_object", None) is None else "T or NaN"


def _type_of(name: str) -> Any:
    if name == "T or NaN":
        return np.dtypes.StringDType(na_object=np.nan)
    return np.dtype(name)


def _is_plain(text: str) -> bool:
    return text.isprintable() and text.isascii()


def _restored(flat: xr.Dataset, record: Record) -> NDArray[Any]:
    dtype, shape = _type_of(record["dtype"]), tuple(record["shape"])
    if "json" in record:
        values = np.empty(len(record["json"]), dtype=object)
        values[:] = [from_json(one) for one in record["json"]]
        return np.asarray(values.reshape(shape).astype(dtype))
    if "at" not in record:
        return np.zeros(0, dtype).reshape(shape)
    kept, how = flat[record["at"]].values, record["kept"]
    if kept.shape != shape:
        raise ValueError(f"{record['at']} has shape {kept.shape}, expected {shape}")
    if kept.dtype.kind not in "iuf":
        kept = kept.astype(str)
    if how == "time":
        return np.asarray(kept.astype(np.int64).view(dtype))
    return np.asarray(kept.astype(dtype))


def as_json(value: Any) -> Any:
    """Return a value as JSON holds it, from which `from_json` makes the same again.

    What neither JSON nor the types of `_MADE` know is kept as its text.
    """
    if isinstance(value, np.generic) and value.dtype.kind in "biufcmM":
        plain = value.astype(np.int64) if value.dtype.kind in "mM" else value
        told = str(plain) if value.dtype.char in "gG" else as_json(plain.item())  # of 80 bits
        return {f"{_MARK}scalar": [value.dtype.str, told]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith(_MARK) for key in value):
            return {key: as_json(item) for key, item in value.items()}
        pairs = [[as_json(key), as_json(item)] for key, item in value.items()]
        return {f"{_MARK}pairs": pairs}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return _marked(value)


def _marked(value: Any) -> Any:
    kind, told = type(value).__name__, cast("Any", None)
    if value is pd.NaT or value is pd.NA:
        kind, told = "missing", str(value)
    elif isinstance(value, tuple):
        kind, told = "tuple", [as_json(item) for item in value]
    elif isinstance(value, set | frozenset):
        told = [as_json(item) for item in sorted(value, key=str)]
    elif isinstance(value, complex):
        told = [value.real, value.imag]
    elif isinstance(value, bytes):
        told = value.decode("latin-1")
    elif isinstance(value, pd.Timestamp | pd.Timedelta | datetime | date):
        told = value.isoformat()
    elif isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        whole = value.astype(np.int64) if value.dtype.kind in "mM" else value
        kind, told = "array", [value.dtype.str, as_json(whole.tolist())]
    return str(value) if told is None or kind not in _MADE else {f"{_MARK}{kind}": told}


def _array(dtype: str, values: Any) -> NDArray[Any]:
    made = np.dtype(dtype)
    if made.kind in "mM":
        return np.asarray(values, dtype=np.int64).view(made)
    return np.asarray(values, dtype=made)


_MADE: Mapping[str, Any] = {
    "pairs": dict,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "complex": lambda parts: complex(*parts),
    "bytes": lambda text: text.encode("latin-1"),
    "missing": {"NaT": pd.NaT, "<NA>": pd.NA}.__getitem__,
    "Timestamp": pd.Timestamp,
    "Timedelta": pd.Timedelta,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "array": lambda given: _array(*given),
    "scalar": lambda given: _array(*given)[()],
}


def from_json(value: Any) -> Any:
    """Return what `as_json` was given."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and (key := next(iter(value))).startswith(_MARK):
        return _MADE[key.removeprefix(_MARK)](from_json(value[key]))
    return {key: from_json(item) for key, item in value.items()}
