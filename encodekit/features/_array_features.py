"""Precomputed features as a feature extractor."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import __version__, refuse, shown, unknown_name
from encodekit.data import Stimulus, as_floats
from encodekit.features._array_files import FORMATS
from encodekit.features._array_sources import Found, find_array
from encodekit.features._cache import describe, make_key
from encodekit.features._extractor import FeatureExtractor, Tick, check_stimuli
from encodekit.features._lanczos import Lanczos

_BEFORE = ("raise", "zero")
_FAR = 100  # times the length of a run, where times are in no seconds; a whole film is within
_CLOSE = 0.01  # s; how far apart the same TR may be in two grids


class ArrayFeatures(FeatureExtractor):
    """Features that are there already: an array per stimulus, in memory or in files.

    Rows of an array are the TRs of the run, unless ``times`` says when each was. They are found by
    what was heard (``stimulus``), so that a story heard in two runs needs one array, and else by
    the name of the run.

    Parameters
    ----------
    arrays : mapping of name to array, DataArray or path; DataArray; or path
        Arrays (n_trs, n_features), or (n_trs,) for one feature. A path is a pattern such as
        ``"features/{stimulus}.npy"`` (or ``{run}``), a folder of files named after the stimuli, or
        one archive with an array for each. Formats: ``.npy``, ``.npz``, and HDF5 (``.h5``,
        ``.hdf5``, ``.hf5``, ``.hdf``; ``pip install 'encodekit[arrays]'``). A DataArray
        (time, feature) with ``tr`` and ``seconds`` on time, as what ``transform`` of an extractor
        gives, meets the run's TRs by their seconds. With ``seconds`` alone its rows are frames, and
        with ``tr`` alone those from ``tr`` 0 on are the run's TRs, after those of history.
    key : str, optional
        The array's name in an archive that holds several; may hold ``{stimulus}`` or ``{run}``.
    times : mapping, path or str, optional
        Rows are frames: when each was, s of audio (n_frames,), given as ``arrays`` are, or the
        name of that array in the same archive. Frames are resampled, as those of any extractor.
    rows : slice, optional
        Which rows of each array are the run's TRs, all if not given: ``slice(10, -5)`` for arrays
        of whole runs where the TRs are trimmed so. Rows before them serve as history.
    before : {"raise", "zero"}
        What a `Delayer` finds before the first TR where the audio had begun and the array has no
        rows: an error, or zeros, as published code has them (``make_delayed`` of the Huth lab).
        Where the audio begins with the first TR, zeros stand there in any case.
    names : sequence of str, optional
        Of the features; those of a DataArray, or numbers, if not given.
    history, resample, cache
        As in `FeatureExtractor`. ``resample`` is for frames.

    Raises
    ------
    ValueError
        By ``fit`` and ``transform``: if an array is not there, is not of the run's TRs (the
        counts are told), lies on its side, or holds NaN.
    TypeError
        For arrays of anything but real numbers.

    Notes
    -----
    `encodekit.save` writes arrays into the model's folder, and of files the path and the sha256 of
    what they held for each run of the fit. A file that holds another array later is refused, by
    the fitted extractor and by the loaded one. Copies of the extractor copy arrays in memory: give
    paths to large ones.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import Stimulus
    >>> story = Stimulus("story-1", t_r=2.0, duration=6.0)
    >>> features = ArrayFeatures({"story-1": np.arange(6).reshape(3, 2)}, names=["a", "b"])
    >>> features.transform([story]).sel(feature=0).values.tolist()
    [0.0, 2.0, 4.0]
    """

    history = 32.0

    def __init__(
        self,
        arrays: Any,
        *,
        key: str | None = None,
        times: Any = None,
        rows: slice | None = None,
        before: str = "raise",
        names: Sequence[str] | None = None,
        history: float = 32.0,
        resample: str | Lanczos = "lanczos",
        cache: str | Path | None = None,
    ) -> None:
        self.arrays = arrays
        self.key = key
        self.times = times
        self.rows = rows
        self.before = before
        self.names = names
        self.history = history
        self.resample = resample
        self.cache = cache

    def fit(self, X: Sequence[Stimulus], y: Any = None) -> Self:
        """Note what the files of these runs hold; nothing is learnt."""
        found = {item.run_name: self._found(item) for item in check_stimuli(X, "ArrayFeatures")}
        self._noted = {run: _hash(one) for run, one in found.items() if one.path is not None}
        return self

    def _save_state(self, folder: Path) -> dict[str, str]:
        return getattr(self, "_noted", {})

    def _load_state(self, folder: Any, noted: dict[str, str]) -> None:
        self._noted = noted

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the frames, or the rows of the TRs at their sample times (time, feature)."""
        found = self._checked(stimulus)
        if _is_frames(found.values):
            return _plain(found.values)
        values, coords = self._on_trs(stimulus, found)
        _, onsets = stimulus.history_grid(self.history)
        seconds = (onsets + stimulus.offset)[-len(values) :]
        return xr.DataArray(values, {"seconds": ("time", seconds), **coords}, ("time", "feature"))

    def _compute(self, stimulus: Stimulus, tick: Tick) -> tuple[NDArray[Any], dict[str, Any]]:
        found = self._checked(stimulus)
        if _is_frames(found.values):
            return super()._compute(stimulus, tick)
        values, coords = self._on_trs(stimulus, found)
        tick(float(stimulus.grid[-1]))
        return values, {name: item for name, (_, item) in coords.items()}

    def _key(self, stimulus: Stimulus) -> str:
        _, onsets = stimulus.history_grid(self.history)
        return make_key(
            __version__, "ArrayFeatures", describe(self._described()), _hash(self._found(stimulus)),
            describe({"resample": self.resample}), onsets, stimulus.offset, stimulus.t_r,
        )  # fmt: skip

    def _described(self) -> dict[str, Any]:
        """Return the parameters, of arrays only where they are: their content is hashed by run."""
        known = super()._described()
        told = {name: _where(known[name]) for name in ("arrays", "times")}
        return known | told | {"rows": None if self.rows is None else str(self.rows)}

    def _found(self, stimulus: Stimulus) -> Found:
        """Return the array of a run as a DataArray (time, feature), with seconds if of frames."""
        found = find_array(self.arrays, stimulus, key=self.key, who="ArrayFeatures: arrays")
        values = _as_rows(found, self.names)
        if self.times is not None:
            seconds = self._seconds(stimulus, found, values.sizes["time"])
            values = values.drop_vars(["seconds", "tr"], errors="ignore")
            values = values.assign_coords(seconds=("time", seconds))
        return Found(values, found.place, found.of_parent, found.path)

    def _seconds(self, stimulus: Stimulus, found: Found, n_rows: int) -> NDArray[np.float64]:
        given, key = self.times, self.key
        if isinstance(given, str) and not given.endswith(FORMATS) and found.path is not None:
            # The name of an array in the same archive.
            given, key = cast("Any", {stimulus.name: found.path}), given
        times = find_array(given, stimulus, key=key, who="ArrayFeatures: times")
        seconds: NDArray[np.float64] = np.asarray(times.values, dtype=np.float64)
        if seconds.shape != (n_rows,):
            raise ValueError(
                f"ArrayFeatures: times of run {shown(stimulus.run_name)} ({times.place}) have the "
                f"shape {seconds.shape}, but {found.place} has {n_rows} frames: give the seconds "
                "of each frame"
            )
        end = float(stimulus.grid[-1])
        if not found.of_parent and seconds.max() > _FAR * max(end, 1.0):
            raise ValueError(
                f"ArrayFeatures: times of run {shown(stimulus.run_name)} ({times.place}) go up to "
                f"{seconds.max():g} s, but its last TR begins at {end:g} s: give seconds, not "
                "milliseconds or samples"
            )
        return seconds

    def _checked(self, stimulus: Stimulus) -> Found:
        """Return the array of a run, if it is the one of the fit and without NaN."""
        if self.before not in _BEFORE:
            raise ValueError(f"ArrayFeatures: {unknown_name('before', self.before, _BEFORE)}")
        found = self._found(stimulus)
        where = f"ArrayFeatures: {found.place} of run {shown(stimulus.run_name)}"
        noted = getattr(self, "_noted", {}).get(stimulus.run_name)
        if noted not in (None, _hash(found)):
            raise ValueError(
                f"{where} holds another array than when the model was fitted: put the file back, "
                "or fit again"
            )
        bad = np.flatnonzero(~np.isfinite(found.values.values).all(axis=1))
        if bad.size:
            raise ValueError(
                f"{where} is NaN, infinite or beyond float32 in {bad.size} of "
                f"{found.values.sizes['time']} rows, the first is row {bad[0]}: decide what such "
                "rows mean; to leave TRs out of a fit, set them to NaN in the responses"
            )
        return found

    def _on_trs(
        self, stimulus: Stimulus, found: Found
    ) -> tuple[NDArray[np.float32], dict[str, tuple[str, NDArray[Any]]]]:
        """Return the rows of the TRs, after those of history that there are, and feature coords."""
        values = found.values
        pick = _rows_at_seconds if "seconds" in values.coords else self._rows_by_number
        history, here = pick(stimulus, found)
        trs, _ = stimulus.history_grid(self.history)
        n_wanted = int(np.count_nonzero(trs < 0))
        kept = values.values[np.concatenate([history[max(len(history) - n_wanted, 0) :], here])]
        n_lacking = trs.size - len(kept)
        if self.before == "zero" and n_lacking:
            kept = np.concatenate([np.zeros((n_lacking, kept.shape[1]), kept.dtype), kept])
        coords = {
            str(name): ("feature", coord.values)
            for name, coord in values.coords.items()
            if coord.dims == ("feature",) and name != "feature"
        }
        return kept, coords

    def _rows_by_number(
        self, stimulus: Stimulus, found: Found
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of the rows before the first TR, and of the TRs."""
        places = np.arange(found.values.sizes["time"])
        rows = slice(None) if self.rows is None else self.rows
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise ValueError(f"ArrayFeatures: rows={rows!r}, expected a slice such as slice(10,-5)")
        trs = found.values.coords["tr"].values if "tr" in found.values.coords else None
        here = places[rows] if trs is None or self.rows is not None else places[trs >= 0]
        mistakes = list(_count_mistakes(found, stimulus, here.size, self.rows))
        if trs is not None and not mistakes:
            mistakes += _order_mistakes(found, trs[here], any_first=self.rows is not None)
        refuse(f"ArrayFeatures: run {shown(stimulus.run_name)}", mistakes)
        return places[: here[0]], here


def _as_rows(found: Found, names: Sequence[str] | None) -> xr.DataArray:
    """Return an array, or a DataArray, as a float32 DataArray (time, feature)."""
    values = found.values
    if isinstance(values, xr.DataArray):
        if set(values.dims) != {"time", "feature"}:
            raise ValueError(
                f"ArrayFeatures: {found.place} has the dims {values.dims}, expected time and "
                "feature: rename them"
            )
        rows = values.transpose("time", "feature")
    else:
        plain = np.asarray(values)
        plain = plain[:, None] if plain.ndim == 1 else plain
        if plain.ndim != 2 or 0 in plain.shape:
            raise ValueError(
                f"ArrayFeatures: {found.place} has the shape {np.shape(values)}, expected (n_trs, "
                "n_features)"
            )
        rows = xr.DataArray(plain, dims=("time", "feature"))
    if names is not None:
        if len(names) != rows.sizes["feature"]:
            raise ValueError(
                f"ArrayFeatures: names has {len(names)} entries, but {found.place} has "
                f"{rows.sizes['feature']} features: give each a name"
            )
        rows = rows.assign_coords(name=("feature", np.asarray(names, dtype=str)))
    elif "name" not in rows.coords:
        numbers = range(rows.sizes["feature"])
        rows = rows.assign_coords(name=("feature", [f"ArrayFeatures.{i:03d}" for i in numbers]))
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused where it is used
        floats: xr.DataArray = as_floats(rows, f"ArrayFeatures: {found.place}").astype(np.float32)
    return floats


def _is_frames(values: xr.DataArray) -> bool:
    return "seconds" in values.coords and "tr" not in values.coords


def _plain(values: xr.DataArray) -> xr.DataArray:
    others = [
        name
        for name, coord in values.coords.items()
        if name != "seconds" and coord.dims != ("feature",)
    ]
    return values.drop_vars(others)


def _rows_at_seconds(stimulus: Stimulus, found: Found) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of the rows before the first TR, and of the TRs, by their seconds."""
    seconds = found.values.coords["seconds"].values.astype(np.float64)
    apart = np.abs(stimulus.grid[:, None] - seconds)
    lacking = np.flatnonzero(apart.min(axis=1) > _CLOSE)
    if lacking.size:
        first = stimulus.grid[lacking[0]]
        raise ValueError(
            f"ArrayFeatures: {found.place} has {seconds.size} rows from {seconds.min():g} to "
            f"{seconds.max():g} s, and none for {lacking.size} of {stimulus.n_trs} TRs of run "
            f"{shown(stimulus.run_name)}, the first at {first:g} s: seconds are the onsets of the "
            "TRs within the audio"
        )
    here = apart.argmin(axis=1)
    t_r = float(stimulus.t_r or 0)
    history: list[int] = []
    for back in range(1, seconds.size):
        near = np.abs(seconds - (stimulus.grid[0] - back * t_r))
        if near.min() > _CLOSE:
            break
        history.insert(0, int(near.argmin()))
    return np.asarray(history, dtype=np.intp), here


def _count_mistakes(
    found: Found, stimulus: Stimulus, n_rows: int, rows: slice | None
) -> Iterator[str]:
    n_trs, shape = stimulus.n_trs, tuple(found.values.shape)
    if found.of_parent:
        yield (
            f"{found.place} is of the whole run, and does not say which rows are those of this "
            "segment: pass DataArrays with tr and seconds on time, such as the transform of this "
            "extractor on the whole run"
        )
    elif n_rows != n_trs:
        chosen = "" if rows is None else f", of which rows={rows} takes {n_rows}"
        yield (
            f"{found.place} has {shape[0]} rows{chosen}, but the run has {n_trs} TRs: give one row "
            f"for each TR. {_advice(shape, n_rows, n_trs)}"
        )


def _order_mistakes(found: Found, trs: NDArray[Any], *, any_first: bool) -> Iterator[str]:
    first = int(trs[0]) if any_first else 0
    if (trs != first + np.arange(trs.size)).any():
        yield (
            f"{found.place} has tr from {trs[0]} to {trs[-1]}, expected {first} to "
            f"{first + trs.size - 1} in this order: sort its rows, say which are the run's TRs by "
            "rows=, or give it seconds on time"
        )


def _advice(shape: tuple[int, ...], n_rows: int, n_trs: int) -> str:
    if shape[1] == n_trs:
        return f"The array is {shape}, so it lies on its side: pass its transpose, array.T"
    if n_rows > n_trs:
        return (
            f"If its {n_rows - n_trs} more rows are TRs that the run was trimmed of, say which "
            "rows are left, such as rows=slice(10, -5); if rows are frames, say when each was by "
            "times="
        )
    return (
        f"If it lacks the {n_trs - n_rows} TRs at the ends of the run, trim the study too, such "
        "as study.trim(start='20s', end='10s')"
    )


def _hash(found: Found) -> str:
    """Return the sha256 of the values of a run, their names and their seconds."""
    values = found.values
    seconds = values.coords["seconds"].values if "seconds" in values.coords else "no seconds"
    trs = [values.coords["tr"].values] if "tr" in values.coords else []
    names = "\x1f".join(map(str, values.coords["name"].values))
    return make_key(values.shape, np.ascontiguousarray(values.values), names, seconds, *trs)


def _where(given: Any) -> Any:
    if given is None or isinstance(given, str | Path):
        return None if given is None else str(given)
    return f"{len(given)} arrays" if isinstance(given, Mapping) else "a DataArray"
