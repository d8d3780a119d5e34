"""RegionSelector: keep the targets that lie in named regions."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from encodekit.core import unknown_name
from encodekit.regions._atlas import HEMISPHERES, Atlas, Names, checked_vertices, listed
from encodekit.regions._averages import averaged
from encodekit.regions._meshes import GRAYORDINATES, is_prefix, mesh_name, whole_cortex_mesh
from encodekit.regions._names import read_name


class RegionSelector(TransformerMixin, BaseEstimator):
    """Keep the targets of responses, or of scores, that lie in named regions.

    Targets are found by (hemisphere, vertex) where the responses are on the atlas's mesh or on a
    coarser one of the same family, and by their ``region`` coordinate otherwise. Nothing is
    learnt from data: regions are chosen before there are scores.

    Parameters
    ----------
    atlas : Atlas, optional
        Without one, regions are the values of the ``region`` coordinate.
    regions : str, int, or sequence of them, optional
        Areas or groups of the atlas; None keeps every target in any area. Case does not matter,
        and ``L_A1_ROI`` or ``A1-lh`` means the left A1 only.
    average : bool
        Whether to return the mean over each participant's targets in each area and hemisphere, as
        one target ``P1/left/A1``; an undefined target makes its mean undefined.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> scores = xr.DataArray([.1, .2, .3], dims="target",
    ...                       coords={"region": ("target", ["A1", "V1", "A1"])})
    >>> RegionSelector(regions=["A1"]).fit_transform(scores).values
    array([0.1, 0.3])
    """

    def __init__(
        self, atlas: Atlas | None = None, regions: Names | None = None, average: bool = False
    ) -> None:
        self.atlas = atlas
        self.regions = regions
        self.average = average

    def atlas_in(self, space: str) -> Atlas | None:
        """Return the atlas on the mesh ``space``, or None where it has no labels there."""
        if self.atlas is None or not is_prefix(space, self.atlas.space):
            return None
        return self.atlas.in_space(space)

    def fit(self, responses: Any = None, y: Any = None) -> Self:
        """Check the names of the regions; ``responses`` are looked at only by `transform`."""
        if self.atlas is not None:
            self.atlas.areas(self.regions)
        return self

    def transform(self, responses: Any) -> Any:
        """Return the responses with the targets in the regions alone, in their old order.

        Parameters
        ----------
        responses : DataArray with a dimension target, list of them, or array (..., target)
            An array is taken for whole cortex: both hemispheres of a mesh, left then right, or
            grayordinates where the atlas knows them (59,412 of the cortex or all 91,282 of
            den-91k; 108,441 or 170,494 of den-170k). 327,684 columns are of fsaverage7 or of
            fsLR-164k, which only a DataArray can tell.

        Raises
        ------
        ValueError
            If a region has an unknown name or no target, or if targets cannot be placed.
        """
        if isinstance(responses, list | tuple):
            return _rebuilt(responses, [self.transform(run) for run in responses])
        places = self._places(responses)
        kept = np.flatnonzero(self._inside(places))
        if self.average:
            return averaged(responses, places.area, places.side, kept)
        if isinstance(responses, xr.DataArray | xr.Dataset):
            return responses.isel(target=kept)
        return np.asarray(responses)[..., kept]

    def mask(self, responses: Any) -> NDArray[np.bool_]:
        """Return which targets (n_targets,) of ``responses`` lie in the regions."""
        return self._inside(self._places(responses))

    def _inside(self, places: "_Places") -> NDArray[np.bool_]:
        if self.regions is None:
            return np.asarray(places.area != "", dtype=bool)
        found = [places.inside(region) for region in listed(self.regions)]
        empty = [
            repr(region)
            for region, inside in zip(listed(self.regions), found, strict=True)
            if not inside.any()
        ]
        if empty or not found:
            raise ValueError(
                f"no target lies in {', '.join(empty) or 'an empty list of regions'}: the "
                f"responses have {len(places.area)} targets in {_some(places.area)}"
            )
        return np.asarray(np.logical_or.reduce(found), dtype=bool)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _places(self, responses: Any) -> "_Places":
        if not isinstance(responses, xr.DataArray | xr.Dataset):
            return self._whole_cortex(np.asarray(responses).shape[-1])
        coords = responses.coords
        space = str(responses.attrs.get("space", "native"))
        atlas = self.atlas_in(mesh_name(space))
        if atlas is not None and "vertex" in coords and "hemisphere" in coords:
            return _from_vertices(atlas, coords["hemisphere"].values, coords["vertex"].values)
        if "region" in coords:
            side = coords["hemisphere"].values if "hemisphere" in coords else None
            return _Places(coords["region"].values.astype(str), side, self._any_atlas())
        raise ValueError(self._unplaced(responses, space))

    def _any_atlas(self) -> Atlas | None:
        return self.atlas

    def _unplaced(self, responses: Any, space: str) -> str:
        on = "no atlas is given" if self._any_atlas() is None else f"on {self._any_atlas()!r}"
        return (
            f"cannot place {responses.sizes.get('target', 0)} targets in space {space!r} ({on}): "
            f"expected the coordinates hemisphere and vertex on the atlas's mesh, or region; got "
            f"{sorted(str(name) for name in responses.coords)}"
        )

    def _whole_cortex(self, n_columns: int) -> "_Places":
        known = next((mesh for mesh, n in GRAYORDINATES.items() if n_columns in n), None)
        gray = self.atlas_in(known) if known else None
        if known and gray is not None and gray.cortex is not None:
            _check_grayordinates(gray, gray.cortex, GRAYORDINATES[known][0])
            return _from_grayordinates(gray, gray.cortex, n_columns)
        space = whole_cortex_mesh(n_columns)
        atlas = self.atlas_in(space)
        if atlas is None:
            raise ValueError(
                f"{n_columns} targets look like {space}, for which there are no labels "
                f"({self._any_atlas()!r}): give a DataArray with the coordinate region"
            )
        side = np.repeat(HEMISPHERES, atlas.n_vertices)
        return _from_vertices(atlas, side, np.tile(np.arange(atlas.n_vertices), 2))


class _Places:
    """The area and hemisphere of each target, and the atlas that explains names."""

    def __init__(
        self, area: NDArray[np.str_], side: NDArray[Any] | None, atlas: Atlas | None
    ) -> None:
        self.area, self.side, self.atlas = area, side, atlas
        self._lower = np.char.lower(area) if area.size else area

    def inside(self, region: str | int) -> NDArray[np.bool_]:
        """Return which targets lie in one written region."""
        areas, sides = self._found(region)
        mask = np.isin(self._lower, [area.lower() for area in areas])
        if len(sides) == 1 and self.side is None:
            raise ValueError(
                f"region {region!r} names one hemisphere, but the responses have no coordinate "
                "hemisphere"
            )
        return mask if self.side is None else mask & np.isin(self.side, sides)

    def _found(self, region: str | int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self.atlas is not None:
            return self.atlas.find(region)
        known = sorted(set(self.area[self.area != ""].tolist()))
        if str(region).lower() in (name.lower() for name in known):
            return (str(region),), HEMISPHERES
        name, side = read_name(region)
        if name.lower() not in (item.lower() for item in known):
            raise ValueError(unknown_name("region", region, known))
        return (name,), (side,) if side else HEMISPHERES


def _from_vertices(atlas: Atlas, side: NDArray[Any], vertex: NDArray[Any]) -> _Places:
    unknown = sorted(set(side.tolist()) - set(HEMISPHERES))
    if unknown:
        raise ValueError(unknown_name("hemisphere", unknown[0], HEMISPHERES))
    area = np.full(len(side), "", dtype=object)
    for name in HEMISPHERES:
        here = side == name
        checked_vertices(atlas, name, vertex[here])
        area[here] = atlas.region_of(name, vertex[here])
    return _Places(area.astype(str), side, atlas)


def _check_grayordinates(
    atlas: Atlas, cortex: Mapping[str, NDArray[np.bool_]], expected: int
) -> None:
    n_cortex = sum(int(cortex[side].sum()) for side in HEMISPHERES)
    if n_cortex != expected:
        raise ValueError(
            f"{atlas.name} has {n_cortex} grayordinates of the cortex, those of {atlas.space} are "
            f"{expected}: give a DataArray with the coordinates hemisphere and vertex"
        )


def _from_grayordinates(
    atlas: Atlas, cortex: Mapping[str, NDArray[np.bool_]], n_columns: int
) -> _Places:
    """Place the cortex's grayordinates, left then right; what follows lies in no area."""
    vertices = {side: np.flatnonzero(cortex[side]) for side in HEMISPHERES}
    area = np.full(n_columns, "", dtype=object)
    side = np.full(n_columns, "", dtype=object)
    found = np.concatenate([atlas.region_of(name, vertices[name]) for name in HEMISPHERES])
    area[: found.size] = found
    side[: found.size] = np.repeat(HEMISPHERES, [vertices[name].size for name in HEMISPHERES])
    return _Places(area.astype(str), side, atlas)


def _rebuilt(old: Any, new: list[Any]) -> Any:
    return type(old)(new)


def _some(areas: NDArray[np.str_]) -> str:
    names = sorted(set(areas.tolist()) - {""})
    shown = ", ".join(names[:6])
    return f"{len(names)} areas ({shown}{', ...' if len(names) > 6 else ''})"
