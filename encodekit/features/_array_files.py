"""Arrays in files of NumPy and HDF5, read without pickle."""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import import_extra, present_file, unknown_name

ARCHIVES = (".npz", ".h5", ".hdf5", ".hf5", ".hdf")
FORMATS = (".npy", *ARCHIVES)
_MAGIC = {".npy": b"\x93NUMPY", ".npz": b"PK\x03\x04"}


def read_array(path: str | Path, key: str | None = None) -> NDArray[Any]:
    """Return one array of a file.

    Parameters
    ----------
    path : path
        ``.npy``, ``.npz``, or HDF5 (``.h5``, ``.hdf5``, ``.hf5``, ``.hdf``).
    key : str, optional
        Which array of an archive; not needed where it holds one alone.

    Raises
    ------
    FileNotFoundError
        Where there is no file, or the pointer of one that was not downloaded.
    ValueError
        For another format, a damaged file, one of Python objects, or an archive without this key.
    """
    return read_arrays(path, [key])[0]


def read_arrays(path: str | Path, keys: Sequence[str | None]) -> list[NDArray[Any]]:
    """Return several arrays of a file, as `read_array` does each."""
    file = present_file(path)
    with _reading(file):
        if file.suffix.lower() == ".npy":
            return [_read_npy(file, key) for key in keys]
        return _read_npz(file, keys) if file.suffix.lower() == ".npz" else _read_hdf5(file, keys)


def array_names(path: str | Path) -> list[str]:
    """Return the names of the arrays in an archive."""
    file = present_file(path)
    with _reading(file):
        if file.suffix.lower() == ".npz":
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
                return list(archive.files)
        with _h5py().File(file, "r") as archive:
            return _datasets(archive)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Say of a file that it is of no format that is read here, or damaged."""
    suffix = file.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(
            f"{str(file)!r} is no file of arrays that is read here: save it as one of "
            f"{', '.join(FORMATS)} (np.save, np.savez, h5py)"
        )
    try:
        with file.open("rb") as opened:
            begin = opened.read(6)
        if not begin.startswith(_MAGIC.get(suffix, b"")):
            raise EOFError(f"it begins with {begin!r}")
        yield
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{str(file)!r} is damaged or cut short, or no {suffix} file: {error}; get it again"
        ) from error


def _read_npy(file: Path, key: str | None) -> NDArray[Any]:
    if key is not None:
        raise ValueError(f"{str(file)!r} holds one array without a name: leave key={key!r} out")
    return _numpy(file, lambda: np.load(file, allow_pickle=False))


def _read_npz(file: Path, keys: Sequence[str | None]) -> list[NDArray[Any]]:
    # Opened here: of a damaged file, np.load leaves its own handle open.
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
        names = [_chosen(file, key, list(archive.files)) for key in keys]
        return [_numpy(file, partial(archive.__getitem__, name)) for name in names]


def _numpy(file: Path, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    try:
        return read()
    except ValueError as error:
        what = (
            "holds Python objects, which only pickle reads: save numbers (or text) in an array"
            if "pickle" in str(error)
            else f"is damaged or cut short: {error}; get it again"
        )
        raise ValueError(f"{str(file)!r} {what}") from error


def _read_hdf5(file: Path, keys: Sequence[str | None]) -> list[NDArray[Any]]:
    with _h5py().File(file, "r") as archive:
        names = [_chosen(file, key, _datasets(archive)) for key in keys]
        return [np.asarray(archive[name][()]) for name in names]


def _chosen(file: Path, key: str | None, names: list[str]) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key is None:
        raise ValueError(
            f"{str(file)!r} holds {len(names)} arrays ({', '.join(names[:8])}): say which by key="
        )
    if key.strip("/") not in names:
        raise ValueError(f"{str(file)!r}: {unknown_name('array', key, names)}")
    return key.strip("/")


def _datasets(archive: Any) -> list[str]:
    found: list[str] = []
    kind = _h5py().Dataset
    # MATLAB keeps what its cells refer to in a group whose name begins with #.
    archive.visititems(
        lambda name, item: found.append(name) if isinstance(item, kind) and name[0] != "#" else None
    )
    return found


def _h5py() -> Any:
    return import_extra("h5py", extra="arrays", purpose="reading HDF5")
