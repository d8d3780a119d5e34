"""Runs within the rows of features or responses, and rows some TRs earlier in the same run."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from encodekit.data._timing import t_r_of_runs, timing

_CLOSE = 1e-6  # s


@dataclass(frozen=True)
class Run:
    """The rows of one run: positions, TR numbers, sample times and TR in s (None for arrays)."""

    name: str
    rows: NDArray[np.intp]
    tr: NDArray[np.int64]
    sampled: NDArray[np.float64] | None = None
    t_r: float | None = None


def runs_of(X: xr.DataArray) -> list[Run]:
    """Return the runs of a DataArray with ``run`` and ``tr`` on time, in order of appearance."""
    lacking = [name for name in ("run", "tr", "seconds") if name not in X.coords]
    if lacking or "time" not in X.dims:
        raise ValueError(
            f"expected rows (time, ...) with the coordinates run, tr and seconds, got dims "
            f"{X.dims} without {', '.join(lacking) or 'time'}: pass what an extractor or "
            "make_response gives"
        )
    names, trs = X.coords["run"].values, X.coords["tr"].values.astype(np.int64)
    offset, lengths = timing(X, "sample_offset"), t_r_of_runs(X)
    sampled = X.coords["seconds"].values + (0.0 if offset is None else offset)
    return [
        Run(name, rows, trs[rows], sampled[rows], lengths.get(name))
        for name, rows in _grouped(names, "features")
    ]


def needed_t_r(run: Run) -> float:
    """Return the TR of a run, s, or raise where the rows do not say it."""
    if run.t_r is None:
        raise ValueError(f"run {run.name!r} does not say its TR: set .attrs['t_r'] in seconds")
    return run.t_r


def runs_of_array(n_rows: int, runs: ArrayLike | None) -> list[Run]:
    """Return the runs of an array's rows; without ``runs`` all rows are one run."""
    if runs is None:
        return [Run("(all rows)", np.arange(n_rows), np.arange(n_rows, dtype=np.int64))]
    names = np.asarray(runs)
    if names.shape != (n_rows,):
        raise ValueError(
            f"runs has shape {names.shape} but there are {n_rows} rows: give one run per row (TR)"
        )
    return [Run(name, rows, np.arange(rows.size)) for name, rows in _grouped(names, "runs=")]


def _grouped(names: NDArray[Any], where: str) -> list[tuple[str, NDArray[np.intp]]]:
    values, inverse = np.unique(names, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    pieces = np.split(order, np.cumsum(np.bincount(inverse))[:-1]) if names.size else []
    grouped = [(str(value), rows) for value, rows in zip(values, pieces, strict=False)]
    for name, rows in grouped:
        if rows[-1] - rows[0] + 1 != rows.size:
            raise ValueError(
                f"{where}: run {name!r} is interrupted by another run: keep the rows of a run "
                "together, and give every run its own name"
            )
    return sorted(grouped, key=lambda item: int(item[1][0]))


def earlier_rows(run: Run, lags: NDArray[np.int64], t_r: float, needed: float) -> NDArray[np.intp]:
    """Return the positions (n_kept, n_lags) of the rows ``lags`` TRs before each row of TR >= 0.

    -1 stands for a row that lies before the audio begins (for arrays: before the run).

    Raises
    ------
    ValueError
        If the audio had begun but the row is not there; ``needed`` is the history to ask for, s.
    """
    order = np.argsort(run.tr, kind="stable")
    known = run.tr[order]
    kept = np.flatnonzero(run.tr >= 0)
    wanted = run.tr[kept][:, None] - lags[None, :]
    at = np.clip(np.searchsorted(known, wanted), 0, max(known.size - 1, 0))
    there = known[at] == wanted
    if run.sampled is not None:
        begun = run.sampled[kept][:, None] - lags[None, :] * t_r > _CLOSE
        _refuse_missing(run, wanted[begun & ~there], needed)
    rows: NDArray[np.intp] = np.where(there, run.rows[order][at], -1)
    return rows


def _refuse_missing(run: Run, missing: NDArray[np.int64], needed: float) -> None:
    if missing.size == 0:
        return
    first = int(run.tr.min())
    if (missing >= first).any():
        lost = sorted(set(missing[missing >= first].tolist()))
        raise ValueError(
            f"run {run.name!r} lacks the rows of TR {', '.join(map(str, lost[:5]))}: delay before "
            "rows are dropped, and hold out whole runs, not single TRs (ek.cross_val_predict, or "
            "GroupKFold with groups=X.stimulus.values)"
        )
    raise ValueError(
        f"run {run.name!r} starts at TR {first} but TR {missing.min()} is needed and the audio had "
        f"begun by then: make the features with history={needed:g} or more"
    )


def take_rows(values: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Return the rows of ``values`` at these positions, zeros where the position is -1."""
    taken: NDArray[Any] = values[rows]
    taken[rows < 0] = 0
    return taken
