"""Join the participants of one run into one array; what a participant lacks is NaN."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data._dask import namespace
from encodekit.data._response import at_targets, time_coords
from encodekit.data._stimulus import Stimulus
from encodekit.data._study_contents import TargetCoords

_EMPTY: dict[str, Any] = {"U": "", "T": "", "O": "", "i": -1, "u": -1, "f": np.nan, "b": False}


@dataclass(frozen=True)
class Column:
    """One participant's share of a joined array.

    ``coords`` name the kept targets, ``kept`` are their positions (None: all), and ``array``
    (repeat, time, target) is None where the participant lacks the run.
    """

    coords: TargetCoords
    kept: NDArray[np.int64] | None
    array: xr.DataArray | None

    @property
    def n_targets(self) -> int:
        """Number of kept targets."""
        return int(self.coords["target"].size)

    @property
    def n_repeats(self) -> int:
        """Length of the repeats; 0 where the run is lacking."""
        return 0 if self.array is None else int(self.array.sizes["repeat"])


def coords_of(array: xr.DataArray) -> TargetCoords:
    """Return the coordinates on ``target`` that hold for every run."""
    return {
        str(name): coord.values
        for name, coord in array.coords.items()
        if coord.dims == ("target",) and name != "n_repeats"
    }


def keep(coords: TargetCoords, kept: NDArray[np.int64] | None) -> TargetCoords:
    """Return the coordinates of the kept targets."""
    return coords if kept is None else {name: item[kept] for name, item in coords.items()}


def join_means(
    stimulus: Stimulus,
    columns: Sequence[Column],
    places: xr.Coordinates,
    attrs: Mapping[str, Any],
) -> xr.DataArray:
    """Return the mean of the repeats (time, target) over the participants of ``columns``."""
    blocks = [_on_grid(_mean(column), column, stimulus) for column in columns]
    counts = [_mean_counts(column) for column in columns]
    return _joined(stimulus, places, blocks, counts, attrs)


def join_repeats(
    stimulus: Stimulus,
    columns: Sequence[Column],
    places: xr.Coordinates,
    attrs: Mapping[str, Any],
    n_repeats: int,
) -> xr.DataArray:
    """Return all repeats (repeat, time, target), padded with NaN to ``n_repeats``."""
    blocks = [
        _pad_repeats(_on_grid(_kept_values(column), column, stimulus), n_repeats)
        for column in columns
    ]
    counts = [np.full(column.n_targets, column.n_repeats) for column in columns]
    return _joined(stimulus, places, blocks, counts, attrs)


def with_onsets(runs: Iterable[xr.DataArray], stimuli: Sequence[Stimulus]) -> list[xr.DataArray]:
    """Return ``runs`` with ``sound_onset`` on time, s in the audio, where a sound begins late."""
    onsets = [stimulus.sound_onset for stimulus in stimuli]
    if not any(onsets):
        return list(runs)
    return [
        run.assign_coords(sound_onset=("time", np.full(run.sizes["time"], onset)))
        for run, onset in zip(runs, onsets, strict=True)
    ]


def union_coords(parts: Sequence[TargetCoords]) -> xr.Coordinates:
    """Return the coordinates of all targets; '' or -1 where a participant lacks a coordinate.

    Made once and shared by the runs: the index of 80,000 names takes 60 ms and 20 MB.
    """
    names = dict.fromkeys(name for part in parts for name in part)
    joined: dict[str, Any] = {}
    for name in names:
        kind = next(part[name].dtype.kind for part in parts if name in part)
        filled = [
            part[name] if name in part else np.full(part["target"].size, _EMPTY[kind])
            for part in parts
        ]
        joined[name] = ("target", np.concatenate(filled))
    return xr.Coordinates(joined)


def _kept_values(column: Column) -> Any:
    if column.array is None:
        return None
    values = column.array.data
    return values if column.kept is None else values[..., column.kept]


def _mean(column: Column) -> Any:
    values = _kept_values(column)
    if values is None:
        return None
    return values[0] if values.shape[0] == 1 else values.mean(axis=0)


def _mean_counts(column: Column) -> NDArray[Any]:
    if column.array is None or column.n_repeats > 1 or "n_repeats" not in column.array.coords:
        return np.full(column.n_targets, column.n_repeats)
    counts: NDArray[Any] = column.array.coords["n_repeats"].values
    return counts if column.kept is None else counts[column.kept]


def _on_grid(values: Any, column: Column, stimulus: Stimulus) -> Any:
    if column.array is None or values is None:
        return np.broadcast_to(np.float32(np.nan), (stimulus.n_trs, column.n_targets))
    return at_rows(values, column.array.coords["tr"].values, stimulus.n_trs)


def at_rows(values: Any, places: NDArray[np.intp], n_rows: int) -> Any:
    """Return values (..., time, target) in the rows ``places`` of ``n_rows``; others are NaN."""
    if np.array_equal(places, np.arange(n_rows)):
        return values
    source = np.full(n_rows, places.size)
    source[places] = np.arange(places.size)
    lacking = np.full((*values.shape[:-2], 1, values.shape[-1]), np.nan, dtype=values.dtype)
    xp = namespace([values])
    taken = xp.take(xp.concatenate([values, lacking], axis=-2), source, axis=-2)
    return taken.rechunk({taken.ndim - 2: -1}) if hasattr(taken, "dask") else taken


def _pad_repeats(values: Any, n_repeats: int) -> Any:
    if values.ndim == 2:
        return np.broadcast_to(values, (n_repeats, *values.shape))
    lacking = n_repeats - values.shape[0]
    if lacking == 0:
        return values
    pad = np.full((lacking, *values.shape[1:]), np.nan, dtype=values.dtype)
    return namespace([values]).concatenate([values, pad], axis=0)


def _joined(
    stimulus: Stimulus,
    places: xr.Coordinates,
    blocks: Sequence[Any],
    counts: Sequence[NDArray[Any]],
    attrs: Mapping[str, Any],
) -> xr.DataArray:
    values = namespace(blocks).concatenate(blocks, axis=-1)
    trs = np.arange(stimulus.n_trs, dtype=np.int64)
    own = {"t_r": float(stimulus.t_r or 0), "sample_offset": stimulus.offset}
    joined = at_targets(values, places, {**attrs, **own})
    of_time = time_coords(stimulus.run_name, stimulus.name, trs, stimulus.grid)
    n_repeats = np.concatenate(counts).astype(np.int64)
    return joined.assign_coords({**of_time, "n_repeats": ("target", n_repeats)})
