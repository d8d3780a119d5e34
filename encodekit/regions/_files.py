"""Atlases and masks in files that users have: annot, GIFTI, CIFTI, NIfTI."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from encodekit.core import import_extra, present_file, reading
from encodekit.regions._atlas import HEMISPHERES, Atlas
from encodekit.regions._labels import BACKGROUND, OUTSIDE, Side, as_labels, assembled
from encodekit.regions._meshes import family_in
from encodekit.regions._tables import Table, read_table
from encodekit.regions._volumes import (
    label_volume,
    n_volumes,
    one_volume,
    projected_labels,
    projected_values,
)

_SIDE = re.compile(r"(?:^|[._-])(?:(l|lh|left)|(?:r|rh|right))(?=[._-])", re.IGNORECASE)
Files = Path | Mapping[str, Path]
_GEOMETRY = (1008, 1009)  # points, triangles: NIFTI_INTENT_POINTSET, NIFTI_INTENT_TRIANGLE
_STRUCTURES = {"CIFTI_STRUCTURE_CORTEX_LEFT": "left", "CIFTI_STRUCTURE_CORTEX_RIGHT": "right"}


def read_atlas(
    path: str | Path | Mapping[str, str | Path],
    *,
    name: str | None = None,
    table: Table | None = None,
    threshold: float | None = None,
    space: str | None = None,
    mesh: Any = None,
    which: int | None = None,
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
    table : mapping, DataFrame, list of str, or path, optional
        Names of the values, where the file has none: ``{1: "A1"}``, a table with the columns
        index and name (BIDS dseg.tsv), a text of lines ``index name``, with colours as FreeSurfer's
        or workbench's or without, or FSL's XML. A list of names without values, or a text of one
        name a line, is of the values 1, 2, 3, ...; of 0, 1, 2, ... if it begins with the
        background; and its last name must be that of the file's largest value.
    threshold : float, optional
        Make a mask of a map of numbers: where it is above.
    space : str, optional
        The mesh; told by the number of vertices if not given. 163,842 are of fsaverage7 or of
        fsLR-164k: CIFTI is taken for fsLR, ``.annot`` for fsaverage, and GIFTI for what its name
        says (``164k_fs_LR``, ``fsaverage``); where none says it, ``space`` is needed.
    mesh : optional
        For NIfTI: what to project onto, mapping of "left" and "right" to a surface, with
        ``space``; nilearn's fsaverage5 if not given.
    which : int, optional
        Which of several maps in a file, counted from 0.
    groups, edition, terms, citation
        As in `Atlas`.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If the kind of file is unknown, a hemisphere is missing or its file is named for the other
        one, values have no names or are those
        of a map of real numbers, several values of a hemisphere have one name, a list of names does
        not fit the values, the file has several maps, or the number of vertices fits no mesh, or
        two.

    Warns
    -----
    UserWarning
        If labels have no name, and so lie in no area. NaN and negative ones are taken for outside.

    Examples
    --------
    >>> read_atlas({"left": "lh.aparc.annot", "right": "rh.aparc.annot"})  # doctest: +SKIP
    >>> read_atlas("LanA_n804.nii.gz", name="language", threshold=0.3)  # doctest: +SKIP
    """
    files = {side: Path(p) for side, p in path.items()} if isinstance(path, Mapping) else Path(path)
    named = name or _stem(files)
    if threshold is not None and table is not None:
        raise ValueError(
            f"{named}: threshold= makes a mask of a map of numbers and table= names the labels of "
            "an atlas: pass one of them"
        )
    kind = _kind(files)
    sides = _read(files, kind, named, mesh, which)
    if table is not None:
        told = read_table(table)
        sides = {side: one._replace(names=told) for side, one in sides.items()}
    if threshold is not None or all(_is_mask(one) for one in sides.values()):
        sides = {side: _as_mask(one, threshold or 0.0, named) for side, one in sides.items()}
    projected = kind == "nifti"
    return assembled(
        named,
        sides,
        space=space or ("fsaverage5" if projected and mesh is None else None),
        family=_family(files, kind),
        groups=groups,
        edition=edition or ("projected from a volume: approximate" if projected else None),
        terms=terms,
        citation=citation,
    )


