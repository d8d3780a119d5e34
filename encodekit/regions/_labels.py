"""Labels: whole numbers that name areas. They are never averaged, and never merged unsaid."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encodekit.regions._atlas import HEMISPHERES, Atlas
from encodekit.regions._meshes import N_VERTICES, mesh_of
from encodekit.regions._names import read_name

BACKGROUND = frozenset(
    {"", "???", "unknown", "background", "medial_wall", "medial wall", "corpuscallosum"}
    | {"background+freesurfer_defined_medial_wall", "freesurfer_defined_medial_wall"}
    | {"none", "outside", "unassigned", "unlabeled", "unlabelled", "no label", "clear label"}
)
OUTSIDE = -(2**20)  # the label of what has none; float32 holds it exactly
Names = Mapping[int, str]
_SHOWN = 4
_MOSTLY = 0.8


class Side(NamedTuple):
    """What a file says of one hemisphere.

    Attributes
    ----------
    values : array (n_vertices,)
        A label per vertex, or a number of a map; NaN and negative labels lie in no area.
    names : dict or list of str, optional
        Of the values; a list names the values by their place, see `named_values`.
    cortex : array (n_vertices,) of bool, optional
    found : array, optional
        All labels of the file, where ``values`` may lack some (projected ones).
    """

    values: NDArray[Any]
    names: Names | Sequence[str] | None = None
    cortex: NDArray[np.bool_] | None = None
    found: NDArray[Any] | None = None


def as_labels(values: NDArray[Any], step: float = 0.0) -> NDArray[np.int64] | None:
    """Return values as labels, `OUTSIDE` for NaN; None where they are real numbers.

    Parameters
    ----------
    values : array
    step : float
        How finely the file stores numbers: whole ones come back off by as much (``scl_slope``).
    """
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    there = ~np.isnan(values)
    known = values[there].astype(np.float64)
    if not np.isfinite(known).all():
        return None
    whole = np.round(known)
    off = np.abs(known - whole)
    if (off > np.maximum(1e-6 * np.abs(whole), 1e-6) + step).any():
        return None
    labels = np.full(values.shape, OUTSIDE, dtype=np.int64)
    labels[there] = whole.astype(np.int64)
    return labels


def checked_labels(name: str, values: NDArray[Any], step: float = 0.0) -> NDArray[np.int64]:
    """Return `as_labels`, or raise ValueError for a map of real numbers."""
    labels = as_labels(values, step)
    if labels is None and np.isinf(values).any():
        raise ValueError(
            f"{name}: {np.count_nonzero(np.isinf(values))} of its values are infinite, which is no "
            "label: set them to 0, or NaN, where there is no area"
        )
    if labels is None:
        raise ValueError(
            f"{name}: its values ({some_values(values)}) are real numbers, not the labels of an "
            "atlas: pass threshold= to make a mask of where they are above, without table="
        )
    return labels


def assembled(name: str, sides: Mapping[str, Side], *, space: str | None, **told: Any) -> Atlas:
    """Return the atlas of named values per hemisphere; areas named alike in both are one area.

    Raises
    ------
    ValueError
        If values are no labels, have no names, or several of one hemisphere have the same name.
    """
    sides = {side: one._replace(values=checked_labels(name, one.values))
             for side, one in sides.items()}  # fmt: skip
    for one in sides.values():
        if one.names is None:
            raise ValueError(
                f"{name}: its values ({some_values(one.values)}) have no names: pass table=, or "
                "threshold= to make a mask"
            )
    names = _named_sides(name, sides)
    area_of = {side: _areas(side, one.values, names[side]) for side, one in sides.items()}
    if not any(area_of.values()):
        raise ValueError(_none_named(name, sides, names))
    _refuse_merged(name, sides, area_of)
    _warn_of_unnamed(name, sides, names)
    areas = list(dict.fromkeys(area for of in area_of.values() for area in of.values()))
    number = {area: k for k, area in enumerate(areas, start=1)}
    labels = {}
    for side, one in sides.items():
        codes = np.zeros(one.values.shape, dtype=np.int32)
        for value, area in area_of[side].items():
            codes[one.values == value] = number[area]
        labels[side] = codes
    cortex = {side: one.cortex for side, one in sides.items() if one.cortex is not None}
    groups = {group: tuple(of) for group, of in (told.pop("groups") or {}).items()}
    family = told.pop("family", None)
    where = space or _mesh(name, {side: len(of) for side, of in labels.items()}, family)
    return Atlas(name, labels, tuple(areas), where, groups, cortex=cortex or None, **told)


def named_values(name: str, names: Sequence[str], found: NDArray[Any]) -> dict[int, str]:
    """Return value to name for a list of names without values.

    A list that begins with the background names the values 0, 1, 2, ...; another one 1, 2, 3, ...
    The largest label of the file has to be that of the last name: this alone shows that names and
    values fit.

    Raises
    ------
    ValueError
        With the number of names and the values, if they do not fit.
    """
    labels = np.unique(found[found > 0])
    first = 0 if names and names[0].strip().lower() in BACKGROUND else 1
    last = len(names) - 1 + first
    if labels.size and int(labels[-1]) == last:
        return dict(enumerate(names, start=first))
    begins = "begins with the background, value 0, and" if first == 0 else "begins with value 1 and"
    raise ValueError(
        f"{name}: a list of {len(names)} names {begins} ends with value {last}, but the file has "
        f"{labels.size} labels ({_range(labels)}): pass table={{value: name}}, or a table with the "
        "columns index and name"
    )


def some_values(values: NDArray[Any]) -> str:
    """Return the first few distinct values, in words."""
    found = np.unique(values[~np.isnan(values)] if values.dtype.kind == "f" else values)
    found = found[found != OUTSIDE]
    shown = ", ".join(f"{value:g}" for value in found[:_SHOWN])
    return shown + (", ..." if found.size > _SHOWN else "")


def all_labels(sides: Mapping[str, Side]) -> NDArray[Any]:
    """Return the distinct labels of both hemispheres' file."""
    found = [one.values if one.found is None else one.found for one in sides.values()]
    return np.unique(np.concatenate([np.ravel(values) for values in found]))


