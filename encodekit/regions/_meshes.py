"""The surface meshes that whole-cortex data come on: their names, and their numbers of vertices."""

import re
from collections.abc import Iterable

from encodekit.core import unknown_name

N_VERTICES = {
    "fsaverage3": 642,
    "fsaverage4": 2562,
    "fsaverage5": 10242,
    "fsaverage6": 40962,
    "fsaverage7": 163842,
    "fsLR-32k": 32492,
    "fsLR-59k": 59292,
    "fsLR-164k": 163842,
}
FAMILIES = ("fsaverage", "fsLR")
# Of the cortex, and with what lies below it: of HCP at 3T (den-91k) and at 7T (den-170k).
GRAYORDINATES = {"fsLR-32k": (59412, 91282), "fsLR-59k": (108441, 170494)}

_FILLING = {"", "tpl", "space", "den", "cohort", "mesh"}
_FAMILY = re.compile(
    r"(?<![a-z])(?:fs[_-]?lr(?![a-z])|fsavg(?![a-z])|fsaverage(?![a-z]|[_-]?sym))", re.IGNORECASE
)
_AT_DENSITY = re.compile(r"\d+k_(?:fs_LR|fsavg)(?![a-z])", re.IGNORECASE)  # as workbench writes it
_DENSITIES: dict[str, dict[str, str]] = {
    "fsaverage": {"": "7", "164k": "7", "41k": "6", "10k": "5", "3k": "4", "1k": "3"}
    | {str(k): str(k) for k in range(3, 8)},
    "fslr": {"32k": "32k", "91k": "32k", "59k": "59k", "170k": "59k", "164k": "164k"},
}


def mesh_name(space: str) -> str:
    """Return the name by which encodekit knows a mesh; a name that it does not know stays.

    Densities may stand before or after, as workbench, fMRIPrep and TemplateFlow write them; those
    of grayordinates, den-91k and den-170k, are those of their meshes.

    >>> mesh_name("fsaverage"), mesh_name("164k_fs_LR"), mesh_name("fsLR_den-170k")
    ('fsaverage7', 'fsLR-164k', 'fsLR-59k')
    """
    whole = re.sub(r"fs[_\-. ]lr", "fslr", space.lower())
    words = [word for word in re.split(r"[_\-:. ]", whole) if word not in _FILLING]
    joined = re.fullmatch(r"(\d+k)?(fsaverage|fslr)(\d+k?)?", "".join(words))
    if joined is None or None not in joined.group(1, 3):
        return space
    family, density = joined[2], joined[1] or joined[3] or ""
    if density not in _DENSITIES[family]:
        return space
    found = _DENSITIES[family][density]
    return f"fsaverage{found}" if family == "fsaverage" else f"fsLR-{found}"


def mesh_size(space: str) -> int:
    """Return the number of vertices per hemisphere of a mesh; an unknown ``space`` raises."""
    name = mesh_name(space)
    if name not in N_VERTICES:
        raise ValueError(unknown_name("mesh", space, N_VERTICES))
    return N_VERTICES[name]


def mesh_of(n_vertices: int, family: str | None = None) -> str:
    """Return the mesh with so many vertices per hemisphere.

    163,842 vertices have both fsaverage7 and fsLR-164k, which do not correspond: only the family
    tells which of them it is.

    Parameters
    ----------
    n_vertices : int
    family : {"fsaverage", "fsLR"}, optional
        What is known of the mesh: CIFTI is fsLR, FreeSurfer's files are fsaverage.

    Raises
    ------
    ValueError
        If no mesh of the family has so many vertices, or several have and no family is given.

    Examples
    --------
    >>> mesh_of(10242), mesh_of(163842, "fsLR")
    ('fsaverage5', 'fsLR-164k')
    """
    if family not in (None, *FAMILIES):
        raise ValueError(unknown_name("family of meshes", str(family), FAMILIES))
    fitting = [mesh for mesh, size in N_VERTICES.items() if size == n_vertices]
    of_family = [mesh for mesh in fitting if mesh.startswith(family or "")]
    if len(of_family) == 1:
        return of_family[0]
    if of_family:
        raise ValueError(
            f"{n_vertices} vertices per hemisphere are of {' or of '.join(of_family)}, whose "
            f"vertices do not correspond: pass space={of_family[0]!r} or space={of_family[1]!r}"
        )
    known = ", ".join(
        f"{mesh} {size}" for mesh, size in N_VERTICES.items() if mesh.startswith(family or "")
    )
    raise ValueError(
        f"{n_vertices} vertices fit no mesh ({known}): pass space= with a name of your own"
    )


def family_in(names: Iterable[str]) -> str | None:
    """Return the family of meshes that names of files speak of; None where none or both are.

    ``164k_fs_LR`` is that of the file, also where the name begins with fsaverage, as some of HCP's.

    >>> family_in(["fsaverage.L.164k_fs_LR.label.gii"]), family_in(["lh.toy.annot"])
    ('fsLR', None)
    """
    found = {
        "fsaverage" if "fsav" in match.lower() else "fsLR"
        for name in names
        for match in _AT_DENSITY.findall(name) or _FAMILY.findall(name)
    }
    return found.pop() if len(found) == 1 else None


def is_prefix(space: str, of: str) -> bool:
    """Whether the vertices of mesh ``space`` are the first vertices of mesh ``of``.

    Each fsaverage mesh is a subdivision of the one before, so that its vertices begin with
    those of all coarser ones. No other meshes do.
    """
    names = [mesh_name(item) for item in (space, of)]
    nested = all(name in N_VERTICES and name.startswith("fsaverage") for name in names)
    return names[0] == names[1] or (nested and N_VERTICES[names[0]] <= N_VERTICES[names[1]])


def whole_cortex_mesh(n_columns: int) -> str:
    """Return the mesh whose two hemispheres have ``n_columns`` vertices, left then right.

    >>> whole_cortex_mesh(20484)
    'fsaverage5'
    """
    fitting = [name for name, size in N_VERTICES.items() if n_columns == 2 * size]
    if len(fitting) == 1:
        return fitting[0]
    label = "give a DataArray with the coordinates hemisphere and vertex"
    if fitting:
        raise ValueError(
            f"{n_columns} targets without coordinates are of {' or of '.join(fitting)}, whose "
            f"vertices do not correspond: {label}, as make_response(..., space={fitting[0]!r}) or "
            f"space={fitting[1]!r} makes it"
        )
    sizes = ", ".join(f"{name} {2 * size}" for name, size in N_VERTICES.items())
    raise ValueError(
        f"{n_columns} targets without coordinates fit no mesh (both hemispheres: {sizes}): {label}"
    )
