"""Atlases and masks in files that users have: annot, GIFTI, CIFTI, NIfTI."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encodekit.core import import_extra
from encodekit.regions._atlas import HEMISPHERES, Atlas
from encodekit.regions._meshes import N_VERTICES
from encodekit.regions._names import read_name
from encodekit.regions._volumes import projected_labels, projected_values

BACKGROUND = frozenset(
    {"", "???", "unknown", "background", "medial_wall", "medial wall", "corpuscallosum"}
    | {"background+freesurfer_defined_medial_wall"}
)
Table = str | Path | pd.DataFrame | Mapping[int, str]


class _Side(NamedTuple):
    """What a file says of one hemisphere: a value per vertex, and names of values if it has any."""

    values: NDArray[Any]
    names: dict[int, str] | None
    cortex: NDArray[np.bool_] | None = None


def read_atlas(
    path: str | Path | Mapping[str, str | Path],
    *,
    name: str | None = None,
    table: Table | None = None,
    threshold: float | None = None,
    space: str | None = None,
    mesh: Any = None,
    groups: Mapping[str, Iterable[str]] | None = None,
    edition: str | None = None,
    terms: str = "",
    citation: str = "",
) -> Atlas:
    """Return the atlas, or the mask, that a file holds.

    FreeSurfer ``.annot`` and GIFTI come as one file per hemisphere, CIFTI (``.dlabel.nii``,
    ``.dscalar.nii``) as one for both. A NIfTI image in MNI space is projected onto the surface
    (nilearn's vol_to_surf; the most frequent label under each vertex): an approximation, which
    the atlas's ``edition`` says. Parcels of LanA, EvLab or Brainnetome are such files.

    Parameters
    ----------
    path : path, or mapping of "left" and "right" to paths
    name : str, optional
        Of the atlas, and of the one area of a mask; from the file's name if not given.
    table : path, DataFrame or mapping, optional
        Names of the values, where the file has none: ``{1: "A1"}``, a table with the columns
        index and name (BIDS dseg.tsv), a text file of lines ``index name ...`` or of names.
    threshold : float, optional
        Make a mask of a map of numbers: where it is above.
    space : str, optional
        The mesh; told by the number of vertices if not given.
    mesh : optional
        For NIfTI: what to project onto, mapping of "left" and "right" to a surface, with
        ``space``; nilearn's fsaverage5 if not given.
    groups, edition, terms, citation
        As in `Atlas`.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If the kind of file is unknown, a hemisphere is missing, values have no names, or the
        number of vertices fits no mesh.

    Examples
    --------
    >>> read_atlas({"left": "lh.aparc.annot", "right": "rh.aparc.annot"})  # doctest: +SKIP
    >>> read_atlas("LanA_n804.nii.gz", name="language", threshold=0.3)  # doctest: +SKIP
    """
    files = {side: Path(p) for side, p in path.items()} if isinstance(path, Mapping) else Path(path)
    named = name or _stem(files)
    sides = _read(files, mesh)
    if table is not None:
        told = read_table(table)
        sides = {side: one._replace(names=told) for side, one in sides.items()}
    if threshold is not None or all(_is_mask(one) for one in sides.values()):
        sides = {side: _as_mask(one, threshold or 0.0, named) for side, one in sides.items()}
    projected = _suffix(files) == ".nii"
    return assembled(
        named,
        sides,
        space=space or ("fsaverage5" if projected and mesh is None else None),
        groups=groups,
        edition=edition or ("projected from a volume: approximate" if projected else None),
        terms=terms,
        citation=citation,
    )


def assembled(name: str, sides: Mapping[str, _Side], *, space: str | None, **told: Any) -> Atlas:
    """Return the atlas of named values per hemisphere; areas named alike are one area."""
    for one in sides.values():
        if one.names is None:
            raise ValueError(
                f"{name}: its values ({_some(one.values)}) have no names: pass table=, or "
                "threshold= to make a mask"
            )
    area_of = {side: _areas(side, one) for side, one in sides.items()}
    areas = list(dict.fromkeys(area for of in area_of.values() for area in of.values()))
    number = {area: k for k, area in enumerate(areas, start=1)}
    labels = {}
    for side, one in sides.items():
        codes = np.zeros(one.values.shape, dtype=np.int32)
        for value, area in area_of[side].items():
            codes[one.values == value] = number[area]
        labels[side] = codes
    cortex = {side: one.cortex for side, one in sides.items() if one.cortex is not None}
    groups = {group: tuple(of) for group, of in (told.pop("groups") or {}).items()}
    where = space or _mesh_of(name, {side: len(of) for side, of in labels.items()})
    return Atlas(name, labels, tuple(areas), where, groups, cortex=cortex or None, **told)


def read_table(table: Table) -> dict[int, str]:
    """Return value to name, from a mapping, a table with index and name, or a text file."""
    if isinstance(table, pd.DataFrame):
        lacking = {"index", "name"} - set(table.columns)
        if lacking:
            raise ValueError(f"table has the columns {list(table.columns)}, expected index, name")
        return dict(zip(table["index"].astype(int), table["name"].astype(str), strict=True))
    if isinstance(table, Mapping):
        return {int(value): str(name) for value, name in table.items()}
    path = Path(table)
    if path.suffix in (".tsv", ".csv"):
        return read_table(pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ","))
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [words for words in lines if words and not words[0].startswith("#")]
    if all(words[0].isdigit() and len(words) > 1 for words in kept):
        return {int(words[0]): words[1] for words in kept}
    return {k: " ".join(words) for k, words in enumerate(kept, start=1)}


def _areas(side: str, one: _Side) -> dict[int, str]:
    """Return value to area, without the background and without this hemisphere's prefix."""
    found = {}
    for value, written in (one.names or {}).items():
        if written.lower() in BACKGROUND or value not in one.values:
            continue
        short = read_name(written)
        found[value] = short.name if short.hemisphere == side else written
    return found


def _is_mask(one: _Side) -> bool:
    return one.names is None and set(np.unique(one.values).tolist()) <= {0, 1}


def _as_mask(one: _Side, threshold: float, name: str) -> _Side:
    inside = np.nan_to_num(one.values, nan=-np.inf) > threshold
    return one._replace(values=inside.astype(int), names={1: name})


def _mesh_of(name: str, sizes: Mapping[str, int]) -> str:
    fitting = [mesh for mesh, size in N_VERTICES.items() if set(sizes.values()) == {size}]
    if not fitting:
        known = ", ".join(f"{mesh} {size}" for mesh, size in N_VERTICES.items())
        raise ValueError(
            f"{name}: {sizes} vertices fit no mesh ({known}): pass space= with a name of your own"
        )
    return fitting[0]


def _stem(files: Path | Mapping[str, Path]) -> str:
    path = files["left"] if isinstance(files, Mapping) else files
    return path.name.split(".")[1] if path.name.startswith("lh.") else path.name.split(".")[0]


def _suffix(files: Path | Mapping[str, Path]) -> str:
    path = next(iter(files.values())) if isinstance(files, Mapping) else files
    name = path.name.removesuffix(".gz")
    if name.endswith((".dlabel.nii", ".dscalar.nii", ".dseries.nii")):
        return ".cifti"
    return Path(name).suffix


def _read(files: Path | Mapping[str, Path], mesh: Any) -> dict[str, _Side]:
    paths = list(files.values()) if isinstance(files, Mapping) else [files]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}: check the path")
    kind = _suffix(files)
    by_side: dict[str, Callable[[Path], _Side]] = {".annot": _annot, ".gii": _gifti}
    if kind in by_side:
        if not isinstance(files, Mapping) or set(files) != set(HEMISPHERES):
            raise ValueError(
                f"{paths[0].name} is of one hemisphere: pass {{'left': ..., 'right': ...}}"
            )
        return {side: by_side[kind](files[side]) for side in HEMISPHERES}
    if isinstance(files, Mapping):
        raise ValueError(f"{paths[0].name} holds both hemispheres: pass one path")
    if kind == ".cifti":
        return _cifti(files)
    if kind == ".nii":
        return _nifti(files, mesh)
    raise ValueError(
        f"{files.name} is of an unknown kind: expected .annot, .gii, .dlabel.nii, .dscalar.nii, "
        ".nii or .nii.gz"
    )


