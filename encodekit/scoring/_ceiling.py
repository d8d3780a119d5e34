"""How much of a response could be predicted at all, from repeats of the same stimulus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from encodekit.data import concat_runs
from encodekit.scoring._join import is_labelled, target_coords
from encodekit.scoring._missing import blocks, is_constant, load_columns, participants_of

_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class _Powers:
    """Sums over runs, weighted by TRs, for the targets of one participant."""

    signal: NDArray[np.float64]
    total: NDArray[np.float64]
    n_repeats: dict[Any, int]


def noise_ceiling(
    repeats: Any, n: int | None = None, *, runs: ArrayLike | None = None
) -> xr.Dataset:
    """Signal power of repeated responses, and the best r that a perfect model could reach.

    Within each run, with N repeats: ``SP = (N Var(mean) - TP) / (N - 1)``, where TP is the mean
    variance of one repeat [1]_ [2]_. Both are summed over runs, weighted by TRs. The share
    ``SP / TP`` is signed and, for white noise, unbiased to .001 with 10 repeats (-.004 with 2
    repeats of 75 TRs, being a ratio of two estimates); a response that is the mean of n repeats
    has ``CCmax^2 = n share / (1 + (n - 1) share)``.

    Parameters
    ----------
    repeats : DataArray (repeat, time, target), a list of them (one per run), or an array
        With NaN where a participant has fewer repeats, lacks a run, or has fewer TRs of it.
    n : int, optional
        Of how many repeats the response to be scored is the mean; all of them if not given.
    runs : array (time,), optional
        For a NumPy array: the run of each row.

    Returns
    -------
    Dataset over target
        ``signal_share``: share of the variance of ONE repeat that is signal, signed.
        ``ceiling_squared``: CCmax^2 of the mean of n, signed. ``ceiling``: its root, 0 where it is
        negative; a clipped root is biased, so average ``ceiling_squared``. ``n_repeats``: n. All
        NaN for targets that are constant, have a stray NaN, or were not repeated.

    Raises
    ------
    ValueError
        If ``repeats`` has no dimension ``repeat``, or a participant's runs have other numbers of
        repeats and ``n`` is not given.

    References
    ----------
    .. [1] Sahani & Linden (2003), "How linear are auditory cortical responses?", eq. 2.
    .. [2] Schoppe et al. (2016), "Measuring the performance of neural models", eq. 7.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((1, 300, 1))
    >>> ceiling = noise_ceiling(signal + rng.standard_normal((10, 300, 1)))
    >>> float(ceiling.signal_share[0].round(1)), float(ceiling.ceiling[0].round(2))
    (0.5, 0.95)
    """
    rows = _rows(repeats, runs)
    if n is not None and n < 1:
        raise ValueError(f"noise_ceiling: n={n}, expected the number of repeats, 1 or more")
    share, number = np.full(rows.sizes["target"], np.nan), np.zeros(rows.sizes["target"], int)
    participants = participants_of(rows.coords, share.size)
    for who in dict.fromkeys(participants.tolist()):
        columns = np.flatnonzero(participants == who)
        powers = _powers(rows, columns)
        number[columns] = _n_of_mean(powers.n_repeats, who) if n is None else n
        with np.errstate(divide="ignore", invalid="ignore"):
            share[columns] = powers.signal / powers.total
    return _dataset(share, number, rows)


def _rows(repeats: Any, runs: ArrayLike | None) -> xr.DataArray:
    if is_labelled(repeats):
        parts: Sequence[xr.DataArray] = (
            [repeats] if isinstance(repeats, xr.DataArray) else list(repeats)
        )
        rows = parts[0] if len(parts) == 1 else concat_runs(parts)
    else:
        values = np.asarray(repeats)
        if values.ndim != 3:
            raise ValueError(
                f"noise_ceiling: repeats has shape {values.shape}, expected (repeat, time, target)"
            )
        names = np.zeros(values.shape[1], int) if runs is None else np.asarray(runs)
        rows = xr.DataArray(
            values, dims=("repeat", "time", "target"), coords={"run": ("time", names)}
        )
    if "repeat" not in rows.dims:
        raise ValueError(
            f"noise_ceiling: repeats has dims {rows.dims}, expected (repeat, time, target): the "
            "mean over repeats has no ceiling, pass study.repeats()"
        )
    return rows.transpose("repeat", "time", "target")


def _n_of_mean(n_repeats: dict[Any, int], participant: object) -> int:
    numbers = {number for number in n_repeats.values() if number}
    if len(numbers) <= 1:
        return numbers.pop() if numbers else 0
    said = ", ".join(f"{number} of run {run!r}" for run, number in n_repeats.items())
    raise ValueError(
        f"noise_ceiling: participant {participant!r} has other numbers of repeats in other runs "
        f"({said}): take the runs one by one, or pass n= for a mean of n repeats"
    )


def _powers(rows: xr.DataArray, columns: NDArray[np.intp]) -> _Powers:
    signal, total = np.zeros(columns.size), np.zeros(columns.size)
    n_repeats, n_used = {}, 0
    names = rows.coords["run"].values
    for run in dict.fromkeys(names.tolist()):
        data = rows.data[:, names == run]
        kept, times = _present(data, columns)
        n_repeats[run] = int(kept.sum())
        if kept.sum() < 2:
            continue
        n_used += 1
        for start, some in zip(
            range(0, columns.size, _AT_ONCE), blocks(columns, _AT_ONCE), strict=True
        ):
            values = load_columns(data, some)[kept][:, times]
            part = slice(start, start + some.size)
            one, all_ = _signal_and_total(values)
            signal[part] += times.sum() * one
            total[part] += times.sum() * all_
    if not n_used:
        signal[:] = np.nan
    return _Powers(signal, total, n_repeats)


def _present(data: Any, columns: NDArray[np.intp]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which repeats a participant has of a run, and the rows that all of these have."""
    there = np.zeros(data.shape[:2], dtype=bool)
    for some in blocks(columns, _AT_ONCE):
        there |= ~np.isnan(load_columns(data, some)).all(axis=2)
    kept = np.asarray(there.any(axis=1))
    return kept, np.asarray(there[kept].all(axis=0))


def _signal_and_total(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return SP and TP of values (repeat, time, target); NaN where a repeat is constant."""
    n = len(values)
    values = values.astype(np.float64)
    of_one = values.var(axis=1, ddof=1)
    total = of_one.mean(axis=0)
    of_mean = values.mean(axis=0).var(axis=0, ddof=1)
    flat = is_constant(values.max(axis=1), values.min(axis=1), np.float32).any(axis=0)
    return np.where(flat, np.nan, (n * of_mean - total) / (n - 1)), total


def _dataset(share: NDArray[Any], number: NDArray[Any], rows: xr.DataArray) -> xr.Dataset:
    with np.errstate(divide="ignore", invalid="ignore"):
        under = 1 + (number - 1) * share
        squared = np.where(under > 0, number * share / under, np.nan)
        ceiling = np.sqrt(np.where(squared < 0, 0.0, squared))
    return xr.Dataset(
        {
            "ceiling": ("target", ceiling),
            "signal_share": ("target", share),
            "ceiling_squared": ("target", squared),
            "n_repeats": ("target", number),
        },
        coords=target_coords(rows, drop=("n_repeats",)),
        attrs={"runs": [str(run) for run in dict.fromkeys(rows.coords["run"].values.tolist())]},
    )
