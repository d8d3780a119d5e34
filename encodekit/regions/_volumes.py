"""Volumes brought to the surface, by nilearn's vol_to_surf."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import import_extra
from encodekit.data import make_response
from encodekit.regions._atlas import HEMISPHERES
from encodekit.regions._labels import OUTSIDE, as_labels, some_values

Sides = dict[str, NDArray[Any]]
_LARGEST_STEP = 0.02  # of what a file can store: a coarser one leaves no labels to tell apart


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


def projected_labels(image: Any, mesh: Any = None, name: str = "the image") -> Sides:
    """Return the most frequent label (n_vertices,) under each vertex; `OUTSIDE` beside the image.

    Raises
    ------
    ValueError
        If the image has several volumes, or is a map of real numbers.
    """
    volume = loaded(image)
    if n_volumes(volume) > 1:
        raise ValueError(
            f"{name} holds {n_volumes(volume)} volumes (shape {volume.shape}), and labels are one: "
            "select one, or make labels of the largest"
        )
    labels = label_volume(volume)
    if labels is None:
        stored = np.asarray(volume.dataobj)
        raise ValueError(
            f"{name} holds real numbers ({some_values(stored)}), not labels: use "
            "read_atlas(path, threshold=...) to make a mask of where they are above"
        )
    try:
        found = _projected(labels, mesh, "nearest_most_frequent")
    except ValueError as error:  # nilearn's, of a volume that no vertex lies in
        raise ValueError(
            f"{name} does not reach the surface: no vertex lies in the volume ({error}); is its "
            "affine that of MNI space?"
        ) from error
    return {
        side: np.nan_to_num(values, nan=OUTSIDE).round().astype(int)
        for side, values in found.items()
    }


def label_volume(volume: Any, which: int = 0) -> Any:
    """Return labels (x, y, z) of one volume, `OUTSIDE` for NaN; None for real numbers."""
    # Numbers that were scaled to fit into the file come back off by up to half a step.
    slope = float(getattr(volume.dataobj, "slope", 1.0))
    step = 0.0 if slope == 1.0 else min(abs(slope), _LARGEST_STEP)
    labels = as_labels(_values(volume, which), step)
    if labels is None:
        return None
    return _nibabel().Nifti1Image(labels.astype(np.int32), volume.affine)


def one_volume(volume: Any, which: int) -> Any:
    """Return one of an image's volumes as an image (x, y, z)."""
    return _nibabel().Nifti1Image(_values(volume, which), volume.affine)


def n_volumes(volume: Any) -> int:
    """Return how many volumes an image has."""
    return int(np.prod(volume.shape[3:]))


def loaded(image: Any) -> Any:
    """Return the image of a path, or of itself."""
    return _nibabel().load(image) if isinstance(image, str | Path) else image


def _values(volume: Any, which: int) -> NDArray[Any]:
    values: NDArray[Any] = np.asarray(volume.dataobj)
    return values.reshape(*values.shape[:3], -1)[..., which]


def _nibabel() -> Any:
    return import_extra("nibabel", extra="report", purpose="an image in a file")


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
