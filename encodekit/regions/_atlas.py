"""Atlas: which area each vertex of a mesh belongs to."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import unknown_name
from encodekit.regions._meshes import N_VERTICES, is_prefix, mesh_name, mesh_size
from encodekit.regions._names import read_name

HEMISPHERES = ("left", "right")
Names = str | int | Iterable[str | int]


@dataclass(frozen=True, eq=False)
class Atlas:
    """A parcellation of the cortical surface: one label per vertex and hemisphere.

    Parameters
    ----------
    name : str
        What the atlas is called, with its edition: ``"Glasser 210V"``.
    labels : mapping of "left" and "right" to integer arrays (n_vertices,)
        0 for no area, k for the area ``names[k - 1]``.
    names : sequence of str
        The areas, in the order of their labels; the same areas in both hemispheres.
    space : str
        The mesh: ``"fsaverage5"``, ``"fsaverage6"``, ``"fsaverage7"``, ``"fsLR-32k"``,
        ``"fsLR-59k"``, ``"fsLR-164k"``, or a name of your own for another mesh.
    groups : mapping of str to sequences of area names, optional
        Sets of areas that can be asked for by one name.
    edition, terms, citation : str, optional
        The edition of the labels, the terms they may be used under, and what to cite.
    cortex : mapping of "left" and "right" to bool arrays (n_vertices,), optional
        The vertices that grayordinates hold (all but the medial wall), for arrays in that form.

    Raises
    ------
    ValueError
        If a hemisphere is missing, a label has no name, the number of vertices is not that of
        ``space``, or a group names an unknown area.

    Examples
    --------
    >>> import numpy as np
    >>> labels = {"left": np.array([0, 1, 1, 2]), "right": np.array([2, 2, 0, 1])}
    >>> atlas = Atlas("Toy", labels, ["A1", "V1"], space="toy", groups={"hearing": ["A1"]})
    >>> atlas.count("hearing")
    {'left': 2, 'right': 1}
    >>> atlas.vertices("l_v1", "left")
    array([3])
    """

    name: str
    labels: Mapping[str, NDArray[Any]]
    names: tuple[str, ...]
    space: str
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edition: str | None = None
    terms: str = ""
    citation: str = ""
    cortex: Mapping[str, NDArray[np.bool_]] | None = None

    def __post_init__(self) -> None:
        labels = {side: _frozen(values) for side, values in self.labels.items()}
        groups = {name: tuple(str(area) for area in areas) for name, areas in self.groups.items()}
        for attribute, value in (
            ("labels", labels),
            ("names", tuple(str(name) for name in self.names)),
            ("space", mesh_name(self.space)),
            ("groups", groups),
        ):
            object.__setattr__(self, attribute, value)
        mistakes = list(_mistakes(self))
        if mistakes:
            raise ValueError(f"atlas {self.name!r}: " + "; ".join(mistakes))

    @property
    def n_vertices(self) -> int:
        """Vertices per hemisphere."""
        return len(self.labels["left"])

    @cached_property
    def _by_case(self) -> dict[str, tuple[str, ...]]:
        areas = {name.lower(): (name,) for name in self.names}
        return {name.lower(): members for name, members in self.groups.items()} | areas

    def find(self, region: str | int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the areas and the hemispheres that one written name stands for.

        Areas and groups are matched without regard to case, as written first and then without
        ``L_``, ``R_``, ``_ROI``, ``-lh``, ``-rh``. A name with a hemisphere in it means that
        hemisphere only.

        Raises
        ------
        ValueError
            If nothing has this name; close names are suggested.
        """
        as_written = self._by_case.get(str(region).strip().lower())
        if as_written is not None:
            return as_written, HEMISPHERES
        name, hemisphere = read_name(region)
        areas = self._by_case.get(name.lower())
        if areas is None:
            known = [*self.names, *self.groups]
            raise ValueError(f"{self.name}: {unknown_name('region', name, known)}")
        return areas, (hemisphere,) if hemisphere else HEMISPHERES

    def areas(self, regions: Names | None = None) -> tuple[str, ...]:
        """Return the names of the areas in ``regions`` (None: all), each once, in order."""
        if regions is None:
            return self.names
        found = [area for region in listed(regions) for area in self.find(region)[0]]
        return tuple(dict.fromkeys(found))

    def mask(self, regions: Names | None = None) -> dict[str, NDArray[np.bool_]]:
        """Return, per hemisphere, which vertices (n_vertices,) lie in ``regions`` (None: any)."""
        wanted: dict[str, set[int]] = {side: set() for side in HEMISPHERES}
        for region in self.names if regions is None else listed(regions):
            areas, sides = self.find(region)
            for side in sides:
                wanted[side].update(self._label_of[area] for area in areas)
        return {side: np.isin(self.labels[side], sorted(wanted[side])) for side in HEMISPHERES}

    def vertices(self, regions: Names | None, hemisphere: str) -> NDArray[np.int64]:
        """Return the vertices of ``regions`` in one hemisphere, in increasing order."""
        return np.flatnonzero(self.mask(regions)[_side(hemisphere)])

    def count(self, regions: Names | None = None) -> dict[str, int]:
        """Return the number of vertices in ``regions``, per hemisphere."""
        return {side: int(mask.sum()) for side, mask in self.mask(regions).items()}

    def region_of(self, hemisphere: str, vertices: NDArray[Any]) -> NDArray[np.str_]:
        """Return the area of each vertex of one hemisphere; ``""`` where there is none."""
        found = self.labels[_side(hemisphere)][checked_vertices(self, hemisphere, vertices)]
        area: NDArray[np.str_] = np.array(["", *self.names])[found]
        return area

    def annotate(self, targets: xr.DataArray) -> xr.DataArray:
        """Return responses or scores on the atlas's mesh with the coordinate ``region`` written.

        Raises
        ------
        ValueError
            If the targets lack hemisphere and vertex, or lie outside the mesh.
        """
        if not {"hemisphere", "vertex"} <= set(targets.coords):
            raise ValueError(
                f"{self.name}: targets need the coordinates hemisphere and vertex, "
                f"got {sorted(str(name) for name in targets.coords)}"
            )
        region = np.full(targets.sizes["target"], "", dtype=object)
        for side in HEMISPHERES:
            here = targets.coords["hemisphere"].values == side
            region[here] = self.region_of(side, targets.coords["vertex"].values[here])
        return targets.assign_coords(region=("target", region.astype(str)))

    def in_space(self, space: str) -> "Atlas":
        """Return the atlas on a coarser mesh of the same family (fsaverage7 to fsaverage5).

        The vertices of each fsaverage mesh begin with those of the coarser ones.

        Raises
        ------
        ValueError
            If ``space`` is not such a mesh.
        """
        if mesh_name(space) == self.space:
            return self
        if self.space not in N_VERTICES or not is_prefix(space, self.space):
            raise ValueError(
                f"{self.name} is on {self.space} and has no labels for {space!r}: "
                "bring the responses to its mesh, or make the atlas there"
            )
        labels = {side: values[: mesh_size(space)] for side, values in self.labels.items()}
        return replace(self, labels=labels, space=space, cortex=None)

    @cached_property
    def _label_of(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.names, start=1)}

    def __repr__(self) -> str:
        return (
            f"Atlas({self.name!r}, {len(self.names)} areas, {self.space}, "
            f"{self.n_vertices} vertices per hemisphere)"
        )


