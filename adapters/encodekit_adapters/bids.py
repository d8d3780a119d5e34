"""Any output of fMRIPrep: volume, GIFTI or CIFTI, with events, sound and confounds."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import encodekit as ek
from encodekit.core import refuse, unknown_name
from encodekit_adapters._bids_grid import Onsets, Part
from encodekit_adapters._bids_runs import BoldRun, find_runs
from encodekit_adapters._bids_sounds import Tiers, stimulus_words
from encodekit_adapters._bids_study import StudyPlan, make_study
from encodekit_adapters._confounds import Confounds, Strategy
from encodekit_adapters._data_set import described
from encodekit_adapters._events import Heard, read_heard
from encodekit_adapters._fmriprep import (
    Bold,
    common_voxels,
    open_run,
    repetition_time,
    start_time,
)
from encodekit_adapters._store import as_list, loaded_with, through_store

STRATEGY = ("high_pass", "motion", "wm_csf")
_CLOSE = 1e-6  # s


def load_bids(
    root: str | Path,
    task: str,
    space: str,
    participants: str | Iterable[str] | None = None,
    *,
    raw: str | Path | None = None,
    stimuli: str | Path | None = None,
    entities: Mapping[str, Any] | None = None,
    trial_type: str | None = None,
    onset_tolerance: float = 0.05,
    resample: bool = False,
    word_tier: str | None = None,
    phone_tier: str | None = None,
    silence: Collection[str] | None = None,
    confounds: Confounds | None = STRATEGY,
    t_r: float | None = None,
    dtype: DTypeLike = "float32",
    segments: int | None = None,
    gap: str | float = "16s",
    store: str | Path | None = None,
) -> ek.Study:
    """Return a task of an fMRIPrep output as a study; values are read when they are computed.

    A run of the study is what was heard, not a file: people who heard the sounds in other orders
    share its runs, and who heard a sound in several scans has repeats of it, at the TRs that all
    of these have. Where a sound was scanned at several repetition times, each is a run of its own,
    named by the entities that tell them apart.

    What was heard, and when, comes from the events: the sound (column ``stim_file``) begins with
    the first event that names it, TRs that are sampled during the events of ``trial_type`` are
    kept. Words and phones come from a table beside the sound, NAME.TextGrid, .csv or .tsv (columns
    word, onset, duration). Row times are those of fMRIPrep's ``StartTime`` where the sidecar says
    it, else the middle of a TR. The study's description is what the data set says of itself in
    ``dataset_description.json``, and which scans were brought to a common grid.

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
    entities : mapping of str to str, int, None or a list of these, optional
        Chooses files by the entities of their names, ``{"res": "2", "echo": None}``: None stands
        for files without the entity. Needed where several files of one scan compete (echo, part,
        rec, cohort, res, den, desc); of scans that differ in other entities (acq, dir, run, ...)
        all are taken if nothing is chosen.
    trial_type : str, optional
        Which events count; all that name the sound if not given.
    onset_tolerance : float, default 0.05
        How far from the grid of a sound, in TRs (at most 0.5), a scan may be sampled to be taken
        as it is; logged onsets differ by milliseconds.
    resample : bool, default False
        Shift what is sampled farther away in time, by sinc interpolation; raise if False.
    word_tier, phone_tier : str, optional
        Of the TextGrids; guessed by their names if not given.
    silence : collection of str, optional
        Labels of the TextGrids, in lower case, that are no words or phones.
    confounds : sequence of str, mapping or str, optional
        What nilearn loads and is taken out of the responses, scan by scan, with the TRs that it
        censors NaN: a strategy of ``load_confounds``; its keyword arguments,
        ``{"strategy": ["motion", "scrub"], "fd_threshold": 0.5}``; or a preset of
        ``load_confounds_strategy`` (``"simple"``, ``"scrubbing"``, ``"compcor"``,
        ``"ica_aroma"``, or as ``denoise_strategy`` among keyword arguments). Drifts below 1/128 Hz
        are taken out too unless ``high_pass`` is among them. None takes nothing out.
    t_r : float, optional
        s, where no file says it.
    segments, gap : int, seconds, optional
        Cut the one long run into that many, with this purge between them.
    store : path, optional
        Where the study is saved as zarr on the first call, and opened from ever after.

    Raises
    ------
    FileNotFoundError, ValueError
        For files that are lacking, damaged, mislabelled, that disagree or compete, each with its
        place and the parameter that chooses.
    """
    folder = Folder.of(root, raw, stimuli)
    onsets = Onsets(onset_tolerance, resample)
    strategy = None if confounds is None else Strategy.of(confounds)
    people = as_list(participants)
    runs = by_participant(find_runs(folder.derivatives, task, space, entities, people), people)
    words = partial(stimulus_words, tiers=Tiers(word_tier, phone_tier, silence))
    asked = loaded_with(
        task=task, space=space, entities=entities, trial_type=trial_type, confounds=confounds,
        onset_tolerance=onset_tolerance, resample=resample, segments=segments,
    )  # fmt: skip

    def load() -> ek.Study:
        parts = {
            person: place(theirs, folder.raw, trial_type, t_r, dtype)
            for person, theirs in runs.items()
        }
        name = f"{folder.raw.name} {task}"
        text = f"{described(folder.raw, folder.derivatives)}. {asked}"
        plan = StudyPlan(name, text, folder.stimuli, space, words, strategy, onsets)
        study = make_study(plan, parts)
        return study if segments is None else cut_one(study, segments, gap)

    return through_store(load, store, list(runs), asked=asked)


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
    opened = common_voxels({run.label: open_run(run, dtype) for run in runs}, runs[0].participant)
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
    within = start_time(run, raw, t_r)
    offset = t_r / 2 if within is None else within
    onsets = np.arange(bold.values.shape[0]) * t_r + bold.start  # s of the scan
    began = begin(run, heard)
    window = heard.start - began, heard.stop - began
    part = Part(run, bold, heard, t_r, offset, onsets - began, window)
    if part.kept.size == 0:
        raise ValueError(
            f"{run.where}: no TR is sampled between {heard.start:g} and {heard.stop:g} s of the "
            f"scan, where {heard.stim_file!r} counts; it has {onsets.size} TRs of {t_r:g} s"
        )
    first = max(heard.start, float(onsets[0]))  # of a scan that began within the sound, its own
    expected = int(np.floor((heard.stop - first) / t_r + _CLOSE))
    if part.kept.size < expected - 1:
        raise ValueError(
            f"{run.where}: {part.kept.size} TRs cover {heard.stim_file!r}, expected {expected}: "
            f"the scan has {onsets.size} TRs and ends at {onsets[-1] + t_r:g} s, before the "
            f"sound's {heard.stop:g} s; get the run again or leave the participant out"
        )
    return part


def cut_one(study: ek.Study, segments: int, gap: str | float) -> ek.Study:
    """Return the study with its one long run cut into segments."""
    if len(study.runs) != 1:
        raise ValueError(
            f"segments={segments} cuts one long run but {study.name!r} has {len(study.runs)} "
            f"({', '.join(study.runs[:4])}): use study.segment(run, n) on each"
        )
    return study.segment(study.runs[0], segments, gap)
