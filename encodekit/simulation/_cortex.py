"""Where the simulated targets lie: vertices of fsaverage5, and what each part of cortex does."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from encodekit.core import import_extra
from encodekit.simulation._places import NOTHING, Places

if TYPE_CHECKING:
    from encodekit.regions import Atlas, RegionSelector

SPACE = "fsaverage5"
HEMISPHERES = ("left", "right")
AUDITORY, LANGUAGE = "acoustics", "language"
GROUPS = {AUDITORY: "early_auditory", LANGUAGE: "late_language"}
N_OTHER = 300  # vertices that follow nothing

_TOPOGRAPHY = 6.0  # mm on the sphere of 100 mm: standard deviation of the smoothing kernel
# Without an atlas: balls (mm, on the white surface, left; the right is at -x) around coordinates
# of Heschl's gyrus, and of the temporal and inferior frontal language areas.
_BALLS = {
    AUDITORY: (((-45.0, -22.0, 8.0), 14.0),),
    LANGUAGE: (
        ((-56.0, -38.0, 4.0), 18.0),
        ((-54.0, -6.0, -14.0), 16.0),
        ((-47.0, -62.0, 22.0), 16.0),
        ((-48.0, 22.0, 8.0), 15.0),
    ),
}


@dataclass(frozen=True, eq=False)
class Cortex(Places):
    """Vertices of `SPACE`, left before right.

    Attributes
    ----------
    hemisphere : ndarray of str, (vertex,)
    vertex : ndarray of int, (vertex,)
        Counted per hemisphere.
    coordinates : ndarray, (vertex, 3)
        mm, on the sphere.
    """

    hemisphere: NDArray[np.str_]
    vertex: NDArray[np.int64]
    coordinates: NDArray[np.float64]

    @property
    def space(self) -> str:
        """The mesh of the vertices."""
        return SPACE

    def coords(self) -> dict[str, Any]:
        """Return the coordinates on target that say where they are."""
        return {"hemisphere": self.hemisphere, "vertex": self.vertex, "region": self.region}

    def target_names(self, participant: str) -> None:
        """Return None: a target is named by its hemisphere and vertex."""

    def take(self, rows: NDArray[np.int64]) -> "Cortex":
        """Return the cortex of these rows alone."""
        return Cortex(
            self.region[rows],
            self.follows[rows],
            self.source,
            self.hemisphere[rows],
            self.vertex[rows],
            self.coordinates[rows],
        )

    def smooth_fields(self, rng: np.random.Generator, n_fields: int) -> NDArray[np.float64]:
        """Return random maps (field, vertex) of mean 0 and variance 1 that vary smoothly.

        Neighbours of one hemisphere and one kind (auditory, language, ...) resemble each other.
        """
        fields = rng.standard_normal((n_fields, len(self)))
        for rows, kernel in self._kernels:
            fields[:, rows] = fields[:, rows] @ kernel.T
        return fields

    @cached_property
    def _kernels(self) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Rows of a patch, and weights (vertex, vertex) whose squares sum to 1 in each row."""
        kernels = []
        for rows in self._patches():
            away = cdist(self.coordinates[rows], self.coordinates[rows], "sqeuclidean")
            kernel = np.exp(-away / (2 * _TOPOGRAPHY**2))
            kernels.append((rows, kernel / np.linalg.norm(kernel, axis=1, keepdims=True)))
        return kernels

    def _patches(self) -> Iterable[NDArray[np.int64]]:
        for hemisphere in HEMISPHERES:
            for kind in np.unique(self.follows):
                rows = np.flatnonzero((self.hemisphere == hemisphere) & (self.follows == kind))
                if rows.size:
                    yield rows


def simulated_cortex(n_vertices: int | None = None) -> Cortex:
    """Return the auditory and language vertices, and some of other cortex.

    Parameters
    ----------
    n_vertices : int, optional
        How many, spread evenly over all; at least 3. All if not given: about 2,400.
    """
    source = atlas_source()
    whole = _from_atlas() if source == "glasser" else _from_balls()
    if n_vertices is None:
        return whole
    if not 3 <= n_vertices <= len(whole):
        raise ValueError(
            f"vertices={n_vertices}: take from 3 to {len(whole)}, or None for all of them"
        )
    return whole.take(_spread(whole, n_vertices))