def _nibabel() -> Any:
    return import_extra("nibabel", extra="report", purpose="an atlas in a file")


def _annot(path: Path) -> _Side:
    values, _, names = _nibabel().freesurfer.read_annot(path)
    return _Side(values, {k: written.decode() for k, written in enumerate(names)})


def _gifti(path: Path) -> _Side:
    image = _nibabel().load(path)
    values = np.asarray(image.darrays[0].data)
    names = image.labeltable.get_labels_as_dict()
    return _Side(values, {int(k): str(v) for k, v in names.items()} if names else None)


def _cifti(path: Path) -> dict[str, _Side]:
    image = _nibabel().load(path)
    first, models = image.header.get_axis(0), image.header.get_axis(1)
    names = None
    if hasattr(first, "label"):
        names = {int(k): str(label[0]) for k, label in first.label[0].items()}
    row = np.asarray(image.dataobj)[0]
    sides = {}
    for structure, columns, axis in models.iter_structures():
        side = {"CIFTI_STRUCTURE_CORTEX_LEFT": "left", "CIFTI_STRUCTURE_CORTEX_RIGHT": "right"}
        if structure not in side:
            continue
        values = np.zeros(axis.nvertices[structure], dtype=row.dtype)
        cortex = np.zeros(values.shape, dtype=bool)
        values[axis.vertex], cortex[axis.vertex] = row[columns], True
        whole = names is not None or not np.any(values % 1)
        sides[side[structure]] = _Side(values.astype(int) if whole else values, names, cortex)
    if set(sides) != set(HEMISPHERES):
        raise ValueError(f"{path.name} has cortex of {sorted(sides) or 'no hemisphere'}, "
                         "expected left and right")  # fmt: skip
    return sides


def _nifti(path: Path, mesh: Any) -> dict[str, _Side]:
    values = np.asarray(_nibabel().load(path).dataobj)
    read = projected_values if np.any(values % 1) else projected_labels
    return {side: _Side(found, None) for side, found in read(path, mesh).items()}


def _some(values: NDArray[Any]) -> str:
    found = np.unique(values)
    return ", ".join(f"{value:g}" for value in found[:4]) + (", ..." if found.size > 4 else "")
