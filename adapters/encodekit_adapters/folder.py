"""A study of one's own: arrays, sound and words in a folder, described by one small file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import DTypeLike

import encodekit as ek
from encodekit.core import refuse, unknown_name
from encodekit.data import make_response, response_like
from encodekit_adapters._arrays import array_shape, lazy_array
from encodekit_adapters._lazy import dask_array
from encodekit_adapters._store import as_list, through_store
from encodekit_adapters._study_file import (
    ArrayFile,
    Participant,
    StimulusFile,
    StudyFile,
    TableFile,
    Targets,
    files_of,
    read_study_file,
)
from encodekit_adapters._sums import changed_files, unlisted_files
from encodekit_adapters._tables import read_labels, read_table

FILE = "study.json"
_PLACES = ("hemisphere", "vertex", "voxel", "region")
_NUMBERS = ("vertex", "voxel")


def load_folder(
    root: str | Path,
    participants: str | Iterable[str] | None = None,
    *,
    description: str | Path | None = None,
    dtype: DTypeLike = "float32",
    store: str | Path | None = None,
) -> ek.Study:
    """Return the study that a folder's ``study.json`` describes.

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
    return through_store(reader.study, store, list(reader.people))


def check_folder(root: str | Path, description: str | Path | None = None) -> list[str]:
    """Return every problem of a folder's study, each with where it is and what to do."""
    return _Reader(Path(root), description, None, "float32", every_file=True).problems


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
        self.root, self.dtype = root, dtype
        self.path = root / FILE if description is None else Path(description)
        described, self.problems = read_study_file(self.path)
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
        self._check_sums(every_file=every_file)
        self._build()

    def _check_sums(self, *, every_file: bool) -> None:
        """Compare the files that are read, or every one, with the sums that are listed."""
        sums, read = self.file.sha256, files_of(self.file, self.people)
        if not sums:
            return
        self.problems += changed_files(self.root, sums, [*read, *sums] if every_file else read)
        if every_file:  # of those that are read it is told already
            self.problems += unlisted_files(self.root, [*sums, *read], self.path)

    def raise_problems(self) -> None:
        """Raise ValueError with every problem."""
        refuse(f"study folder {str(self.root)!r}", self.problems)

    def study(self) -> ek.Study:
        """Return the study."""
        assert self._built is not None
        return self._built

    def _build(self) -> None:
        lengths = self._lengths()
        stimuli = {
            run: self._tried(f"stimuli.{run}", self._stimulus, run, item, lengths.get(run))
            for run, item in self.file.stimuli.items()
        }
        responses = {
            name: self._responses(name, person, stimuli) for name, person in self.people.items()
        }
        confounds = {
            name: {
                run: self._tried(f"participants.{name}.confounds.{run}", self._confounds, files)
                for run, files in person.confounds.items()
            }
            for name, person in self.people.items()
        }
        if self.problems:
            return
        heard = {run for runs in responses.values() for run in runs}
        kept = [stimulus for run, stimulus in stimuli.items() if run in heard]
        try:
            self._built = ek.Study(
                self.file.name,
                kept,
                responses,
                confounds=confounds,
                description=self.file.description,
            )
        except ValueError as error:
            self.problems.append(str(error))

    def _tried(self, where: str, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, OSError, TypeError) as error:
            self.problems.append(f"{where}: {error}")
            return None

    def _lengths(self) -> dict[str, int]:
        """Return the TRs of each run: those of the first participant whose file can be read."""
        lengths: dict[str, int] = {}
        for person in self.people.values():
            for run, files in person.responses.items():
                first = files[0] if isinstance(files, list) and files else files
                if run in lengths or isinstance(first, list):
                    continue
                try:
                    shape = array_shape(self.root / first.file, first.key)
                except (ValueError, OSError):
                    continue
                shape = shape if first.index is None else shape[1:]
                if len(shape) >= 2:
                    lengths[run] = shape[-2]
        return lengths

    def _stimulus(self, run: str, item: StimulusFile, length: int | None) -> ek.Stimulus:
        grid = item.tr_times
        if grid is None:
            if length is None:
                raise ValueError("nobody has a readable response to it: its TRs are unknown")
            grid = [item.first_onset + self.file.t_r * k for k in range(length)]  # type: ignore[operator]
        return ek.Stimulus(
            item.heard or run,
            None if item.audio is None else self.root / item.audio,
            words=self._labels(item.words, "word"),
            phones=self._labels(item.phones, "phone"),
            tr_times=np.asarray(grid, dtype=np.float64),
            t_r=self.file.t_r,
            run=run,
            sample_offset=self.file.sample_offset,
        )

    def _labels(self, table: TableFile | None, kind: str) -> pd.DataFrame | None:
        if table is None:
            return None
        columns = table.model_dump(exclude={"file"})
        return read_labels(self.root / table.file, kind, **columns)

    def _responses(
        self, name: str, person: Participant, stimuli: Mapping[str, ek.Stimulus | None]
    ) -> dict[str, xr.DataArray]:
        where = f"participants.{name}"
        places = self._tried(f"{where}.targets", self._places, person.targets or self.file.targets)
        made: dict[str, xr.DataArray] = {}
        for run, files in person.responses.items():
            if run not in stimuli:
                message = unknown_name("run", run, stimuli)
                self.problems.append(f"{where}.responses.{run}: {message} under stimuli")
                continue
            given = (name, files, stimuli[run], places, next(iter(made.values()), None))
            response = self._tried(f"{where}.responses.{run}", self._response, *given)
            if response is not None:
                made[run] = response
        return made

    def _response(
        self,
        name: str,
        files: ArrayFile | list[ArrayFile],
        stimulus: ek.Stimulus | None,
        places: dict[str, Any] | None,
        first: xr.DataArray | None,
    ) -> xr.DataArray | None:
        listed = files if isinstance(files, list) else [files]
        if not listed:
            raise ValueError("names no file: leave the run out")
        arrays = [self._lazy(item, name) for item in listed]
        if len({array.shape for array in arrays}) > 1:
            shapes = " and ".join(str(array.shape) for array in arrays)
            raise ValueError(f"its repeats have the shapes {shapes}: they must be the same")
        if stimulus is None or places is None:
            return None  # told already
        values = dask_array().stack(arrays) if isinstance(files, list) else arrays[0]
        self._check_shape(values, stimulus, first)
        given: dict[str, Any] = {
            "run": stimulus.run_name,
            "stimulus": stimulus.name,
            "tr_times": stimulus.grid,
        }
        if first is not None:
            return response_like(first, values, **given)
        described = {"space": self.file.space, "units": self.file.units}
        more = {"t_r": self.file.t_r, "sample_offset": stimulus.offset, **described, **places}
        return make_response(values, participant=name, **given, **more)

    def _check_shape(self, values: Any, stimulus: ek.Stimulus, first: xr.DataArray | None) -> None:
        if values.ndim not in (2, 3):
            raise ValueError(f"has shape {values.shape}, expected (TR, target)")
        if values.shape[-2] != stimulus.n_trs:
            raise ValueError(
                f"has {values.shape[-2]} TRs but run {stimulus.run_name!r} has {stimulus.n_trs}: "
                "cut or get it again, or make it a run of its own"
            )
        if first is not None and values.shape[-1] != first.sizes["target"]:
            run = str(first.run.values[0])
            raise ValueError(
                f"has {values.shape[-1]} targets but run {run!r} has {first.sizes['target']}: "
                "bring all runs of a participant into one space"
            )

    def _lazy(self, item: ArrayFile, name: str) -> Any:
        label = f"{item.file} of {name}"
        return lazy_array(self.root / item.file, item.key, item.index, self.dtype, label)

    def _places(self, targets: Targets) -> dict[str, Any]:
        given = {name: getattr(targets, name) for name in _PLACES}
        if targets.file is not None:
            table = read_table(self.root / targets.file)
            given.update({name: table[name].tolist() for name in _PLACES if name in table})
        found = {name: item for name, item in given.items() if item is not None}
        for name in _NUMBERS:
            if name in found:
                found[name] = [int(number) for number in found[name]]
        return found

    def _confounds(self, files: ArrayFile | list[ArrayFile]) -> list[Any]:
        return [self._table(item) for item in (files if isinstance(files, list) else [files])]

    def _table(self, item: ArrayFile) -> Any:
        path = self.root / item.file
        if path.suffix in (".csv", ".tsv"):
            return read_table(path).apply(pd.to_numeric, errors="raise")
        return np.asarray(lazy_array(path, item.key, item.index, np.float64, item.file))
