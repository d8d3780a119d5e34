"""Take drifts and confounds out of one run of one participant."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data._dask import later, namespace


def clean_run(
    remover: Any, response: xr.DataArray, tables: list[Any] | None, sample_mask: Any
) -> xr.DataArray:
    """Return ``response`` (repeat, time, target) cleaned repeat by repeat; dask stays dask."""
    listed = [None] * response.sizes["repeat"] if tables is None else tables
    parts = [
        _clean_repeat(remover, response.isel(repeat=k), table, sample_mask)
        for k, table in enumerate(listed)
    ]
    return response.copy(data=namespace(parts).stack(parts))


def _clean_repeat(remover: Any, repeat: xr.DataArray, table: Any, sample_mask: Any) -> Any:
    if repeat.chunks is None:
        return _cleaned(remover, repeat.values, repeat, table, sample_mask)
    shell = repeat.copy(data=np.broadcast_to(repeat.dtype.type(0), repeat.shape))
    given = (remover, repeat.data, shell, table, sample_mask)
    return later(_cleaned, repeat.shape, repeat.dtype, *given)


def _cleaned(
    remover: Any, values: NDArray[Any], shell: xr.DataArray, table: Any, sample_mask: Any
) -> NDArray[Any]:
    named = shell.copy(data=values)
    cleaned = remover.transform(named, confounds=table, sample_mask=sample_mask)
    return np.asarray(cleaned.values, dtype=values.dtype)
