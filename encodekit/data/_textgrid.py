"""Praat TextGrids: timed words or phones of a stimulus."""

import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from encodekit.core import present_file, refuse, unknown_name
from encodekit.data._not_words import drop_marks
from encodekit.data._text_files import read_text
from encodekit.data._tiers import find_tier, kind_of

_ROUNDING = 1e-3  # s; an interval may end so much before it begins
# Praat reads what stands free: texts in quotation marks, numbers, flags, and nothing else.
_TOKEN = re.compile(
    r'(?P<text>"(?:[^"]|"")*")'
    r"|(?<![^\s=])(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)"
    r"|(?<!\S)![^\n]*"  # a comment
)
_KINDS = {"IntervalTier": 2, "TextTier": 1}  # numbers of an entry, before its label

Entry = tuple[str, float, float]  # label, start, end
Token = re.Match[str]


@dataclass(frozen=True)
class Tier:
    """A tier: its name, whether it holds intervals, and its entries."""

    name: str
    has_intervals: bool
    entries: list[Entry]


def read_textgrid(
    path: str | Path,
    *,
    tier: str | None = None,
    kind: str = "word",
    silence: Container[str] | None = None,
) -> pd.DataFrame:
    """Read one interval tier of a TextGrid as a table of words (or phones).

    Parameters
    ----------
    path : str or Path
        A TextGrid, long or short format, UTF-8 or UTF-16.
    tier : str, optional
        Name of the tier; if not given, the only one, or the one that `find_tier` finds.
    kind : "word" or "phone"
        Name of the label column, as `Stimulus` takes them.
    silence : collection of str, optional
        Labels that are no words and are left out, whatever their case, in place of
        `encodekit.data.SILENCE`. ``SILENCE | {"um"}`` adds to it; ``()`` keeps every label.

    Returns
    -------
    DataFrame
        Columns ``kind``, ``onset`` and ``duration`` (both in seconds), in the order of time.
        ``attrs["left_out"]`` counts the labels that were left out: silence, and those of intervals
        without length, which aligners write.

    Raises
    ------
    ValueError
        If the tier is unknown, or not named although several may be meant; if the file is no
        TextGrid, is cut short, holds another number of intervals than it states, or text that is
        neither UTF-8 nor UTF-16; if an interval ends before it begins.

    Warns
    -----
    UserWarning
        If the tier is taken by a name of an aligner, such as ``ORT-MAU``.
    """
    where = f"TextGrid {str(path)!r}"
    tiers = _tiers(Path(path))
    names = [item.name for item in tiers]
    name = _chosen(names, kind, where) if tier is None else tier
    if name not in names:
        raise ValueError(f"{where}: {unknown_name('tier', name, names)}")
    if names.count(name) > 1:
        raise ValueError(f"{where} has {names.count(name)} tiers {name!r}: rename all but one")
    return drop_marks(_table(tiers[names.index(name)], kind, where), kind, silence)


def textgrid_tiers(path: str | Path) -> list[str]:
    """Return the names of the tiers of a TextGrid, in order; raises as `read_textgrid` does."""
    return [item.name for item in _tiers(Path(path))]


def _chosen(names: list[str], kind: str, where: str) -> str:
    if not names:
        raise ValueError(f"{where} has no tier: get another file")
    if len(names) == 1 and kind_of(names[0]) in (kind, None):
        return names[0]
    found = find_tier(names, kind, where)
    if found is None:
        raise ValueError(
            f"{where} has the tiers {names}, none by a name of {kind}s: say which one with tier="
        )
    return found


