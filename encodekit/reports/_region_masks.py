"""Named sets of regions, as masks over targets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from encodekit.regions import RegionSelector

Regions = Mapping[str, Any]


def region_masks(regions: Regions, targets: xr.DataArray) -> xr.DataArray:
    """Return which targets lie in each named set of regions, (group, target) of bool."""
    masks = []
    for regions_of_one in regions.values():
        chooser: Any = regions_of_one
        if not hasattr(chooser, "mask"):
            chooser = RegionSelector(regions=regions_of_one)
        masks.append(chooser.fit().mask(targets))
    coords = {"group": [str(name) for name in regions], "target": targets.coords["target"].values}
    return xr.DataArray(np.array(masks), dims=("group", "target"), coords=coords)
