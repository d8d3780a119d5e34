"""A study: what was heard, and how several participants responded."""

import copy
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import unknown_name
from encodekit.data._cleaning import clean_run
from encodekit.data._describe import describe
from encodekit.data._disjoint import check_disjoint
from encodekit.data._heard import study_by_stimulus
from encodekit.data._joined_participants import (
    Column,
    coords_of,
    join_means,
    join_repeats,
    keep,
    union_coords,
    with_onsets,
)
from encodekit.data._joint_study import joined, renamed
from encodekit.data._response import concat_runs
from encodekit.data._run_list import RunList
from encodekit.data._segments import (
    Segment,
    cut,
    cut_runs,
    cut_tables,
    cut_truth,
    keep_participants,
    keep_runs,
    read_seconds,
    trimmed,
)
from encodekit.data._stimulus import Stimulus
from encodekit.data._stored_study import save_study
from encodekit.data._study_checks import (
    Given,
    check_stimuli,
    take_confounds,
    take_responses,
)
from encodekit.data._study_contents import StudyContents, TargetCoords, Truth
from encodekit.data._timing import say_seconds


class Study:
    """What was heard, one `Stimulus` per run, and how the participants responded.

    Parameters
    ----------
    name : str
    stimuli : list of Stimulus
        One per run; their run names are unique.
    responses : mapping participant -> run -> DataArray
        (time, target), or (repeat, time, target) of a run heard more than once, as
        `encodekit.data.make_response` makes them; NumPy or dask. A run that a participant lacks
        is left out; one with fewer TRs has fewer rows (its ``tr`` says which).
    confounds : mapping participant -> run -> table (time, confound), optional
        Motion and the like, for `clean`; a list of tables where there are repeats.
    truth : Dataset, optional
        What a simulation knows.
    description : str, optional

    Raises
    ------
    ValueError
        With every mistake: unknown runs, rows outside the stimulus, targets that differ.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import Stimulus, make_response
    >>> stories = [Stimulus(f"story-{k}", np.ones(160) * k, 16, t_r=2.0) for k in (1, 2)]
    >>> responses = {"P1": {s.run_name: make_response(
    ...     np.zeros((5, 3)), run=s.run_name, participant="P1", tr_times=s.grid, t_r=2.0)
    ...     for s in stories}}
    >>> train, test = Study("two stories", stories, responses).split(test=["story-2"])
    >>> len(train.responses()), test.runs
    (1, ['story-2'])
    """

    def __init__(
        self,
        name: str,
        stimuli: Iterable[Stimulus],
        responses: Given,
        *,
        confounds: Mapping[str, Mapping[str, Any]] | None = None,
        truth: Truth = None,
        description: str | None = None,
    ) -> None:
        listed = list(stimuli)
        check_stimuli(name, listed)
        taken = take_responses(name, listed, responses)
        self._contents = StudyContents(
            name=name,
            description=description,
            stimuli=listed,
            responses=taken,
            targets={
                person: coords_of(next(iter(runs.values()))) for person, runs in taken.items()
            },
            confounds=take_confounds(name, confounds, taken),
            truth=truth,
        )

    def _with(self, contents: StudyContents) -> Self:
        other = copy.copy(self)
        other._contents = contents
        return other

    @classmethod
    def _of(cls, contents: StudyContents) -> Self:
        """Return the study of contents that were checked when they were saved."""
        return cls.__new__(cls)._with(contents)

    def __repr__(self) -> str:
        return (
            f"Study({self.name!r}: {len(self.participants)} participants, {len(self.runs)} runs, "
            f"TR {say_seconds(self.t_rs)})"
        )

    @property
    def name(self) -> str:
        """The name of the study."""
        return self._contents.name

    @property
    def description(self) -> str | None:
        """What the study is, in words."""
        return self._contents.description

    @property
    def participants(self) -> list[str]:
        """Names of the participants."""
        return self._contents.participants

    @property
    def runs(self) -> list[str]:
        """Names of the runs."""
        return self._contents.runs

    @property
    def stimuli(self) -> list[Stimulus]:
        """What was heard, one per run, in the order of `responses`."""
        return list(self._contents.stimuli)

    @property
    def t_r(self) -> float:
        """Repetition time, s; raises where the runs have several (see `t_rs`)."""
        found = self.t_rs
        if len(found) > 1:
            raise ValueError(
                f"study {self.name!r} has runs with TRs of {say_seconds(found)}, so there is no "
                "one t_r: ask each run, [s.t_r for s in study.stimuli]"
            )
        return found[0]

    @property
    def t_rs(self) -> list[float]:
        """The repetition times of the runs, s, each once: one, or those of a joint study."""
        return self._contents.t_rs

    @property
    def minutes(self) -> float:
        """How long all runs last together, each at its own TR."""
        return self._contents.minutes

    @property
    def truth(self) -> xr.Dataset | None:
        """What a simulation knows; None for a real study."""
        known = self._contents.load_truth()
        if callable(self._contents.truth):
            self._contents = replace(self._contents, truth=known)
        return known

    def responses(self, participants: Iterable[str] | None = None, regions: Any = None) -> RunList:
        """Return one response (time, target) per run over all asked participants.

        Parameters
        ----------
        participants : names, optional
            All if not given.
        regions : names, or a selector with ``transform(responses)``, optional
            Names are those of the coordinate ``region``.

        Returns
        -------
        RunList of DataArray
            The mean of the repeats; NaN in the rows that a participant lacks; read from disk
            when computed if the study was opened from a folder.
        """
        asked = self._participants(participants)
        kept = self._kept(asked, regions)
        places, attrs = self._places(kept), self._attrs(asked)
        runs = (join_means(s, self._columns(s, kept), places, attrs) for s in self.stimuli)
        return RunList(_select(run, regions) for run in with_onsets(runs, self.stimuli))

    def repeats(
        self, participants: Iterable[str] | None = None, regions: Any = None
    ) -> xr.DataArray:
        """Return the repeats (repeat, time, target) of what somebody heard repeatedly.

        A stimulus that was heard in several runs was heard repeatedly; its run has the stimulus'
        name (see `by_stimulus`). Participants with fewer repeats are padded with NaN; ``n_repeats``
        counts per target (0 where a participant has other numbers of repeats of other stimuli).
        """
        return self._with(study_by_stimulus(self._contents, "repeats"))._repeats(
            participants, regions
        )

    def _repeats(self, participants: Iterable[str] | None, regions: Any) -> xr.DataArray:
        asked = self._participants(participants)
        kept = self._kept(asked, regions)
        columns = {s.run_name: self._columns(s, kept) for s in self.stimuli}
        most = {run: max(column.n_repeats for column in of) for run, of in columns.items()}
        repeated = [stimulus for stimulus in self.stimuli if most[stimulus.run_name] > 1]
        if not repeated:
            raise ValueError(
                f"study {self.name!r} has nothing that {', '.join(asked)} heard more than once: "
                "repeats and noise ceilings need one"
            )
        n_repeats, attrs = max(most.values()), self._attrs(asked)
        places = self._places(kept)
        joined = (join_repeats(s, columns[s.run_name], places, attrs, n_repeats) for s in repeated)
        return _select(concat_runs(with_onsets(joined, repeated)), regions)

    def select(
        self,
        stimuli: str | Iterable[str] | None = None,
        participants: str | Iterable[str] | None = None,
    ) -> Self:
        """Return the study of some stimuli (by name, or by run) and some participants."""
        whole = self._contents
        kept = whole.stimuli if stimuli is None else self._named(stimuli, "select")
        asked = self._participants(participants)
        runs = [stimulus.run_name for stimulus in kept]
        contents = StudyContents(
            name=whole.name,
            description=whole.description,
            stimuli=list(kept),
            responses={p: _only(whole.responses[p], runs) for p in asked},
            confounds={p: _only(whole.confounds.get(p, {}), runs) for p in asked},
            targets={p: whole.targets[p] for p in asked},
            truth=_later(self, lambda known: keep_participants(keep_runs(known, runs), asked)),
        )
        return self._with(contents)

    def split(self, **parts: str | Iterable[str]) -> Any:
        """Return a named tuple of studies that share nothing that was heard.

        One part, ``train, test = study.split(test=["story-10"])``: the rest comes first, as
        ``train``. Several, ``study.split(tune=[...], fit=[...], test=[...])``: exactly these.

        Raises
        ------
        ValueError
            Where parts share a name or the content of their audio, a name is unknown, or a part
            is empty.
        """
        if not parts:
            raise ValueError("split got no part: name one, such as split(test=['story-10'])")
        named = {part: self._named(names, part) for part, names in parts.items()}
        if len(named) == 1:
            ((part, taken),) = named.items()
            if part == "train":
                raise ValueError("split(train=...) alone: name the part held out, such as test=")
            rest = [stimulus for stimulus in self.stimuli if stimulus not in taken]
            if not rest:
                raise ValueError(f"part {part!r} takes every stimulus: nothing is left to train on")
            named = {"train": rest, part: taken}
        check_disjoint(named)
        studies: list[Any] = [
            self.select([s.run_name for s in stimuli]) for stimuli in named.values()
        ]
        return namedtuple("Parts", list(named))(*studies)

    def join(self, *others: "Study", name: str | None = None) -> Self:
        """Return one study of this and others: all their runs, all their participants.

        Each run keeps its own TR, each participant their own space and units; a run that a
        participant never heard is lacking for them. What a simulation knows is left out.

        Parameters
        ----------
        *others : Study
        name : str, optional
            The names of all of them, joined by ``+``, if not given.

        Raises
        ------
        ValueError
            Where two studies have a participant or a run of one name.
        """
        studies: list[Study] = [self, *others]
        joint = "+".join(study.name for study in studies) if name is None else name
        return self._with(joined(joint, [study._contents for study in studies]))

    def rename(self, participants: Mapping[str, str]) -> Self:
        """Return the study with other names of participants (old -> new), in their targets too.

        What a simulation knows is left out: it has the old names.
        """
        return self._with(renamed(self._contents, participants))

    def by_stimulus(self) -> Self:
        """Return the study with one run per stimulus, whatever runs it was heard in.

        People who heard the stories in other orders then share runs, and somebody who heard a
        story in two runs has two repeats of it. Runs whose TRs lie elsewhere in the sound (by more
        than 5 % of a TR) stay apart, with a warning. What a simulation knows is left out.

        Raises
        ------
        ValueError
            If there are confounds, which are of single runs: use `clean` first.
        """
        merged = study_by_stimulus(self._contents, "by_stimulus")
        if merged is not self._contents and any(self._contents.confounds.values()):
            raise ValueError(
                f"study {self.name!r}: by_stimulus joins runs, and confounds are of single runs: "
                "take them out before, study.clean(ek.ConfoundRemover()).by_stimulus()"
            )
        return self._with(merged)

    def segment(self, run: str, n: int, gap: str | float = "16s") -> Self:
        """Return the study with one long run cut into ``n`` runs, ``gap`` purged between them.

        Segments are named ``run/part-1`` and so on, and count as other stimuli: groups of
        cross-validation. Each keeps the whole audio, so delays reach what was heard before it;
        its TRs count from 0. Clean responses before cutting: filters need the whole run.

        Parameters
        ----------
        run : str
        n : int
        gap : seconds, or str such as "16s"
            At least the longest delay plus the haemodynamic response; or 0 to keep every TR, with
            ``purge=`` of `encodekit.cross_val_predict` in its place.
        """
        if run not in self.runs:
            raise ValueError(f"study {self.name!r}: {unknown_name('run', run, self.runs)}")
        whole = self._contents.stimuli[self.runs.index(run)]
        segments = cut(whole, n, read_seconds(gap, "gap"))
        return self._cut({run: segments})

    def trim(self, start: str | float = "20s", end: str | float = "0s") -> Self:
        """Return the study without the first and the last seconds of each run.

        Brains respond to the beginning of speech as such, and so do features that begin with it:
        a word rate of another book predicts responses to the first seconds of this one. Without
        them it does not (``docs/statistics.md``). The sound stays whole, so that delays reach what
        was heard before; TRs count from 0. Clean responses before trimming: filters need the whole
        run, and z-scores come after.

        Parameters
        ----------
        start, end : seconds, or str such as "20s"
            From the onset of the run's first TR; back from the end of its last one.

        Raises
        ------
        ValueError
            If nothing is left of a run.

        Examples
        --------
        >>> import encodekit as ek
        >>> study = ek.load_study("simulated").trim(start="20s")  # doctest: +SKIP
        """
        seconds = read_seconds(start, "start"), read_seconds(end, "end")
        return self._cut({s.run_name: [trimmed(s, *seconds)] for s in self.stimuli})

    def _cut(self, cuts: Mapping[str, Sequence[Segment]]) -> Self:
        """Return the study with runs cut into segments."""
        whole = self._contents
        pieces = [
            [segment.stimulus for segment in cuts[s.run_name]] if s.run_name in cuts else [s]
            for s in whole.stimuli
        ]
        contents = replace(
            whole,
            stimuli=[stimulus for of_run in pieces for stimulus in of_run],
            responses={p: cut_runs(runs, cuts) for p, runs in whole.responses.items()},
            confounds={
                p: cut_tables(runs, cuts, whole.responses[p]) for p, runs in whole.confounds.items()
            },
            truth=_later(self, lambda known: cut_truth(known, cuts)),
        )
        return self._with(contents)

    def clean(
        self, remover: Any, sample_mask: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Self:
        """Return the study with drifts and confounds removed, run by run and repeat by repeat.

        Parameters
        ----------
        remover : ConfoundRemover
            Or anything with ``transform(response, confounds=, sample_mask=)``.
        sample_mask : mapping participant -> run -> bool array (time,), optional
            True where a TR is kept.
        """
        cleaned = {
            participant: {
                run: clean_run(
                    remover,
                    array,
                    self._contents.confounds.get(participant, {}).get(run),
                    (sample_mask or {}).get(participant, {}).get(run),
                )
                for run, array in runs.items()
            }
            for participant, runs in self._contents.responses.items()
        }
        return self._with(replace(self._contents, responses=cleaned, confounds={}))

    def describe(self) -> str:
        """Return what is there and what is lacking, in a few lines."""
        return describe(self._contents)

    def save(
        self,
        path: str | Path,
        *,
        resume: bool = False,
        tick: Callable[[float], None] = lambda _: None,
    ) -> Path:
        """Write the study to a folder (zarr, JSON, FLAC; no pickle) and return its path.

        The folder appears whole or not at all; a saved study there before is replaced. Responses
        are computed and written one repeat of one run at a time.

        Parameters
        ----------
        path : path
        resume : bool
            Go on where a save of this study to this path was interrupted, and keep what is
            written if this one is; raises OSError first where the disk has too little room.
        tick : callable, optional
            Called with the bytes of each run once it is written, for a progress bar.
        """
        return save_study(self._contents, path, resume=resume, tick=tick)

    def _participants(self, names: str | Iterable[str] | None) -> list[str]:
        if names is None:
            return self.participants
        asked = [names] if isinstance(names, str) else list(names)
        for name in asked:
            if name not in self._contents.targets:
                message = unknown_name("participant", name, self.participants)
                raise ValueError(f"study {self.name!r}: {message}")
        if not asked:
            raise ValueError(f"study {self.name!r}: no participant asked for")
        return [name for name in self.participants if name in asked]

    def _named(self, names: str | Iterable[str], part: str) -> list[Stimulus]:
        if not isinstance(names, Iterable):
            raise TypeError(
                f"study {self.name!r}, {part}={names!r}: expected names of stimuli, such as "
                f"{part}={self.stimuli[-1].name!r}; parts are whole stories, not shares of the TRs"
            )
        asked = [names] if isinstance(names, str) else list(names)
        known = dict.fromkeys([*(s.name for s in self.stimuli), *self.runs])
        unknown = [unknown_name("stimulus", name, known) for name in asked if name not in known]
        if unknown:
            raise ValueError(f"study {self.name!r}, {part}: " + "; ".join(unknown))
        if not asked:
            raise ValueError(f"study {self.name!r}, {part}: it has no stimuli: name at least one")
        return [s for s in self.stimuli if s.name in asked or s.run_name in asked]

    def _kept(self, asked: Sequence[str], regions: Any) -> dict[str, NDArray[np.int64] | None]:
        if regions is None or hasattr(regions, "transform"):
            return dict.fromkeys(asked)
        wanted = [regions] if isinstance(regions, str) else list(regions)
        return _by_region(self.name, {p: self._contents.targets[p] for p in asked}, wanted)

    def _columns(
        self, stimulus: Stimulus, kept: Mapping[str, NDArray[np.int64] | None]
    ) -> list[Column]:
        return [
            Column(
                keep(self._contents.targets[participant], positions),
                positions,
                self._contents.responses[participant].get(stimulus.run_name),
            )
            for participant, positions in kept.items()
        ]

    def _places(self, kept: Mapping[str, NDArray[np.int64] | None]) -> xr.Coordinates:
        targets = self._contents.targets
        return union_coords([keep(targets[p], positions) for p, positions in kept.items()])

    def _attrs(self, asked: Sequence[str]) -> dict[str, Any]:
        arrays = [next(iter(self._contents.responses[p].values()), None) for p in asked]
        found = [array.attrs for array in arrays if array is not None]
        return {"space": _one(found, "space", "native"), "units": _one(found, "units", "z")}


def _one(found: Sequence[Mapping[str, Any]], key: str, otherwise: str) -> str:
    """Return what the participants' attributes say alike, or ``"mixed"``."""
    said = {str(attrs.get(key, otherwise)) for attrs in found} or {otherwise}
    return said.pop() if len(said) == 1 else "mixed"


def _select(run: xr.DataArray, regions: Any) -> xr.DataArray:
    if not hasattr(regions, "transform"):
        return run
    selected: xr.DataArray = regions.transform(run)
    return selected


def _only(by_run: Mapping[str, Any], runs: Sequence[str]) -> dict[str, Any]:
    return {run: by_run[run] for run in runs if run in by_run}


def _later(study: Study, change: Callable[[xr.Dataset], xr.Dataset]) -> Truth:
    """Return what is known of a part of ``study``, made when asked for; None if nothing is."""
    if study._contents.truth is None:
        return None

    def load() -> xr.Dataset:
        whole = study.truth
        assert whole is not None
        return change(whole)

    return load


def _by_region(
    study: str, targets: Mapping[str, TargetCoords], wanted: Sequence[str]
) -> dict[str, NDArray[np.int64] | None]:
    without = [participant for participant, coords in targets.items() if "region" not in coords]
    if without:
        raise ValueError(
            f"study {study!r}: the targets of {', '.join(without)} have no coordinate 'region': "
            "pass a region selector, such as regions=RegionSelector(atlas, names)"
        )
    known = sorted({name for coords in targets.values() for name in coords["region"].tolist()})
    unknown = [unknown_name("region", name, known) for name in wanted if name not in known]
    if unknown:
        raise ValueError(
            f"study {study!r}: {'; '.join(unknown)} (groups of areas are asked for by a region "
            "selector, such as ek.make_regions('glasser', names))"
        )
    return {p: np.flatnonzero(np.isin(c["region"], wanted)) for p, c in targets.items()}