def _named_sides(name: str, sides: Mapping[str, Side]) -> dict[str, Names]:
    found = all_labels(sides)
    return {
        side: one.names
        if isinstance(one.names, Mapping)
        else named_values(name, list(one.names or []), found)
        for side, one in sides.items()
    }


def _areas(side: str, values: NDArray[Any], names: Names) -> dict[int, str]:
    """Return value to area, without the background and without this hemisphere's prefix."""
    there = set(np.unique(values).tolist())
    found = {}
    for value, written in names.items():
        if written.strip().lower() in BACKGROUND or value not in there:
            continue
        short = read_name(written)
        found[value] = short.name if short.hemisphere == side else written.strip()
    return found


def _refuse_merged(
    name: str, sides: Mapping[str, Side], area_of: Mapping[str, Mapping[int, str]]
) -> None:
    """Raise where two values of one hemisphere have one name, but for those of the other half."""
    for side in sides:
        of: dict[str, list[int]] = {}
        for value, area in area_of[side].items():
            of.setdefault(area, []).append(value)
        for area, values in of.items():
            here = [value for value in values if _lies_in(side, value, sides)]
            if len(here) > 1 or (len(values) > 1 and not here):
                said = ", ".join(map(str, values[:_SHOWN]))
                raise ValueError(
                    f"{name}: the values {said} are all named {area!r} in the {side} hemisphere, "
                    "and would become one area: give each value a name of its own in table=, and "
                    "join them by groups="
                )


def _lies_in(side: str, value: int, sides: Mapping[str, Side]) -> bool:
    """Whether a value is not mostly of the other hemisphere, as where a volume is projected."""
    counts = {s: np.count_nonzero(one.values == value) for s, one in sides.items()}
    return bool(counts[side] > (1 - _MOSTLY) * sum(counts.values()))


def _warn_of_unnamed(name: str, sides: Mapping[str, Side], names: Mapping[str, Names]) -> None:
    lost: dict[int, int] = {}
    for side, one in sides.items():
        values, counts = np.unique(one.values, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if value > 0 and value not in names[side]:
                lost[value] = lost.get(value, 0) + count
    if lost:
        shown = ", ".join(map(str, list(lost)[:_SHOWN])) + (", ..." if len(lost) > _SHOWN else "")
        warnings.warn(
            f"{name}: {len(lost)} of its labels ({shown}) have no name: {sum(lost.values())} "
            "vertices with them lie in no area. Name them in table=, or give them the name "
            "'unknown' if they are none",
            stacklevel=4,
        )


def _none_named(name: str, sides: Mapping[str, Side], names: Mapping[str, Names]) -> str:
    found = all_labels(sides)
    known = np.array(sorted({value for of in names.values() for value in of}), dtype=np.int64)
    return (
        f"{name}: no label of the file ({_range(found[found != OUTSIDE])}) has the name of an "
        f"area; names are of the values {_range(known)}: pass table= with the values of this file"
    )


def _range(values: NDArray[Any]) -> str:
    if not values.size:
        return "none"
    if values.size <= _SHOWN:
        return ", ".join(map(str, values.tolist()))
    gaps = any(b - a > 1 for a, b in pairwise(values.tolist()))
    return f"{values[0]} to {values[-1]}{', with gaps' if gaps else ''}"


def _mesh(name: str, sizes: Mapping[str, int], family: str | None) -> str:
    if len(set(sizes.values())) > 1:
        raise ValueError(
            f"{name}: {sizes} vertices fit no mesh, whose hemispheres have the same number: pass "
            "space= with a name of your own"
        )
    size = sizes[HEMISPHERES[0]]
    try:
        # The family tells meshes of one size apart, no more: CIFTI of fsaverage5 was in use.
        return mesh_of(size, family if list(N_VERTICES.values()).count(size) > 1 else None)
    except ValueError as error:
        raise ValueError(f"{name}: {sizes}: {error}") from error
