"""Signal shares from repeats of the same stimulus: by powers, or by the halves of the repeats."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import column_blocks, is_constant, load_columns
from encodekit.scoring._ceiling_gains import Gains, gains_of_run, joined_gains
from encodekit.scoring._ceiling_noise import joined_noise, noise_of_run, slowness
from encodekit.scoring._ceiling_spread import NoiseSpread
from encodekit.scoring._jackknife import (
    block_starts,
    correlations_without,
    counts_without,
    join_runs,
    sums_without,
)

_AT_ONCE = 1024  # targets
_FEWEST = 4  # TRs of a run, or it is left out

Floats = NDArray[np.float64]
Parts = tuple[Floats, Floats]  # (1 + block, target) each: of the whole run, then without a block
Measures = dict[str, Floats]  # (..., target) each


@dataclass(frozen=True, eq=False)
class Share:
    """The share of one repeat's variance that is signal, for the targets of one participant.

    Attributes
    ----------
    estimates : array (1 + block, target)
        From all rows, then without each block of rows.
    n_repeats : dict
        Of each run.
    gains : Gains or None
        How much the variances of repeats differ; None where no run was repeated.
    noise : NoiseSpread or None
        How far noise alone moves the estimates, where it was asked for.
    stretch : array (target,) or float
        Factor of the jackknife's variance, for responses that remember longer than a block.
    """

    estimates: Floats
    n_repeats: dict[Any, int]
    gains: Gains | None = None
    noise: NoiseSpread | None = None
    stretch: Floats | float = 1.0


def share_from_powers(
    rows: xr.DataArray, columns: NDArray[np.intp], *, standardise: bool, this_story: bool
) -> Share:
    """``SP / TP``, ``SP = (N Var(mean) - TP) / (N - 1)``, both summed over runs by their TRs."""

    def measure(values: Floats) -> Measures:
        signal, total = _signal_and_total(values)
        values, _ = _centred(values)
        beside = noise_of_run(values) if this_story else {"slowness": slowness(values.mean(axis=0))}
        return {"signal": signal, "total": total} | beside

    runs, n_repeats = _over_runs(rows, columns, measure, standardise)
    if not runs:
        return Share(np.full((2, columns.size), np.nan), n_repeats)
    signal, total = (join_runs([run[name] for run in runs]) for name in ("signal", "total"))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = signal / total
    gains = joined_gains(runs)
    if not this_story:
        weights = np.array(gains.n_trs) / sum(gains.n_trs)
        stretch = weights @ np.stack([run["slowness"] for run in runs])
        return Share(share, n_repeats, gains, stretch=stretch)
    noise = joined_noise(runs, gains.n_repeats, gains.n_trs, max(gains.n_repeats))
    return Share(share, n_repeats, gains, noise)


def share_from_halves(
    rows: xr.DataArray, columns: NDArray[np.intp], *, standardise: bool, this_story: bool
) -> Share:
    """``2 r / (1 + r)`` of the means of odd and even repeats, stepped down to one repeat."""
    del this_story  # noise_ceiling refuses it before
    runs, n_repeats = _over_runs(rows, columns, _correlation_of_halves, standardise)
    if not runs:
        return Share(np.full((2, columns.size), np.nan), n_repeats)
    weighted, n_trs = (join_runs([run[name] for run in runs]) for name in ("r", "n_trs"))
    n = max(n_repeats.values(), default=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = weighted / n_trs
        # CC2 = 2 r / (1 + r) of the mean of n (Spearman-Brown), and CC2 / (n - (n - 1) CC2) of one.
        share = 2 * r / (n * (1 + r) - 2 * (n - 1) * r)
    return Share(share, n_repeats, joined_gains(runs))


def _over_runs(
    rows: xr.DataArray,
    columns: NDArray[np.intp],
    measure: Callable[[Floats], Measures],
    standardise: bool,
) -> tuple[list[Measures], dict[Any, int]]:
    """Return ``measure`` and the gains of each run that was repeated, and the repeats of each."""
    names = rows.coords["run"].values
    n_repeats, found = {}, []
    for run in dict.fromkeys(names.tolist()):
        data = rows.data[:, names == run]
        kept, times = _present(data, columns)
        n_repeats[run] = int(kept.sum())
        # Of fewer TRs, nothing with a variance is left without a block; repeats that share no row
        # have none.
        if kept.sum() > 1 and times.sum() >= _FEWEST:
            parts = []
            for some in column_blocks(columns, _AT_ONCE):
                values = load_columns(data, some)[kept][:, times].astype(np.float64)
                gains = gains_of_run(values)
                parts.append(measure(_standardised(values) if standardise else values) | gains)
            found.append(
                {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}
            )
    return found, n_repeats


def _present(data: Any, columns: NDArray[np.intp]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which repeats a participant has of a run, and the rows that all of these have."""
    there = np.zeros(data.shape[:2], dtype=bool)
    for some in column_blocks(columns, _AT_ONCE):
        there |= ~np.isnan(load_columns(data, some)).all(axis=2)
    kept = np.asarray(there.any(axis=1))
    return kept, np.asarray(there[kept].all(axis=0))


def _standardised(values: Floats) -> Floats:
    """Return each repeat (repeat, time, target) over its SD; a flat one stays as flat as it is."""
    flat = is_constant(values.max(axis=1), values.min(axis=1), np.float32)
    deviation = values.std(axis=1)
    scaled: Floats = values / np.where(flat | ~(deviation > 0), 1.0, deviation)[:, None]
    return scaled


def _signal_and_total(values: Floats) -> Parts:
    """Return SP and TP of values (repeat, time, target), times TRs; NaN where a repeat is flat."""
    # Sums of squares about the mean of the rows that are left, sum x^2 - (sum x)^2 / left, of all
    # rows and without each block, (1 + block, target): no block is ever cut out.
    n, n_trs, _ = values.shape
    values, flat = _centred(values)
    starts = block_starts(n_trs)
    left = counts_without(n_trs, starts)[:, None]
    of_one = sums_without(np.square(values).sum(axis=0), starts)
    of_one -= np.square(sums_without(values, starts, axis=1)).sum(axis=1) / left
    mean = values.mean(axis=0)
    of_mean = sums_without(mean**2, starts) - sums_without(mean, starts) ** 2 / left
    freedom = left / (left - 1)  # the mean took one degree of freedom; times TRs, for the weights
    total = freedom * of_one / n
    signal = (n * freedom * of_mean - total) / (n - 1)
    signal[:, flat] = np.nan
    return signal, total


def _correlation_of_halves(values: Floats) -> Measures:
    """Return r of the halves of values (repeat, time, target), times TRs, and TRs."""
    if len(values) % 2:
        raise ValueError(
            f"noise_ceiling: {len(values)} repeats have no halves: select an even number of them, "
            f"repeats.isel(repeat=slice({len(values) - 1})), or use method='repeats'"
        )
    values, flat = _centred(values)
    halves = (values[part::2].mean(axis=0) for part in (0, 1))
    r, n_trs = correlations_without(next(halves), next(halves), block_starts(values.shape[1]))
    r[:, flat] = np.nan
    return {"r": r * n_trs, "n_trs": n_trs}


def _centred(values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each repeat less its mean, and which targets are constant in one."""
    flat = is_constant(values.max(axis=1), values.min(axis=1), np.float32).any(axis=0)
    return values - values.mean(axis=1, keepdims=True), np.asarray(flat)
