"""Tables of words and phones: what was said when."""

import hashlib

import numpy as np
import pandas as pd


def table_mistakes(table: pd.DataFrame, label: str, end: float | None) -> list[str]:
    """Return what is wrong with a table (columns ``label``, onset, duration; seconds)."""
    name = f"{label}s"
    lacking = [column for column in (label, "onset", "duration") if column not in table]
    if lacking:
        return [
            f"{name} lacks the columns {lacking}; it has {list(map(str, table.columns))}: "
            f"name them {label!r}, 'onset' and 'duration' (seconds)"
        ]
    if not all(pd.api.types.is_numeric_dtype(table[c]) for c in ("onset", "duration")):
        return [f"{name}: onset and duration are not numbers: give them in seconds"]
    return _text_mistakes(table, label, name) + _time_mistakes(table, name, end)


def _text_mistakes(table: pd.DataFrame, label: str, name: str) -> list[str]:
    odd = [item for item in table[label] if not isinstance(item, str)]
    if not odd:
        return []
    return [f"{name}: {len(odd)} entries are not text, the first is {odd[0]!r}: make them str"]


def _time_mistakes(table: pd.DataFrame, name: str, end: float | None) -> list[str]:
    onset = table["onset"].to_numpy(dtype=float)
    duration = table["duration"].to_numpy(dtype=float)
    if not (np.isfinite(onset).all() and np.isfinite(duration).all()):
        return [f"{name}: an onset or duration is NaN or infinite: drop these rows"]
    mistakes = []
    back = np.flatnonzero(np.diff(onset) < 0)
    if back.size:
        mistakes.append(
            f"{name}: row {back[0] + 1} begins at {onset[back[0] + 1]:g} s, before the row above "
            f"({onset[back[0]]:g} s): sort by onset"
        )
    if (duration < 0).any():
        mistakes.append(f"{name}: {int((duration < 0).sum())} durations are negative")
    outside = (onset < 0) | (onset > (np.inf if end is None else end))
    if outside.any():
        limit = "after 0 s" if end is None else f"within 0..{end:g} s of audio"
        mistakes.append(
            f"{name}: {int(outside.sum())} onsets lie outside the audio (the first at "
            f"{onset[outside][0]:g} s), expected {limit}: give seconds from the audio's start"
        )
    return mistakes


def hash_table(table: pd.DataFrame, label: str) -> str:
    """Return the sha256 of a table's ``label``, onset and duration columns."""
    digest = hashlib.sha256(f"{label} table ".encode())
    digest.update("\x1f".join(map(str, table[label])).encode())
    for column in ("onset", "duration"):
        digest.update(np.ascontiguousarray(table[column].to_numpy(dtype="<f8")).tobytes())
    return digest.hexdigest()


def hash_more(table: pd.DataFrame, label: str) -> bytes:
    """Return a digest of a table's other columns (surprisal, ...); nothing where there are none."""
    more = sorted(str(column) for column in table if column not in (label, "onset", "duration"))
    if not more:
        return b""
    digest = hashlib.sha256()
    for column in more:
        digest.update(f"{column} column ".encode())
        values = table[column]
        if pd.api.types.is_numeric_dtype(values):
            digest.update(np.ascontiguousarray(values.to_numpy(dtype="<f8")).tobytes())
        else:
            digest.update("\x1f".join(map(str, values)).encode("utf-8", "surrogatepass"))
    return digest.digest()
