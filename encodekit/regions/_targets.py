"""Which targets an estimator fits or tunes on: `targets=`, which means one thing everywhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from encodekit.core import unknown_name
from encodekit.regions._selector import RegionSelector


def select_targets(responses: Any, targets: Any) -> Any:
    """Return the targets that ``targets`` names of ``responses`` (a DataArray or an array).

    Parameters
    ----------
    responses : DataArray (time, target) or array (time, target)
    targets : None, list, selector or callable
        None for all; names of targets, in their order, or of regions (the coordinate ``region``);
        positions, for an array; anything with ``transform(responses)`` such as a region selector;
        or a function of the responses.

    Raises
    ------
    ValueError
        For an unknown name, with close matches.
    TypeError
        For anything else.

    Examples
    --------
    >>> import xarray as xr
    >>> responses = xr.DataArray([[1.0, 2.0]], dims=("time", "target"),
    ...     coords={"target": ["P1/0", "P1/1"], "region": ("target", ["A1", "V1"])})
    >>> select_targets(responses, ["P1/1"]).values, select_targets(responses, ["A1"]).values
    (array([[2.]]), array([[1.]]))
    """
    if targets is None:
        return responses
    if hasattr(targets, "transform"):
        return targets.transform(responses)
    if callable(targets):
        return targets(responses)
    check_names(targets)
    if not isinstance(responses, xr.DataArray):
        return responses[:, np.asarray(targets)]
    if names_regions(responses, targets):
        return RegionSelector(regions=list(targets)).transform(responses)
    return responses.isel(target=_positions(responses, targets))


def check_names(targets: Any) -> None:
    """Raise TypeError unless ``targets`` is a list of names."""
    if isinstance(targets, str) or not isinstance(targets, Sequence | np.ndarray):
        raise TypeError(
            f"targets is {targets!r}, expected a list of names, a selector with transform(), or a "
            "function of the responses"
        )


def names_regions(responses: xr.DataArray, names: Any) -> bool:
    """Whether names are those of regions: all of them are, and not all are of targets."""
    if "region" not in responses.coords:
        return False
    regions = {str(name).lower() for name in responses.coords["region"].values}
    known = set(responses.coords["target"].values.tolist())
    return not known.issuperset(map(str, names)) and regions.issuperset(
        str(name).lower() for name in names
    )


def _positions(responses: xr.DataArray, wanted: Any) -> list[int]:
    names = responses.coords["target"].values.tolist()
    places = {name: place for place, name in enumerate(names)}
    unknown = [str(name) for name in wanted if str(name) not in places]
    if unknown:
        regions = responses.coords["region"].values if "region" in responses.coords else []
        # a region beside targets is no misspelling of itself
        known = [*names, *sorted({str(region) for region in regions} - set(unknown))]
        said = "; ".join(unknown_name("target", name, known) for name in unknown[:3])
        more = f" (and {len(unknown) - 3} more)" if len(unknown) > 3 else ""
        raise ValueError(f"targets=: {said}{more}")
    return [places[str(name)] for name in wanted]
