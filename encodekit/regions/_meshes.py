"""The surface meshes that whole-cortex data come on, known by their number of vertices."""

from encodekit.core import unknown_name

N_VERTICES = {
    "fsaverage3": 642,
    "fsaverage4": 2562,
    "fsaverage5": 10242,
    "fsaverage6": 40962,
    "fsaverage7": 163842,
    "fsLR-32k": 32492,
    "fsLR-164k": 163842,
}
GRAYORDINATES = (59412, 91282)  # of the cortex, and with what lies below it
_ALIASES = {"fsaverage": "fsaverage7", "fslr-32k": "fsLR-32k", "fslr-164k": "fsLR-164k"}


def mesh_name(space: str) -> str:
    """Return the mesh's full name: ``"fsaverage"`` is ``"fsaverage7"``; others stay."""
    return _ALIASES.get(space.lower(), space)


def mesh_size(space: str) -> int:
    """Return the number of vertices per hemisphere of a mesh; an unknown ``space`` raises."""
    name = mesh_name(space)
    if name not in N_VERTICES:
        raise ValueError(unknown_name("mesh", space, N_VERTICES))
    return N_VERTICES[name]


def is_prefix(space: str, of: str) -> bool:
    """Whether the vertices of mesh ``space`` are the first vertices of mesh ``of``.

    Each fsaverage mesh is a subdivision of the one before, so that its vertices begin with
    those of all coarser ones.
    """
    nested = [mesh_name(item).startswith("fsaverage") for item in (space, of)]
    return mesh_name(space) == mesh_name(of) or (all(nested) and mesh_size(space) <= mesh_size(of))


def whole_cortex_mesh(n_columns: int) -> str:
    """Return the mesh whose two hemispheres have ``n_columns`` vertices, left then right.

    >>> whole_cortex_mesh(20484)
    'fsaverage5'
    """
    for name, size in N_VERTICES.items():
        if n_columns == 2 * size:
            return name
    sizes = ", ".join(f"{name} {2 * size}" for name, size in N_VERTICES.items())
    raise ValueError(
        f"{n_columns} targets without coordinates fit no mesh (both hemispheres: {sizes}): "
        "give a DataArray with the coordinates hemisphere and vertex"
    )