def listed(regions: Names) -> list[str | int]:
    """Return one name, or several, as a list."""
    return [regions] if isinstance(regions, str | int) else list(regions)


def checked_vertices(atlas: Atlas, hemisphere: str, vertices: NDArray[Any]) -> NDArray[np.int64]:
    """Return ``vertices`` as integers, or raise if one lies outside the atlas's mesh."""
    found = np.asarray(vertices).astype(np.int64)
    if found.size and not (found.min() >= 0 and found.max() < atlas.n_vertices):
        raise ValueError(
            f"{hemisphere} vertices run from {found.min()} to {found.max()}, but {atlas.space} "
            f"has {atlas.n_vertices} per hemisphere, counted from 0 in each: check the space "
            "of the responses"
        )
    return found


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    labels = np.array(values)
    labels.flags.writeable = False
    return labels


def _side(hemisphere: str) -> str:
    if hemisphere not in HEMISPHERES:
        raise ValueError(unknown_name("hemisphere", hemisphere, HEMISPHERES))
    return hemisphere


def _mistakes(atlas: Atlas) -> Iterable[str]:
    if set(atlas.labels) != set(HEMISPHERES):
        yield f"labels are for {sorted(atlas.labels)}, expected left and right"
        return
    if re.sub(r"[^a-z]", "", atlas.space.lower()) == "fslr":
        known = ", ".join(mesh for mesh in N_VERTICES if mesh.startswith("fsLR"))
        yield f"space {atlas.space!r} does not say which of fsLR's meshes, expected {known}"
    for side, values in atlas.labels.items():
        if values.ndim != 1 or values.dtype.kind not in "iu":
            yield f"{side} labels are {values.dtype} {values.shape}, not integers (n_vertices,)"
            return
        if values.size and not 0 <= values.min() <= values.max() <= len(atlas.names):
            yield (
                f"{side} labels run from {values.min()} to {values.max()}, but there are "
                f"{len(atlas.names)} names (0 is no area)"
            )
        expected = N_VERTICES.get(atlas.space, atlas.n_vertices)
        if len(values) != expected:
            yield f"{side} has {len(values)} vertices, but {atlas.space} has {expected}"
    if len({name.lower() for name in atlas.names}) < len(atlas.names):
        yield "two areas have the same name (names are compared without regard to case)"
    for group, areas in atlas.groups.items():
        for area in set(areas) - set(atlas.names):
            yield f"group {group!r}: {unknown_name('area', area, atlas.names)}"
