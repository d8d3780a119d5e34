"""Tables of words and phones: what was said when."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_STEP = 0.3  # s between two words of speech, about
_LONG = 5.0  # s; words last less, and come closer
_HARDLY = 0.1  # of the words; a run may be a part of what they are of
_TOO_LONG = 20.0  # times the step between words; so many are not said at once
_RATES = (8000, 16000, 22050, 24000, 44100, 48000)  # Hz


@dataclass(frozen=True)
class Length:
    """How long what is heard lasts: its sound, or the run where there is none; s."""

    sound: float | None = None
    run: float | None = None
    sampling_rate: int | None = None


def table_mistakes(table: pd.DataFrame, label: str, length: Length) -> list[str]:
    """Return what is wrong with a table (columns ``label``, onset, duration; seconds)."""
    name = f"{label}s"
    lacking = [column for column in (label, "onset", "duration") if column not in table]
    if lacking:
        return [
            f"{name} lacks the columns {lacking}; it has {list(map(str, table.columns))}: "
            f"name them {label!r}, 'onset' and 'duration' (seconds)"
        ]
    twice = [c for c in (label, "onset", "duration") if list(table.columns).count(c) > 1]
    if twice:
        return [f"{name} has several columns {twice}: rename all but one"]
    numbers = [item for c in ("onset", "duration") for item in _number_mistakes(table[c], name)]
    text = _text_mistakes(table[label], name)
    return text + (numbers or _time_mistakes(table, name, length))


def _text_mistakes(labels: "pd.Series[str]", name: str) -> list[str]:
    odd = [(row, item) for row, item in enumerate(labels) if not isinstance(item, str)]
    if not odd:
        return []
    row, item = odd[0]
    missing = " (pandas reads null and nan so, unless by keep_default_na=False)"
    return [
        f"{name}: {len(odd)} entries are not text, the first is {item!r} in row {row}"
        f"{missing if pd.isna(item) else ''}: make them str, or drop these rows"
    ]


def _number_mistakes(column: "pd.Series[float]", name: str) -> list[str]:
    """Return where a column holds text, NaN or infinite values, by row."""
    where = f"{name}: onset and duration are not numbers"
    if not pd.api.types.is_numeric_dtype(column):
        no_number = pd.to_numeric(column, errors="coerce").isna().to_numpy()
        row = int(no_number.argmax()) if len(column) else 0
        first = f", {column.name!r} is {column.iloc[row]!r} in row {row}" if len(column) else ""
        return [f"{where}{first}: give them in seconds, as floats"]
    bad = np.flatnonzero(~np.isfinite(column.to_numpy(dtype=float)))
    if not bad.size:
        return []
    unknown = ", or 0 where it is not known" if column.name == "duration" else ""
    return [
        f"{name}: an {column.name} is NaN or infinite in {bad.size} rows, the first is row "
        f"{bad[0]}: give it in seconds{unknown}, or drop these rows"
    ]


def _time_mistakes(table: pd.DataFrame, name: str, length: Length) -> list[str]:
    onset = table["onset"].to_numpy(dtype=float)
    duration = table["duration"].to_numpy(dtype=float)
    mistakes = []
    back = np.flatnonzero(np.diff(onset) < 0)
    if back.size:
        mistakes.append(
            f"{name}: row {back[0] + 1} begins at {onset[back[0] + 1]:g} s, before the row above "
            f"({onset[back[0]]:g} s): sort by onset"
        )
    negative = np.flatnonzero(duration < 0)
    if negative.size:
        mistakes.append(
            f"{name}: {negative.size} durations are negative, the first in row {negative[0]}"
        )
    told = _unit_mistakes(onset, duration, name, length)
    return mistakes + (told or _outside_mistakes(onset, name, length.sound))


def _outside_mistakes(onset: NDArray[np.float64], name: str, end: float | None) -> list[str]:
    outside = (onset < 0) | (onset > (np.inf if end is None else end))
    if not outside.any():
        return []
    limit = "after 0 s" if end is None else f"within 0..{end:g} s of audio"
    return [
        f"{name}: {int(outside.sum())} onsets lie outside the audio (the first at "
        f"{onset[outside][0]:g} s), expected {limit}: give seconds from the audio's start"
    ]


def _unit_mistakes(
    onset: NDArray[np.float64], duration: NDArray[np.float64], name: str, length: Length
) -> list[str]:
    """Return whether times are milliseconds, samples or the like, by where and how long words are.

    Words of a sound lie within it. Those of a run without sound may go on, as a segment has all
    words of what it was cut from; but then they are as short and as close as words are.
    """
    if not onset.size:
        return []
    step = float(np.median(np.diff(onset))) if onset.size > 1 else np.inf
    lasting = duration[duration > 0]
    lasts = float(np.median(lasting)) if lasting.size else np.inf
    end = length.run if length.sound is None else length.sound
    within = np.inf if end is None else float(np.mean((onset >= 0) & (onset <= end)))
    is_far = within < _HARDLY and min(step, lasts) > _LONG and min(step, lasts) < np.inf
    if (within < 0.5 if length.sound is not None else is_far) and end is not None:
        unit, factor = _unit(onset, step, end, length.sampling_rate)
        what = "the run ends at" if length.sound is None else "the sound lasts"
        if factor:
            return [
                f"its {name} begin at {onset[0]:g} to {onset[-1]:g} s but {what} {end:g} s: are "
                f"these {unit}? Then divide onset and duration by {factor:g}"
            ]
    if onset.size > 2 and _LONG < lasts < np.inf and lasts > _TOO_LONG * step:
        return [
            f"its {name} last {lasts:g} s (median) but begin {step:g} s apart: are these durations "
            "milliseconds, or ends? Give them in seconds, the end less the onset"
        ]
    return []


def _unit(
    onset: NDArray[np.float64], step: float, end: float, rate: int | None
) -> tuple[str, float]:
    """Return the (unit, how many of it a second has) in which words fit; 0 where none does."""
    units = {float(r): f"samples at {r} Hz" for r in (_RATES if rate is None else (rate,))}
    units |= {1000.0: "milliseconds", 100.0: "hundredths of a second", 1e6: "microseconds",
              1e7: "units of 100 ns, as HTK writes them"}  # fmt: skip
    fitting = [factor for factor in units if onset[0] >= 0 and onset[-1] / factor <= end]
    if not fitting:
        return "", 0.0
    paced = [factor for factor in fitting if _STEP / 5 < step / factor < _STEP * 5]
    usual = 1000.0 if 1000.0 in fitting else fitting[0]
    best = min(paced, key=lambda factor: abs(np.log(step / factor / _STEP)), default=usual)
    return units[best], best


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
