"""Volumes brought to the surface, by nilearn's vol_to_surf."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import import_extra
from encodekit.data import make_response
from encodekit.regions._atlas import HEMISPHERES

Sides = dict[str, NDArray[Any]]


def volume_to_surface(
    image: Any, *, run: str, participant: str, t_r: float, mesh: Any = None, **response: Any
) -> Any:
    """Return a run's response (time, target) on the surface, from a 4D volume in MNI space.

    Each vertex is the mean along the line from the white to the pial surface.

    Parameters
    ----------
    image : path or 4D NIfTI image
    run, participant, t_r : as in `encodekit.data.make_response`
    mesh : mapping of "left" and "right" to surfaces, optional
        nilearn's fsaverage5, from white to pial, if not given; else pass ``space=`` too.
    **response
        ``tr_times`` (multiples of ``t_r`` from 0 if not given) and others of `make_response`.

    Returns
    -------
    DataArray (time, target)
        With ``hemisphere`` and ``vertex``; NaN where a vertex lies outside the image.
    """
    values = projected_values(image, mesh)
    joined = np.concatenate([values[side] for side in HEMISPHERES]).astype(np.float32)
    rows = np.atleast_2d(joined.T)
    sizes = [len(values[side]) for side in HEMISPHERES]
    response.setdefault("tr_times", t_r * np.arange(len(rows)))
    response.setdefault("space", "fsaverage5" if mesh is None else "native")
    return make_response(
        rows,
        run=run,
        participant=participant,
        t_r=t_r,
        hemisphere=np.repeat(HEMISPHERES, sizes),
        vertex=np.concatenate([np.arange(size) for size in sizes]),
        **response,
    )


def projected_values(image: Any, mesh: Any = None) -> Sides:
    """Return the means (n_vertices,) or (n_vertices, time) under each vertex."""
    return _projected(image, mesh, "linear")


def projected_labels(image: Any, mesh: Any = None) -> Sides:
    """Return the most frequent label (n_vertices,) under each vertex; 0 outside."""
    found = _projected(image, mesh, "nearest_most_frequent")
    return {side: np.nan_to_num(values).round().astype(int) for side, values in found.items()}


def _projected(image: Any, mesh: Any, interpolation: str) -> Sides:
    surface: Any = import_extra("nilearn.surface", extra="report", purpose="a volume on a surface")
    outer, inner = (mesh, None) if mesh is not None else shipped_meshes("pial", "white_matter")
    return {
        side: np.asarray(
            surface.vol_to_surf(
                image,
                outer[side],
                inner_mesh=None if inner is None else inner[side],
                interpolation=interpolation,
            )
        )
        for side in HEMISPHERES
    }


def shipped_meshes(*kinds: str) -> list[dict[str, Any]]:
    """Return hemisphere to mesh for each kind ("pial", "white_matter"), of nilearn's fsaverage5."""
    datasets: Any = import_extra("nilearn.datasets", extra="report", purpose="a surface mesh")
    shipped = datasets.load_fsaverage("fsaverage5")
    return [{side: shipped[kind].parts[side] for side in HEMISPHERES} for kind in kinds]
