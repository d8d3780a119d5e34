"""The inflated fsaverage5 surface, seen from one side."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import import_extra

_TOWARDS_VIEWER = {
    ("left", "lateral"): -1.0,
    ("left", "medial"): 1.0,
    ("right", "lateral"): 1.0,
    ("right", "medial"): -1.0,
}


@dataclass(frozen=True, eq=False)
class View:
    """What is visible of one hemisphere from one side, back to front.

    Attributes
    ----------
    points : array (n_vertices, 2)
        Positions on the picture, mm.
    triangles : array (n_visible, 3)
        Those that face the viewer, the nearest last.
    shade : array (n_vertices,)
        1 where the surface faces the viewer, towards 0 where it turns away.
    folds : array (n_vertices,)
        1 in a sulcus, 0 on a gyrus, smooth between.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    shade: NDArray[np.float64]
    folds: NDArray[np.float64]


@cache
def view(side: str, aspect: str) -> View:
    """Return what is seen of a hemisphere ("left", "right") from "lateral" or "medial"."""
    points, triangles, sulcal_depth = inflated(side)
    sign = _TOWARDS_VIEWER[side, aspect]
    normals = _vertex_normals(points, triangles)
    # The mesh may list corners in either direction; around the middle, outward is along the point.
    if (normals * points).sum() < 0:
        normals = -normals
    flat = np.column_stack([sign * points[:, 1], points[:, 2]])
    depth = sign * points[:, 0]
    facing = sign * normals[:, 0]
    # A little beyond the edge, or the silhouette would have gaps between triangles.
    seen = facing[triangles].mean(axis=1) > -0.1
    visible = triangles[seen]
    # Painter's algorithm: the nearest are drawn last, over what they hide.
    order = np.argsort(depth[visible].mean(axis=1), kind="stable")
    return View(flat, visible[order], np.clip(facing, 0, 1), folds(sulcal_depth))


def folds(sulcal_depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 in a sulcus and 0 on a gyrus, smooth between."""
    return np.asarray(1 / (1 + np.exp(-3.0 * sulcal_depth)))


def outline(seen: View, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the segments (n, 2, 2) of the border of a set of vertices, where it is visible.

    In each triangle with vertices on both sides, the border joins the middles of the two edges
    that it crosses.
    """
    inside = mask[seen.triangles]
    mixed = inside.any(axis=1) & ~inside.all(axis=1)
    corners, inner = seen.triangles[mixed], inside[mixed]
    # Of three corners on two sides, one is alone: inside (one of three) or outside.
    odd = np.where(inner.sum(axis=1) == 1, inner.argmax(axis=1), (~inner).argmax(axis=1))
    rows = np.arange(len(odd))
    lone = seen.points[corners[rows, odd]]
    others = [seen.points[corners[rows, (odd + k) % 3]] for k in (1, 2)]
    return np.stack([(lone + other) / 2 for other in others], axis=1)


@cache
def inflated(side: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return points (n_vertices, 3), triangles and sulcal depth of a hemisphere."""
    # nilearn ships fsaverage5, so that nothing is downloaded
    datasets: Any = import_extra("nilearn.datasets", extra="report", purpose="a surface map")
    surface: Any = import_extra("nilearn.surface", extra="report", purpose="a surface map")
    files = datasets.fetch_surf_fsaverage("fsaverage5")
    mesh = surface.load_surf_mesh(files[f"infl_{side}"])
    points = np.asarray(mesh.coordinates, dtype=float)
    depth = np.asarray(surface.load_surf_data(files[f"sulc_{side}"]), dtype=float)
    return points - points.mean(axis=0), np.asarray(mesh.faces, dtype=int), depth / depth.std()


def _vertex_normals(points: NDArray[Any], triangles: NDArray[Any]) -> NDArray[np.float64]:
    a, b, c = points[triangles].transpose(1, 0, 2)
    # The length of the product is twice the area: large triangles count more at a corner.
    faces = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for corner in triangles.T:
        np.add.at(normals, corner, faces)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))
