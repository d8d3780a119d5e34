"""Responses, scores, atlases and selectors as nilearn's surface objects, and back."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import import_extra
from encodekit.data import make_response
from encodekit.regions._atlas import HEMISPHERES, Atlas
from encodekit.regions._labels import Names, Side, all_labels, assembled, checked_labels
from encodekit.regions._meshes import N_VERTICES, mesh_name, mesh_of
from encodekit.regions._selector import RegionSelector
from encodekit.regions._tables import read_table
from encodekit.regions._volumes import projected_labels, shipped_meshes


def to_surface_image(values: xr.DataArray, mesh: Any = None) -> Any:
    """Return responses or scores of one participant as a nilearn SurfaceImage.

    Parameters
    ----------
    values : DataArray (target,) or (time, target)
        With ``hemisphere`` and ``vertex`` and attrs ``space``; vertices without a target are NaN.
    mesh : mapping of "left" and "right" to surfaces, optional
        nilearn's pial fsaverage5 if not given, for data in that space.

    Raises
    ------
    ValueError
        If targets have no place, a vertex has two targets, or the space needs a ``mesh``.
    """
    if not {"hemisphere", "vertex"} <= set(values.coords):
        raise ValueError(
            "a SurfaceImage needs the coordinates hemisphere and vertex, got "
            f"{sorted(str(name) for name in values.coords)}"
        )
    side, vertex = (values.coords[name].values for name in ("hemisphere", "vertex"))
    if pd.MultiIndex.from_arrays([side, vertex]).has_duplicates:
        raise ValueError(
            "two targets are at one vertex: a SurfaceImage is of one participant; select one"
        )
    space = mesh_name(str(values.attrs.get("space", "native")))
    surface = _mesh(mesh, space)
    rows = np.asarray(values.transpose(..., "target").values, dtype=np.float32)
    parts = {}
    for name in HEMISPHERES:
        here = side == name
        whole = np.full((*rows.shape[:-1], len(_points(surface[name]))), np.nan, dtype=np.float32)
        whole[..., vertex[here]] = rows[..., here]
        parts[name] = whole.T
    return _surface().SurfaceImage(surface, parts)


def from_surface_image(
    image: Any,
    *,
    participant: str = "P1",
    run: str | None = None,
    t_r: float | None = None,
    space: str | None = None,
    **response: Any,
) -> xr.DataArray:
    """Return a nilearn SurfaceImage as scores (target,), or as a response (time, target).

    Parameters
    ----------
    image : SurfaceImage
    participant : str
    run, t_r : optional
        Needed where the image has several samples per vertex: they are then TRs.
    space : str, optional
        The mesh's name; told by its size if not given, which 163,842 vertices (fsaverage7 or
        fsLR-164k) do not, and ``"native"`` where no mesh has the size.
    **response
        ``tr_times`` (multiples of ``t_r`` from 0 if not given) and others of `make_response`.

    Raises
    ------
    ValueError
        If samples are given without ``run`` and ``t_r``, or the size does not tell the mesh.
    """
    parts = {side: np.asarray(image.data.parts[side]) for side in HEMISPHERES}
    sizes = [len(parts[side]) for side in HEMISPHERES]
    joined = np.concatenate([parts[side].reshape(len(parts[side]), -1) for side in HEMISPHERES])
    several = joined.shape[1] > 1
    if several and (run is None or t_r is None):
        raise ValueError(
            f"the image has {joined.shape[1]} samples per vertex: pass run= and t_r= to read them "
            "as TRs, or select one"
        )
    seconds = float(t_r or 1.0)
    response.setdefault("tr_times", seconds * np.arange(joined.shape[1]))
    made = make_response(
        joined.T,
        run=run or "map",
        participant=participant,
        t_r=seconds,
        hemisphere=np.repeat(HEMISPHERES, sizes),
        vertex=np.concatenate([np.arange(size) for size in sizes]),
        space=mesh_name(space) if space else _space_of(sizes),
        **response,
    )
    if several or run is not None:
        return made
    scores = made.isel(time=0, drop=True).drop_vars("n_repeats")
    scores.attrs = {"space": made.attrs["space"]}
    return scores


def to_masker(regions: RegionSelector | Atlas, mesh: Any = None, **options: Any) -> Any:
    """Return nilearn's masker for a selector (SurfaceMasker) or an atlas (SurfaceLabelsMasker).

    An atlas becomes one label per hemisphere and area, named ``left/A1``.

    Parameters
    ----------
    regions : RegionSelector or Atlas
    mesh : mapping of "left" and "right" to surfaces, optional
        nilearn's pial fsaverage5 if not given.
    **options
        Of the masker, such as ``t_r``.
    """
    maskers: Any = import_extra("nilearn.maskers", extra="report", purpose="a masker")
    options.setdefault("standardize", None)  # nilearn's own default warns
    atlas: Atlas | None = regions if isinstance(regions, Atlas) else regions.atlas
    if atlas is None:
        raise ValueError(f"{regions!r} has no atlas: a masker needs to know every vertex")
    if mesh is None:
        atlas = atlas.in_space("fsaverage5")
    surface = _mesh(mesh, atlas.space)
    if not isinstance(regions, Atlas):
        mask = {s: of.astype(np.int8) for s, of in atlas.mask(regions.regions).items()}
        return maskers.SurfaceMasker(_surface().SurfaceImage(surface, mask), **options)
    n = len(atlas.names)
    labels = {side: atlas.labels[side].astype(np.int32) for side in HEMISPHERES}
    labels["right"] = np.where(labels["right"] > 0, labels["right"] + n, 0).astype(np.int32)
    named = [f"{side}/{area}" for side in HEMISPHERES for area in atlas.names]
    lut = pd.DataFrame({"index": range(2 * n + 1), "name": ["Background", *named]})
    there = np.unique(np.concatenate([labels[side] for side in HEMISPHERES]))
    lut = lut[lut["index"].isin([0, *there.tolist()])].reset_index(drop=True)
    image = _surface().SurfaceImage(surface, labels)
    return maskers.SurfaceLabelsMasker(image, lut=lut, **options)


def from_masker(masker: Any, name: str = "mask", *, space: str | None = None) -> RegionSelector:
    """Return the selector that keeps what a nilearn masker keeps.

    Masks (SurfaceMasker, NiftiMasker) become one area, ``name``; labels (SurfaceLabelsMasker,
    NiftiLabelsMasker) an atlas. Volumes are projected onto fsaverage5, which is approximate.

    Parameters
    ----------
    masker : nilearn masker
    name : str
        Of the atlas, and of the area of a mask.
    space : str, optional
        The mesh of a surface; told by its size if not given, which 163,842 vertices do not.

    Raises
    ------
    ValueError
        If the masker has no image yet, or one of real numbers; if names do not fit the labels, or
        the size does not tell the mesh.
    """
    image = _image_of(masker)
    if image is None:
        raise ValueError(
            f"{type(masker).__name__} has no mask or labels yet: fit it first, or give it an image"
        )
    if hasattr(image, "data") and hasattr(image, "mesh"):
        raw = {side: np.asarray(image.data.parts[side]).squeeze() for side in HEMISPHERES}
        values = {side: checked_labels(name, of) for side, of in raw.items()}
        edition = None
    else:
        values = projected_labels(image, name=name)
        edition = "projected from a volume: approximate"
    sides = {side: Side(of) for side, of in values.items()}
    names = _names_of(masker, all_labels(sides), name)
    sides = {side: one._replace(names=names) for side, one in sides.items()}
    where = space or _space_of([len(of) for of in values.values()])
    return RegionSelector(assembled(name, sides, space=where, groups=None, edition=edition))


def _image_of(masker: Any) -> Any:
    if hasattr(masker, "maps_img"):
        raise ValueError(
            f"{type(masker).__name__} holds maps of real numbers, one per area, no labels: make "
            "labels of the largest, or read each map by read_atlas(path, threshold=..., which=...)"
        )
    for attribute in ("labels_img_", "mask_img_", "labels_img", "mask_img"):
        image = getattr(masker, attribute, None)
        if image is not None:
            return image
    return None


def _names_of(masker: Any, found: NDArray[Any], name: str) -> Names | list[str]:
    if not hasattr(masker, "labels_img"):
        return {1: name}
    for attribute in ("lut_", "lut", "labels"):
        told = getattr(masker, attribute, None)
        if told is not None:
            return read_table(told)
    return {int(k): str(int(k)) for k in found if k > 0}


def _surface() -> Any:
    return import_extra("nilearn.surface", extra="report", purpose="a SurfaceImage")


def _mesh(mesh: Any, space: str) -> Any:
    if mesh is not None:
        return mesh if isinstance(mesh, dict) else mesh.parts
    if space != "fsaverage5":
        raise ValueError(
            f"data are in space {space!r}, and nilearn ships fsaverage5 alone: pass mesh=, "
            "{'left': path, 'right': path}"
        )
    return shipped_meshes("pial")[0]


def _points(surface: Any) -> Any:
    return _surface().load_surf_mesh(surface).coordinates


def _space_of(sizes: list[int]) -> str:
    """Return the mesh of two hemispheres; "native" where none has as many vertices."""
    one = set(sizes) if len(set(sizes)) == 1 else set()
    return mesh_of(sizes[0]) if one & set(N_VERTICES.values()) else "native"
