"""Atlases, selectors of regions, and scores by region."""

from encodekit.regions._atlas import Atlas
from encodekit.regions._by_region import by_region
from encodekit.regions._fetched import destrieux_atlas, difumo_atlas, schaefer_atlas
from encodekit.regions._files import read_atlas
from encodekit.regions._meshes import mesh_name, mesh_of
from encodekit.regions._nilearn import (
    from_masker,
    from_surface_image,
    to_masker,
    to_surface_image,
)
from encodekit.regions._selector import RegionSelector
from encodekit.regions._targets import select_targets
from encodekit.regions._volumes import volume_to_surface

__all__ = [
    "Atlas",
    "RegionSelector",
    "by_region",
    "destrieux_atlas",
    "difumo_atlas",
    "from_masker",
    "from_surface_image",
    "mesh_name",
    "mesh_of",
    "read_atlas",
    "schaefer_atlas",
    "select_targets",
    "to_masker",
    "to_surface_image",
    "volume_to_surface",
]