def _is_mask(one: Side) -> bool:
    labels = as_labels(one.values)
    if one.names is not None or labels is None:
        return False
    return set(np.unique(labels).tolist()) <= {OUTSIDE, 0, 1}


def _as_mask(one: Side, threshold: float, name: str) -> Side:
    if one.names is not None:
        raise ValueError(
            f"{name}: threshold= makes a mask of a map of numbers, but the file names its labels "
            f"({', '.join(map(str, list(one.names)[:3]))}, ...): leave threshold= out, and choose "
            "areas with RegionSelector"
        )
    inside = np.nan_to_num(one.values, nan=-np.inf) > threshold
    return Side(inside.astype(int), {1: name}, one.cortex)


def _family(files: Files, kind: str) -> str | None:
    """Return what is known of the mesh's family: by its kind, unless the name says otherwise."""
    paths = files.values() if isinstance(files, Mapping) else [files]
    written = family_in(path.name for path in paths)
    of_kind = {"cifti": "fsLR", "annot": "fsaverage"}.get(kind)
    return of_kind if written in (None, of_kind) else written if of_kind is None else None


def _stem(files: Files) -> str:
    path = files["left"] if isinstance(files, Mapping) and "left" in files else _first(files)
    return path.name.split(".")[1] if path.name.startswith("lh.") else path.name.split(".")[0]


def _first(files: Files) -> Path:
    return next(iter(files.values())) if isinstance(files, Mapping) else files


def _kind(files: Files) -> str:
    """Return annot, gifti, cifti or nifti."""
    paths = list(files.values()) if isinstance(files, Mapping) else [files]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}: check the path")
    first = paths[0]
    suffix = Path(first.name.lower().removesuffix(".gz")).suffix
    kind = {".annot": "annot", ".gii": "gifti", ".nii": "nifti"}.get(suffix)
    if kind is None:
        raise ValueError(
            f"{first.name} is of an unknown kind: expected .annot, .gii, .dlabel.nii, "
            ".dscalar.nii, .nii or .nii.gz"
        )
    if kind == "nifti":
        if isinstance(files, Mapping):
            raise ValueError(f"{first.name} holds both hemispheres: pass one path")
        return "cifti" if hasattr(_load(first).header, "get_axis") else kind
    if not isinstance(files, Mapping) or set(files) != set(HEMISPHERES):
        raise ValueError(f"{first.name} is of one hemisphere: pass {{'left': ..., 'right': ...}}")
    for side, path in files.items():
        written = {"left" if of_left else "right" for of_left in _SIDE.findall(path.name)}
        if written and side not in written:
            raise ValueError(
                f"{path.name} is given for the {side} hemisphere, and its name says the other: "
                "exchange the two paths, or rename the file"
            )
    return kind


def _read(files: Files, kind: str, name: str, mesh: Any, which: int | None) -> dict[str, Side]:
    if isinstance(files, Mapping):
        if kind == "annot":
            return {side: _annot(files[side]) for side in HEMISPHERES}
        return {side: _gifti(files[side], which) for side in HEMISPHERES}
    return _cifti(files, which) if kind == "cifti" else _nifti(files, name, mesh, which)


def _nibabel() -> Any:
    return import_extra("nibabel", extra="report", purpose="an atlas in a file")


def _load(path: Path) -> Any:
    """Return an image whose values were read to their end."""
    present_file(path)
    with reading(path, "an atlas", advice="get it again"):
        image = _nibabel().load(path)
        if image is None:  # XML, but not GIFTI
            raise ValueError("it holds no image")
        if hasattr(image, "dataobj"):
            np.asarray(image.dataobj)
        return image


