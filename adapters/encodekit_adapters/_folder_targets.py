"""Where the targets of a folder study are: lists in its description, or a table."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from encodekit.core import refuse, unknown_name
from encodekit_adapters._study_file import Targets
from encodekit_adapters._tables import read_table

_PLACES = ("hemisphere", "vertex", "voxel", "region")
_NUMBERS = ("vertex", "voxel")
_SIDES = {name: side for side in ("left", "right") for name in (side, side[0], f"{side[0]}h")}


def target_places(root: Path, targets: Targets, person: str) -> dict[str, list[Any]]:
    """Return the coordinates of a participant's targets, each with an entry for each target.

    Raises
    ------
    OSError, ValueError
        Where a table has no such column, or no row of the participant; where lists differ in
        length; for sides and numbers that are none.
    """
    found = {name: item for name in _PLACES if (item := getattr(targets, name)) is not None}
    if targets.file is not None:
        found.update(_of_table(root / targets.file, person))
    lengths = {name: len(item) for name, item in found.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {number}" for name, number in lengths.items())
        raise ValueError(f"the lists differ in length ({said}): give an entry for each target")
    if "hemisphere" in found:
        found["hemisphere"] = [_side(item, k) for k, item in enumerate(found["hemisphere"])]
    for name in _NUMBERS:
        if name in found:
            found[name] = [_whole(item, name, k) for k, item in enumerate(found[name])]
    return found


def _of_table(path: Path, person: str) -> dict[str, list[str]]:
    table = read_table(path)
    if "participant" in table:
        rows = table["participant"] == person
        if not rows.any():
            known = dict.fromkeys(table["participant"])
            raise ValueError(f"{str(path)!r}: {unknown_name('participant', person, known)}")
        table = table[rows]
    columns = [*_PLACES, "participant"]
    close = [
        unknown_name("column", str(name), columns)
        for name in table
        if name not in columns and get_close_matches(str(name).lower(), columns)
    ]
    refuse(repr(str(path)), close)
    found = {name: table[name].tolist() for name in _PLACES if name in table}
    if not found:
        raise ValueError(
            f"{str(path)!r} has the columns {', '.join(map(str, table))}, and none of "
            f"{', '.join(_PLACES)}: name at least one so"
        )
    return found


def _side(given: str, row: int) -> str:
    side = _SIDES.get(given.strip().lower())
    if side is None:
        raise ValueError(
            f"hemisphere of target {row} is {given!r}, expected left or right (or L, R, lh, rh)"
        )
    return side


def _whole(given: Any, name: str, row: int) -> int:
    try:
        number = float(given)
    except ValueError:
        number = -1
    if number < 0 or number != int(number):
        raise ValueError(f"{name} of target {row} is {given!r}, expected a whole number from 0 up")
    return int(number)


def n_listed(places: dict[str, Sequence[Any]] | None) -> int | None:
    """Return how many targets are listed; None where none are."""
    return len(next(iter(places.values()))) if places else None
