"""Arrays in HDF5 files: their shapes at once, their values when computed."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from encodekit.core import present_file, reading, unknown_name
from encodekit_adapters._lazy import lazy_rows
from encodekit_adapters._need import need


def hdf5_shapes(path: Path, keys: tuple[str, ...], *, fetch: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the asked arrays that a file has; ``keys[0]`` must be there.

    Raises
    ------
    FileNotFoundError
        Where the file is lacking or a pointer; with the command that ``fetch`` names.
    ValueError
        Where it is damaged, or lacks its first key.
    """
    h5py = _h5py()
    present_file(path, fetch=fetch)
    again = f"get it again by `{fetch}`"
    with reading(path, "HDF5", advice=again), h5py.File(path, "r") as file:
        there = [name for name in keys if isinstance(file.get(name), h5py.Dataset)]
        shapes = {name: tuple(map(int, file[name].shape)) for name in there}
        odd = [name for name in there if file[name].dtype.kind not in "iuf"]
        names = _names(file)
        for name in there:
            _check_whole(file[name])
    if keys[0] not in shapes:
        raise ValueError(f"{str(path)!r}: {unknown_name('array', keys[0], names)}")
    if odd:
        raise ValueError(f"{str(path)!r}: array {odd[0]!r} does not hold numbers: convert it")
    return shapes


def hdf5_names(path: Path) -> list[str]:
    """Return the paths of the arrays in a file."""
    with reading(path, "HDF5"), _h5py().File(path, "r") as file:
        return _names(file)


def _names(file: Any) -> list[str]:
    found: list[str] = []
    h5py = _h5py()

    def note(name: str, item: Any) -> None:
        # MATLAB keeps what its cells refer to in a group of this name
        if isinstance(item, h5py.Dataset) and not name.startswith("#"):
            found.append(name)

    file.visititems(note)
    return found


def lazy_hdf5(
    path: Path, key: str, index: Any, shape: tuple[int, ...], dtype: DTypeLike, label: str
) -> Any:
    """Return ``file[key][index]`` of ``shape`` as a dask array of one block."""
    read = partial(read_hdf5, path, key, index, label)
    return lazy_rows(read, shape, dtype, source=[path], label=label, key=f"{key}{index}")


def read_hdf5(path: Path, key: str, index: Any, label: str) -> NDArray[Any]:
    """Return ``file[key][index]``; ``label`` is for the message where it is damaged."""
    with reading(path, "HDF5", advice=f"get {label} again"), _h5py().File(path, "r") as file:
        _check_whole(file[key])
        return np.asarray(file[key][index])


def _check_whole(array: Any) -> None:
    """Refuse a shape that is not that of what is stored: HDF5 would give a part, or zeros."""
    if array.is_virtual or array.external:
        return
    stored, needed = array.id.get_storage_size(), array.size * array.dtype.itemsize
    whole = stored == needed if array.chunks is None else _has_its_chunks(array)
    if not whole:
        raise ValueError(
            f"array {array.name!r} of shape {array.shape} needs {needed} bytes, and other than "
            f"these are stored ({stored})"
        )


def _has_its_chunks(array: Any) -> bool:
    here, most = _n_chunks(array, array.shape), _n_chunks(array, array.maxshape)
    # An array of fixed size is as large as it may be; one that may grow seldom ends in its last
    # chunks, so that fewer rows there are taken for damage.
    fixed = None not in array.maxshape and here == most
    return array.id.get_num_chunks() == here and not (fixed and array.shape != array.maxshape)


def _n_chunks(array: Any, shape: tuple[int | None, ...]) -> int:
    pairs = zip(shape, array.chunks, strict=True)
    return math.prod(-(-size // chunk) for size, chunk in pairs if size is not None)


def _h5py() -> Any:
    return need("h5py", extra="folder", purpose="reading HDF5")