def _annot(path: Path) -> Side:
    present_file(path)
    with reading(path, "an annot", advice="get it again"):
        values, _, names = _nibabel().freesurfer.read_annot(path)
    return Side(values, {k: written.decode() for k, written in enumerate(names)})


def _gifti(path: Path, which: int | None) -> Side:
    image = _load(path)
    maps = [one for one in image.darrays if one.intent not in _GEOMETRY]
    if not maps:
        raise ValueError(
            f"{path.name} is a surface, with points and triangles alone: pass the file of labels "
            "(.label.gii) on it"
        )
    named = [str(one.meta.get("Name", "")) for one in maps]
    values = np.asarray(maps[_one_of(path, named, which)].data)
    if values.ndim == 2:
        values = values[:, _one_of(path, [""] * values.shape[1], which)]
    names = {int(k): str(v) for k, v in image.labeltable.get_labels_as_dict().items()}
    return Side(values, _told(names))


def _one_of(path: Path, names: list[str], which: int | None) -> int:
    """Return the place of the map that is meant, or raise where it could be any of several."""
    if which is not None and not 0 <= which < len(names):
        raise ValueError(
            f"{path.name} has {len(names)} maps: which={which}, expected 0 to {len(names) - 1}"
        )
    if which is None and len(names) > 1:
        said = ", ".join(f"{k} {written!r}" for k, written in enumerate(names[:4]))
        more = ", ..." if len(names) > 4 else ""
        raise ValueError(
            f"{path.name} holds {len(names)} maps ({said}{more}), an atlas has one label per "
            "place: pass which= with the number of one, from 0"
        )
    return which or 0


def _told(names: dict[int, str]) -> dict[int, str] | None:
    """Return the names of a file, or None if it names the background alone (workbench does)."""
    return names if any(written.lower() not in BACKGROUND for written in names.values()) else None


def _cifti(path: Path, which: int | None) -> dict[str, Side]:
    image = _load(path)
    first, models = (image.header.get_axis(k) for k in (0, 1))
    if not hasattr(models, "iter_structures"):
        raise ValueError(
            f"{path.name} has a value per {type(models).__name__.removesuffix('Axis').lower()}, "
            "expected one per grayordinate: pass a .dlabel.nii or a .dscalar.nii"
        )
    maps = [str(item) for item in getattr(first, "name", range(len(first)))]
    place = _one_of(path, maps, which)
    names = None
    if hasattr(first, "label"):
        names = _told({int(k): str(label[0]) for k, label in first.label[place].items()})
    row = np.asarray(image.dataobj[place], dtype=np.float64)
    sides = {}
    for structure, columns, axis in models.iter_structures():
        if structure not in _STRUCTURES:
            continue
        values = np.full(axis.nvertices[structure], np.nan)
        cortex = np.zeros(values.shape, dtype=bool)
        values[axis.vertex], cortex[axis.vertex] = row[columns], True
        sides[_STRUCTURES[structure]] = Side(values, names, cortex)
    if set(sides) != set(HEMISPHERES):
        raise ValueError(f"{path.name} has cortex of {sorted(sides) or 'no hemisphere'}, "
                         "expected left and right")  # fmt: skip
    return sides


def _nifti(path: Path, name: str, mesh: Any, which: int | None) -> dict[str, Side]:
    image = _load(path)
    place = _one_of(path, [""] * n_volumes(image), which)
    if sum(size > 1 for size in image.shape[:3]) < 2:
        raise ValueError(
            f"{path.name} has the shape {image.shape}, expected a volume: save values per vertex "
            "as GIFTI, one file per hemisphere"
        )
    labels = label_volume(image, place)
    if labels is None:
        values = projected_values(one_volume(image, place), mesh)
        return {side: Side(found) for side, found in values.items()}
    found = np.unique(np.asarray(labels.dataobj))
    projected = projected_labels(labels, mesh, name)
    return {side: Side(values, found=found) for side, values in projected.items()}
