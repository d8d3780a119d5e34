"""fMRIPrep's outputs: which files a run has, and its values when computed."""

import gzip
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from encodekit.core import present_file, reading, refuse
from encodekit_adapters._bids_names import bids_file, folders_of, inherited
from encodekit_adapters._bids_runs import BoldRun
from encodekit_adapters._json import read_json
from encodekit_adapters._lazy import dask_array, lazy_rows
from encodekit_adapters._need import need

SPACES = {"fsaverage": "fsaverage7", "fsLR": "fsLR-32k"}
_DENSE = {
    ("fsaverage", "10k"): "fsaverage5",
    ("fsaverage", "41k"): "fsaverage6",
    ("fsLR", "170k"): "fsLR-59k",
}
_READ = ("RepetitionTime", "StartTime")  # what is taken from sidecars
_SIDES = {"L": "left", "R": "right"}
_CORTEX = {f"CIFTI_STRUCTURE_CORTEX_{side.upper()}": side for side in _SIDES.values()}
_HEAD = 65536  # bytes of a GIFTI file that hold its metadata
_CLOSE = 1e-3  # s; repetition times
_AGAIN = "get it again"


@dataclass(frozen=True)
class Bold:
    """The values of a run (time, target), where its targets are, and its repetition time."""

    values: Any
    places: dict[str, NDArray[Any]]
    t_r: float | None
    start: float  # s of the scan that its first volume stands for
    affine: NDArray[Any] | None = None
    grid: tuple[Any, ...] = field(default=())  # what must be the same in every run


def space_name(space: str, run: BoldRun) -> str:
    """Return encodekit's name of a space, by BIDS' name and the density of a run's files."""
    density = run.entities.get("den", "")
    return _DENSE.get((space, density), SPACES.get(space, space))


def repetition_time(run: BoldRun, header: float | None, raw: Path, stated: float | None) -> float:
    """Return a run's repetition time, s: stated, of its sidecar, or of its header.

    Raises
    ------
    ValueError
        Where sidecar and header disagree, or nothing says it.
    """
    sidecar = _seconds(run, raw, "RepetitionTime")
    where = run.where
    if sidecar is not None and header is not None and abs(sidecar - header) > _CLOSE:
        raise ValueError(
            f"{where}: its sidecar says RepetitionTime {sidecar:g} s but the header of "
            f"{run.files[0].name} says {header:g} s: find out which is right and mend the other"
        )
    known = [value for value in (stated, sidecar, header) if value is not None]
    if not known:
        raise ValueError(f"{where}: neither sidecar nor header says its repetition time: pass t_r=")
    if abs(known[0] - known[-1]) > _CLOSE:
        raise ValueError(f"{where}: t_r={known[0]:g} s is stated but its files say {known[-1]:g} s")
    return float(known[0])


def start_time(run: BoldRun, raw: Path, t_r: float) -> float | None:
    """Return which second of a TR its volume stands for (StartTime of a sidecar), if stated.

    Raises
    ------
    ValueError
        Where it is not within a TR.
    """
    value = _seconds(run, raw, "StartTime")
    if value is not None and not 0 <= value <= t_r + _CLOSE:
        raise ValueError(
            f"{run.where}: its sidecar says StartTime {value:g} s, expected a time within one TR "
            f"of {t_r:g} s (what slice timing was corrected to): mend the sidecar"
        )
    return value


def _seconds(run: BoldRun, raw: Path, key: str) -> float | None:
    """Return a number of seconds in a run's sidecars, if stated."""
    value = _sidecar(run, raw).get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError(
            f"{run.where}: its sidecar says {key} {value!r}, expected a number of seconds: mend it"
        )
    return float(value)


def _sidecar(run: BoldRun, raw: Path) -> dict[str, Any]:
    """Return the sidecars of a run, the nearest first, as one table."""
    merged: dict[str, Any] = {}
    folders = dict.fromkeys([run.files[0].parent, *folders_of(run.entities, run.root)])
    own = inherited(run.entities, list(folders), ("bold", None), ".json")
    theirs = inherited(run.acquired, folders_of(run.entities, raw), ("bold",), ".json")
    for paths in [*own, *theirs]:
        level: dict[str, tuple[Any, Path]] = {}
        for path in paths:
            for key, value in _read_sidecar(path).items():
                said, other = level.setdefault(key, (value, path))
                if key in _READ and said != value:
                    raise ValueError(
                        f"{run.where}: {key} is {said!r} in {str(other)!r} but {value!r} in "
                        f"{str(path)!r}, which is as near: find out which is right and mend the "
                        "other"
                    )
        merged = {**{key: value for key, (value, _) in level.items()}, **merged}
    return merged


def _read_sidecar(path: Path) -> dict[str, Any]:
    found = read_json(path, strict=False)
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise ValueError(f"sidecar {str(path)!r} holds a {kind}, expected a JSON object")
    return found


