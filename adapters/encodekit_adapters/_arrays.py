"""Arrays in .npy, .npz, HDF5 and MATLAB files: their shapes at once, their values when computed."""

import io
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from encodekit.core import present_file, reading, unknown_name
from encodekit_adapters._folder_matlab import is_hdf5, is_of_matlab, matlab_shapes, read_matlab
from encodekit_adapters._hdf5 import hdf5_names, hdf5_shapes, read_hdf5
from encodekit_adapters._lazy import lazy_rows

ENDINGS = (".npy", ".npz", ".h5", ".hf5", ".hdf5", ".mat")
_BRIDGE = "encodekit_adapters.nilearn_bridge"
_ARRAY = "np.save the array (TR, target) and name the .npy here"
_BIDS = 'load_study("bids", root=..., task=..., space=...) reads what fMRIPrep wrote'
# What holds images, by the end of its name, and what takes it.
_IMAGES = {
    (".dtseries.nii", ".ptseries.nii"): f'{_BIDS} (space="fsLR"); or nibabel.load(...).get_fdata() '
    f"is (TR, target): {_ARRAY}",
    (".nii", ".nii.gz", ".img", ".hdr"): f"{_BIDS}; or mask it, nilearn.maskers.NiftiMasker(...)"
    f".fit_transform(image), and {_ARRAY} ({_BRIDGE}.from_masker makes a response without a file)",
    (".gii", ".gii.gz", ".mgh", ".mgz"): f"{_BIDS}; or stack the TRs of its data arrays and "
    f"{_ARRAY} ({_BRIDGE}.from_surface takes nilearn's SurfaceImage)",
}


@dataclass(frozen=True)
class StoredArray:
    """An array of a file: its key, the index of its first axis, whether its last two are swapped.

    Parameters
    ----------
    path : Path
    key : str, optional
        Needed where the file holds several arrays.
    index : int, optional
    transposed : bool
        Whether it is stored (..., target, time).
    """

    path: Path
    key: str | None = None
    index: int | None = None
    transposed: bool = False

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape (..., time, target), from the file's header.

        Raises
        ------
        OSError, ValueError
            Where the file is lacking, a pointer, damaged, of another kind, or lacks the key.
        """
        whole = array_shape(self.path, self.key)
        name = repr(str(self.path))
        if not whole:
            raise ValueError(f"{name} holds a single number, expected an array (TR, target)")
        if self.index is not None and not -whole[0] <= self.index < whole[0]:
            raise ValueError(
                f"{name}: index {self.index} but the first axis has {whole[0]} entries"
            )
        shape = whole if self.index is None else whole[1:]
        return (*shape[:-2], shape[-1], shape[-2]) if self.transposed else shape

    def read(self, rows: tuple[int, int] | None = None, every: int = 1) -> NDArray[Any]:
        """Return the values: of all rows, or of ``first <= row < stop``; of each n-th target."""
        array = _reader(self.path)(self.path, self.key)
        array = array if self.index is None else array[self.index]
        array = np.swapaxes(array, -1, -2) if self.transposed else array
        if rows is not None:
            array = array[..., slice(*rows), :]
        return np.asarray(array if every == 1 else array[..., ::every])


def lazy_array(
    path: Path,
    key: str | None,
    index: int | None,
    dtype: DTypeLike,
    label: str,
    *,
    transposed: bool = False,
    rows: tuple[int, int] | None = None,
) -> Any:
    """Return a `StoredArray`, or some of its rows, as dask: read and checked when computed."""
    stored = StoredArray(path, key, index, transposed)
    shape = stored.shape
    if rows is not None:
        shape = (*shape[:-2], rows[1] - rows[0], shape[-1])
    told = f"{key} {index} {transposed} {rows}"
    read = partial(stored.read, rows)
    return lazy_rows(read, shape, dtype, source=[path], label=label, key=told)


def array_shape(path: Path, key: str | None) -> tuple[int, ...]:
    """Return the shape of an array in a file, as it is stored; of MATLAB's, as MATLAB shows it."""
    for endings, advice in _IMAGES.items():
        if path.name.lower().endswith(endings):
            raise ValueError(f"{str(path)!r} is an image, expected an array: {advice}")
    if (ending := path.suffix.lower()) not in ENDINGS:
        raise ValueError(f"{str(path)!r}: {unknown_name('ending', ending, ENDINGS)}")
    present_file(path)
    if ending in (".npy", ".npz"):
        array = _open_numpy(path, key)
        check_numbers(path, array.dtype)
        return tuple(array.shape)
    if ending == ".mat" and not is_hdf5(path):
        shapes = matlab_shapes(path)
        return shapes[_only_key(path, key, shapes)]
    found = _only_key(path, key, hdf5_names(path)) if key is None else key
    shape = hdf5_shapes(path, (found,), fetch="a new copy of the file")[found]
    return shape[::-1] if is_of_matlab(path) else shape


