"""LeBel 2023 from a participant's voxels to fsaverage, by the data set's own surfaces.

A vertex of fsaverage stands where the participant's nearest vertex of the registered sphere
(FreeSurfer's ``sphere.reg``) does. Its value is the mean of the voxels along the line there from
the white to the pial surface (those of pycortex-db), found by pycortex's transform (``coord``,
from surface coordinates to voxel indices). Voxels outside the preprocessed files do not count.
"""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import present_file, reading, unknown_name
from encodekit_adapters._json import read_json
from encodekit_adapters._need import need

SPACES = {"fsaverage5": 10242, "fsaverage6": 40962, "fsaverage7": 163842}
SIDES = {"left": "lh", "right": "rh"}
N_DEPTHS = 10
_need = partial(need, extra="bids", purpose="surfaces of lebel2023")


def surface_files(person: str) -> list[str]:
    """Return the files of a participant that the way to the surface needs."""
    cortex, mine = "derivative/pycortex-db", f"derivative/freesurfer_subjdir/{person}/surf"
    transform = f"{cortex}/{person}/transforms/{person}_auto"
    return [
        *(f"{transform}/{name}" for name in ("mask_thick.nii.gz", "matrices.xfm")),
        *(f"{cortex}/{person}/surfaces/{kind}_{hemi}.gii"
          for kind in ("wm", "pia") for hemi in SIDES.values()),
        *(f"{mine}/{hemi}.sphere.reg" for hemi in SIDES.values()),
    ]  # fmt: skip


def read_mask(root: Path, person: str) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return which voxels the files hold, (x, y, z), and the affine of the participant's image."""
    path = present_file(root / surface_files(person)[0])
    with reading(path, "an image", advice="get it again"):
        image = _need("nibabel").load(path)
        return np.asarray(image.dataobj) != 0, image.affine


class SurfaceMap:
    """The mean of some voxels for each vertex of fsaverage, left before right.

    Parameters
    ----------
    root : path
    person : str
    space : {"fsaverage5", "fsaverage6", "fsaverage7"}
        nilearn brings the first, and downloads the others.

    Attributes
    ----------
    matrix : sparse (vertex, voxel)
        Rows sum to 1; those of vertices without a voxel are empty, and their values NaN.
    digest : str
        The sha256 of the matrix.

    Raises
    ------
    FileNotFoundError
        For a file that is not there or a pointer.
    ValueError
        For an unknown space, or surfaces that do not belong together.
    """

    def __init__(self, root: Path, person: str, space: str) -> None:
        if space not in SPACES:
            raise ValueError(unknown_name("space", space, ["native", *SPACES]))
        sparse = _need("scipy.sparse")
        mask, _ = read_mask(root, person)
        coord = _transform(root / surface_files(person)[1])
        number = np.full(mask.shape, -1)
        number.T[mask.T] = np.arange(np.count_nonzero(mask))  # in the order of (z, y, x)
        found = [
            _voxels_at(number, coord, _line(root, person, side, space)) for side in SIDES
        ]  # (vertex, depth), -1 outside
        voxels = np.concatenate(found)
        inside = voxels >= 0
        counts = inside.sum(axis=1)
        rows = np.repeat(np.arange(len(voxels)), counts)
        shares = np.repeat(1 / np.maximum(counts, 1), counts)
        shape = (len(voxels), np.count_nonzero(mask))
        self.matrix = sparse.csr_array((shares, (rows, voxels[inside])), shape=shape)
        self.empty: NDArray[np.bool_] = counts == 0
        parts = (self.matrix.indptr, self.matrix.indices, self.matrix.data)
        self.digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    @property
    def places(self) -> dict[str, NDArray[Any]]:
        """Hemisphere and vertex of each row."""
        size = len(self.empty) // 2
        return {
            "hemisphere": np.repeat(list(SIDES), size),
            "vertex": np.tile(np.arange(size), 2),
        }

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values (..., vertex) of values (..., voxel)."""
        flat = values.reshape(-1, values.shape[-1])
        projected: NDArray[Any] = (self.matrix @ flat.T).T.astype(values.dtype)
        projected[:, self.empty] = np.nan
        return projected.reshape(*values.shape[:-1], -1)

    def lazily(self, values: Any) -> Any:
        """Return what a call gives as a dask array, of the same name in every process."""
        whole = values.rechunk({values.ndim - 1: -1})
        chunks = (*whole.chunks[:-1], (len(self.empty),))
        digest = hashlib.sha256(f"{whole.name} {self.digest}".encode()).hexdigest()
        return whole.map_blocks(
            self, chunks=chunks, dtype=whole.dtype, name=f"surface-{digest[:32]}", meta=whole._meta
        )


def _transform(path: Path) -> NDArray[np.float64]:
    """Return pycortex's transform from surface coordinates to voxel indices, (4, 4)."""
    found = read_json(path, strict=False)
    with reading(path, "a transform of pycortex", advice="get it again"):
        coord = np.asarray(found["coord"], dtype=np.float64)
        if coord.ndim != 2 or coord.shape[0] < 3 or coord.shape[1] != 4:
            raise ValueError(f"'coord' has shape {coord.shape}, expected (4, 4)")
        return coord


def _line(root: Path, person: str, side: str, space: str) -> NDArray[np.float64]:
    """Return points (vertex of fsaverage, depth, xyz) from the white to the pial surface."""
    nearest_of = _need("scipy.spatial").cKDTree
    files = [present_file(root / name) for name in surface_files(person)
             if f"{SIDES[side]}." in name]  # fmt: skip
    white, pial, sphere = (_vertices(path) for path in files)
    if not len(white) == len(pial) == len(sphere):
        raise ValueError(
            f"{person}, {side}: the surfaces have {len(white)} (white), {len(pial)} (pial) and "
            f"{len(sphere)} (sphere.reg) vertices, expected the same in each: get them again"
        )
    average = _need("nilearn.datasets").load_fsaverage(space)["sphere"].parts[side]
    at = nearest_of(_unit(sphere)).query(_unit(np.asarray(average.coordinates)))[1]
    depths = np.linspace(0, 1, N_DEPTHS)[:, None]
    points: NDArray[np.float64] = white[at, None] + depths * (pial[at, None] - white[at, None])
    return points


def _vertices(path: Path) -> NDArray[np.float64]:
    """Return the coordinates (vertex, xyz) of a surface of GIFTI or FreeSurfer."""
    nibabel = _need("nibabel")
    with reading(path, "a surface", advice="get it again"):
        if path.suffix == ".gii":
            points = nibabel.load(path).agg_data("pointset")
        else:
            points = nibabel.freesurfer.read_geometry(path)[0]
        return np.asarray(points, dtype=np.float64).reshape(-1, 3)


def _unit(points: NDArray[Any]) -> NDArray[Any]:
    units: NDArray[Any] = points / np.linalg.norm(points, axis=1, keepdims=True)
    return units


def _voxels_at(
    number: NDArray[np.int64], coord: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.int64]:
    index = np.rint(points @ coord[:3, :3].T + coord[:3, 3]).astype(np.int64)
    inside = ((index >= 0) & (index < number.shape)).all(axis=-1)
    voxels = np.full(inside.shape, -1)
    voxels[inside] = number[tuple(index[inside].T)]
    return voxels
