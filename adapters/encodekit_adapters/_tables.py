"""Tables of cells, and timed words and phones from them and from TextGrids."""

import re
from collections.abc import Container, Iterable, Sequence
from math import isinf, isnan
from pathlib import Path

import numpy as np
import pandas as pd

from encodekit.core import present_file, refuse, unknown_name
from encodekit.data import drop_marks, read_text, read_textgrid

SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SAID = {"\t": "a tab", ",": "','", ";": "';'", "|": "'|'"}
_MISSING = frozenset({"", "n/a", "na", "nan", "null", "none"})  # BIDS, R, NumPy
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")
_BREAK = re.compile("[\t\v\f\x1c-\x1e\x85\u2028\u2029]")
_ROUNDING = 1e-3  # s; an end may come so much before its onset
_ROW = "row of the file"
_SHOWN = 3  # mistakes of one kind


def read_labels(
    path: Path,
    kind: str,
    *,
    tier: str | None = None,
    label: str | None = None,
    onset: str = "onset",
    duration: str | None = None,
    offset: str | None = None,
    silence: Container[str] | None = None,
) -> pd.DataFrame:
    """Return a table of words or phones (columns ``kind``, onset, duration; seconds).

    Parameters
    ----------
    path : Path
        A .TextGrid, .csv or .tsv.
    kind : "word" or "phone"
    tier : str, optional
        Of the TextGrid; see `read_textgrid`.
    label, onset, duration, offset : str, optional
        Columns of the table: ``kind``, ``onset`` and ``duration`` if not given; ``offset`` stands
        in for the duration. A word of duration 0 is kept: when it ended is not known.
    silence : collection of str, optional
        Labels that are left out, in place of `encodekit.data.SILENCE`, as in `read_textgrid`;
        ``attrs["left_out"]`` counts them. They need no times.

    Raises
    ------
    OSError, ValueError
        Where the file is lacking, a pointer, of another kind or encoding, lacks a column, or a
        word has no time.
    """
    if path.suffix.lower() == ".textgrid":
        return read_textgrid(path, tier=tier, kind=kind, silence=silence)
    table = read_table(path)
    names = [label or kind, onset, offset or duration or "duration"]
    lacking = [unknown_name("column", name, table.columns) for name in names if name not in table]
    if lacking:
        raise ValueError(
            f"{str(path)!r}: {'; '.join(lacking)}. Rename the columns, or name them by label=, "
            "onset=, duration= or offset="
        )
    timed = table[names[1:]].copy()
    timed[kind], timed[_ROW] = table[names[0]].str.strip(), table.index
    words = drop_marks(timed, kind, silence).set_index(_ROW)
    times = numbers(words, names[1:], path)
    spans = times[names[2]] - (times[onset] if offset else 0)
    back = np.flatnonzero(spans < -_ROUNDING)
    if back.size:
        raise ValueError(
            f"{str(path)!r}: {back.size} rows end before they begin, the first is row "
            f"{words.index[back[0]] + 1} ({words[kind].iloc[back[0]]!r}): are columns exchanged?"
        )
    twice = np.flatnonzero(times[names[1:]].assign(label=words[kind]).duplicated())
    if twice.size:
        raise ValueError(
            f"{str(path)!r}: {twice.size} rows are there twice, the first is row "
            f"{words.index[twice[0]] + 1} ({words[kind].iloc[twice[0]]!r}): remove one of the two"
        )
    made = pd.DataFrame({kind: words[kind], "onset": times[onset], "duration": spans.clip(lower=0)})
    made.attrs["left_out"] = words.attrs["left_out"]
    return made.reset_index(drop=True)


def read_table(path: Path, *, header: bool = True) -> pd.DataFrame:
    """Return a .csv or .tsv as text, cell by cell; without a header, columns are numbered.

    A cell that begins and ends with a quotation mark is read as CSV has it; any other quotation
    mark is a sign like others. Empty lines are passed over.

    Raises
    ------
    OSError, ValueError
        Where the file is lacking, a pointer, of another ending or encoding, has another separator
        or rows of several lengths, a cell with a line break or a tab, or two columns of one name.
    """
    separator = SEPARATORS.get(path.suffix.lower())
    if separator is None:
        known = [*SEPARATORS, ".TextGrid"]
        raise ValueError(f"{str(path)!r}: {unknown_name('ending', path.suffix, known)}")
    lines = read_text(present_file(path)).rstrip(" \n").split("\n")
    if lines == [""]:
        raise ValueError(f"{str(path)!r} is empty: give it a header and rows")
    first = _cells(lines[0], separator)
    _check_separator(first, separator, path)
    if header:
        _check_names(first, path)
    is_wide = len(first) > 1  # an empty line of one column is an empty cell
    rows = {n: _cells(line, separator) for n, line in enumerate(lines, 1) if line or not is_wide}
    _check_rows(rows, len(first), separator, path, header=header)
    body = list(rows.values())[1:] if header else list(rows.values())
    columns: Iterable[object] = first if header else range(len(first))
    return pd.DataFrame(body, columns=pd.Index(list(columns)), dtype=str)


