"""What was heard in a run, by its events file."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from encodekit.core import present_file, unknown_name
from encodekit_adapters._bids_names import folders_of, inherited
from encodekit_adapters._bids_runs import BoldRun
from encodekit_adapters._tables import read_table

COLUMNS = ("onset", "duration", "stim_file")
_NOTHING = frozenset({"", "n/a", "na", "nan", "none"})
_IMAGES = "png jpg jpeg bmp gif tif tiff svg webp pdf eps ppm tga"
_TEXTS = "txt csv tsv json xml html py m mat"
_VIDEOS = "mp4 m4v mov avi mkv webm mpg mpeg wmv flv ogv"
# Endings of files that are seen, not heard; whatever else a row names counts as a sound.
_ADDRESS = re.compile("bids:[^:/]*:|[a-zA-Z][a-zA-Z0-9+.-]+://")  # before the path of a URI
SEEN = frozenset(f".{ending}" for ending in f"{_IMAGES} {_TEXTS} {_VIDEOS}".split())


@dataclass(frozen=True)
class Heard:
    """A sound file and, in seconds of the scan, when it began and which part of it counts."""

    stim_file: str
    began: float
    start: float
    stop: float


def read_heard(run: BoldRun, raw: Path, trial_type: str | None) -> Heard:
    """Return what a run's events say was heard.

    Rows of ``trial_type`` (all if not given) that name a sound count; images, videos and texts
    do not. The sound begins with the first row of any kind that names its file; what counts is
    from the first to the last counting row.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no events file or several, it lacks a column, or its rows name no sound or
        several.
    """
    path = _events_file(run, raw)
    table = read_table(path)
    lacking = [unknown_name("column", name, table) for name in COLUMNS if name not in table]
    if lacking:
        raise ValueError(f"{str(path)!r}: {'; '.join(lacking)}")
    named = table["stim_file"].str.strip()
    sounds = ~named.str.lower().isin(_NOTHING) & ~named.map(is_seen).astype(bool)
    counting = _counting(table, trial_type, path) & sounds
    files = list(dict.fromkeys(named[counting].map(plain_path)))
    if len(files) != 1:
        raise ValueError(_not_one(path, table, named, sounds, files, trial_type))
    own = sounds & (named.map(plain_path) == files[0])
    numbers = table.loc[own, ["onset", "duration"]].apply(pd.to_numeric, errors="coerce")
    odd = ~np.isfinite(numbers.to_numpy(np.float64)).all(axis=1)
    if odd.any():
        row = int(numbers.index[odd][0])
        raise ValueError(
            f"{str(path)!r}: an onset or duration of a sound is no number (row {row + 1}: onset "
            f"{table['onset'][row]!r}, duration {table['duration'][row]!r}): give seconds"
        )
    counted = numbers[counting[own]]
    start = float(counted["onset"].min())
    stop = float((counted["onset"] + counted["duration"]).max())
    if stop <= start:
        raise ValueError(
            f"{str(path)!r}: {files[0]!r} is said to last {stop - start:g} s (column duration): "
            "give how long it was heard, in seconds"
        )
    return Heard(files[0], float(numbers["onset"].min()), start, stop)


def plain_path(stim_file: str) -> str:
    r"""Return what a stim_file names, as a path below ``stimuli``; of a drive, the name alone.

    Examples
    --------
    >>> plain_path(r"stimuli\audio\a 1.wav")
    'audio/a 1.wav'
    """
    path = _ADDRESS.sub("/", stim_file.strip().replace("\\", "/"))
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    drive = re.match("[a-zA-Z]:", path) is not None
    if "stimuli" in parts[:-1] and (drive or path.startswith("/") or parts[0] == "stimuli"):
        return "/".join(parts[parts.index("stimuli") + 1 :])
    return parts[-1] if drive else "/".join(parts)


def is_seen(stim_file: str) -> bool:
    """Tell whether a file is an image, a video or a text, by its ending."""
    return PurePosixPath(stim_file).suffix.lower() in SEEN


def _counting(table: pd.DataFrame, trial_type: str | None, path: Path) -> "pd.Series[bool]":
    if trial_type is None:
        return pd.Series(data=True, index=table.index)
    kinds = table["trial_type"] if "trial_type" in table else pd.Series("", index=table.index)
    if not (kinds == trial_type).any():
        known = dict.fromkeys(kinds)
        raise ValueError(f"{str(path)!r}: {unknown_name('trial_type', trial_type, known)}")
    return kinds == trial_type


def _not_one(
    path: Path,
    table: pd.DataFrame,
    named: "pd.Series[str]",
    sounds: "pd.Series[bool]",
    files: list[str],
    trial_type: str | None,
) -> str:
    """Return what is wrong with rows that name no sound, or several."""
    of = "" if trial_type is None else f" of trial_type {trial_type!r}"
    text = (
        f"{str(path)!r}: its rows{of} name {len(files)} sounds ({', '.join(files[:5])}), expected "
        "one a run (column stim_file)"
    )
    kinds: dict[str, list[str]] = {}
    if "trial_type" in table:
        for kind, file in zip(table["trial_type"][sounds], named[sounds], strict=True):
            kinds.setdefault(kind, []).append(plain_path(file))
    single = [kind for kind, theirs in kinds.items() if len(set(theirs)) == 1]
    if single:
        choice = " or ".join(f"trial_type={kind!r} ({kinds[kind][0]})" for kind in single[:5])
        return f"{text}: choose by {choice}"
    seen = [file for file in dict.fromkeys(named) if is_seen(file)]
    if not files and seen:
        return (
            f"{text}: {', '.join(seen[:3])} is no sound by its ending; name the sound that was "
            "played, such as story.wav, in stim_file"
        )
    if len(files) > 1:
        return f"{text}: cut the run at its sounds, or give the rows of each a trial_type"
    return text


def _events_file(run: BoldRun, raw: Path) -> Path:
    """Return the events that hold for a run: the nearest, by BIDS' inheritance."""
    folders = folders_of(run.entities, raw)
    levels = inherited(run.acquired, folders, ("events",), ".tsv")
    if not levels:
        keys = ("sub", "ses", "task", "run")
        stem = "_".join(f"{key}-{run.acquired[key]}" for key in keys if key in run.acquired)
        return present_file(folders[0] / f"{stem}_events.tsv")
    if len(levels[0]) > 1:
        names = ", ".join(str(path) for path in levels[0])
        raise ValueError(
            f"{run.where}: {len(levels[0])} events files hold for it alike ({names}): keep one, "
            "or name it with the entities of the run"
        )
    return levels[0][0]