def open_run(run: BoldRun, dtype: DTypeLike) -> Bold:
    """Return a run's values as dask, with shapes and headers checked now."""
    label = run.where
    name = run.files[0].name
    if name.endswith(".func.gii"):
        return _open_gifti(run, dtype, label)
    opened = _open_cifti if name.endswith(".dtseries.nii") else _open_volume
    return opened(run, dtype, label)


def _side(path: Path) -> str:
    found = bids_file(path)
    return "" if found is None else found.entities.get("hemi", "")


def _open_gifti(run: BoldRun, dtype: DTypeLike, label: str) -> Bold:
    by_side = {_side(path): path for path in run.files}
    if sorted(by_side) != ["L", "R"]:
        there = ", ".join(path.name for path in run.files)
        raise ValueError(f"{label}: expected a file of hemi-L and one of hemi-R, got {there}")
    heads = {side: _gifti_head(by_side[side], side) for side in "LR"}
    (n_left, left), (n_right, right) = (heads[side][:2] for side in "LR")
    if n_left != n_right:
        raise ValueError(f"{label}: hemi-L has {n_left} TRs but hemi-R has {n_right}")
    blocks = [
        lazy_rows(
            partial(_read_gifti, by_side[side]),
            heads[side][:2],
            dtype,
            source=[by_side[side]],
            label=f"{label}, hemi-{side}",
        )
        for side in "LR"
    ]
    values = dask_array().concatenate(blocks, axis=1).rechunk(-1)
    places = {
        "hemisphere": np.repeat(["left", "right"], [left, right]),
        "vertex": np.concatenate([np.arange(left), np.arange(right)]),
    }
    return Bold(values, places, heads["L"][2], 0.0, grid=(left, right))


def _gifti_head(path: Path, side: str) -> tuple[int, int, float | None]:
    """Return (TRs, vertices, repetition time) that the beginning of a GIFTI file states."""
    present_file(path)
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8", "replace")
        file.seek(max(0, path.stat().st_size - 200))
        tail = file.read().decode("utf-8", "replace")
    n_arrays = re.search(r'NumberOfDataArrays="(\d+)"', head)
    sizes = re.search(r'Dim0="(\d+)"', head)
    if n_arrays is None or sizes is None:
        raise ValueError(f"{str(path)!r} does not begin as GIFTI does: get it again")
    if "</GIFTI>" not in tail:
        raise ValueError(f"{str(path)!r} was cut short: it lacks its end; get it again")
    said = re.search(r"AnatomicalStructurePrimary.{0,80}?(CortexLeft|CortexRight)", head, re.DOTALL)
    if said is not None and said[1].removeprefix("Cortex").lower() != _SIDES[side]:
        raise ValueError(
            f"{str(path)!r} is named hemi-{side} but says that it holds {said[1]}: the hemispheres "
            "are mislabelled; find out which is right and rename the file"
        )
    step = re.search(r"TimeStep.{0,80}?>([\d.]+)", head, re.DOTALL)
    t_r = None if step is None else float(step[1]) / (1000 if float(step[1]) > 50 else 1)
    return int(n_arrays[1]), int(sizes[1]), t_r


def _read_gifti(path: Path) -> NDArray[Any]:
    with reading(path, "GIFTI", advice=_AGAIN):
        return np.stack([array.data for array in _nibabel().load(path).darrays])


def _open_cifti(run: BoldRun, dtype: DTypeLike, label: str) -> Bold:
    (path,) = run.files
    image = _load(path)
    series, models = (image.header.get_axis(k) for k in (0, 1))
    cortex = [
        (_CORTEX[name], at, model.vertex)
        for name, at, model in models.iter_structures()
        if name in _CORTEX
    ]
    if not cortex:
        raise ValueError(f"{str(path)!r} holds no cortex: expected grayordinates of fsLR")
    columns = np.concatenate([np.arange(models.size)[at] for _, at, _ in cortex])
    places = {
        "hemisphere": np.concatenate([np.full(len(v), side) for side, _, v in cortex]),
        "vertex": np.concatenate([v for _, _, v in cortex]),
    }
    values = lazy_rows(
        partial(_read_image, path, columns),
        (series.size, columns.size),
        dtype,
        source=[path],
        label=label,
    )
    grid = (columns.size, *(tuple(place.tolist()) for place in places.values()))
    return Bold(values, places, float(series.step), float(series.start), grid=grid)


