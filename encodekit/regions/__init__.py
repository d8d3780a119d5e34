"""Atlases, selectors of regions, and scores by region."""

from encodekit.regions._atlas import Atlas
from encodekit.regions._by_region import by_region
from encodekit.regions._selector import RegionSelector

__all__ = ["Atlas", "RegionSelector", "by_region"]
