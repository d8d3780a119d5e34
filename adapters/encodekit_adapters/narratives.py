"""Narratives (OpenNeuro ds002345): spoken stories, fMRIPrep on fsaverage6, aligned transcripts."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import DTypeLike

import encodekit as ek
from encodekit.core import unknown_name
from encodekit_adapters._bids_grid import Onsets
from encodekit_adapters._bids_runs import BoldRun, find_runs
from encodekit_adapters._bids_study import StudyPlan, make_study
from encodekit_adapters._confounds import Confounds, Strategy
from encodekit_adapters._events import Heard
from encodekit_adapters._store import as_list, loaded_with, through_store
from encodekit_adapters._tables import read_table
from encodekit_adapters.bids import (
    STRATEGY,
    Folder,
    by_participant,
    cut_one,
    place,
)

# s of each sound file at which its story begins: music and a pause come before it
STORY_BEGINS = {
    "21styear": 21.0, "black": 0.0, "bronx": 0.0, "forgot": 0.0, "lucy": 0.0, "merlin": 29.0,
    "milkyway": 21.0, "notthefallintact": 25.0, "notthefalllongscram": 25.0,
    "notthefallshortscram": 25.0, "pieman": 15.0, "piemanpni": 0.0, "prettymouth": 21.0,
    "shapesphysical": 45.0, "shapessocial": 45.0, "sherlock": 29.0, "slumlordreach": 25.0,
    "tunnel": 0.0,
}  # fmt: skip
# scans that the authors exclude, by their agreement with the others'
EXCLUDED = frozenset(
    f"sub-{who}_task-{what}"
    for what, people in {
        "lucy": "053 065", "merlin": "158", "milkyway": "038 105 123",
        "notthefallintact": "317 335", "notthefalllongscram": "066 335",
        "notthefallshortscram": "333", "pieman": "021 022 038 056 068 069",
        "prettymouth": "038 105", "shapessocial": "238", "slumlordreach": "139",
        "tunnel": "004 013",
    }.items()
    for who in people.split()
) | {"sub-001_task-pieman_run-1", "sub-001_task-pieman_run-2", "sub-013_task-pieman_run-2",
     "sub-014_task-pieman_run-2"}  # fmt: skip
T_R = 1.5  # s


def load_narratives(
    root: str | Path,
    task: str,
    participants: str | Iterable[str] | None = None,
    *,
    space: str = "fsaverage6",
    entities: Mapping[str, Any] | None = None,
    onset_tolerance: float = 0.05,
    resample: bool = False,
    confounds: Confounds | None = STRATEGY,
    excluded: bool = False,
    dtype: DTypeLike = "float32",
    segments: int | None = None,
    gap: str | float = "16s",
    store: str | Path | None = None,
) -> ek.Study:
    """Return a story of Narratives with all who heard it; values are read when computed.

    TRs sampled during the story are kept, in seconds of its sound file, which begins with music
    before many stories. Words are those that the aligner (gentle) found.

    Parameters
    ----------
    root : path
        The data set: derivatives/fmriprep, stimuli/gentle, stimuli/TASK_audio.wav and the events.
    task : str
        Such as ``"tunnel"`` or ``"21styear"`` (56 minutes; use ``segments``).
    participants : str or list of str, optional
    space, entities, onset_tolerance, resample, confounds, dtype, segments, gap, store
        As in `encodekit_adapters.bids.load_bids`.
    excluded : bool
        True keeps the scans that the authors exclude.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_bids` does.
    """
    if task not in STORY_BEGINS:
        raise ValueError(f"narratives: {unknown_name('task', task, STORY_BEGINS)}")
    folder = Folder.of(root)
    onsets = Onsets(onset_tolerance, resample)
    strategy = None if confounds is None else Strategy.of(confounds)
    found = find_runs(folder.derivatives, task, space, entities)
    kept = [run for run in found if excluded or _scan(run) not in EXCLUDED]
    if not kept:
        raise ValueError(
            f"narratives: all {len(found)} scans of {task!r} here are excluded by the authors: "
            "pass excluded=True to keep them"
        )
    runs = by_participant(kept, as_list(participants))

    asked = loaded_with(
        task=task, space=space, entities=entities, confounds=confounds, segments=segments,
        onset_tolerance=onset_tolerance, resample=resample, excluded=excluded,
    )  # fmt: skip

    def load() -> ek.Study:
        parts = {
            person: place(theirs, folder.raw, "story", T_R, dtype, _sound_began)
            for person, theirs in runs.items()
        }
        text = f"{_description(task, len(found) - len(kept))} {asked}"
        name = f"narratives {task}"
        plan = StudyPlan(name, text, folder.stimuli, space, _gentle, strategy, onsets)
        study = make_study(plan, parts)
        return study if segments is None else cut_one(study, segments, gap)

    return through_store(load, store, list(runs), asked=asked)


def _scan(run: BoldRun) -> str:
    return f"{run.participant}_{run.label}"


def _sound_began(run: BoldRun, heard: Heard) -> float:
    """Return when the sound file began: in two tasks some people's began before the scan did."""
    return heard.start - STORY_BEGINS[run.entities["task"]]


def _description(task: str, n_excluded: int) -> str:
    return (
        f"Narratives (Nastase et al. 2021, OpenNeuro ds002345, CC0), {task}: TR {T_R:g} s, the "
        f"story begins {STORY_BEGINS[task]:g} s into its sound file; {n_excluded} scans are left "
        "out as the authors do."
    )


def _gentle(folder: Path, _: Path, name: str) -> tuple[pd.DataFrame, None]:
    return read_gentle(folder / "gentle" / name / "align.csv"), None


def read_gentle(path: Path) -> pd.DataFrame:
    """Return the words (word, onset, duration; s) of a table of the aligner gentle.

    Its rows are the word, the word in lower case, and where it begins and ends; words that it did
    not find have no times and are left out (``attrs["not_found"]`` counts them).

    Raises
    ------
    ValueError
        Where a row has other than four cells, or a time is no number.
    """
    table = read_table(path, header=False)
    if table.shape[1] != 4:
        raise ValueError(
            f"{str(path)!r} has {table.shape[1]} columns, expected gentle's four (word, lower "
            "case, begins, ends)"
        )
    found = table[(table[2] != "") & (table[3] != "")]
    times = found[[2, 3]].apply(pd.to_numeric, errors="coerce")
    if times.isna().to_numpy().any():
        row = int(times.index[times.isna().any(axis=1)][0])
        raise ValueError(f"{str(path)!r}: row {row + 1} has a time that is no number")
    words = pd.DataFrame(
        {"word": found[0], "onset": times[2], "duration": times[3] - times[2]}
    ).reset_index(drop=True)
    words.attrs["not_found"] = len(table) - len(found)
    return words
