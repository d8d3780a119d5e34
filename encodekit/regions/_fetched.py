"""Atlases that nilearn downloads, when asked to: Schaefer, Destrieux, DiFuMo."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import import_extra
from encodekit.regions._atlas import HEMISPHERES, Atlas, Names
from encodekit.regions._labels import Side, assembled, named_values
from encodekit.regions._selector import RegionSelector
from encodekit.regions._volumes import label_volume, loaded, projected_labels, projected_values

_APPROXIMATE = "projected from MNI152 to fsaverage5: approximate"
_DIFUMO_LEAST = 1e-5


def schaefer_atlas(
    n_areas: int = 400,
    networks: int = 7,
    *,
    download: bool = False,
    data_dir: str | Path | None = None,
) -> Atlas:
    """Return the Schaefer 2018 parcellation, 100 to 1000 areas, with its networks as groups.

    nilearn's image in MNI space, projected onto fsaverage5.

    Parameters
    ----------
    n_areas : int
        100, 200, ... 1000.
    networks : {7, 17}
        The Yeo networks that name the areas.
    download : bool
        Whether nilearn may download the files if they are not in its data folders.
    data_dir : path, optional
        nilearn's data folder.

    Raises
    ------
    FileNotFoundError
        If the files are not there and ``download`` is False.
    """
    pattern = f"schaefer_2018/Schaefer2018_{n_areas}Parcels_{networks}Networks_order_*.nii.gz"
    fetched = _fetch(
        "fetch_atlas_schaefer_2018", pattern, download, data_dir, n_rois=n_areas,
        yeo_networks=networks,
    )  # fmt: skip
    called = f"Schaefer {n_areas}, {networks} networks"
    sides = projected_labels(fetched["maps"], name=called)
    stored = label_volume(loaded(fetched["maps"])).dataobj
    names = named_values(called, _texts(fetched["labels"]), np.asarray(stored))
    groups: dict[str, list[str]] = {}
    for name in names.values():
        parts = name.split("_")  # 7Networks_LH_Vis_1, 17Networks_RH_DefaultA_PFCd_1
        if len(parts) > 3:
            groups.setdefault(parts[2], []).append(name)
    present = {n for values in sides.values() for k, n in names.items() if k in values}
    return assembled(
        called,
        {side: Side(values, names) for side, values in sides.items()},
        space="fsaverage5",
        groups={group: [a for a in of if a in present] for group, of in groups.items()},
        edition=_APPROXIMATE,
        terms="MIT",
        citation="Schaefer et al. 2018, Cerebral Cortex 28, 3095-3114, doi:10.1093/cercor/bhx179",
    )


def destrieux_atlas(*, download: bool = False, data_dir: str | Path | None = None) -> Atlas:
    """Return the Destrieux atlas of gyri and sulci on fsaverage5.

    Raises
    ------
    FileNotFoundError
        If the files are not there and ``download`` is False.
    """
    pattern = "destrieux_surface/*.annot"
    fetched = _fetch("fetch_atlas_surf_destrieux", pattern, download, data_dir)
    names = _texts(fetched["labels"])
    sides = {side: Side(np.asarray(fetched[f"map_{side}"]), names) for side in HEMISPHERES}
    return assembled(
        "Destrieux",
        sides,
        space="fsaverage5",
        groups=None,
        citation="Destrieux et al. 2010, NeuroImage 53, 1-15, doi:10.1016/j.neuroimage.2010.06.010",
    )


def difumo_atlas(
    dimension: int = 64, *, download: bool = False, data_dir: str | Path | None = None
) -> Atlas:
    """Return the DiFuMo modes on fsaverage5: each vertex belongs to its strongest mode.

    Raises
    ------
    FileNotFoundError
        If the files are not there and ``download`` is False.
    """
    pattern = f"difumo_atlases/{dimension}/*/maps.nii.gz"
    fetched = _fetch("fetch_atlas_difumo", pattern, download, data_dir, dimension=dimension)
    names = _unique(_texts(fetched["labels"]["difumo_names"]))
    sides = {
        side: Side(_strongest(weights), dict(enumerate(names, start=1)))
        for side, weights in projected_values(fetched["maps"]).items()
    }
    return assembled(
        f"DiFuMo {dimension}",
        sides,
        space="fsaverage5",
        groups=None,
        edition=f"strongest mode, {_APPROXIMATE}",
        citation="Dadi et al. 2020, NeuroImage 221, 117126, doi:10.1016/j.neuroimage.2020.117126",
    )


def schaefer(regions: Names | None = None, average: bool = False, **atlas: Any) -> RegionSelector:
    """Return a selector of Schaefer areas or networks (``"Vis"``); see `schaefer_atlas`."""
    return RegionSelector(schaefer_atlas(**atlas), regions, average=average)


def destrieux(regions: Names | None = None, average: bool = False, **atlas: Any) -> RegionSelector:
    """Return a selector of Destrieux areas; see `destrieux_atlas`."""
    return RegionSelector(destrieux_atlas(**atlas), regions, average=average)


def difumo(regions: Names | None = None, average: bool = False, **atlas: Any) -> RegionSelector:
    """Return a selector of DiFuMo modes; see `difumo_atlas`."""
    return RegionSelector(difumo_atlas(**atlas), regions, average=average)


def _fetch(
    fetcher: str, pattern: str, download: bool, data_dir: str | Path | None, **options: Any
) -> Any:
    datasets: Any = import_extra("nilearn.datasets", extra="report", purpose="this atlas")
    folders = [Path(folder) for folder in datasets.get_data_dirs(data_dir)]
    if not download and not any(any(folder.glob(pattern)) for folder in folders):
        raise FileNotFoundError(
            f"no {pattern} in {', '.join(map(str, folders))}: pass download=True to let nilearn "
            "fetch it, or data_dir= with the folder that holds it"
        )
    return getattr(datasets, fetcher)(data_dir=data_dir, verbose=0, **options)


def _strongest(weights: NDArray[Any]) -> NDArray[np.int64]:
    """Return the number from 1 of the largest of the weights (n_vertices, mode); 0 for none."""
    defined = np.nan_to_num(weights)
    return np.where(defined.max(axis=1) > _DIFUMO_LEAST, defined.argmax(axis=1) + 1, 0)


def _texts(names: Sequence[Any]) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name.lower()] = seen.get(name.lower(), 0) + 1
        unique.append(name if seen[name.lower()] == 1 else f"{name} ({seen[name.lower()]})")
    return unique
