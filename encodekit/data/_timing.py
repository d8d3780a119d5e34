"""How long a TR is and where in it features are sampled: of the whole array, or row by row.

An array of runs that share a ``t_r`` says it in ``attrs``; one that joins runs of several has the
coordinate ``t_r`` on time instead. ``sample_offset`` (half a TR if not said) goes with it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

TIMING = ("t_r", "sample_offset")
ONSET = 20.0  # s after a sound begins in which brains respond to its beginning
NEARLY = 1.0  # s; a first word that comes a little after the run begins is no other onset


def round_t_r(seconds: float) -> float:
    """Return a TR to the microsecond, so that TRs which differ by rounding are one.

    Examples
    --------
    >>> round_t_r(1.4900000000000002)
    1.49
    """
    return round(float(seconds), 6)


def timing(rows: xr.DataArray, name: str = "t_r") -> NDArray[np.float64] | None:
    """Return ``t_r`` or ``sample_offset`` of each row (time,), s; None where it is not said."""
    if name in rows.coords:
        return np.asarray(rows.coords[name].values, dtype=np.float64)
    if name not in rows.attrs:
        return None
    return np.full(rows.sizes["time"], float(rows.attrs[name]))


def t_r_of_runs(rows: xr.DataArray) -> dict[str, float]:
    """Return the TR of each run, s; nothing where it is not said."""
    seconds = timing(rows)
    if seconds is None:
        return {}
    return dict(zip(rows.coords["run"].values.tolist(), seconds.tolist(), strict=True))


def say_seconds(seconds: Iterable[float]) -> str:
    """Return each number of seconds once, in words.

    Examples
    --------
    >>> say_seconds([2.0, 1.5, 2.0])
    '1.5 and 2 s'
    """
    return " and ".join(f"{item:g}" for item in sorted(set(seconds))) + " s"


def join_timing(joined: xr.DataArray, parts: Sequence[xr.DataArray]) -> xr.DataArray:
    """Return ``joined``, the concatenation of ``parts``, with the timing of each of them."""
    for name in TIMING:
        seconds = [timing(part, name) for part in parts]
        known = [item for item in seconds if item is not None]
        if known:
            joined = with_timing(joined, name, np.concatenate(known))
    return joined


def settle_timing(rows: xr.DataArray) -> xr.DataArray:
    """Return ``rows`` with a timing that all of them share said once, in ``attrs``."""
    for name in TIMING:
        if name in rows.coords:
            rows = with_timing(rows, name, rows.coords[name].values)
    return rows


def with_timing(rows: xr.DataArray, name: str, seconds: NDArray[Any]) -> xr.DataArray:
    """Return ``rows`` with ``t_r`` or ``sample_offset``: in ``attrs`` if one, else on time."""
    plain = rows.drop_vars(name, errors="ignore").copy(deep=False)
    plain.attrs = {key: value for key, value in rows.attrs.items() if key != name}
    if seconds.size and (seconds == seconds[0]).all():
        return plain.assign_attrs({name: float(seconds[0])})
    return plain.assign_coords({name: ("time", np.asarray(seconds, dtype=np.float64))})