def _open_volume(run: BoldRun, dtype: DTypeLike, label: str) -> Bold:
    (path,) = run.files
    image = _load(path)
    if len(image.shape) != 4:
        raise ValueError(f"{str(path)!r} has shape {image.shape}, expected x, y, z, time")
    mask_path = _mask_path(run)
    mask_image = _load(mask_path)
    if mask_image.shape != image.shape[:3] or not np.allclose(mask_image.affine, image.affine):
        raise ValueError(
            f"{str(mask_path)!r} has another grid (shape {mask_image.shape}) than {path.name} "
            f"(shape {image.shape[:3]}) or another affine: take the mask of this run"
        )
    with reading(mask_path, "an image", advice=_AGAIN):
        voxels = np.flatnonzero(np.asarray(mask_image.dataobj))
    if voxels.size == 0:
        raise ValueError(
            f"{str(mask_path)!r} is 0 everywhere: a mask without a voxel; get it again"
        )
    t_r = float(image.header.get_zooms()[3])
    units = image.header.get_xyzt_units()[1]
    values = lazy_rows(
        partial(_read_volume, path, voxels), (image.shape[3], voxels.size), dtype,
        source=[path, mask_path], label=label,
    )  # fmt: skip
    places = {"voxel": voxels}
    seconds = t_r / 1000 if units == "msec" else t_r
    grid = (image.shape[:3], *image.affine.ravel().round(4).tolist())
    return Bold(values, places, seconds or None, 0.0, image.affine, grid)


def _mask_path(run: BoldRun) -> Path:
    """Return the brain mask of a volume: on its grid, of its run or of what it was made from."""
    (path,) = run.files
    grid = {key: run.entities[key] for key in ("space", "cohort", "res") if key in run.entities}
    masks = [
        mask
        for (mask, *_) in inherited(run.entities, [path.parent], ("mask",), ".nii.gz", "brain")
        + inherited(run.entities, [path.parent], ("mask",), ".nii", "brain")
        if grid.items() <= (found.entities if (found := bids_file(mask)) else {}).items()
    ]
    named = {**run.entities, "desc": "brain"}
    stem = "_".join(f"{key}-{value}" for key, value in named.items())
    return next(iter(masks), path.with_name(f"{stem}_mask.nii.gz"))


def common_voxels(runs: dict[str, Bold], participant: str) -> dict[str, Bold]:
    """Return the runs of a participant at the voxels that the masks of all of them hold.

    Raises
    ------
    ValueError
        Where runs have other grids, vertices or affines.
    """
    first = next(iter(runs))
    refuse(
        "bids",
        [
            f"{participant}, {name} has another grid than {first}: {_grid_text(bold)} against "
            f"{_grid_text(runs[first])}, or other vertices; bring all runs into one space"
            for name, bold in runs.items()
            if bold.grid != runs[first].grid
        ],
    )
    if "voxel" not in runs[first].places:
        return runs
    shared = runs[first].places["voxel"]
    for bold in runs.values():
        shared = np.intersect1d(shared, bold.places["voxel"])
    if shared.size == 0:
        raise ValueError(f"runs of {participant}: their masks have no voxel in common")
    return {
        name: Bold(
            bold.values[:, np.searchsorted(bold.places["voxel"], shared)],
            {"voxel": shared}, bold.t_r, bold.start, bold.affine,
        )
        for name, bold in runs.items()
    }  # fmt: skip


def _grid_text(bold: Bold) -> str:
    if bold.affine is None:
        counts = [str(item) for item in bold.grid if isinstance(item, int)]
        return f"{' and '.join(counts)} targets"
    return f"shape {bold.grid[0]}, affine {np.round(bold.affine[:3], 2).tolist()}"


def _load(path: Path) -> Any:
    present_file(path)
    with reading(path, "an image", advice=_AGAIN):
        image = _nibabel().load(path)
        if path.suffix != ".gz":
            _check_size(image, path.stat().st_size)
        return image


def _check_size(image: Any, size: int) -> None:
    proxy = image.dataobj
    needed = int(proxy.offset) + int(np.prod(proxy.shape)) * proxy.dtype.itemsize
    if size != needed:
        raise ValueError(f"it has {size} bytes, its header needs {needed}")


def _read_image(path: Path, columns: NDArray[Any]) -> NDArray[Any]:
    values: NDArray[Any] = _whole_image(path)[:, columns]
    return values


def _read_volume(path: Path, voxels: NDArray[Any]) -> NDArray[Any]:
    image = _whole_image(path)
    values: NDArray[Any] = image.reshape(-1, image.shape[3])[voxels].T
    return values


def _whole_image(path: Path) -> NDArray[Any]:
    with reading(path, "an image", advice=_AGAIN):
        image = _nibabel().load(path)
        size = path.stat().st_size
        if path.suffix == ".gz":
            # To its end, where its checksum is: of less, as a shape may ask for, it is not checked.
            with gzip.open(path) as file:
                size = sum(len(piece) for piece in iter(partial(file.read, 1 << 22), b""))
        _check_size(image, size)
        values: NDArray[Any] = np.asarray(image.dataobj)
        return values


def _nibabel() -> Any:
    return need("nibabel", extra="bids", purpose="reading images")
