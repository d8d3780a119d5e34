"""Timed words and phones from TextGrids and tables."""

import io
from pathlib import Path

import pandas as pd

from encodekit.core import present_file, unknown_name
from encodekit.data import read_textgrid


def read_labels(
    path: Path,
    kind: str,
    *,
    tier: str | None = None,
    label: str | None = None,
    onset: str = "onset",
    duration: str | None = None,
    offset: str | None = None,
) -> pd.DataFrame:
    """Return a table of words or phones (columns ``kind``, onset, duration; seconds).

    Parameters
    ----------
    path : Path
        A .TextGrid, .csv or .tsv.
    kind : "word" or "phone"
    tier : str, optional
        Of the TextGrid; needed where it has several.
    label, onset, duration, offset : str, optional
        Columns of the table: ``kind``, ``onset`` and ``duration`` if not given; ``offset`` stands
        in for the duration.

    Raises
    ------
    OSError, ValueError
        Where the file is lacking, a pointer, of another kind or encoding, or lacks a column.
    """
    if path.suffix.lower() == ".textgrid":
        return read_textgrid(path, tier=tier, kind=kind)
    table = read_table(path)
    names = [label or kind, onset, offset or duration or "duration"]
    lacking = [unknown_name("column", name, table) for name in names if name not in table]
    if lacking:
        raise ValueError(f"{str(path)!r}: {'; '.join(lacking)}")
    numbers = table[names[1:]].apply(pd.to_numeric, errors="coerce")
    bad = numbers.isna().any(axis=1) & table[names[0]].ne("")
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise ValueError(
            f"{str(path)!r}: {int(bad.sum())} rows have no time, the first is row {row + 1} "
            f"({table[names[0]].iloc[row]!r}): give its onset in seconds, or drop the row"
        )
    times = numbers[table[names[0]].ne("")]
    spans = times[names[2]] - (times[onset] if offset else 0)
    timed = {kind: table[names[0]][times.index], "onset": times[onset], "duration": spans}
    return pd.DataFrame(timed).reset_index(drop=True)


def read_table(path: Path, *, header: bool = True) -> pd.DataFrame:
    """Return a .csv or .tsv as text, cell by cell; without a header, columns are numbered."""
    separators = {".csv": ",", ".tsv": "\t"}
    if path.suffix not in separators:
        raise ValueError(
            f"{str(path)!r}: {unknown_name('ending', path.suffix, [*separators, '.TextGrid'])}"
        )
    try:
        text = present_file(path).read_bytes().decode("utf-8-sig")
        return pd.read_csv(
            io.StringIO(text),
            sep=separators[path.suffix],
            dtype=str,
            keep_default_na=False,
            header=0 if header else None,
        )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not UTF-8 (byte {error.start}): convert it, say by `iconv -f "
            f"LATIN1 -t UTF-8 {path.name}`"
        ) from error
    except pd.errors.ParserError as error:
        raise ValueError(f"{str(path)!r} is no table: {error}") from error
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{str(path)!r} is empty: give it a header and rows") from error
