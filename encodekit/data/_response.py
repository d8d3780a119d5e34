"""Responses: (time, target) with the coordinates of the data contract."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from encodekit.core import refuse
from encodekit.data._run_list import RunList
from encodekit.data._timing import TIMING, join_timing, round_t_r, settle_timing

_AGREE = ("space", "units", "extractor")


def make_response(
    values: Any,
    *,
    run: str,
    participant: str,
    tr_times: ArrayLike,
    t_r: float,
    stimulus: str | None = None,
    hemisphere: str | Sequence[str] | NDArray[Any] | None = None,
    vertex: ArrayLike | None = None,
    voxel: ArrayLike | None = None,
    region: str | Sequence[str] | NDArray[Any] | None = None,
    target: Sequence[str] | NDArray[Any] | None = None,
    space: str = "native",
    sample_offset: float | None = None,
    n_repeats: int | None = None,
    units: str = "z",
    tr: ArrayLike | None = None,
) -> xr.DataArray:
    """Return one participant's response to one run, with the coordinates of the contract.

    Parameters
    ----------
    values : array (time, target), or (repeat, time, target)
        NumPy or dask; float32 is the default of what encodekit makes, any float is kept.
    run, stimulus : str
        The run, and what was heard (``run`` if not given).
    participant : str
    tr_times : array (time,)
        Onset of each row's TR within the audio, s.
    t_r : float
        Repetition time, s.
    hemisphere, vertex, voxel, region : str or array (target,), optional
        Where the targets are; one string stands for all.
    target : sequence of str, optional
        Unique names; built from the coordinates if not given (``P1/left/00123``).
    space : str
        ``"native"``, ``"fsaverage5"``, ``"fsaverage6"``, ``"fsaverage7"``, ``"fsLR-32k"``,
        ``"fsLR-164k"``, ``"volume"``, or a name of your own.
    sample_offset : float, optional
        s after a TR's onset; half a TR if not given.
    n_repeats : int, optional
        Of how many repeats the values are the mean (1, or the length of ``repeat``).
    tr : array (time,) of int, optional
        Which TR of the run each row is; ``0, 1, ...`` if not given.

    Raises
    ------
    ValueError
        Where lengths differ, with every mistake in one message.

    Examples
    --------
    >>> import numpy as np
    >>> response = make_response(np.zeros((3, 2)), run="story-1", participant="P1",
    ...                          tr_times=[0, 2, 4], t_r=2.0, hemisphere="left", vertex=[7, 123])
    >>> response.target.values.tolist()
    ['P1/left/00007', 'P1/left/00123']
    """
    if not hasattr(values, "dask"):
        values = np.asarray(values)
    seconds = np.asarray(tr_times, dtype=np.float64)
    given = {"hemisphere": hemisphere, "vertex": vertex, "voxel": voxel, "region": region}
    places = {name: np.asarray(item) for name, item in given.items() if item is not None}
    trs = np.arange(seconds.size) if tr is None else np.asarray(tr)
    subject = f"response of {participant!r} in run {run!r}"
    labels = places if target is None else {**places, "target": np.asarray(target)}
    _check_lengths(subject, values, {"tr_times": seconds, "tr": trs}, labels)
    _check_places(subject, places)
    n_targets = values.shape[-1]
    places = {name: np.broadcast_to(item, (n_targets,)).copy() for name, item in places.items()}
    names = _target_names(participant, places, n_targets) if target is None else target
    heard = run if stimulus is None else stimulus
    repeats = (values.shape[0] if values.ndim == 3 else 1) if n_repeats is None else n_repeats
    offset = float(t_r / 2 if sample_offset is None else sample_offset)
    response = xr.DataArray(
        values,
        dims=("repeat", "time", "target")[-values.ndim :],
        coords={
            **time_coords(run, heard, trs.astype(np.int64), seconds),
            "target": ("target", np.asarray(names, dtype=str)),
            "participant": ("target", np.full(n_targets, participant)),
            **{name: ("target", item) for name, item in places.items()},
            "n_repeats": ("target", np.full(n_targets, repeats, dtype=np.int64)),
        },
        attrs={"t_r": round_t_r(t_r), "sample_offset": offset, "space": space, "units": units},
    )
    return response.rename(None)  # of a dask array, xarray takes the name


def response_like(
    first: xr.DataArray,
    values: Any,
    *,
    run: str,
    tr_times: ArrayLike,
    stimulus: str | None = None,
    tr: ArrayLike | None = None,
) -> xr.DataArray:
    """Return the response to another run at the same targets as ``first``.

    The targets' coordinates are shared, not copied: what `make_response` would make, in a
    hundredth of the time and memory. Parameters are those of `make_response`.

    Examples
    --------
    >>> import numpy as np
    >>> given = {"participant": "P1", "t_r": 2.0, "voxel": [7, 123]}
    >>> first = make_response(np.zeros((3, 2)), run="a", tr_times=[0, 2, 4], **given)
    >>> second = response_like(first, np.ones((2, 2)), run="b", tr_times=[0, 2])
    >>> second.identical(make_response(np.ones((2, 2)), run="b", tr_times=[0, 2], **given))
    True
    """
    seconds = np.asarray(tr_times, dtype=np.float64)
    trs = np.arange(seconds.size) if tr is None else np.asarray(tr)
    subject = f"response in run {run!r}"
    _check_lengths(subject, values, {"tr_times": seconds, "tr": trs}, {"target": first["target"]})
    n_repeats = values.shape[0] if values.ndim == 3 else 1
    heard = run if stimulus is None else stimulus
    of_time = time_coords(run, heard, trs.astype(np.int64), seconds)
    response = at_targets(values, target_places(first), first.attrs).assign_coords(of_time)
    if "n_repeats" in first.coords and (first["n_repeats"].values == n_repeats).all():
        return response.assign_coords(n_repeats=first["n_repeats"].variable)
    counts = np.full(values.shape[-1], n_repeats, dtype=np.int64)
    return response.assign_coords(n_repeats=("target", counts))


def target_places(array: xr.DataArray) -> xr.Coordinates:
    """Return the coordinates on ``target`` that hold for every run, with the array's own index."""
    others = [name for name, coord in array.coords.items() if coord.dims != ("target",)]
    kept = array.coords.to_dataset().drop_vars([*others, "n_repeats"], errors="ignore")
    return kept.coords


