"""Names of labels in the tables that people have: tables, look-up tables of colours, FSL's XML."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd

from encodekit.core import present_file
from encodekit.data import read_text

Table = str | Path | pd.DataFrame | Mapping[int, str] | Sequence[str]
Found = dict[int, str] | list[str]

_PARTS = ("label", "roi", "region", "area", "parcel", "structure")
_NUMBERED = ("id", "index", "value", "number", "key")
_INDEX = ("index", "value", "id", "idx", "key", "number", "no", "nr", "intensity", "labels",
          *_PARTS, *(f"{part}_{of}" for part in _PARTS for of in _NUMBERED),
          *(f"{part}{of}" for part in _PARTS for of in _NUMBERED))  # fmt: skip
_NAME = ("name", "names", "labels", "regions", "full_name", "fullname", "long_name", "longname",
         "description", *_PARTS, *(f"{part}_name" for part in _PARTS),
         *(f"{part}name" for part in _PARTS))  # fmt: skip
_WHOLE = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_HEX = re.compile(r"#[0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?")
_COLOUR = re.compile(f"{_NUMBER.pattern}|{_HEX.pattern}")
_QUOTED = re.compile(r'"([^"]*)"')


def read_table(table: Table) -> Found:
    """Return value to name; or a list of names, for a table that does not say of which values.

    Parameters
    ----------
    table : mapping, DataFrame, sequence of str, or path
        Paths are of TSV or CSV, of FSL's atlas XML, or of text: lines ``index name``, with colours
        or without; workbench's label lists, a line of the name and one of ``key r g b a``; or one
        name a line.

    Raises
    ------
    ValueError
        If it is none of these, columns are unknown, or a value has two names.
    """
    if isinstance(table, pd.DataFrame):
        return _of_frame(table, "table")
    if isinstance(table, Mapping):
        return {_whole(value, "table"): str(name) for value, name in table.items()}
    if not isinstance(table, str | Path):
        return [name.decode() if isinstance(name, bytes) else str(name) for name in table]
    path = Path(table)
    text = read_text(present_file(path), "table")
    if path.suffix.lower() == ".xml" or text.lstrip().startswith("<"):
        return _of_fsl(path.name, text)
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    if not lines:
        raise ValueError(
            f"{path.name} has no names: it holds {len(text)} characters of nothing else"
        )
    delimiter = _delimiter(path, lines)
    if delimiter is None:
        return _of_lines(path.name, lines)
    return _of_cells(path.name, [row for row in csv.reader(lines, delimiter=delimiter) if row])


def _delimiter(path: Path, lines: list[str]) -> str | None:
    """Return what separates columns: of CSV and TSV, and of texts like them; None for spaces."""
    if path.suffix.lower() in (".tsv", ".csv"):
        counts = {mark: lines[0].count(mark) for mark in ("\t", ";", ",")}
        return max(counts, key=lambda mark: counts[mark])
    header = [_plain(cell) for cell in lines[0].split("\t")]
    if len(header) > 1 and set(header) & set(_INDEX) and set(header) & set(_NAME):
        return "\t"
    numbered = [re.match(r"\s*[+-]?\d+\s*,", line) is not None for line in lines]
    if "," in lines[0] and all(numbered[1:]) and (numbered[0] or len(lines) > 1):
        return ","
    return None


def _of_cells(name: str, rows: list[list[str]]) -> Found:
    rows = [[cell.strip() for cell in row] for row in rows]
    if _WHOLE.fullmatch(rows[0][0]) is None and not _headless(rows):
        width = len(rows[0])
        ragged = [row for row in rows[1:] if len(row) != width]
        if ragged:
            raise ValueError(
                f"{name}: the line {ragged[0]} has {len(ragged[0])} cells, the first line "
                f"{rows[0]} has {width}: quote names that hold the delimiter"
            )
        return _of_frame(pd.DataFrame(rows[1:], columns=rows[0], dtype=str), name)
    if all(len(row) == 1 for row in rows):
        return [row[0] for row in rows]
    pairs = []
    for row in rows:
        if _WHOLE.fullmatch(row[0]) is None:
            raise ValueError(f"{name}: the line {row} does not begin with a value, as others do")
        texts = [cell for cell in row[1:] if not _COLOUR.fullmatch(cell)] or row[1:2]
        pairs.append((int(row[0]), ", ".join(texts)))
    return _once(name, pairs)


def _headless(rows: list[list[str]]) -> bool:
    """Whether a table of one column begins with a name, not with the name of the column."""
    return len(rows[0]) == 1 and _plain(rows[0][0]) not in (*_NAME, *_INDEX)


def _of_frame(table: pd.DataFrame, name: str) -> Found:
    if table.index.name is not None:
        table = table.reset_index()
    columns = {str(column): table[column] for column in table.columns}
    index = _column(columns, _INDEX, name, "index", numbers=True)
    names = _column({k: v for k, v in columns.items() if k != index}, _NAME, name, "name")
    if names is None or (index is None and len(columns) > 1):
        raise ValueError(
            f"{name} has the columns {list(columns)}, expected index and name: rename the columns "
            "that hold the value and the name of each area"
        )
    written = [str(item) for item in columns[names]]
    if index is None:
        return written
    values = [_whole(value, name) for value in columns[index]]
    return _once(name, list(zip(values, written, strict=True)))


def _column(
    columns: Mapping[str, Any], known: Sequence[str], table: str, wanted: str, numbers: bool = False
) -> str | None:
    """Return the column that is meant: the one of the plain name, or the only one."""
    found = [
        column
        for column, values in columns.items()
        if _plain(column) in known and _holds_numbers(values) == numbers
    ]
    exact = [column for column in found if _plain(column) == wanted]
    if len(exact) == 1:
        return exact[0]
    if len(found) > 1:
        raise ValueError(
            f"{table}: the columns {found} could each be the {wanted}: rename the one that is, to "
            f"{wanted!r}"
        )
    return found[0] if found else None


def _holds_numbers(values: Any) -> bool:
    return all(_NUMBER.fullmatch(str(value).strip()) for value in values)


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", column.strip().lower()).strip("_")


def _of_lines(name: str, lines: list[str]) -> Found:
    listed = _of_workbench(lines)
    if listed is not None:
        return _once(name, listed)
    words = [_split(line) for line in lines]
    numbered = [_WHOLE.fullmatch(row[0]) is not None and len(row) > 1 for row in words]
    if not any(numbered):
        _refuse_values_at_the_end(name, words, lines)
        return [" ".join(row) for row in words]
    if not numbered[0] and all(numbered[1:]) and _plain(words[0][0]) in _INDEX:
        words, numbered, lines = words[1:], numbered[1:], lines[1:]
    if not all(numbered):
        raise ValueError(
            f"{name}: the line {lines[numbered.index(False)].strip()!r} has no value before the "
            f"name, and {lines[numbered.index(True)].strip()!r} has one: give every line one"
        )
    rows = [row[1:] for row in words]
    if all(len(row) > 1 and _HEX.fullmatch(row[-1]) for row in rows):
        rows = [row[:-1] for row in rows]
    rows = _without_colours(name, rows, lines)
    pairs = zip(words, rows, lines, strict=True)
    return _once(name, [(int(row[0]), _written(rest, line)) for row, rest, line in pairs])


def _refuse_values_at_the_end(name: str, rows: list[list[str]], lines: list[str]) -> None:
    """Raise where the numbers that all names end in may be their values, in another order."""
    ends = [int(row[-1]) if len(row) > 1 and _WHOLE.fullmatch(row[-1]) else None for row in rows]
    # In the order of the lines, both readings give each value the same name.
    in_order = ends == list(range(1, len(ends) + 1))
    if len(ends) > 1 and None not in ends and len(set(ends)) == len(ends) and not in_order:
        raise ValueError(
            f"{name}: each line ends in a number, as {lines[0].strip()!r}, which may be the value "
            "or part of the name: write the value first, or pass table={value: name}"
        )


def _split(line: str) -> list[str]:
    """Return the words of a line, the first without what ends it: ``1:``, ``1.`` or ``1)``."""
    first = re.match(r"\s*([+-]?\d+)\s*[:.)=;](?=\s|[^\d\s])(.*)", line)
    return [first[1], *first[2].split()] if first and first[2].strip() else line.split()


def _written(words: list[str], line: str) -> str:
    quoted = _QUOTED.findall(line)
    return str(quoted[0]) if len(quoted) == 1 else " ".join(words)


def _of_workbench(lines: list[str]) -> list[tuple[int, str]] | None:
    """Read pairs of lines, a name and then ``key red green blue alpha``; None for other texts."""
    keys = [line.split() for line in lines[1::2]]
    colours = all(len(key) == 5 and all(map(_NUMBER.fullmatch, key)) for key in keys)
    if len(lines) % 2 or not colours:
        return None
    return [(int(key[0]), line.strip()) for line, key in zip(lines[::2], keys, strict=True)]


def _without_colours(name: str, rows: list[list[str]], lines: list[str]) -> list[list[str]]:
    """Take away the colours, before or after the name, which all lines have or none has."""
    for turn in (1, -1):
        turned = [row[::turn] for row in rows]
        counts = [_leading(row) for row in turned]
        if min(counts) >= 3:
            n = min(4, *counts) if turn == -1 else min(counts)
            return [row[n:][::turn] for row in turned]
        if max(counts) >= 4 and not any('"' in line for line in lines):
            with_, without = counts.index(max(counts)), counts.index(min(counts))
            raise ValueError(
                f"{name}: the line {lines[with_].strip()!r} has numbers of a colour beside the "
                f"name, and {lines[without].strip()!r} has none: give all lines colours, or none"
            )
    return rows


def _leading(row: list[str]) -> int:
    """Return how many words of a row are numbers, from its start; one word is always the name."""
    n = next((k for k, word in enumerate(row) if not _NUMBER.fullmatch(word)), len(row))
    return min(n, len(row) - 1)


def _of_fsl(name: str, text: str) -> dict[int, str]:
    """Read FSL's atlas XML: labels count from 0; images of probabilistic atlases add 1."""
    try:
        root = ET.fromstring(text)  # noqa: S314  (no entity of a local file is fetched)
    except ET.ParseError as error:
        raise ValueError(f"{name} is not XML that can be read: {error}") from error
    labels = root.findall("./data/label")
    kind = (root.findtext("./header/type") or "").strip().lower()
    added = {"probabilistic": 1, "label": 0}.get(kind)
    if not labels or added is None:
        raise ValueError(
            f"{name} is XML of {root.tag!r} with {len(labels)} labels of type {kind!r}, expected "
            "FSL's atlas (header/type Probabilistic or Label, data/label index=...)"
        )
    pairs = [(int(one.get("index", "")) + added, (one.text or "").strip()) for one in labels]
    return _once(name, pairs)


def _whole(value: Any, name: str) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer():
        raise ValueError(f"{name}: {value!r} is no label, expected whole numbers")
    return int(number)


def _once(name: str, pairs: list[tuple[int, str]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value, written in pairs:
        if found.setdefault(value, written) != written:
            raise ValueError(
                f"{name}: the value {value} has two names, {found[value]!r} and {written!r}"
            )
    return found
