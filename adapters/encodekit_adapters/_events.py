"""What was heard in a run, by its events file."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from encodekit.core import unknown_name
from encodekit_adapters._fmriprep import BoldRun
from encodekit_adapters._tables import read_table

COLUMNS = ("onset", "duration", "stim_file")


@dataclass(frozen=True)
class Heard:
    """A sound file and, in seconds of the scan, when it began and which part of it counts."""

    stim_file: str
    began: float
    start: float
    stop: float

    @property
    def name(self) -> str:
        """The stimulus' name: the file's, without folder, ending and ``_audio``."""
        return Path(self.stim_file).stem.removesuffix("_audio")


def read_heard(run: BoldRun, raw: Path, trial_type: str | None) -> Heard:
    """Return what a run's events say was heard.

    The sound begins with the first event that names its file; what counts is from the first to
    the last event of ``trial_type`` (of all if not given).

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no events file, it lacks a column, or names no sound or several.
    """
    path = _events_file(run, raw)
    table = read_table(path)
    lacking = [unknown_name("column", name, table) for name in COLUMNS if name not in table]
    if lacking:
        raise ValueError(f"{str(path)!r}: {'; '.join(lacking)}")
    timed = table[~table["stim_file"].isin(["n/a", ""])]
    files = list(dict.fromkeys(timed["stim_file"]))
    if len(files) != 1:
        raise ValueError(
            f"{str(path)!r} names {len(files)} sounds ({', '.join(files[:3])}), expected one a run "
            "(column stim_file)"
        )
    numbers = timed[["onset", "duration"]].apply(pd.to_numeric, errors="coerce")
    if numbers.isna().to_numpy().any():
        raise ValueError(f"{str(path)!r}: an onset or duration of a sound is no number")
    counts = _counting(timed, trial_type, path)
    ends = numbers["onset"] + numbers["duration"]
    return Heard(
        files[0],
        float(numbers["onset"].min()),
        float(numbers["onset"][counts].min()),
        float(ends[counts].max()),
    )


def _counting(timed: pd.DataFrame, trial_type: str | None, path: Path) -> "pd.Series[bool]":
    if trial_type is None:
        return pd.Series(data=True, index=timed.index)
    kinds = timed["trial_type"] if "trial_type" in timed else pd.Series("", index=timed.index)
    if not (kinds == trial_type).any():
        known = dict.fromkeys(kinds)
        raise ValueError(f"{str(path)!r}: {unknown_name('trial_type', trial_type, known)}")
    return kinds == trial_type


def _events_file(run: BoldRun, raw: Path) -> Path:
    names = run.entities
    stem = "_".join(f"{k}-{names[k]}" for k in ("sub", "ses", "task", "run") if k in names)
    folder = raw / f"sub-{names['sub']}" / (f"ses-{names['ses']}" if "ses" in names else "")
    own, shared = folder / "func" / f"{stem}_events.tsv", raw / f"task-{names['task']}_events.tsv"
    return shared if not own.exists() and shared.exists() else own
