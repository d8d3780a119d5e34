"""nilearn both ways: maskers' arrays as responses, and maps as images and SurfaceImages."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.data import make_response
from encodekit_adapters._need import need

_MESHES = {f"fsaverage{n}": f"fsaverage{n}" for n in (3, 4, 5, 6)} | {"fsaverage7": "fsaverage"}
_SIDES = ("left", "right")


def from_masker(
    masker: Any, image: Any, *, run: str, participant: str, **given: Any
) -> xr.DataArray:
    """Return what a nilearn masker makes of one run's image as a response.

    Parameters
    ----------
    masker : fitted masker
        Of volumes or surfaces; a target is a column of its ``transform``.
    image : what the masker takes
    run, participant, **given
        As of `encodekit.data.make_response`: ``tr_times`` and ``t_r`` at least.
    """
    values = np.asarray(masker.transform(image))
    if "space" not in given:
        given["space"] = "volume"
    return make_response(
        values, run=run, participant=participant, voxel=np.arange(values.shape[1]), **given
    )


def to_masker(values: xr.DataArray | NDArray[Any], masker: Any) -> Any:
    """Return the image of values (target,) or (time, target) of one participant, all targets.

    Raises
    ------
    ValueError
        Where the values are of several participants.
    """
    if isinstance(values, xr.DataArray):
        _one_participant(values)
        values = values.transpose(..., "target").values
    return masker.inverse_transform(np.asarray(values))


def to_surface(values: xr.DataArray, *, fill: float = np.nan, mesh: Any = None) -> Any:
    """Return a map or response of one participant on fsaverage as nilearn's SurfaceImage.

    Parameters
    ----------
    values : DataArray (..., target)
        With ``hemisphere`` and ``vertex``; one value or time series per vertex.
    fill : float
        Of vertices that have no target.
    mesh : PolyMesh, optional
        nilearn's fsaverage of ``values.attrs["space"]`` if not given.

    Raises
    ------
    ValueError
        Where targets have no vertices, are of several participants, or of an unknown mesh.
    """
    surface = need("nilearn.surface", extra="nilearn", purpose="a SurfaceImage")
    _one_participant(values)
    if "vertex" not in values.coords or "hemisphere" not in values.coords:
        raise ValueError("the targets have no vertices (coordinates hemisphere, vertex): no map")
    mesh = _mesh(values) if mesh is None else mesh
    parts: dict[str, NDArray[Any]] = {}
    for side in _SIDES:
        mine = values.isel(target=np.flatnonzero(values.hemisphere.values == side))
        n_vertices = mesh.parts[side].n_vertices
        rows = mine.vertex.values
        if rows.size and rows.max() >= n_vertices:
            raise ValueError(
                f"{side}: vertex {rows.max()} but the mesh has {n_vertices}: pass the mesh of the "
                f"space {values.attrs.get('space')!r}"
            )
        arrays = mine.transpose("target", ...).values
        whole = np.full((n_vertices, *arrays.shape[1:]), fill, dtype=arrays.dtype)
        whole[rows] = arrays
        parts[side] = whole
    return surface.SurfaceImage(mesh=mesh, data=parts)


def from_surface(
    image: Any, *, run: str, participant: str, space: str, **given: Any
) -> xr.DataArray:
    """Return one run's SurfaceImage (vertex, time) as a response; vertices in nilearn's order.

    ``given`` is what `encodekit.data.make_response` takes: ``tr_times`` and ``t_r`` at least.
    """
    parts = {side: np.asarray(image.data.parts[side]) for side in _SIDES}
    counts = [parts[side].shape[0] for side in _SIDES]
    if any(part.ndim != 2 for part in parts.values()):
        shapes = [parts[side].shape for side in _SIDES]
        raise ValueError(
            f"the image has the shapes {shapes}, expected (vertex, time) for each side"
        )
    return make_response(
        np.concatenate([parts[side] for side in _SIDES]).T,
        run=run,
        participant=participant,
        hemisphere=np.repeat(_SIDES, counts),
        vertex=np.concatenate([np.arange(n) for n in counts]),
        space=space,
        **given,
    )


def _one_participant(values: xr.DataArray) -> None:
    if "participant" not in values.coords:
        return
    people = np.unique(values.participant.values)
    if len(people) > 1:
        raise ValueError(
            f"the values are of {', '.join(map(str, people))}: select one, such as values.sel("
            f"target=values.participant == {str(people[0])!r})"
        )


def _mesh(values: xr.DataArray) -> Any:
    datasets = need("nilearn.datasets", extra="nilearn", purpose="fsaverage")
    space = str(values.attrs.get("space"))
    if space not in _MESHES:
        raise ValueError(f"there is no mesh of the space {space!r} in nilearn: pass mesh=")
    meshes: Mapping[str, Any] = datasets.load_fsaverage(_MESHES[space])
    return meshes["pial"]
