"""Responses in a zarr store: one array (repeat, time, target) per participant and run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.data._blocks import dask_array

_CHUNK = 8192  # targets


def open_store(path: Path) -> Any:
    """Create a zarr v3 group and return it."""
    import zarr

    return zarr.open_group(str(path), mode="w-", zarr_format=3)


def store_run(group: Any, key: str, values: Any) -> None:
    """Write one run, NumPy or dask, with a checksum in every chunk."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    array = np.asarray(values)
    n_repeats, n_times, n_targets = array.shape
    stored = group.create_array(
        key,
        shape=array.shape,
        dtype=array.dtype.newbyteorder("="),
        chunks=(1, max(n_times, 1), max(min(n_targets, _CHUNK), 1)),
        compressors=[BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"), Crc32cCodec()],
        fill_value=np.nan,
        dimension_names=("repeat", "time", "target"),
    )
    if n_repeats * n_times * n_targets:
        stored[...] = array


@dataclass(frozen=True)
class StoredRun:
    """One run on disk, read when it is indexed; small enough to send to another process."""

    store: str
    key: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    label: str
    ndim: int = 3

    def __getitem__(self, index: Any) -> NDArray[Any]:
        import zarr

        try:
            group = zarr.open_group(self.store, mode="r")
            return np.asarray(group[self.key][index])
        except Exception as error:
            raise OSError(
                f"{self.label} cannot be read from {self.store!r} ({error}): the folder was "
                "damaged or moved since it was opened; copy or save the study again"
            ) from error


def lazy_run(run: StoredRun, token: str) -> Any:
    """Return a dask array of one block that reads ``run`` when it is computed."""
    meta = np.empty((0, 0, 0), dtype=run.dtype)
    name = f"stored-{token}-{run.key}"
    return dask_array().from_array(run, chunks=run.shape, name=name, meta=meta, asarray=False)
