"""Arrays in .npy, .npz and HDF5 files: their shapes at once, their values when computed."""

import io
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from encodekit.core import present_file, unknown_name
from encodekit_adapters._damaged import reading
from encodekit_adapters._hdf5 import hdf5_shapes, lazy_hdf5
from encodekit_adapters._lazy import lazy_rows

ENDINGS = (".npy", ".npz", ".h5", ".hf5", ".hdf5")


def array_shape(path: Path, key: str | None) -> tuple[int, ...]:
    """Return the shape of an array in a file, from its header.

    Raises
    ------
    OSError, ValueError
        Where the file is lacking, a pointer, damaged, of another kind, or lacks the key.
    """
    present_file(path)
    if path.suffix not in ENDINGS:
        raise ValueError(f"{str(path)!r}: {unknown_name('ending', path.suffix, ENDINGS)}")
    if path.suffix not in (".npy", ".npz"):
        if key is None:
            raise ValueError(f"{str(path)!r} holds arrays by name: say which one with key")
        return hdf5_shapes(path, (key,), fetch="a new copy of the file")[key]
    array = _open_numpy(path, key)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{str(path)!r} holds {array.dtype}, expected numbers: convert it")
    return tuple(array.shape)


def lazy_array(path: Path, key: str | None, index: int | None, dtype: DTypeLike, label: str) -> Any:
    """Return an array of a file (at ``index`` of its first axis) as dask, read when computed."""
    whole = array_shape(path, key)
    if not whole:
        raise ValueError(f"{str(path)!r} holds a single number, expected an array (TR, target)")
    if index is not None and not -whole[0] <= index < whole[0]:
        raise ValueError(f"{str(path)!r}: index {index} but the first axis has {whole[0]} entries")
    shape = whole if index is None else whole[1:]
    if path.suffix not in (".npy", ".npz"):
        at = () if index is None else index
        return lazy_hdf5(path, str(key), at, shape, dtype, label)
    read = partial(_read_numpy, path, key, index)
    return lazy_rows(read, shape, dtype, source=[path], label=label, key=f"{key}{index}")


def _read_numpy(path: Path, key: str | None, index: int | None) -> NDArray[Any]:
    array = _open_numpy(path, key)
    return np.asarray(array if index is None else array[index])


def _open_numpy(path: Path, key: str | None) -> NDArray[Any]:
    with reading(path, path.suffix):
        if path.suffix == ".npy":
            array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
            if (size := path.stat().st_size) != array.offset + array.nbytes:
                raise ValueError(f"its header needs {array.offset + array.nbytes} bytes of {size}")
            return np.asarray(array)
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy"): name for name in archive.namelist()}
            if key in names:
                # Whole, so that the archive checks its sum: of a shorter array it would not.
                member = io.BytesIO(archive.read(names[key]))
                found: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
                if member.read(1):
                    raise ValueError(f"array {key!r} holds more than its header says")
                return found
    raise ValueError(f"{str(path)!r}: {unknown_name('array', key, names)}")
