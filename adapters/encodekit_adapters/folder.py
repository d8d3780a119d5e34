"""A study of one's own: arrays, sound and words in a folder, described by one small file."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from numpy.typing import DTypeLike

import encodekit as ek
from encodekit.core import refuse, unknown_name
from encodekit.data import make_response, response_like
from encodekit_adapters._arrays import StoredArray, lazy_array
from encodekit_adapters._folder_axes import Shape, judge
from encodekit_adapters._folder_confounds import of_rows, read_confounds
from encodekit_adapters._folder_targets import n_listed, target_places
from encodekit_adapters._folder_timing import Clock, Placed, Scan, notes, place, refuse_timing
from encodekit_adapters._folder_values import Summary, flags, gaps, summarise
from encodekit_adapters._lazy import dask_array
from encodekit_adapters._store import as_list, through_store
from encodekit_adapters._study_file import (
    Participant,
    ResponseFile,
    StudyFile,
    TableFile,
    files_of,
    listed,
    read_study_file,
)
from encodekit_adapters._sums import changed_files, unlisted_files
from encodekit_adapters._tables import read_labels

FILE = "study.json"
_MANY = 30  # repeats; more are another axis
_SAMPLED = 200  # targets, of which units are guessed


def load_folder(
    root: str | Path,
    participants: str | Iterable[str] | None = None,
    *,
    description: str | Path | None = None,
    dtype: DTypeLike = "float32",
    store: str | Path | None = None,
) -> ek.Study:
    """Return the study that a folder's ``study.json`` describes.

    Rows scanned before the sound began or after it ended are left out. What was done, and what is
    odd, stands in the study's description, which ``study.describe()`` shows.

    Parameters
    ----------
    root : path
        The folder; paths in the description start here.
    participants : str or list of str, optional
    description : path, optional
        Another file than ``study.json`` of the folder.
    dtype : dtype
        Of the responses.
    store : path, optional
        Where the study is saved as zarr on the first call, and opened from ever after.

    Raises
    ------
    ValueError
        With every problem in one message: those that ``encodekit data check`` shows, of the files
        that are read.
    """
    reader = _Reader(Path(root), description, as_list(participants), dtype)
    reader.raise_problems()
    text = reader.study().description or ""
    return through_store(reader.study, store, list(reader.people), asked=text)


def check_folder(root: str | Path, description: str | Path | None = None) -> list[str]:
    """Return every problem of a folder's study, each with where it is and what to do."""
    return survey_folder(root, description).problems


@dataclass(frozen=True)
class Survey:
    """A folder's study, all its values read: what is wrong with it, or what it is.

    Attributes
    ----------
    problems : list of str
    study : Study or None
        None where there are problems.
    """

    problems: list[str]
    study: ek.Study | None


def survey_folder(root: str | Path, description: str | Path | None = None) -> Survey:
    """Read every file of a folder's study, and return its problems or the study."""
    reader = _Reader(Path(root), description, None, "float32", every_file=True)
    return Survey(reader.problems, None if reader.problems else reader.study())


