"""Studies by name, or by their folder: one that was saved, or a lab's own."""

import json
import os
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from encodekit.core import MANIFEST, warn_caller
from encodekit.data import Study
from encodekit.data._stored_study import read_study
from encodekit.plugins import load_spec, registry

DESCRIPTION = "study.json"  # of a lab's own arrays; a saved study has a file of this name, too
_MARK = "encodekit_study"  # which the first has
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def load_study(
    name_or_path: str | Path,
    root: str | Path | None = None,
    *,
    trim: Any = None,
    **parameters: Any,
) -> Study:
    """Return a registered study, a saved one, or a lab's own folder with a ``study.json``.

    Responses are read when they are computed.

    Parameters
    ----------
    name_or_path : str or Path
        Such as ``"simulated"``; the folder that ``study.save`` wrote; or the folder of a
        ``study.json``, or that file. A registered name comes before a folder of the same name:
        write ``"./simulated"`` for the folder.
    root : str or Path, optional
        Of a registered study: its folder.
    trim : seconds, str such as "20s", or a pair of them, optional
        What to leave out at the start, or at the start and the end, of each run: `Study.trim`.
    **parameters
        Of the registered study; of a lab's own folder those of ``"folder"``; for a saved one
        ``verify=True`` checks every byte now.

    Raises
    ------
    ValueError
        Where neither a study nor a folder has that name, with close matches; where the folder is
        damaged, or is a saved study and a lab's own at once.
    FileNotFoundError
        Where a path is not there, or is no study.
    """
    if root is not None:
        parameters = {"root": root, **parameters}
    study = _loaded(name_or_path, parameters)
    if trim is None:
        return study
    return study.trim(*trim) if isinstance(trim, list | tuple) else study.trim(trim)


def _loaded(name_or_path: str | Path, parameters: dict[str, Any]) -> Study:
    name = str(name_or_path)
    if isinstance(name_or_path, Path) or os.sep in name or "/" in name or name in (".", ".."):
        return _opened(Path(name_or_path), parameters)
    try:
        registry().find("studies", name)
    except ValueError as error:
        if Path(name).exists():
            return _opened(Path(name), parameters)
        raise ValueError(f"{error} (nor is there a folder of that name)") from error
    if "root" not in parameters and study_kind(Path(name)):
        warn_caller(
            f"{name!r} is a registered study, which is loaded, and a folder here that holds a "
            f"study: write {f'./{name}'!r} for the folder",
            UserWarning,
        )
    load = load_spec("studies", name)
    known = signature(load).parameters
    if "root" in parameters and "root" not in known:
        raise TypeError(
            f"the study {name!r} is read from no folder: leave out root={parameters['root']!r}"
        )
    needed = [key for key, given in known.items() if given.default is Parameter.empty
              and given.kind not in _VARIABLE and key not in parameters]  # fmt: skip
    if needed:
        shown = ", ".join(f"{key}=..." for key in needed)
        raise TypeError(f"the study {name!r} needs {shown}: load_study({name!r}, {shown})")
    study: Study = load(**parameters)
    return study


def study_kind(path: Path) -> str | None:
    """Return what study a folder holds: "saved", "folder" (of a study.json), both, or None."""
    saved = _fields(path / MANIFEST)
    own = _fields(path / DESCRIPTION)
    is_saved = saved is not None and (not saved or {"schema", "files"} <= saved)
    is_own = own is not None and (_MARK in own or not (is_saved or "truth" in own))
    if is_saved and is_own:
        return "both"
    return "saved" if is_saved else ("folder" if is_own else None)


def _fields(path: Path) -> set[str] | None:
    """Return the fields of a JSON file: None where it is not there, none where it is damaged."""
    try:
        content = json.loads(path.read_bytes())
    except OSError:
        return None
    except (ValueError, RecursionError):
        return set()
    return set(content) if isinstance(content, dict) else set()


def _opened(path: Path, parameters: dict[str, Any]) -> Study:
    if "root" in parameters:
        raise TypeError(f"{str(path)!r} is a folder already: leave out root={parameters['root']!r}")
    if path.is_file() and path.suffix == ".json":
        given = {"description": path, **parameters}
        study: Study = load_spec("studies", "folder")(root=path.parent, **given)
        return study
    kind = study_kind(path)
    if kind == "both":
        raise ValueError(
            f"folder {str(path)!r} holds a {DESCRIPTION} of a lab's own arrays and the {MANIFEST} "
            'of a saved study: move one of them away, or write load_study("folder", '
            f"root={str(path)!r}) for the arrays"
        )
    if kind == "folder":
        found: Study = load_spec("studies", "folder")(root=path, **parameters)
        return found
    if kind is None and path.is_dir() and not (path / MANIFEST).exists():
        raise FileNotFoundError(_no_study(path))
    other = [key for key in parameters if key != "verify"]
    if other:
        raise TypeError(
            f"{str(path)!r} is a saved study, which takes verify= alone: leave out "
            f"{', '.join(f'{key}=' for key in other)}, and choose of what it holds by "
            ".select(stimuli=, participants=)"
        )
    return Study._of(read_study(path, **parameters))


def _no_study(path: Path) -> str:
    bids = (path / "dataset_description.json").is_file()
    more = f'; it is a BIDS data set: load_study("bids", root={str(path)!r}, ...)' if bids else ""
    return (
        f"folder {str(path)!r} is no study: it has no {MANIFEST} (which study.save writes last) "
        f"and no {DESCRIPTION} (which describes a lab's own arrays): check the path, or write a "
        f"{DESCRIPTION}{more}"
    )
