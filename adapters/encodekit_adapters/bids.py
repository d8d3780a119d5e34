"""Any output of fMRIPrep: volume, GIFTI or CIFTI, with events, sound and confounds."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import DTypeLike, NDArray

import encodekit as ek
from encodekit.core import refuse, unknown_name
from encodekit.data import make_response, response_like
from encodekit_adapters._data_set import described
from encodekit_adapters._events import Heard, read_heard
from encodekit_adapters._fmriprep import (
    SPACES,
    Bold,
    BoldRun,
    common_voxels,
    find_runs,
    open_run,
    repetition_time,
    start_time,
)
from encodekit_adapters._need import need
from encodekit_adapters._store import as_list, through_store
from encodekit_adapters._tables import read_labels

STRATEGY = ("high_pass", "motion", "wm_csf")
_TABLES = (".TextGrid", ".csv", ".tsv")
_CLOSE = 1e-6  # s

Words = Callable[[Path, str], tuple[pd.DataFrame | None, pd.DataFrame | None]]


@dataclass(frozen=True)
class Part:
    """One run of one participant on the grid of its sound."""

    run: BoldRun
    bold: Bold
    heard: Heard
    t_r: float
    offset: float  # s, where in a TR it is sampled
    first: int  # the volume of row 0
    seconds: NDArray[np.float64]  # of audio, of each row


def load_bids(
    root: str | Path,
    task: str,
    space: str,
    participants: str | Iterable[str] | None = None,
    *,
    raw: str | Path | None = None,
    stimuli: str | Path | None = None,
    trial_type: str | None = None,
    confounds: Sequence[str] | None = STRATEGY,
    t_r: float | None = None,
    dtype: DTypeLike = "float32",
    segments: int | None = None,
    gap: str | float = "16s",
    store: str | Path | None = None,
) -> ek.Study:
    """Return a task of an fMRIPrep output as a study; values are read when they are computed.

    What was heard, and when, comes from the events: the sound (column ``stim_file``) begins with
    the first event that names it, TRs that are sampled during the events of ``trial_type`` are
    kept. Words and phones come from ``stimuli``/NAME.TextGrid (tiers word and phone), .csv or .tsv
    (columns word, onset, duration). Row times are those of fMRIPrep's ``StartTime`` where the
    sidecar says it, else the middle of a TR. The study's description is what the data set says of
    itself in ``dataset_description.json``: name, licence and DOI.

    Parameters
    ----------
    root : path
        The BIDS data set, or its fMRIPrep folder.
    task, space : str
        Such as ``"story"`` and ``"fsaverage6"``, ``"fsLR"``, ``"MNI152NLin2009cAsym"``, ``"T1w"``.
    participants : str or list of str, optional
        With or without ``sub-``.
    raw, stimuli : path, optional
        The BIDS data set with the events, and the folder of the sounds, where ``root`` does not
        have them.
    trial_type : str, optional
        Which events count; all that name the sound if not given.
    confounds : sequence of str, optional
        The strategy of nilearn's ``load_confounds``; taken out of the responses, run by run, with
        the TRs that it censors NaN. None takes nothing out.
    t_r : float, optional
        s, where no file says it.
    segments, gap : int, seconds, optional
        Cut the one long run into that many, with this purge between them.
    store : path, optional
        Where the study is saved as zarr on the first call, and opened from ever after.

    Raises
    ------
    FileNotFoundError, ValueError
        For files that are lacking, damaged, mislabelled or that disagree, each with its place.
    """
    folder = Folder.of(root, raw, stimuli)
    runs = by_participant(find_runs(folder.derivatives, task, space), as_list(participants))

    def load() -> ek.Study:
        parts = {
            person: place(theirs, folder.raw, trial_type, t_r, dtype)
            for person, theirs in runs.items()
        }
        name = f"{folder.raw.name} {task}"
        text = f"{described(folder.raw, folder.derivatives)}: task {task}, space {space}."
        study = make_study(name, parts, folder.stimuli, space, stimulus_words, confounds, text)
        return study if segments is None else cut_one(study, segments, gap)

    return through_store(load, store, list(runs))


@dataclass(frozen=True)
class Folder:
    """The three places of a BIDS data set."""

    derivatives: Path
    raw: Path
    stimuli: Path

    @classmethod
    def of(cls, root: str | Path, raw: Any = None, stimuli: Any = None) -> "Folder":
        """Return where a data set keeps its parts, by the folder that the user names."""
        top = Path(root)
        own = top / "derivatives" / "fmriprep"
        derivatives = own if own.is_dir() else top
        above = top if own.is_dir() else top.parent.parent
        data_set = above if raw is None else Path(raw)
        sounds = data_set / "stimuli" if stimuli is None else Path(stimuli)
        return cls(derivatives, data_set, sounds)


def by_participant(runs: list[BoldRun], people: list[str] | None) -> dict[str, list[BoldRun]]:
    """Return the runs of each participant who is asked for."""
    by_person: dict[str, list[BoldRun]] = {}
    for run in runs:
        by_person.setdefault(run.participant, []).append(run)
    if people is None:
        return by_person
    named = [person if person.startswith("sub-") else f"sub-{person}" for person in people]
    refuse(
        "bids",
        [unknown_name("participant", name, by_person) for name in named if name not in by_person],
    )
    return {name: by_person[name] for name in by_person if name in named}


def _events_begin(_: BoldRun, heard: Heard) -> float:
    return heard.began


def place(
    runs: list[BoldRun],
    raw: Path,
    trial_type: str | None,
    t_r: float | None,
    dtype: DTypeLike,
    begin: Callable[[BoldRun, Heard], float] = _events_begin,
) -> list[Part]:
    """Return a participant's runs on the grids of what they heard, opened and checked.

    ``begin`` says at which second of the scan the sound file began.
    """
    opened = common_voxels({run.label: open_run(run, dtype) for run in runs})
    return [
        _part(run, opened[run.label], raw, read_heard(run, raw, trial_type), t_r, begin)
        for run in runs
    ]


def _part(
    run: BoldRun,
    bold: Bold,
    raw: Path,
    heard: Heard,
    stated: float | None,
    begin: Callable[[BoldRun, Heard], float],
) -> Part:
    t_r = repetition_time(run, bold.t_r, raw, stated)
    within = start_time(run, raw)
    offset = t_r / 2 if within is None else within
    onsets = np.arange(bold.values.shape[0]) * t_r + bold.start  # s of the scan
    sampled = onsets + offset
    kept = np.flatnonzero((sampled >= heard.start - _CLOSE) & (sampled <= heard.stop + _CLOSE))
    where = f"{run.participant}, {run.label}"
    if kept.size == 0:
        raise ValueError(
            f"{where}: no TR is sampled between {heard.start:g} and {heard.stop:g} s of the scan, "
            f"where {heard.stim_file!r} counts; it has {onsets.size} TRs of {t_r:g} s"
        )
    expected = int(np.floor((heard.stop - heard.start) / t_r + _CLOSE))
    if kept.size < expected - 1:
        raise ValueError(
            f"{where}: {kept.size} TRs cover {heard.stim_file!r}, expected {expected}: the scan "
            f"has {onsets.size} TRs and ends at {onsets[-1] + t_r:g} s, before the sound's "
            f"{heard.stop:g} s; get the run again or leave the participant out"
        )
    seconds = onsets[kept] - begin(run, heard)
    return Part(run, bold, heard, t_r, offset, int(kept[0]), seconds)


def make_study(
    name: str,
    parts: dict[str, list[Part]],
    stimuli: Path,
    space: str,
    words: Words,
    confounds: Sequence[str] | None,
    description: str,
) -> ek.Study:
    """Return the study of runs that lie on the grids of their sounds, confounds taken out."""
    longest: dict[str, Part] = {}
    for part in (part for theirs in parts.values() for part in theirs):
        run = _run_name(part)
        if run not in longest or part.seconds.size > longest[run].seconds.size:
            longest[run] = part
    made = {run: _stimulus(run, part, stimuli, words) for run, part in longest.items()}
    responses = {
        person: _responses(person, theirs, made, space) for person, theirs in parts.items()
    }
    if confounds is None:
        return ek.Study(name, list(made.values()), responses, description=description)
    tables: dict[str, dict[str, Any]] = {person: {} for person in parts}
    masks: dict[str, dict[str, Any]] = {person: {} for person in parts}
    for person, theirs in parts.items():
        for part in theirs:
            run = _run_name(part)
            tables[person][run], masks[person][run] = _confounds(part, confounds)
    study = ek.Study(
        name, list(made.values()), responses, confounds=tables, description=description
    )
    remover = ek.ConfoundRemover(n_cosines=0 if "high_pass" in confounds else None)
    return study.clean(remover, sample_mask=masks)


def _confounds(part: Part, strategy: Sequence[str]) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return (table, True where a TR is kept) of a run's rows, by nilearn's load_confounds."""
    interfaces = need("nilearn.interfaces.fmriprep", extra="bids", purpose="loading confounds")
    where = f"{part.run.participant}, {part.run.label}"
    # nilearn finds the table by the name of a volume, and does not open that
    stem = re.split("_space-|_hemi-|_desc-", str(part.run.files[0]))[0]
    volume = f"{stem}_desc-preproc_bold.nii.gz"
    try:
        table, kept = interfaces.load_confounds(volume, strategy=strategy)
    except Exception as error:
        raise ValueError(
            f"{where}: the confounds {', '.join(strategy)} cannot be loaded ({error}): get "
            "desc-confounds_timeseries.tsv, or pass confounds=None"
        ) from error
    n_volumes = part.bold.values.shape[0]
    if len(table) != n_volumes:
        raise ValueError(
            f"{where}: the confounds have {len(table)} rows but the run has {n_volumes} TRs: one "
            "of the two was cut short"
        )
    mask = np.ones(n_volumes, dtype=bool)
    if kept is not None:
        mask[:] = False
        mask[np.asarray(kept)] = True
    rows = slice(part.first, part.first + part.seconds.size)
    return table[rows].reset_index(drop=True), mask[rows]


