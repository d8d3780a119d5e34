"""Confounds of a folder study: numbers for each row of a response, the same rows left out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from encodekit.core import unknown_name
from encodekit_adapters._arrays import StoredArray
from encodekit_adapters._study_file import ConfoundFile
from encodekit_adapters._tables import SEPARATORS, numbers, numeric_table, read_table

_SHOWN = 4


def read_confounds(root: Path, item: ConfoundFile) -> pd.DataFrame:
    """Return the confounds of a file (row, confound); NaN where the file has none, or ``n/a``.

    Raises
    ------
    OSError, ValueError
        Where a column is lacking, or holds text.
    """
    path = root / item.file
    if path.suffix.lower() in SEPARATORS:
        return _numbers(path, item.columns)
    if item.columns is not None:
        raise ValueError(f"{str(path)!r} is no table: columns are of a .csv or .tsv")
    stored = StoredArray(path, item.key, item.index, bool(item.transposed))
    if len(stored.shape) > 2:
        raise ValueError(f"has shape {stored.shape}, expected (TR, confound)")
    values = np.asarray(stored.read(), dtype=np.float64)
    return pd.DataFrame(values.reshape(values.shape[0], -1))


def _numbers(path: Path, columns: list[str] | None) -> pd.DataFrame:
    table = read_table(path)
    lacking = [unknown_name("column", name, table) for name in columns or [] if name not in table]
    if lacking:
        raise ValueError(f"{str(path)!r}: {'; '.join(lacking)}")
    try:
        if columns is None:
            return numeric_table(path)
        return numbers(table, columns, path, missing=True)
    except ValueError as error:
        raise ValueError(
            f"{error}. Or name the columns that are confounds, such as "
            '"columns": ["trans_x", "rot_x"]'
        ) from error


def of_rows(table: pd.DataFrame, n_rows: int, first: int, stop: int) -> tuple[pd.DataFrame, str]:
    """Return the rows of a response that count, and what was filled in or is doubtful.

    What is not there in row 0 alone is that of row 1, as nilearn's ``load_confounds`` has it:
    differences from one TR to the next have no value there.

    Raises
    ------
    ValueError
        Where the table has other rows than the file of the response, or no number in another row.
    """
    if len(table) != n_rows:
        swap = ' (stored (confound, TR)? Then write "transposed": true)' if (
            table.shape[1] == n_rows) else ""  # fmt: skip
        raise ValueError(
            f"a table has {len(table)} rows but the file of the response has {n_rows}{swap}: give "
            "one for each row of the file; those outside the sound are left out by themselves"
        )
    filled: list[Any] = []
    if first == 0 and n_rows > 1:
        lacking = table.iloc[0].isna() & table.iloc[1].notna()
        filled = table.columns[lacking].tolist()
        table = table.copy()
        table.loc[table.index[0], filled] = table.iloc[1][filled]
    kept = table.iloc[first:stop].reset_index(drop=True)
    bad = ~np.isfinite(kept.to_numpy())
    if bad.any():
        row, column = (int(k) for k in np.argwhere(bad)[0])
        raise ValueError(
            f"column {kept.columns[column]!r} has no number in row {row + first} (and "
            f"{int(bad.sum()) - 1} more cells have none): interpolate it, or leave the column out, "
            'by "columns"'
        )
    shown = ", ".join(map(str, filled[:_SHOWN]))
    more = f" and {len(filled) - _SHOWN} more" if filled[_SHOWN:] else ""
    told = [f"{shown}{more}: n/a in row 0, taken to be as in row 1"] if filled else []
    told += [
        f'column {name!r} counts the rows; if it is no confound, name the others by "columns"'
        for name, column in table.items()
        if n_rows > 2 and (column.diff().iloc[1:] == 1).all()
    ]
    return kept, "; ".join(told)