def cortex_of(atlas: "str | Atlas | RegionSelector", counts: Mapping[str, int]) -> Cortex:
    """Return so many vertices of each region of an atlas, or all it has, spread evenly.

    Raises
    ------
    ValueError
        Where the atlas has no such region or no labels on `SPACE`, or two regions overlap.
    """
    from encodekit.plugins import make_regions

    selector: Any = make_regions(atlas, space=SPACE) if isinstance(atlas, str) else atlas
    labels: Atlas = getattr(selector, "atlas", selector).in_space(SPACE)
    follows = np.full(2 * labels.n_vertices, "", dtype=object)  # left, then right
    chosen = []
    for region, count in counts.items():
        rows = np.flatnonzero(np.concatenate(list(labels.mask([region]).values())))
        taken = rows[follows[rows] != ""]
        if not rows.size or taken.size:
            what = f"overlaps with {follows[taken[0]]!r}" if taken.size else "has no vertex"
            raise ValueError(f"region {region!r} of {labels.name} {what} on {SPACE}: leave it out")
        follows[rows] = region
        chosen.append(_evenly(rows, min(count, rows.size)))
    rows = np.sort(np.concatenate(chosen))
    hemisphere = np.repeat(HEMISPHERES, labels.n_vertices)
    areas = [labels.region_of(side, np.arange(labels.n_vertices)) for side in HEMISPHERES]
    coordinates = [mesh_coordinates(side, "sphere") for side in HEMISPHERES]
    return Cortex(
        np.concatenate(areas)[rows],
        follows[rows].astype(str),
        labels.name,
        hemisphere[rows],
        rows % labels.n_vertices,
        np.concatenate(coordinates)[rows],
    )


def atlas_source() -> str:
    """Return ``"glasser"`` where a plugin brings that atlas, else ``"balls"``."""
    from encodekit.plugins import known_names

    return "glasser" if "glasser" in known_names("regions") else "balls"


def _spread(whole: Cortex, n_vertices: int) -> NDArray[np.int64]:
    """Return evenly spaced rows of each kind, in proportion and at least one of each."""
    kinds = [np.flatnonzero(whole.follows == kind) for kind in (AUDITORY, LANGUAGE, NOTHING)]
    counts = [max(1, round(n_vertices * len(rows) / len(whole))) for rows in kinds]
    counts[1] = n_vertices - counts[0] - counts[2]
    picked = [_evenly(rows, count) for rows, count in zip(kinds, counts, strict=True)]
    return np.sort(np.concatenate(picked))


def _evenly(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    places = (np.arange(count) + 0.5) * len(rows) / count
    return rows[places.astype(np.int64)]


@cache
def _from_atlas() -> Cortex:
    from encodekit.plugins import make_regions

    atlas = make_regions("glasser", space=SPACE).atlas
    kinds = {kind: atlas.mask([group]) for kind, group in GROUPS.items()}
    somewhere = atlas.mask(None)
    regions = {side: atlas.region_of(side, np.arange(atlas.n_vertices)) for side in HEMISPHERES}
    return _assemble(kinds, somewhere, regions, atlas.name)


@cache
def _from_balls() -> Cortex:
    surface = {side: mesh_coordinates(side, "white") for side in HEMISPHERES}
    kinds: dict[str, dict[str, NDArray[np.bool_]]] = {AUDITORY: {}, LANGUAGE: {}}
    for side, mirror in zip(HEMISPHERES, (1, -1), strict=True):
        taken = np.zeros(len(surface[side]), dtype=bool)
        for kind, balls in _BALLS.items():
            inside = np.zeros_like(taken)
            for centre, radius in balls:
                away = surface[side] - np.array(centre) * (mirror, 1, 1)
                inside |= np.linalg.norm(away, axis=1) <= radius
            kinds[kind][side] = inside & ~taken
            taken |= inside
    somewhere = {side: np.ones(len(surface[side]), dtype=bool) for side in HEMISPHERES}
    regions = {}
    for side in HEMISPHERES:
        regions[side] = np.full(len(surface[side]), "other", dtype="U16")
        for kind, group in GROUPS.items():
            regions[side][kinds[kind][side]] = group
    return _assemble(kinds, somewhere, regions, "balls around anatomical coordinates")


def _assemble(
    kinds: dict[str, dict[str, NDArray[np.bool_]]],
    somewhere: dict[str, NDArray[np.bool_]],
    regions: dict[str, NDArray[np.str_]],
    source: str,
) -> Cortex:
    columns: list[tuple[NDArray[np.str_], ...]] = []
    vertices, coordinates = [], []
    for side in HEMISPHERES:
        follows = np.where(somewhere[side], NOTHING, "").astype("U16")
        for kind, masks in kinds.items():
            follows[masks[side]] = kind
        others = np.flatnonzero(follows == NOTHING)
        follows[np.setdiff1d(others, _evenly(others, N_OTHER // 2))] = ""
        chosen = np.flatnonzero(follows != "")
        columns.append((np.full(chosen.size, side), regions[side][chosen], follows[chosen]))
        vertices.append(chosen)
        coordinates.append(mesh_coordinates(side, "sphere")[chosen])
    hemisphere, region, follows = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    return Cortex(
        region, follows, source, hemisphere, np.concatenate(vertices), np.concatenate(coordinates)
    )


@cache
def mesh_coordinates(hemisphere: str, surface: str) -> NDArray[np.float64]:
    """Return the vertices (10242, 3) of fsaverage5 in mm; the mesh ships inside nilearn."""
    import_extra("nilearn", extra="simulate", purpose="the mesh of the simulated study")
    from nilearn.datasets import fetch_surf_fsaverage
    from nilearn.surface import load_surf_mesh

    mesh = load_surf_mesh(fetch_surf_fsaverage(SPACE)[f"{surface}_{hemisphere}"])
    coordinates: NDArray[np.float64] = np.asarray(mesh.coordinates, dtype=np.float64)
    return coordinates
