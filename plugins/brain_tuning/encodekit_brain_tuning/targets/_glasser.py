"""The HCP-MMP1.0 (Glasser) atlas and its selector."""

import hashlib
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.regions import Atlas, RegionSelector
from encodekit_brain_tuning.targets._glasser_areas import GROUPS

SPACES = ("fsaverage5", "fsaverage6", "fsaverage7", "fsLR-32k")
CITATION = (
    "Glasser et al. 2016, A multi-modal parcellation of human cerebral cortex, Nature 536, "
    "171-178, doi:10.1038/nature18933"
)
TERMS = (
    "WU-Minn HCP Consortium Open Access Data Use Terms. Data were provided [in part] by the Human "
    "Connectome Project, WU-Minn Consortium (Principal Investigators: David Van Essen and Kamil "
    "Ugurbil; 1U54MH091657) funded by the 16 NIH Institutes and Centers that support the NIH "
    "Blueprint for Neuroscience Research; and by the McDonnell Center for Systems Neuroscience at "
    "Washington University."
)
_EDITIONS = {"210v": "210V", "210p": "210P", "mne": "210P"}
_ANNOT_SHA256 = {
    "lh": "d4da634644b4c595dbda23963e01752059f0e7714be70169eb84e25e09ba2b44",
    "rh": "744eff4e57ce8121c43851eea425475baf92d9ba8686299a7435517ab972e9a2",
}


def glasser_atlas(space: str = "fsaverage5", edition: str = "210V") -> Atlas:
    """Return the 180 HCP-MMP1.0 areas per hemisphere on a mesh.

    Two editions circulate and differ on a tenth of the vertices: ``"210V"``, the official
    release, ships with this package (resampled to fsaverage by barycentric weights on the
    registered spheres); ``"210P"`` is the one that MNE-Python downloads and is looked up in
    ``SUBJECTS_DIR`` and in the folder ``mne_data``.

    Parameters
    ----------
    space : {"fsaverage5", "fsaverage6", "fsaverage7", "fsLR-32k"}
        ``"fsaverage"`` is fsaverage7. 210P is on fsaverage alone.
    edition : {"210V", "210P", "mne"}
        ``"mne"`` is another name for 210P.

    Raises
    ------
    ValueError
        If the edition is unknown, or has no labels in ``space``.
    FileNotFoundError
        If the files of 210P are not on this machine.

    Examples
    --------
    >>> atlas = glasser_atlas("fsaverage5")
    >>> atlas.count("early_auditory")
    {'left': 269, 'right': 221}
    """
    key = _EDITIONS.get(str(edition).lower())
    if key is None:
        raise ValueError(
            f"unknown edition {edition!r} of the Glasser atlas: known are '210V' (official) and "
            "'210P' (the one of MNE-Python, also 'mne')"
        )
    wanted = {"fsaverage": "fsaverage7", "fslr-32k": "fsLR-32k"}.get(space.lower(), space)
    base = "fsLR-32k" if wanted == "fsLR-32k" and key == "210V" else "fsaverage7"
    return _on_base(base, key).in_space(wanted)


@cache
def _on_base(base: str, edition: str) -> Atlas:
    with np.load(
        str(files("encodekit_brain_tuning") / "targets" / "glasser" / "labels_210v.npz")
    ) as stored:
        names = [str(name) for name in stored["names"]]
        prefix = base if base == "fsLR-32k" else "fsaverage"
        shipped = {side: stored[f"{prefix}_{side}"] for side in ("left", "right")}
    return Atlas(
        name=f"Glasser {edition}",
        labels=shipped if edition == "210V" else _mne_labels(names),
        names=tuple(names),
        space=base,
        groups=GROUPS,
        edition=edition,
        terms=TERMS,
        citation=CITATION,
        # the official labels cover all of the cortex and nothing of the medial wall
        cortex={side: of > 0 for side, of in shipped.items()} if base == "fsLR-32k" else None,
    )


def _mne_labels(names: list[str]) -> dict[str, NDArray[np.int64]]:
    from nibabel.freesurfer import io

    annotations: Any = io  # nibabel's readers have no types
    folder = _annot_folder()
    labels = {}
    for side, short in (("left", "lh"), ("right", "rh")):
        path = folder / f"{short}.HCPMMP1.annot"
        got = hashlib.sha256(path.read_bytes()).hexdigest()
        if got != _ANNOT_SHA256[short]:
            raise ValueError(
                f"{path} has sha256 {got}, expected {_ANNOT_SHA256[short]}: it is not the file "
                "that MNE-Python downloads; fetch it again"
            )
        values, _, written = annotations.read_annot(path)
        found = [name.decode().removeprefix(f"{short[0].upper()}_") for name in written]
        codes = [
            names.index(name.removesuffix("_ROI")) + 1 if "_ROI" in name else 0 for name in found
        ]
        labels[side] = np.array([*codes, 0])[values]
    return labels


def _annot_folder() -> Path:
    tried = [folder / "fsaverage" / "label" for folder in _subjects_folders()]
    for folder in tried:
        if all((folder / f"{short}.HCPMMP1.annot").is_file() for short in _ANNOT_SHA256):
            return folder
    places = ", ".join(str(folder) for folder in tried)
    raise FileNotFoundError(
        f"edition 210P needs lh.HCPMMP1.annot and rh.HCPMMP1.annot; looked in {places}. Set "
        "SUBJECTS_DIR to the folder that holds fsaverage, run "
        "mne.datasets.fetch_hcp_mmp_parcellation(), or use edition='210V'"
    )


def _subjects_folders() -> list[Path]:
    named = [os.environ[name] for name in ("SUBJECTS_DIR",) if os.environ.get(name)]
    data = Path(os.environ.get("MNE_DATA") or Path.home() / "mne_data")
    return [*map(Path, named), data / "MNE-fsaverage-data", data / "MNE-sample-data" / "subjects"]


class GlasserSelector(RegionSelector):
    """Keep the targets that lie in named areas of the HCP-MMP1.0 (Glasser) atlas.

    Parameters
    ----------
    regions : str, int, or sequence of them, optional
        Areas (``"A1"``, ``44``), groups (``"early_auditory"``, ``"late_language"``,
        ``"angular_gyrus"``, ``"ltc"``, ``"ifg_mfg"``, ``"paper19"``, ``"table1"``) or Glasser's
        22 cortices (``"cortex:Early Auditory"``); None keeps every area. Case does not matter;
        ``L_A1_ROI`` and ``A1-lh`` mean the left A1 only.
    edition : {"210V", "210P", "mne"}
        Which edition of the atlas; see `glasser_atlas`.
    space : str
        The mesh of `atlas`. Responses say themselves which mesh they are on.
    average : bool
        Whether to return the mean over each area and hemisphere; see `RegionSelector`.

    Examples
    --------
    >>> import numpy as np
    >>> GlasserSelector("early_auditory").transform(np.zeros((3, 20484))).shape
    (3, 490)
    """

    def __init__(
        self,
        regions: str | int | list[str | int] | list[str] | tuple[str, ...] | None = None,
        edition: str = "210V",
        space: str = "fsaverage5",
        average: bool = False,
    ) -> None:
        self.regions = regions
        self.edition = edition
        self.space = space
        self.average = average

    @property
    def atlas(self) -> Atlas:  # type: ignore[override]
        """The atlas on the mesh ``space``."""
        return glasser_atlas(self.space, self.edition)

    def atlas_in(self, space: str) -> Atlas | None:
        """Return the atlas on the mesh ``space``, or None where it has no labels there."""
        return glasser_atlas(space, self.edition) if space in SPACES else None
