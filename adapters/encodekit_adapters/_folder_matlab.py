"""Arrays in MATLAB's files: those up to version 7, and which HDF5 files are of version 7.3."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import reading

_HDF5 = b"\x89HDF\r\n\x1a\n"
_VERSION_7_3 = b"MATLAB 7.3 MAT-file"
_USER_BLOCKS = (0, 512, 1024, 2048)  # bytes before an HDF5 file's signature
_NUMBERS = ("double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in
            (8, 16, 32, 64)))  # fmt: skip


def is_hdf5(path: Path) -> bool:
    """Tell whether a file is HDF5, as MATLAB's are from version 7.3 on."""
    head = _head(path)
    return any(head[start : start + 8] == _HDF5 for start in _USER_BLOCKS)


def is_of_matlab(path: Path) -> bool:
    """Tell whether an HDF5 file was written by MATLAB, which stores its axes in reverse."""
    return path.suffix.lower() == ".mat" and _head(path).startswith(_VERSION_7_3)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def matlab_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the numeric arrays in a file of MATLAB up to version 7."""
    from scipy.io import whosmat

    with reading(path, "MATLAB"):
        return {
            name: tuple(map(int, shape)) for name, shape, kind in whosmat(path) if kind in _NUMBERS
        }


def read_matlab(path: Path, key: str) -> NDArray[Any]:
    """Return an array of a file of MATLAB up to version 7."""
    from scipy.io import loadmat

    with reading(path, "MATLAB"):
        return np.asarray(loadmat(path, variable_names=[key])[key])
