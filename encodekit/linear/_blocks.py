"""Weights of blocks of targets: in memory, or in a zarr folder."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def empty_weights(shape: tuple[int, int], dtype: Any, store: Any, n_at_once: int) -> Any:
    """Return weights (feature, target) to be written, NaN: in memory, or in a zarr folder.

    Raises
    ------
    FileExistsError
        If the folder is there already.
    """
    if store is None:
        return np.full(shape, np.nan, dtype=dtype)
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    if Path(store).exists():
        raise FileExistsError(
            f"coef_store={str(store)!r} is there already: name another folder, or remove it"
        )
    # A chunk is a block of targets with all features: what is written, and read, at once.
    return zarr.create_array(
        store, shape=shape, dtype=dtype, chunks=(shape[0], min(shape[1], n_at_once)),
        fill_value=np.nan, compressors=[ZstdCodec(), Crc32cCodec()],
    )  # fmt: skip


def write_weights(coefs: Any, columns: NDArray[np.intp], coef: NDArray[Any]) -> None:
    """Put the weights of a block in their place, in memory or in a zarr array.

    By this process alone: blocks of a pattern do not end where chunks do, and two workers that
    write into one chunk would lose what one of them wrote.
    """
    start, stop = int(columns[0]), int(columns[-1]) + 1
    if stop - start == columns.size:
        coefs[:, start:stop] = coef
    elif isinstance(coefs, np.ndarray):
        coefs[:, columns] = coef
    else:
        coefs.oindex[:, columns] = coef


def lazy_weights(coef: Any) -> Any:
    """Return weights as an array, or as a dask array where they lie in a folder."""
    if isinstance(coef, np.ndarray):
        return coef
    import dask.array as da

    return da.from_zarr(coef)  # type: ignore[no-untyped-call]
