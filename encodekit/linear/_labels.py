"""How to label what comes out: by the coordinates of what went in, or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray


class Labels(Protocol):
    """What an estimator knows of labels: it hands over arrays, and returns what it gets back."""

    def wrap(self, values: Any, *dims: str, **coords: Any) -> Any:
        """Return an array (..., target) as the caller is to see it.

        Parameters
        ----------
        values : array
        dims : str
            The names of its axes; the last one is ``target``.
        coords
            More coordinates, as `xarray.DataArray` takes them.
        """

    def bands(self, given: Any, n_features: int) -> NDArray[Any]:
        """Return the band of each feature; ``given`` is the user's ``bands``."""


@dataclass(frozen=True)
class Unlabelled:
    """Arrays for arrays; a y without an axis for targets gets back what has none either."""

    one_target: bool = False

    def wrap(self, values: Any, *dims: str, **coords: Any) -> Any:
        """Return ``values``."""
        return values[..., 0] if self.one_target else values

    def bands(self, given: Any, n_features: int) -> NDArray[Any]:
        """Return what the user gave, or one band for all.

        Raises
        ------
        ValueError
            If it is not one band for each feature.
        """
        if given is None:
            return np.full(n_features, "all")
        bands = np.asarray(given)
        if bands.shape != (n_features,):
            raise ValueError(
                f"bands has shape {bands.shape} but X has {n_features} features: give the band of "
                "each feature"
            )
        return bands


@dataclass(frozen=True, eq=False)
class Labelled:
    """DataArrays with the coordinates of each axis.

    Attributes
    ----------
    coords : mapping of dim to mapping of name to coordinate
    attrs : mapping of dim to mapping of name to value
        For arrays that have this dim.
    """

    coords: Mapping[str, Mapping[str, Any]]
    attrs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def wrap(self, values: Any, *dims: str, **coords: Any) -> xr.DataArray:
        """Return a DataArray; an axis for targets is added where there is none."""
        # A model of one target without an axis predicts without it, and a DataArray has one.
        values = values[..., None] if values.ndim < len(dims) else values
        known = _of_dims(self.coords, dims)
        return xr.DataArray(values, {**known, **coords}, dims, attrs=_of_dims(self.attrs, dims))

    def bands(self, given: Any, n_features: int) -> NDArray[Any]:
        """Return the coordinate ``band`` of the features.

        Raises
        ------
        TypeError
            If the user gave bands as well.
        ValueError
            If the features have none.
        """
        if given is not None:
            raise TypeError("bands= is for plain arrays: labelled features carry `band`")
        if "band" not in self.coords["feature"]:
            raise ValueError(
                "X has no coordinate `band` on feature: join feature spaces with "
                "ek.FeatureSpaces([(name, extractor), ...]), or write it with "
                "X.assign_coords(band=('feature', [...]))"
            )
        return np.asarray(self.coords["feature"]["band"].values)


def coords_on(dim: str, rows: xr.DataArray) -> dict[str, Any]:
    """Return the coordinates of ``rows`` that lie on ``dim`` alone."""
    return {
        str(name): coord.variable for name, coord in rows.coords.items() if coord.dims == (dim,)
    }


def array_of(fitted: Any) -> Any:
    """Return the array of a fitted attribute, lazy where it is, without its labels."""
    return fitted.data if isinstance(fitted, xr.DataArray) else fitted


def _of_dims(parts: Mapping[str, Mapping[str, Any]], dims: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for dim in parts if dim in dims for name, value in parts[dim].items()}