def _table(tier: Tier, kind: str, where: str) -> pd.DataFrame:
    """Return the intervals that last, in the order of time."""
    if not tier.has_intervals:
        raise ValueError(f"{where}: tier {tier.name!r} holds points, expected intervals")
    back = [k for k, (_, start, end) in enumerate(tier.entries, 1) if end < start - _ROUNDING]
    if back:
        label, start, end = tier.entries[back[0] - 1]
        raise ValueError(
            f"{where}: {len(back)} intervals of tier {tier.name!r} end before they begin, the "
            f"first is interval {back[0]} ({label!r}, {start:g} to {end:g} s): mend them with Praat"
        )
    left_out = Counter(label for label, start, end in tier.entries if end <= start)
    lasting = sorted((entry for entry in tier.entries if entry[2] > entry[1]), key=lambda e: e[1])
    for (before, _, stop), (label, start, _) in pairwise(lasting):
        if start < stop - _ROUNDING:
            raise ValueError(
                f"{where}: in tier {tier.name!r}, {label!r} begins at {start:g} s, before "
                f"{before!r} ends at {stop:g} s: the intervals of a tier do not overlap; mend them "
                "with Praat"
            )
    rows = [(label, start, end - start) for label, start, end in lasting]
    table = pd.DataFrame(rows, columns=[kind, "onset", "duration"])
    table.attrs["left_out"] = dict(left_out)
    return table.astype({"onset": float, "duration": float})


def _tiers(path: Path) -> list[Tier]:
    """Return the tiers, or raise for what is no TextGrid or holds other counts than it states."""
    where = f"TextGrid {str(path)!r}"
    text = read_text(present_file(path), "TextGrid")
    if text.startswith("ooBinaryFile"):
        raise ValueError(f"{where} is binary: open it with Praat and save it as a text file")
    begin = text.find('"TextGrid"', 0, 200)
    if begin < 0:
        raise ValueError(f"{where}: it does not begin as a TextGrid does: check that it is one")
    tokens = [token for token in _TOKEN.finditer(text, begin + 10) if token.lastgroup]
    at = next((k for k, token in enumerate(tokens) if token.lastgroup == "text"), len(tokens))
    header = [token[0] for token in tokens[:at] if token.lastgroup == "number"]
    tiers: list[Tier] = []
    mistakes: list[str] = []
    while at < len(tokens):
        tier, size, at = _tier(tokens, at, f"{where}, tier {len(tiers) + 1}")
        tiers.append(tier)
        if size != len(tier.entries):
            mistakes.append(
                f"tier {len(tiers)} states {size} intervals but holds {len(tier.entries)}: it was "
                "cut short or edited by hand"
            )
    stated = header[2] if len(header) == 3 else "no number of"
    if stated != str(len(tiers)):
        mistakes.append(f"it states {stated} tiers but holds {len(tiers)}: it was cut short")
    refuse(where, mistakes)
    return tiers


def _tier(tokens: list[Token], at: int, where: str) -> tuple[Tier, int, int]:
    """Return (tier, the number of entries that it states, where the next tier begins)."""
    head = _taken(tokens, at, "text text number number number", where)
    if head[0] not in _KINDS:
        raise ValueError(
            f"{where}: is {head[0]!r}, expected one of {', '.join(_KINDS)}: it was edited by hand, "
            "or a label holds a quotation mark that is not doubled; open and save it with Praat"
        )
    at, n_numbers = at + 5, _KINDS[head[0]]
    entries: list[Entry] = []
    while at < len(tokens) and tokens[at].lastgroup == "number":
        shape = "number " * n_numbers + "text"
        *times, label = _taken(tokens, at, shape, f"{where}, interval {len(entries) + 1}")
        entries.append((label.strip(), float(times[0]), float(times[-1])))
        at += n_numbers + 1
    name = head[1].strip()
    return Tier(name, n_numbers == 2, entries), int(float(head[4])), at


def _taken(tokens: list[Token], at: int, shape: str, where: str) -> list[str]:
    """Return the next tokens, which must be of these kinds."""
    kinds = shape.split()
    found = tokens[at : at + len(kinds)]
    if [token.lastgroup for token in found] != kinds:
        there = " ".join(token[0] for token in found) or "nothing"
        raise ValueError(
            f"{where} cannot be read: expected {shape}, got {there}: it was cut short or edited by "
            "hand; open and save it with Praat, or get it again"
        )
    return [
        token[0][1:-1].replace('""', '"') if token.lastgroup == "text" else token[0]
        for token in found
    ]
