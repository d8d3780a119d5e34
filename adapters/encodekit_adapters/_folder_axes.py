"""Which axis of an array is time: noticed where arrays are stored (target, time)."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Key = tuple[str, str]  # participant, run

# How near to the TRs of its sound the length of an axis is: by this factor it fits, by that one
# it does not. Scans end early and go on after the sound, so that much lies between.
_FITS, _FAR, _NEARER, _ABSURD = (math.log(factor) for factor in (1.15, 1.5, 3, 5))


_SHORT = 5  # TRs; a shorter sound tells nothing


@dataclass(frozen=True)
class Shape:
    """The last two axes of an array, as they are taken, and what is known of either.

    Parameters
    ----------
    rows, columns : int
        Taken as TRs and targets.
    stated : bool or None
        What its description says of ``transposed``.
    n_targets : int, optional
        How many targets are listed for the participant.
    n_rows : mapping of str to int
        How many rows it should have, by what says so.
    expected : float, optional
        TRs from its first one to the end of the sound.
    """

    rows: int
    columns: int
    stated: bool | None
    n_targets: int | None
    n_rows: Mapping[str, int]
    expected: float | None


def judge(shapes: Mapping[Key, Shape]) -> tuple[dict[Key, str], list[Key]]:
    """Return what tells that arrays' axes are swapped, and the arrays of which nothing tells.

    The second are square, or both of their axes are about as long as the sound.
    """
    known: dict[Key, bool] = {}
    why: dict[Key, str] = {}
    asked = {key: shape for key, shape in shapes.items() if shape.rows != shape.columns}
    for rule in (_by_count, _by_own_runs, _by_sound, _by_own_runs, _by_others):
        for key, said in list(rule(asked, known)):
            if key not in known:
                known[key] = bool(said)
                why[key] = said
    open_ = [
        key
        for key, shape in shapes.items()
        if key not in known and shape.stated is None and (key not in asked or _either_fits(shape))
    ]
    return {key: said for key, said in why.items() if said}, open_


def _either_fits(shape: Shape) -> bool:
    off = _off(shape)
    return off is not None and off[1] < min(off[0], _FITS)


def _by_count(shapes: Mapping[Key, Shape], _: Mapping[Key, bool]) -> Iterator[tuple[Key, str]]:
    """By numbers that are stated: of targets, of onsets, of rows of confounds."""
    for key, shape in shapes.items():
        rows, columns = shape.rows, shape.columns
        if shape.stated is False or columns == shape.n_targets:
            yield key, ""
        elif rows == shape.n_targets:
            yield key, f"{rows} targets are listed"
        for name, number in shape.n_rows.items():
            if number in (rows, columns):
                yield key, "" if number == rows else f"there are {number} {name}"


def _by_own_runs(
    shapes: Mapping[Key, Shape], known: Mapping[Key, bool]
) -> Iterator[tuple[Key, str]]:
    """By the participant's other runs, which have as many targets."""
    for person in dict.fromkeys(person for person, _ in shapes):
        own = {key: shape for key, shape in shapes.items() if key[0] == person}
        if len(own) < 2:
            continue
        counts = {_targets(own[key], known[key]) for key in own if key in known}
        if not counts:
            counts = set.intersection(*({s.rows, s.columns} for s in own.values()))
        if len(counts) != 1:
            continue
        (n,) = counts
        for key, shape in own.items():
            if shape.columns == n:
                yield key, ""
            elif shape.rows == n and not _fits(shape):
                yield key, f"the other runs of {person} have {n} targets too"


def _targets(shape: Shape, is_swapped: bool) -> int:
    return shape.rows if is_swapped else shape.columns


def _by_sound(shapes: Mapping[Key, Shape], _: Mapping[Key, bool]) -> Iterator[tuple[Key, str]]:
    """By the length of the sound."""
    for key, shape in shapes.items():
        off = _off(shape)
        if off is None:
            continue
        rows, columns = off
        near = columns < _FITS and rows > _FAR
        if near or (columns < _NEARER and rows > max(_ABSURD, columns)):
            yield (
                key,
                (
                    f"from its row 0 to the end of the sound there are {shape.expected:.0f} TRs, "
                    f"which {shape.columns} is nearer to than {shape.rows}"
                ),
            )
        elif rows < _FITS and columns > _FAR:
            yield key, ""


def _by_others(shapes: Mapping[Key, Shape], known: Mapping[Key, bool]) -> Iterator[tuple[Key, str]]:
    """By the other participants of the run, who have as many TRs, or nearly."""
    for key, shape in shapes.items():
        others = {k: s for k, s in shapes.items() if k[1] == key[1] and k[0] != key[0]}
        sure = [(s, known[k]) for k, s in others.items() if k in known]
        firsts = Counter(s.columns if is_swapped else s.rows for s, is_swapped in sure)
        targets = {_targets(s, is_swapped) for s, is_swapped in sure}
        if shape.columns in targets:
            yield key, ""
        elif targets == {shape.rows}:
            yield key, f"other participants have {shape.rows} targets"
        firsts = firsts or Counter(s.rows for s in others.values())
        if shape.rows in firsts or not firsts:
            continue
        is_pair = len(others) == 1 and not sure
        if is_pair and shape.rows not in (s.columns for s in others.values()):
            continue
        if 2 * firsts[shape.columns] > firsts.total():
            yield key, f"run {key[1]!r} has {shape.columns} TRs for other participants"


def _fits(shape: Shape) -> bool:
    off = _off(shape)
    return off is not None and off[0] < _FITS


def _off(shape: Shape) -> tuple[float, float] | None:
    """Return how far the two lengths are from that of the sound, as logarithms."""
    if shape.expected is None or shape.expected < _SHORT or 0 in (shape.rows, shape.columns):
        return None
    rows, columns = (abs(math.log(n / shape.expected)) for n in (shape.rows, shape.columns))
    return rows, columns
