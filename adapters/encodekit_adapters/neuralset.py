"""neuralset's tables of events both ways, by files: its packages and ours are kept apart.

An events table has a row per event: ``type`` (Audio, Word, Phoneme, Fmri), ``start`` and
``duration`` in s, ``timeline`` (our run), ``text``, ``filepath``, ``subject``.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import encodekit as ek
from encodekit.core import atomic_write, refuse

_TABLES = {"Word": "word", "Phoneme": "phone"}
COLUMNS = ("type", "start", "duration", "timeline")


def to_events(study: ek.Study, folder: str | Path) -> pd.DataFrame:
    """Return a study's stimuli as an events table; sounds in memory are written to ``folder``.

    Time 0 of a timeline is the beginning of its sound. `save_events` writes it as a .csv that
    ``neuralset.events.standardize_events`` takes.
    """
    rows: list[dict[str, Any]] = []
    for stimulus in study.stimuli:
        common = {"timeline": stimulus.run_name, "stimulus": stimulus.name}
        if stimulus.audio is not None:
            path = _sound_file(stimulus, Path(folder))
            rows.append({
                "type": "Audio", "start": 0.0, "duration": stimulus.audio_duration,
                "filepath": str(path), "frequency": float(stimulus.sampling_rate or 0), **common,
            })  # fmt: skip
        for kind, label in _TABLES.items():
            table = stimulus.words if label == "word" else stimulus.phones
            for text, onset, duration in _timed(table, label):
                rows.append({
                    "type": kind, "start": onset, "duration": duration, "text": text, **common
                })  # fmt: skip
    return pd.DataFrame(rows)


def _timed(table: pd.DataFrame | None, label: str) -> list[tuple[str, float, float]]:
    if table is None:
        return []
    columns = (table[name].tolist() for name in (label, "onset", "duration"))
    return list(zip(*columns, strict=True))


def _sound_file(stimulus: ek.Stimulus, folder: Path) -> Path:
    if isinstance(stimulus.audio, str | Path) and Path(stimulus.audio).suffix != ".npy":
        return Path(stimulus.audio).resolve()
    import soundfile

    path = folder / f"{stimulus.run_name.replace('/', '_')}.wav"
    sound = BytesIO()
    soundfile.write(
        sound, stimulus.load_audio(), stimulus.sampling_rate, subtype="FLOAT", format="WAV"
    )
    if path.exists() and path.read_bytes() != sound.getvalue():
        raise FileExistsError(
            f"{str(path)!r} is there and holds another sound: name another folder"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return atomic_write(path, sound.getvalue()).resolve()


def from_events(
    events: pd.DataFrame, *, t_r: float, durations: dict[str, float] | None = None
) -> list[ek.Stimulus]:
    """Return one stimulus per timeline of an events table.

    A timeline's sound is its Audio event, and times are counted from its ``start``; a timeline of
    words alone counts from 0. TRs begin with the sound, every ``t_r`` s.

    Parameters
    ----------
    events : DataFrame
    t_r : float
        s
    durations : dict, optional
        s of each timeline that has no sound.

    Raises
    ------
    ValueError
        With every mistake: columns that lack, several sounds in a timeline, words without text.
    """
    lacking = [name for name in COLUMNS if name not in events]
    refuse("events", [f"there is no column {name!r}" for name in lacking])
    refuse("events", list(_mistakes(events)))
    return [
        _stimulus(str(name), rows, t_r, (durations or {}).get(str(name)))
        for name, rows in events.groupby("timeline", sort=False)
    ]


def _mistakes(events: pd.DataFrame) -> list[str]:
    found = []
    for name, rows in events.groupby("timeline", sort=False):
        n_sounds = int((rows["type"] == "Audio").sum())
        if n_sounds > 1:
            found.append(f"timeline {name!r} has {n_sounds} Audio events: give each its timeline")
        spoken = rows[rows["type"].isin(_TABLES)]
        texts = spoken["text"] if "text" in spoken else pd.Series("", index=spoken.index)
        silent = texts.isna() | (texts == "")
        if silent.any():
            found.append(f"timeline {name!r} has {int(silent.sum())} words without text")
    return found


def _stimulus(name: str, rows: pd.DataFrame, t_r: float, duration: float | None) -> ek.Stimulus:
    sound = rows[rows["type"] == "Audio"]
    began = 0.0 if sound.empty else float(sound["start"].iloc[0])
    tables = {}
    for kind, label in _TABLES.items():
        mine = rows[rows["type"] == kind].sort_values("start", kind="stable")
        tables[label] = None if mine.empty else pd.DataFrame({
            label: mine["text"].astype(str).to_numpy(),
            "onset": mine["start"].to_numpy(np.float64) - began,
            "duration": mine["duration"].to_numpy(np.float64),
        })  # fmt: skip
    heard = str(rows["stimulus"].iloc[0]) if "stimulus" in rows else name
    return ek.Stimulus(
        heard,
        None if sound.empty else Path(str(sound["filepath"].iloc[0])),
        words=tables["word"],
        phones=tables["phone"],
        t_r=t_r,
        duration=duration,
        run=name,
    )


def save_events(events: pd.DataFrame, path: str | Path) -> Path:
    """Write an events table as .csv."""
    return atomic_write(path, events.to_csv(index=False).encode())


def load_events(path: str | Path) -> pd.DataFrame:
    """Return an events table from .csv; a word such as NA stays a word."""
    table = pd.read_csv(path, dtype={"text": str, "timeline": str}, keep_default_na=False)
    for name in ("start", "duration"):
        table[name] = pd.to_numeric(table[name])
    return table
