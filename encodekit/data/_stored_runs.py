"""Responses in a zarr store: one array (repeat, time, target) per participant and run."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import SealedFolder
from encodekit.data._dask import dask_array

_CHUNK = 8192  # targets


def open_store(path: Path) -> Any:
    """Return the zarr v3 group at ``path``, made if it is not there."""
    import zarr

    return zarr.open_group(str(path), mode="a", zarr_format=3)


def store_run(group: Any, key: str, values: Any) -> None:
    """Write one run, NumPy or dask, repeat by repeat, with a checksum in every chunk."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    n_repeats, n_times, n_targets = values.shape
    stored = group.create_array(
        key,
        shape=values.shape,
        dtype=np.dtype(values.dtype).newbyteorder("="),
        chunks=(1, max(n_times, 1), max(min(n_targets, _CHUNK), 1)),
        compressors=[BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"), Crc32cCodec()],
        fill_value=np.nan,
        dimension_names=("repeat", "time", "target"),
        overwrite=True,
    )
    for repeat in range(n_repeats if n_times * n_targets else 0):
        stored[repeat] = np.asarray(values[repeat])


class Journal:
    """Which runs a folder holds whole, one key a line, so that an interrupted save goes on.

    ``path`` None keeps no journal. A key is written once its run is on the disk, with the sizes of
    its files.
    """

    def __init__(self, path: Path | None, store: Path) -> None:
        self._path, self._store = path, store
        there = path is not None and path.is_file()
        lines = path.read_text().split("\n") if there and path is not None else [""]
        self._done = set(lines[:-1])  # the last line was cut, or is empty

    def once(self, key: str, write: Callable[[], None]) -> None:
        """Call ``write`` unless the journal says that ``key`` is done; then note that it is."""
        if f"{key} {self._sizes(key)}" in self._done:
            return
        write()
        if self._path is None:
            return
        for file in self._files(key):
            _sync(file)
        with self._path.open("a") as journal:
            journal.write(f"{key} {self._sizes(key)}\n")
            journal.flush()
            os.fsync(journal.fileno())

    def _files(self, key: str) -> list[Path]:
        return sorted(path for path in (self._store / key).rglob("*") if path.is_file())

    def _sizes(self, key: str) -> str:
        """Return what tells that a file is lacking or cut; each has a checksum of its own."""
        sizes = [
            f"{path.relative_to(self._store)} {path.stat().st_size}" for path in self._files(key)
        ]
        return hashlib.sha256("\n".join(sizes).encode()).hexdigest()

    def close(self) -> None:
        """Remove the journal: everything is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@dataclass(frozen=True)
class StoredRun:
    """One run on disk, read when it is indexed; small enough to send to another process."""

    files: SealedFolder
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    label: str
    ndim: int = 3

    def __getitem__(self, index: Any) -> NDArray[Any]:
        import zarr

        from encodekit.data._sealed_zarr import SealedStore

        try:
            stored = zarr.open_array(SealedStore(self.files), mode="r", zarr_format=3)
            return np.asarray(stored[index])
        except Exception as error:
            raise OSError(
                f"{self.label} cannot be read from {str(self.files.root)!r} ({error}): the folder "
                "was damaged, moved or saved over since it was opened; load the study again, or "
                "copy or save it again"
            ) from error


def lazy_run(run: StoredRun, key: str) -> Any:
    """Return a dask array of one block that reads ``run`` when it is computed."""
    meta = np.empty((0, 0, 0), dtype=run.dtype)
    name = f"stored-{run.files.token[:16]}-{key}"
    return dask_array().from_array(run, chunks=run.shape, name=name, meta=meta, asarray=False)