def _run_name(part: Part) -> str:
    names = part.run.entities
    more = [f"{key}-{names[key]}" for key in ("ses", "run") if key in names]
    return "_".join([part.heard.name, *more])


def _stimulus(run: str, part: Part, folder: Path, words: Words) -> ek.Stimulus:
    labels, phones = words(folder, part.heard.name)
    return ek.Stimulus(
        part.heard.name,
        folder / Path(part.heard.stim_file).name,
        words=labels,
        phones=phones,
        tr_times=part.seconds,
        t_r=part.t_r,
        run=run,
        sample_offset=part.offset,
    )


def stimulus_words(folder: Path, name: str) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Return (words, phones) of a sound: those of the first table of its name that is there."""
    path = next((folder / f"{name}{e}" for e in _TABLES if (folder / f"{name}{e}").exists()), None)
    if path is None:
        return None, None
    if path.suffix != ".TextGrid":
        return read_labels(path, "word"), None
    return read_labels(path, "word", tier="word"), read_labels(path, "phone", tier="phone")


def _responses(
    person: str, parts: list[Part], stimuli: dict[str, ek.Stimulus], space: str
) -> dict[str, xr.DataArray]:
    responses: dict[str, xr.DataArray] = {}
    for part in parts:
        run = _run_name(part)
        stimulus = stimuli[run]
        n = part.seconds.size
        first_row = round((part.seconds[0] - stimulus.grid[0]) / part.t_r)
        given: dict[str, Any] = {
            "run": run,
            "stimulus": stimulus.name,
            "tr_times": part.seconds,
            "tr": np.arange(first_row, first_row + n),
        }
        values = part.bold.values[part.first : part.first + n]
        if responses:
            first = next(iter(responses.values()))
            responses[run] = response_like(first, values, **given)
            continue
        volume = "volume" if "voxel" in part.bold.places else space
        more: dict[str, Any] = {
            "space": SPACES.get(volume, volume),
            "units": "BOLD",
            **part.bold.places,
        }
        responses[run] = make_response(
            values, participant=person, t_r=part.t_r, sample_offset=stimulus.offset, **given, **more
        )
    return responses


def cut_one(study: ek.Study, segments: int, gap: str | float) -> ek.Study:
    """Return the study with its one long run cut into segments."""
    if len(study.runs) != 1:
        raise ValueError(
            f"segments={segments} cuts one long run but {study.name!r} has {len(study.runs)} "
            f"({', '.join(study.runs[:4])}): use study.segment(run, n) on each"
        )
    return study.segment(study.runs[0], segments, gap)
