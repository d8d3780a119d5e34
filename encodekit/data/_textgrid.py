"""Praat TextGrids: timed words or phones of a stimulus."""

import re
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from encodekit.core import import_extra, present_file, refuse, unknown_name

SILENCE = frozenset({"", "#", "sp", "sil", "<sil>", "{sl}", "{ls}", "{lg}", "{ns}", "{br}"})
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_LONG_SIZE = re.compile(r"^\s*(?:intervals|points)\s*:\s*size\s*=\s*(\d+)\s*$", re.MULTILINE)
_LONG_ITEM = re.compile(r"^\s*(?:intervals|points)\s*\[\d+\]\s*:?\s*$", re.MULTILINE)
_SHORT_TIER = re.compile(
    r'^"(?P<kind>IntervalTier|TextTier)"\s*\n"(?P<name>(?:[^"]|"")*)"\s*\n[^\n]*\n[^\n]*\n'
    r"(?P<size>\d+)[ \t]*$",
    re.MULTILINE,
)
_LABEL = r'"(?:[^"]|"")*"'
_SHORT_ITEM = {
    "IntervalTier": re.compile(rf"^[-+.\deE]+\s*\n[-+.\deE]+\s*\n{_LABEL}", re.MULTILINE),
    "TextTier": re.compile(rf"^[-+.\deE]+\s*\n{_LABEL}", re.MULTILINE),
}


def read_textgrid(
    path: str | Path,
    *,
    tier: str | None = None,
    kind: str = "word",
    silence: Collection[str] = SILENCE,
) -> pd.DataFrame:
    """Read one interval tier of a TextGrid as a table of words (or phones).

    Parameters
    ----------
    path : str or Path
        A TextGrid, long or short format, UTF-8 or UTF-16.
    tier : str, optional
        Name of the tier; needed where the file has several.
    kind : str, default "word"
        Name of the label column: ``"word"`` or ``"phone"``, as `Stimulus` takes them.
    silence : collection of str
        Labels, in lower case, that are no words and are left out.

    Returns
    -------
    DataFrame
        Columns ``kind``, ``onset`` and ``duration`` (both in seconds), in the order of time.

    Raises
    ------
    ValueError
        If the tier is unknown, or not named although the file has several; if the file is no
        TextGrid, is cut short, holds another number of intervals than it states, or text that is
        neither UTF-8 nor UTF-16.
    """
    praatio = import_extra("praatio.textgrid", extra="textgrid", purpose="reading a TextGrid")
    refuse(f"TextGrid {str(path)!r}", _file_mistakes(_text(present_file(path))))
    try:
        grid = praatio.openTextgrid(str(path), includeEmptyIntervals=False)
    except Exception as error:
        raise ValueError(
            f"TextGrid {str(path)!r} cannot be read ({type(error).__name__}: {error}): open and "
            "save it with Praat, or get it again"
        ) from error
    names = list(grid.tierNames)
    if tier is None and len(names) > 1:
        raise ValueError(f"{path} has the tiers {names}: say which one with tier=")
    if tier is not None and tier not in names:
        raise ValueError(f"{path}: {unknown_name('tier', tier, names)}")
    rows = _entries(str(path), grid.getTier(tier or names[0]), silence)
    return pd.DataFrame(rows, columns=[kind, "onset", "duration"])


def _entries(path: str, tier: Any, silence: Collection[str]) -> list[tuple[str, float, float]]:
    if type(tier).__name__ != "IntervalTier":
        raise ValueError(f"{path}: tier {tier.name!r} holds points, expected intervals")
    return [
        (entry.label.strip(), float(entry.start), float(entry.end - entry.start))
        for entry in tier.entries
        if entry.label.strip().lower() not in silence
    ]


def _text(path: Path) -> str:
    content = path.read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"TextGrid {str(path)!r} is not {encoding.upper()} (byte {error.start}): convert it, "
            f"say by `iconv -f LATIN1 -t UTF-8 {path.name}`"
        ) from error


def _file_mistakes(text: str) -> list[str]:
    """Return what a parser would pass over: no header, fewer or more intervals than stated."""
    if '"TextGrid"' not in text[:200]:
        return ["it does not begin as a TextGrid does: check that it is one"]
    if "item [" in text:
        starts = [match.start() for match in _LONG_SIZE.finditer(text)]
        parts = [text[start:end] for start, end in pairwise([*starts, len(text)])]
        sizes = [
            (int(_LONG_SIZE.findall(part)[0]), len(_LONG_ITEM.findall(part))) for part in parts
        ]
        stated = re.search(r"^size\s*=\s*(\d+)", text, re.MULTILINE)
    else:
        tiers = list(_SHORT_TIER.finditer(text))
        ends = pairwise([*(tier.start() for tier in tiers), len(text)])
        sizes = [
            (int(tier["size"]), len(_SHORT_ITEM[tier["kind"]].findall(text[tier.end() : end])))
            for tier, (_, end) in zip(tiers, ends, strict=True)
        ]
        stated = re.search(r"^<exists>\s*\n(\d+)\s*$", text, re.MULTILINE)
    mistakes = [
        f"tier {n} states {size} intervals but holds {there}: it was cut short or edited by hand"
        for n, (size, there) in enumerate(sizes, 1)
        if size != there
    ]
    if stated is None or int(stated[1]) != len(sizes):
        said = "no number of" if stated is None else stated[1]
        mistakes.append(f"it states {said} tiers but holds {len(sizes)}: it was cut short")
    return mistakes