def numeric_table(path: Path) -> pd.DataFrame:
    """Return a .csv or .tsv of numbers, such as confounds, as floats; ``n/a`` is NaN.

    Raises
    ------
    OSError, ValueError
        As `read_table`, and where a column has no name or a cell is neither number nor missing.
    """
    table = read_table(path)
    if "" in table:
        raise ValueError(
            f"{str(path)!r}: column {list(table).index('') + 1} has no name: name it, or write the "
            "table without row numbers (pandas: index=False)"
        )
    return numbers(table, list(map(str, table)), path, missing=True)


def numbers(
    table: pd.DataFrame, columns: Sequence[str], path: Path, *, missing: bool = False
) -> pd.DataFrame:
    """Return columns of text as floats; ``n/a``, ``NaN`` and empty cells are NaN.

    Parameters
    ----------
    table : DataFrame
        Of `read_table`, or some of its rows.
    columns : list of str
    path : Path
        For messages.
    missing : bool
        Whether numbers may be missing; if not, they are refused.

    Raises
    ------
    ValueError
        With column, row and text of what is no number, or is infinite.
    """
    made, mistakes = {}, []
    for column in columns:
        cells = table[column].tolist()
        values = [_number(cell) for cell in cells]
        known = [(k, value) for k, value in enumerate(values) if value is not None]
        bad = sorted({*range(len(values))} - {k for k, value in known if not isinf(value)})
        lacking = [k for k, value in known if isnan(value) and not missing]
        for places, problem in ((bad, "hold no number"), (lacking, "have no number")):
            if places:
                first = cells[places[0]]
                mistakes.append(
                    f"column {column!r}: {len(places)} rows {problem}, the first is row "
                    f"{table.index[places[0]] + 1} ({first!r}): {_remedy(first, problem)}"
                )
        made[column] = np.array([np.nan if value is None else value for value in values])
    refuse(repr(str(path)), mistakes)
    return pd.DataFrame(made, index=table.index, dtype=np.float64)


def _number(cell: str) -> float | None:
    """Return a cell's number, NaN where it is missing, None where it is neither."""
    plain = cell.strip()
    if plain.casefold() in _MISSING:
        return np.nan
    try:
        return None if "_" in plain else float(plain)
    except ValueError:
        return None


def _remedy(cell: str, problem: str) -> str:
    if _DECIMAL_COMMA.fullmatch(cell.strip()):
        return f"write decimals with a point, {cell.strip().replace(',', '.')}"
    if problem == "have no number":
        return "give it, or drop the row (a duration that is not known is 0)"
    return "give a number, or n/a where there is none"


def _cells(line: str, separator: str) -> list[str]:
    """Return the cells of a line; a cell in quotation marks may hold the separator."""
    if '"' not in line:
        return line.split(separator)
    sign = re.escape(separator)
    pattern = re.compile(rf'"((?:[^"]|"")*)"{sign}|([^{sign}]*){sign}')
    return [
        plain if quoted is None else quoted.replace('""', '"')
        for quoted, plain in (found.groups() for found in pattern.finditer(line + separator))
    ]


def _check_separator(first: list[str], separator: str, path: Path) -> None:
    others = [sign for sign in _SAID if sign != separator and sign in first[0]]
    if len(first) == 1 and others:
        raise ValueError(
            f"{str(path)!r}: its columns are separated by {_SAID[others[0]]}, but those of a "
            f"{path.suffix} by {_SAID[separator]}: write it so, or name it after its separator"
        )


def _check_names(names: list[str], path: Path) -> None:
    twice = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if twice:
        raise ValueError(
            f"{str(path)!r} has several columns {', '.join(map(repr, twice))}: rename all but one"
        )


def _check_rows(
    rows: dict[int, list[str]], width: int, separator: str, path: Path, *, header: bool
) -> None:
    """Raise for rows of another length than the first, and cells with line breaks or tabs."""
    ragged = [(n, len(cells)) for n, cells in rows.items() if len(cells) != width]
    if ragged:
        told = ", ".join(f"{_row(n, header)} has {there}" for n, there in ragged[:_SHOWN])
        raise ValueError(
            f"{str(path)!r}: {len(ragged)} rows have other than {width} cells: {told}"
            f"{', ...' if ragged[_SHOWN:] else ''}: {_ragged_remedy(rows, width, separator)}"
        )
    for n, cells in rows.items():
        broken = next((k for k, cell in enumerate(cells, 1) if _BREAK.search(cell)), None)
        if broken:
            raise ValueError(
                f"{str(path)!r}: {_row(n, header)}, cell {broken} holds a tab or a line break "
                f"({cells[broken - 1]!r}): replace it by a space"
            )


def _row(line: int, header: bool) -> str:
    return f"row {line - 1} (line {line})" if header else f"row {line}"


def _ragged_remedy(rows: dict[int, list[str]], width: int, separator: str) -> str:
    if any(cell.startswith('"') for cells in rows.values() for cell in cells):
        return "a quotation mark opens in a cell: a cell must end on its line, without line breaks"
    remedies = []
    if {len(cells) for cells in list(rows.values())[1:]} == {width + 1}:
        remedies = ["write it without names of rows (R: row.names = FALSE, pandas: index=False)"]
    if separator == ",":
        remedies += ["write decimals with a point", "put a cell with a comma into quotation marks"]
    return " or ".join(remedies) or f"separate the cells by {_SAID[separator]}"
