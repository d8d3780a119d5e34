"""Arrays in HDF5 files: their shapes at once, their values when computed."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from encodekit.core import present_file, unknown_name
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
    try:
        with h5py.File(path, "r") as file:
            there = [name for name in keys if isinstance(file.get(name), h5py.Dataset)]
            shapes = {name: tuple(map(int, file[name].shape)) for name in there}
            odd = [name for name in there if file[name].dtype.kind != "f"]
            names = list(file)
    except OSError as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as HDF5 ({error}): it was cut short or damaged; get it "
            f"again by `{fetch}`"
        ) from error
    if keys[0] not in shapes:
        raise ValueError(f"{str(path)!r}: {unknown_name('array', keys[0], names)}")
    if odd:
        raise ValueError(f"{str(path)!r}: array {odd[0]!r} does not hold floats: convert it")
    return shapes


def lazy_hdf5(
    path: Path, key: str, index: Any, shape: tuple[int, ...], dtype: DTypeLike, label: str
) -> Any:
    """Return ``file[key][index]`` of ``shape`` as a dask array of one block."""
    read = partial(_read, path, key, index, label)
    return lazy_rows(read, shape, dtype, source=[path], label=label, key=f"{key}{index}")


def _read(path: Path, key: str, index: Any, label: str) -> NDArray[Any]:
    try:
        with _h5py().File(path, "r") as file:
            return np.asarray(file[key][index])
    except (OSError, KeyError) as error:
        raise OSError(f"{label} cannot be read from {str(path)!r}: {error}") from error


def _h5py() -> Any:
    return need("h5py", extra="folder", purpose="reading HDF5")
