"""Where the precomputed array of each run is: in memory, or in a file named after it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from encodekit.core import shown, unknown_name
from encodekit.data import Stimulus
from encodekit.data._segments import parent_run
from encodekit.features._array_files import ARCHIVES, FORMATS, array_names, read_array

_STIMULUS, _RUN = "{stimulus}", "{run}"


@dataclass(frozen=True, eq=False)
class Found:
    """The array of one run.

    Attributes
    ----------
    values : array or DataArray
    place : str
        Where it was, for messages.
    of_parent : bool
        Whether it is the array of the whole run that this one was cut from.
    path : Path or None
        Of the file that it was read from.
    """

    values: Any
    place: str
    of_parent: bool
    path: Path | None = None


def find_array(given: Any, stimulus: Stimulus, *, key: str | None, who: str) -> Found:
    """Return the array of a run: by what was heard first, then by the name of the run.

    Parameters
    ----------
    given : mapping of name to array or path, DataArray of several runs, or path
        A path is a pattern with ``{stimulus}`` or ``{run}``, a folder of files that have these
        names, or an archive of arrays that have these names.
    key : str, optional
        Of arrays in archives; may hold ``{stimulus}`` or ``{run}``.
    who : str
        The parameter, for messages.

    Raises
    ------
    ValueError, FileNotFoundError
        If there is no array, or one under both names.
    """
    if isinstance(given, xr.DataArray):
        return _of_rows(given, stimulus, who)
    if isinstance(given, str | Path):
        return _of_path(Path(given), stimulus, key, who)
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{who} is a {type(given).__name__}, expected a mapping of stimulus name to array or "
            f"path, a folder, or a path with {_STIMULUS} in it"
        )
    found = [(name, cut) for name, cut in _names(stimulus) if name in given]
    name, cut = _only(found, stimulus, who, list(given))
    value = given[name]
    if isinstance(value, str | Path):
        path = Path(value)
        return Found(read_array(path, _key(key, stimulus, cut)), str(path), cut, path)
    return Found(value, f"{_parameter(who)}[{name!r}]", cut)


def _parameter(who: str) -> str:
    return who.rpartition(" ")[2]


def _names(stimulus: Stimulus) -> Iterator[tuple[str, bool]]:
    """Yield the names under which a run's array may be, and whether it is the run's it is cut from.

    The whole run comes into question only where the segment itself has no array.
    """
    own = dict.fromkeys([stimulus.name, stimulus.run_name])
    yield from ((name, False) for name in own)
    yield from ((name, True) for name in dict.fromkeys(map(parent_run, own)) if name not in own)


def _only(
    found: list[tuple[str, bool]], stimulus: Stimulus, who: str, known: list[Any]
) -> tuple[str, bool]:
    best = [item for item in found if not item[1]] or found
    if len(best) == 1:
        return best[0]
    run = f"run {shown(stimulus.run_name)}"
    if best:
        raise ValueError(
            f"{who} has an array for the stimulus {shown(stimulus.name)} and another for the "
            f"{run}, in which it was heard: keep one of the two"
        )
    told = unknown_name("stimulus", stimulus.name, [str(name) for name in known])
    raise ValueError(f"{who} has no array for {run}: {told}")


def _of_path(given: Path, stimulus: Stimulus, key: str | None, who: str) -> Found:
    text = str(given)
    if _STIMULUS in text or _RUN in text:
        filled = [(Path(_filled(text, stimulus, cut)), cut) for cut in (False, True)]
        path, cut = next((item for item in filled if _is_there(item[0])), filled[0])
        return Found(read_array(path, _key(key, stimulus, cut)), str(path), cut, path)
    if given.is_dir():
        path, cut = _in_folder(given, stimulus, who)
        return Found(read_array(path, _key(key, stimulus, cut)), str(path), cut, path)
    if given.suffix.lower() in ARCHIVES:
        return _in_archive(given, stimulus, key, who)
    raise ValueError(
        f"{who}={text!r} is one file for every stimulus: write {_STIMULUS} where its name stands, "
        f"such as 'features/{_STIMULUS}.npy', or pass a mapping of names to paths"
    )


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()  # a dangling link is a file to be downloaded


def _in_folder(folder: Path, stimulus: Stimulus, who: str) -> tuple[Path, bool]:
    found = [
        (name, cut, [path for end in FORMATS if _is_there(path := folder / f"{name}{end}")])
        for name, cut in _names(stimulus)
    ]
    known = sorted(path.stem for path in folder.iterdir() if path.suffix.lower() in FORMATS)
    there = [(name, cut) for name, cut, paths in found if paths]
    name, cut = _only(there, stimulus, f"{who}={str(folder)!r}", known)
    paths = next(paths for other, _, paths in found if other == name)
    if len(paths) > 1:
        raise ValueError(
            f"{who}={str(folder)!r} has {' and '.join(path.name for path in paths)}: keep one, or "
            f"write '{folder}/{_STIMULUS}{paths[0].suffix}'"
        )
    return paths[0], cut


def _in_archive(path: Path, stimulus: Stimulus, key: str | None, who: str) -> Found:
    known = array_names(path)
    if key is None:
        found = [(name, cut) for name, cut in _names(stimulus) if name in known]
    elif _STIMULUS in key or _RUN in key:
        filled = [(_filled(key, stimulus, cut).strip("/"), cut) for cut in (False, True)]
        found = [next((item for item in filled if item[0] in known), filled[0])]
    else:
        raise ValueError(
            f"{who}={str(path)!r} with key={key!r} is one array for every stimulus: write "
            f"{_STIMULUS} in one of the two, or pass a mapping, {{name: array}}"
        )
    chosen, cut = _only(found, stimulus, f"{who}={str(path)!r}", known)
    return Found(read_array(path, chosen), f"{path}:{chosen}", cut, path)


def _filled(pattern: str, stimulus: Stimulus, cut: bool) -> str:
    """Return the pattern with the names of the run, or of the run that it was cut from."""
    heard, run = stimulus.name, stimulus.run_name
    if cut:
        heard, run = parent_run(heard), parent_run(run)
    return pattern.replace(_STIMULUS, heard).replace(_RUN, run)


def _key(key: str | None, stimulus: Stimulus, cut: bool) -> str | None:
    return None if key is None else _filled(key, stimulus, cut)


def _of_rows(given: xr.DataArray, stimulus: Stimulus, who: str) -> Found:
    """Return the rows of a run in what an extractor or `concat_runs` made."""
    if "run" not in given.coords or given.coords["run"].dims != ("time",):
        raise ValueError(
            f"{who} is a DataArray without the coordinate run on time: pass a mapping, "
            "{stimulus name: DataArray}, or what an extractor's transform gives"
        )
    runs = given.coords["run"].values
    heard = given.coords["stimulus"].values if "stimulus" in given.coords else runs
    for name, cut in _names(stimulus):
        for names in (heard, runs):
            of_name = np.flatnonzero(names == name)
            if of_name.size:
                # One story in two runs has the same features in both: those of the run itself, or
                # of the first one.
                mine = of_name[runs[of_name] == stimulus.run_name]
                first = of_name[runs[of_name] == runs[of_name[0]]]
                rows = mine if mine.size else first
                place = f"{_parameter(who)}, run {shown(runs[rows[0]])}"
                return Found(given.isel(time=rows), place, cut)
    raise ValueError(
        f"{who}: {unknown_name('stimulus', stimulus.name, list(dict.fromkeys(heard.tolist())))}"
    )