def check_numbers(path: Path, dtype: np.dtype[Any]) -> None:
    """Raise ValueError where an array does not hold whole or real numbers."""
    if dtype.kind not in "iuf":
        raise ValueError(f"{str(path)!r} holds {dtype}, expected numbers: convert it")


def _reader(path: Path) -> Callable[[Path, str | None], Any]:
    if path.suffix.lower() in (".npy", ".npz"):
        return _open_numpy
    return _read_hdf5 if path.suffix.lower() != ".mat" or is_hdf5(path) else _read_mat


def _read_hdf5(path: Path, key: str | None) -> NDArray[Any]:
    found = _only_key(path, key, hdf5_names(path)) if key is None else key
    array = read_hdf5(path, found, (), str(path))
    return array.T if is_of_matlab(path) else array


def _read_mat(path: Path, key: str | None) -> NDArray[Any]:
    array = read_matlab(path, _only_key(path, key, matlab_shapes(path)))
    check_numbers(path, array.dtype)
    return array


def _only_key(path: Path, key: str | None, names: Collection[str]) -> str:
    """Return the key, or the name of the one array that there is."""
    if key is not None:
        if key not in names:
            raise ValueError(f"{str(path)!r}: {unknown_name('array', key, names)}")
        return key
    if not names:
        raise ValueError(
            f"{str(path)!r} holds no array of numbers (structures, cells and text are none): save "
            "the array itself, (TR, target)"
        )
    if len(names) != 1:
        shown = ", ".join(sorted(names)[:8])
        raise ValueError(f"{str(path)!r} holds arrays by name: say which one with key ({shown})")
    return next(iter(names))


def _open_numpy(path: Path, key: str | None) -> NDArray[Any]:
    try:
        return _read_numpy(path, key)
    except ValueError as error:
        if "bject" not in str(error.__cause__):  # of what NumPy says of objects that it pickled
            raise
    raise ValueError(
        f"{str(path)!r} holds Python objects, expected numbers: save one array of numbers, "
        "np.stack(...).astype(float); runs of several lengths in a file for each"
    )


def _read_numpy(path: Path, key: str | None) -> NDArray[Any]:
    with reading(path, path.suffix):
        if path.suffix.lower() == ".npy":
            array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
            if (size := path.stat().st_size) != array.offset + array.nbytes:
                raise ValueError(f"its header needs {array.offset + array.nbytes} bytes of {size}")
            return np.asarray(array)
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy"): name for name in archive.namelist()}
            found = next(iter(names)) if key is None and len(names) == 1 else key
            if found in names:
                # Whole, so that the archive checks its sum: of a shorter array it would not.
                member = io.BytesIO(archive.read(names[found]))
                values: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
                if member.read(1):
                    raise ValueError(f"array {found!r} holds more than its header says")
                return values
    raise ValueError(f"{_only_key(path, key, names)!r} is no array of {str(path)!r}")