def at_targets(values: Any, places: xr.Coordinates, attrs: Mapping[str, Any]) -> xr.DataArray:
    """Return ``values`` (..., target) at ``places``, which every array made so shares.

    ``xr.DataArray(coords=places)`` copies them: 10 MB for each run of 80,000 voxels.
    """
    dims = ("repeat", "time", "target")[-values.ndim :]
    array = xr.DataArray(values, dims=dims, attrs=attrs).assign_coords(places)
    return array.rename(None)  # of a dask array, xarray takes the name


def time_coords(
    run: str, stimulus: str, tr: NDArray[np.int64], seconds: NDArray[np.float64]
) -> dict[str, tuple[str, NDArray[Any]]]:
    """Return the coordinates of the rows of one run: run, stimulus, tr, seconds."""
    return {
        "run": ("time", np.full(tr.size, run)),
        "stimulus": ("time", np.full(tr.size, stimulus)),
        "tr": ("time", tr),
        "seconds": ("time", seconds),
    }


def _check_lengths(
    subject: str, values: Any, rows: dict[str, NDArray[Any]], labels: dict[str, Any]
) -> None:
    if values.ndim not in (2, 3):
        shape = tuple(values.shape)
        refuse(subject, [f"values has shape {shape}, expected (time, target) or with repeat first"])
    n_times, n_targets = values.shape[-2:]
    if rows["tr"].shape == rows["tr_times"].shape:
        rows = {"tr_times": rows["tr_times"]}
    mistakes = [
        f"{name} has {item.size} entries but values has {n_times} rows (TRs): give one for each"
        for name, item in rows.items()
        if item.shape != (n_times,)
    ]
    mistakes += [
        f"{name} has {item.size} entries but values has {n_targets} targets: give one for each"
        for name, item in labels.items()
        if item.shape != (n_targets,) and not (item.ndim == 0 and item.dtype.kind == "U")
    ]
    refuse(subject, mistakes)


def _check_places(subject: str, places: dict[str, NDArray[Any]]) -> None:
    mistakes = []
    sides = np.unique(places.get("hemisphere", np.array("left"))).tolist()
    if not {"left", "right"}.issuperset(sides):
        mistakes.append(f"hemisphere has {sides}, expected 'left' and 'right'")
    for name in ("vertex", "voxel"):
        numbers = places.get(name, np.zeros(1, int))
        if numbers.dtype.kind not in "iu" or numbers.min(initial=0) < 0:
            found = f"{numbers.dtype} from {numbers.min()}"
            mistakes.append(f"{name} is {found}, expected whole numbers from 0 up")
    refuse(subject, mistakes)


def _target_names(participant: str, places: dict[str, NDArray[Any]], n: int) -> list[str]:
    if "vertex" in places or "voxel" in places:
        numbers = places["vertex"] if "vertex" in places else places["voxel"]
        sides = places.get("hemisphere", np.full(n, "vertex" if "vertex" in places else "voxel"))
        return [
            f"{participant}/{side}/{number:05d}"
            for side, number in zip(sides, numbers.tolist(), strict=True)
        ]
    if "region" in places and np.unique(places["region"]).size == n:
        return [f"{participant}/{name}" for name in places["region"]]
    return [f"{participant}/{number:05d}" for number in range(n)]