class _Reader:
    """Reads a folder's description and what it names; problems gather in ``problems``."""

    def __init__(
        self,
        root: Path,
        description: str | Path | None,
        people: list[str] | None,
        dtype: DTypeLike,
        *,
        every_file: bool = False,
    ) -> None:
        self.root, self.dtype, self.every_file = root, dtype, every_file
        self.path = root / FILE if description is None else Path(description)
        described, self.problems = read_study_file(self.path)
        self.notes: list[str] = []
        self.people: dict[str, Participant] = {}
        self._built: ek.Study | None = None
        if described is None:
            return
        self.file: StudyFile = described
        known = described.participants
        self.problems += [
            unknown_name("participant", name, known) for name in people or [] if name not in known
        ]
        self.people = {name: known[name] for name in people or known if name in known}
        self._check_sums()
        self._build()

    def _check_sums(self) -> None:
        """Compare the files that are read, or every one, with the sums that are listed."""
        sums, read = self.file.sha256, files_of(self.file, self.people)
        if not sums:
            return
        asked = [*read, *sums] if self.every_file else read
        self.problems += changed_files(self.root, sums, asked)
        if self.every_file:  # of those that are read it is told already
            self.problems += unlisted_files(self.root, [*sums, *read], self.path)

    def raise_problems(self) -> None:
        """Raise ValueError with every problem."""
        refuse(f"study folder {str(self.root)!r}", self.problems)

    def study(self) -> ek.Study:
        """Return the study."""
        assert self._built is not None
        return self._built

    def _build(self) -> None:
        self.places = {
            name: self._tried(
                f"participants.{name}.targets",
                target_places,
                self.root,
                person.targets or self.file.targets,
                name,
            )
            for name, person in self.people.items()
        }
        self.stimuli = self._stimuli()
        self.arrays = self._arrays()
        self.tables = self._tables()
        self._check_axes()
        self.placed: dict[tuple[str, str], Placed] = {}
        heard = [self._place(run, stimulus) for run, stimulus in self.stimuli.items()]
        units = self._units()
        responses = {name: self._responses(name, units) for name in self.people}
        confounds = self._confounds()
        if self.problems:
            return
        text = "\n".join([*filter(None, [self.file.description]), *(f"  {n}" for n in self.notes)])
        kept = [stimulus for stimulus in heard if stimulus is not None]
        try:
            self._built = ek.Study(
                self.file.name, kept, responses, confounds=confounds, description=text or None
            )
        except ValueError as error:
            self.problems.append(str(error))

    def _tried(self, where: str, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, OSError, TypeError) as error:
            self.problems.append(f"{where}: {error}")
            return None

    def _stimuli(self) -> dict[str, ek.Stimulus | None]:
        """Return what was heard in each run that somebody heard, without its TRs."""
        heard = {run for person in self.people.values() for run in person.responses}
        idle = [run for run in self.file.stimuli if run not in heard]
        if idle and self.people:
            self.notes.append(f"nobody has a response to {', '.join(map(repr, idle))}: left out")
        return {
            run: self._tried(f"stimuli.{run}", self._stimulus, run)
            for run in self.file.stimuli
            if run in heard
        }

    def _stimulus(self, run: str) -> ek.Stimulus:
        item = self.file.stimuli[run]
        return ek.Stimulus(
            item.heard or run,
            None if item.audio is None else self.root / item.audio,
            words=self._labels(item.words, "word"),
            phones=self._labels(item.phones, "phone"),
            t_r=self.file.t_r,
            run=run,
            sample_offset=self.file.sample_offset,
        )

    def _labels(self, table: TableFile | None, kind: str) -> pd.DataFrame | None:
        if table is None:
            return None
        given = table.model_dump(exclude={"file"}, exclude_none=True)
        return read_labels(self.root / table.file, kind, **given)

    def _arrays(self) -> dict[tuple[str, str], list[StoredArray]]:
        """Return the files of each participant's runs, of shapes that can be."""
        found = {}
        for name, person in self.people.items():
            for run, files in person.responses.items():
                where = f"participants.{name}.responses.{run}"
                if run not in self.file.stimuli:
                    message = unknown_name("run", run, self.file.stimuli)
                    self.problems.append(f"{where}: {message} under stimuli")
                elif arrays := self._tried(where, self._of_run, listed(files)):
                    found[name, run] = arrays
        return found

    def _of_run(self, files: list[ResponseFile]) -> list[StoredArray]:
        if not files:
            raise ValueError("names no file: leave the run out")
        arrays = [
            StoredArray(self.root / item.file, item.key, item.index, bool(item.transposed))
            for item in files
        ]
        shapes = [array.shape for array in arrays]
        if len(set(shapes)) > 1:
            raise ValueError(
                f"its repeats have the shapes {' and '.join(map(str, shapes))}: they must be the "
                'same (one that is stored (target, time) says "transposed": true)'
            )
        if len(shapes[0]) not in ((2,) if len(files) > 1 else (2, 3)):
            raise ValueError(f"has shape {shapes[0]}, expected (TR, target)")
        if len(shapes[0]) == 3 and shapes[0][0] > min(shapes[0][1], _MANY):
            raise ValueError(
                f"has shape {shapes[0]}, which would be {shapes[0][0]} repeats of {shapes[0][1]} "
                "TRs, expected (repeat, TR, target): save it with the repeats first, "
                "np.moveaxis(array, -1, 0) if they are last; or name one array for each repeat"
            )
        if len({(item.scan_starts, str(item.rows)) for item in files}) > 1:
            raise ValueError(
                "its repeats have other scan_starts or rows: write the same for each, or make "
                'those scanned at other times runs of their own, with the same "heard"'
            )
        return arrays

    def _tables(self) -> dict[tuple[str, str], list[pd.DataFrame]]:
        """Return the confounds of each run, as their files have them."""
        found = {}
        for name, person in self.people.items():
            for run, files in person.confounds.items():
                where = f"participants.{name}.confounds.{run}"
                if run not in person.responses:
                    told = unknown_name("run", run, person.responses)
                    self.problems.append(f"{where}: {told} under responses")
                    continue
                tables = [self._tried(where, read_confounds, self.root, f) for f in listed(files)]
                if all(table is not None for table in tables):
                    found[name, run] = tables
        return found

    def _entry(self, name: str, run: str) -> ResponseFile:
        return listed(self.people[name].responses[run])[0]

    def _clock(self, run: str) -> Clock:
        stimulus = self.stimuli[run]
        assert stimulus is not None
        return Clock(
            self.file.stimuli[run], self.file.t_r, stimulus.offset, stimulus.audio_duration
        )

    def _check_axes(self) -> None:
        """Tell the arrays that are or may be stored (target, time); they take no further part."""
        shapes = {key: self._shape(*key) for key in self.arrays}
        swapped, undecided = judge(shapes)
        for (name, run), why in swapped.items():
            shape, entry = shapes[name, run], self._entry(name, run)
            own = entry.model_dump(exclude_none=True, exclude={"transposed"})
            swap = json.dumps(own | {"transposed": True})
            advice = (
                f'leave "transposed" out of its entry, {json.dumps(own)}'
                if entry.transposed
                else f'write "transposed": true in its entry, {swap} (or false, if rows '
                "are TRs after all)"
            )
            self.problems.append(
                f"participants.{name}.responses.{run}: has shape ({shape.rows}, {shape.columns}), "
                f"expected (TR, target), and {why}: it is stored the other way round; {advice}"
            )
            del self.arrays[name, run]
        for name, run in undecided:
            shape, entry = shapes[name, run], self._entry(name, run)
            stated = json.dumps(entry.model_dump(exclude_none=True) | {"transposed": False})
            self.problems.append(
                f"participants.{name}.responses.{run}: either axis of shape ({shape.rows}, "
                f"{shape.columns}) may be time: write {stated} if it is (TR, target), or true if "
                "it is (target, TR)"
            )
            del self.arrays[name, run]

    def _shape(self, name: str, run: str) -> Shape:
        rows, columns = self.arrays[name, run][0].shape[-2:]
        stimulus, entry = self.stimuli[run], self._entry(name, run)
        tables = self.tables.get((name, run))
        # confounds that are an array may themselves be the other way round
        is_sure = tables and (isinstance(tables[0].columns[0], str) or tables[0].shape[1] != rows)
        n_rows = {"rows of confounds": len(tables[0])} if tables and is_sure else {}
        times = self.file.stimuli[run].tr_times
        if times is not None:
            n_rows["tr_times"] = len(times)
        expected = None if stimulus is None else self._clock(run).expected(entry)
        if expected is None and stimulus is not None and stimulus.words is not None:
            expected = self._until_last_word(run, stimulus.words, entry)
        stated, n_targets = entry.transposed, n_listed(self.places[name])
        return Shape(rows, columns, stated, n_targets, n_rows, expected)

    def _until_last_word(self, run: str, words: pd.DataFrame, entry: ResponseFile) -> float | None:
        if words.empty:
            return None
        end = float((words["onset"] + words["duration"]).max())
        return replace(self._clock(run), duration=end).expected(entry)

    def _place(self, run: str, stimulus: ek.Stimulus | None) -> ek.Stimulus | None:
        """Place the rows of a run on its grid, and return what was heard with that grid."""
        keys = [key for key in self.arrays if key[1] == run]
        if stimulus is None or not keys:
            return None
        clock = self._clock(run)
        scans = [
            Scan(name, self._entry(name, run), self.arrays[name, run][0].shape[-2])
            for name, _ in keys
        ]
        if told := list(refuse_timing(clock, scans)):
            self._tell(run, told)
            return None
        grid, placed, told = place(clock, scans)
        if told:
            self._tell(run, told)
            return None
        self.placed.update({(name, run): item for name, item in placed.items()})
        self.notes += notes(run, clock, scans, placed, grid)
        made: ek.Stimulus | None = self._tried(
            f"stimuli.{run}", lambda: replace(stimulus, tr_times=grid)
        )
        self.stimuli[run] = made
        return made

    def _tell(self, run: str, told: Iterable[tuple[str, str]]) -> None:
        for name, problem in told:
            where = f"participants.{name}.responses.{run}" if name else f"stimuli.{run}"
            self.problems.append(f"{where}: {problem}")

    def _units(self) -> str:
        """Return the units, guessed where they are not stated; say so, and what is odd."""
        stated = self.file.units
        summaries = self._summaries()
        if not summaries:
            return stated or "unknown"
        first, summary = next(iter(summaries.items()))
        units = summary.units if stated is None else stated
        if stated is None:
            self.notes.append(f"units {units}, guessed from {summary.said} in {first}")
        for where, one in summaries.items():
            self.notes += [f"{where}: {told}" for told in flags(one, units)]
        return units

    def _summaries(self) -> dict[str, Summary]:
        """Return what the values look like: of every run, or of some targets of the first."""
        found: dict[str, Summary] = {}
        if not self.every_file and self.file.units not in (None, "z"):
            return found  # nothing to guess or to doubt
        for (name, run), placed in self.placed.items():
            where = f"participants.{name}.responses.{run}"
            for k, array in enumerate(self.arrays[name, run]):
                every = 1 if self.every_file else max(1, array.shape[-1] // _SAMPLED)
                rows = (placed.first, placed.stop)
                values = self._tried(where, array.read, rows, every)
                if values is None or not self.every_file:
                    return {} if values is None else {_said(run, name): summarise(values)}
                for n, repeat in enumerate(values if values.ndim == 3 else [values]):
                    repeats = f", repeat {k + n + 1}" if k + n else ""
                    found[_said(run, name) + repeats] = one = summarise(repeat)
                    if told := gaps(one):
                        self.problems.append(f"{where}{repeats}: {told}")
        return found

    def _responses(self, name: str, units: str) -> dict[str, xr.DataArray]:
        made: dict[str, xr.DataArray] = {}
        for run in self.people[name].responses:
            if (name, run) in self.placed and self.stimuli[run] is not None:
                where = f"participants.{name}.responses.{run}"
                first = next(iter(made.values()), None)
                response = self._tried(where, self._response, name, run, units, first)
                if response is not None:
                    made[run] = response
        return made

    def _response(
        self, name: str, run: str, units: str, first: xr.DataArray | None
    ) -> xr.DataArray | None:
        placed, stimulus, places = self.placed[name, run], self.stimuli[run], self.places[name]
        if stimulus is None or places is None:
            return None  # told already
        files = zip(listed(self.people[name].responses[run]), self.arrays[name, run], strict=True)
        arrays = [
            lazy_array(
                array.path,
                array.key,
                array.index,
                self.dtype,
                f"{item.file} of {name}",
                transposed=array.transposed,
                rows=(placed.first, placed.stop),
            )
            for item, array in files
        ]
        is_list = isinstance(self.people[name].responses[run], list)
        values = dask_array().stack(arrays) if is_list else arrays[0]
        _check_targets(values.shape[-1], first, places)
        trs = range(placed.tr, placed.tr + placed.stop - placed.first)
        given: dict[str, Any] = {
            "run": run,
            "stimulus": stimulus.name,
            "tr_times": stimulus.grid[placed.tr : trs.stop],
            "tr": list(trs),
        }
        if first is not None:
            return response_like(first, values, **given)
        more = {"t_r": self.file.t_r, "sample_offset": stimulus.offset, "units": units, **places}
        return make_response(values, participant=name, space=self.file.space, **given, **more)

    def _confounds(self) -> dict[str, dict[str, Any]]:
        """Return the confounds of the rows that count."""
        found: dict[str, dict[str, Any]] = {name: {} for name in self.people}
        told: dict[str, list[str]] = {}
        for (name, run), tables in self.tables.items():
            if (name, run) not in self.placed:
                continue
            placed, where = self.placed[name, run], f"participants.{name}.confounds.{run}"
            n_rows = self.arrays[name, run][0].shape[-2]
            for table in tables:
                kept = self._tried(where, of_rows, table, n_rows, placed.first, placed.stop)
                if kept is not None:
                    found[name].setdefault(run, []).append(kept[0])
                    if kept[1]:
                        told.setdefault(kept[1], []).append(_said(run, name))
        for text, places in told.items():
            more = f" and {len(places) - 1} more" if places[1:] else ""
            self.notes.append(f"confounds of {places[0]}{more}: {text}")
        return found


def _said(run: str, name: str) -> str:
    return f"run {run!r}, {name}"


def _check_targets(n: int, first: xr.DataArray | None, places: dict[str, Any]) -> None:
    """Refuse an array with other targets than the participant's other runs, or than are listed."""
    if first is not None and n != first.sizes["target"]:
        raise ValueError(
            f"has {n} targets but run {str(first.run.values[0])!r} has {first.sizes['target']}: "
            "bring all runs of a participant into one space"
        )
    counted = n_listed(places)
    if counted is not None and counted != n:
        raise ValueError(
            f"has {n} targets but {counted} are listed under targets: give an entry for each, in "
            "the order of the array"
        )