def concat_runs(runs: Iterable[xr.DataArray]) -> xr.DataArray:
    """Join runs along ``time``; their targets (or features) must agree, in the same order.

    Where runs have other TRs, ``t_r`` and ``sample_offset`` become coordinates on time, and leave
    ``attrs``.

    A target whose runs are means of other numbers of repeats gets ``n_repeats`` 0: there is no
    single number (runs that a participant lacks do not count).

    Raises
    ------
    ValueError
        Where a run has other targets or attributes than the first.
    """
    parts = list(runs)
    if not parts:
        raise ValueError("concat_runs got no run: pass at least one")
    first = parts[0]
    for other in parts[1:]:
        _check_same(first, other)
    counts = [part.coords["n_repeats"].values for part in parts if "n_repeats" in part.coords]
    plain = [part.drop_vars(["n_repeats", *TIMING], errors="ignore") for part in parts]
    plain = _with_own_means(_with_onsets(plain))
    joined = xr.concat(
        plain,
        "time",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
    joined = join_timing(joined, parts)
    if any("heard" in part.attrs for part in parts):
        joined.attrs["heard"] = json.dumps(
            {k: v for part in parts for k, v in heard_of(part).items()}
        )
    if len(counts) == len(parts):
        joined = joined.assign_coords(n_repeats=("target", common_repeats(np.stack(counts))))
    return joined


def _with_onsets(parts: list[xr.DataArray]) -> list[xr.DataArray]:
    """Return the runs with ``sound_onset`` in all of them where it is in any: 0 s if not said."""
    if not any("sound_onset" in part.coords for part in parts):
        return parts
    return [
        part
        if "sound_onset" in part.coords
        else part.assign_coords(sound_onset=("time", np.zeros(part.sizes["time"])))
        for part in parts
    ]


def _with_own_means(parts: list[xr.DataArray]) -> list[xr.DataArray]:
    """Return the runs with ``training_mean`` row by row, where other fits predicted them."""
    known = [part.coords["training_mean"] for part in parts if "training_mean" in part.coords]
    if len(known) < len(parts) or all(np.array_equal(known[0], one) for one in known[1:]):
        return parts
    return [
        part.assign_coords(
            training_mean=(
                ("time", "target"),
                np.broadcast_to(one.transpose(..., "target").values, part.shape),
            )
        )
        for part, one in zip(parts, known, strict=True)
    ]


def common_repeats(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the one number of repeats per target over runs (run, target), or 0 where mixed."""
    most = counts.max(axis=0)
    return np.where(((counts == most) | (counts == 0)).all(axis=0), most, 0)


def _check_same(first: xr.DataArray, other: xr.DataArray) -> None:
    name = str(other.coords["run"].values[0]) if other.sizes["time"] else "(no rows)"
    mistakes = []
    if first.dims != other.dims:
        raise ValueError(f"run {name!r} has dims {other.dims}, the first run has {first.dims}")
    (dim,) = set(first.dims) - {"repeat", "time"}
    index = "name" if dim == "feature" and "name" in first.coords else dim
    if index in first.coords and not np.array_equal(
        first.coords[index].values, other.coords[index].values
    ):
        mistakes.append(
            f"its {dim}s differ from those of the first run ({other.sizes[dim]} against "
            f"{first.sizes[dim]}, or in another order): select the same {dim}s in every run"
        )
    for key in _AGREE:
        mine, theirs = first.attrs.get(key), other.attrs.get(key)
        if mine != theirs:
            mistakes.append(f"its {key} is {theirs!r}, the first run has {mine!r}")
    for key in TIMING:
        mine, theirs = (key in run.attrs or key in run.coords for run in (first, other))
        if mine != theirs:
            mistakes.append(
                f"its {key} is {'said' if theirs else 'not said'}, that of the first run is "
                f"{'said' if mine else 'not said'}: set .attrs[{key!r}] in seconds"
            )
    refuse(f"run {name!r}", mistakes)


def split_runs(joined: xr.DataArray) -> RunList:
    """Return one DataArray per run of ``joined``, in order of appearance."""
    names = joined.coords["run"].values
    runs = RunList(
        settle_timing(joined.isel(time=np.flatnonzero(names == name))) for name in _unique(names)
    )
    for name, run in zip(_unique(names), runs, strict=True):
        if "heard" in run.attrs:
            own = {other: sha for other, sha in heard_of(run).items() if other == name}
            run.attrs["heard"] = json.dumps(own)
    return runs


def heard_of(features: xr.DataArray) -> dict[str, str]:
    """Return run to `Stimulus.heard_hash`, as features say what they were made from."""
    heard: dict[str, str] = json.loads(features.attrs.get("heard", "{}"))
    return heard


def _unique(names: NDArray[Any]) -> list[Any]:
    return list(dict.fromkeys(names.tolist()))


def drop_history(rows: xr.DataArray) -> xr.DataArray:
    """Return ``rows`` without the history before the first TR (rows of negative ``tr``)."""
    trs = rows.coords["tr"].values
    return rows if (trs >= 0).all() else rows.isel(time=np.flatnonzero(trs >= 0))
