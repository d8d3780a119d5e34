"""Studies by name, or by the folder they were saved to."""

import os
from pathlib import Path
from typing import Any

from encodekit.data import Study
from encodekit.data._stored_study import read_study
from encodekit.plugins import load_spec, registry


def load_study(name_or_path: str | Path, *, trim: Any = None, **parameters: Any) -> Study:
    """Return a registered study, or a saved one, whose responses are read when computed.

    Parameters
    ----------
    name_or_path : str or Path
        Such as ``"simulated"``, or the folder that ``study.save`` wrote.
    trim : seconds, str such as "20s", or a pair of them, optional
        What to leave out at the start, or at the start and the end, of each run: `Study.trim`.
    **parameters
        Of the registered study; for a folder ``verify=True`` checks every byte now.

    Raises
    ------
    ValueError
        Where neither a study nor a folder has that name, with close matches; where the folder is
        damaged.
    """
    study = _loaded(name_or_path, parameters)
    if trim is None:
        return study
    return study.trim(*trim) if isinstance(trim, list | tuple) else study.trim(trim)


def _loaded(name_or_path: str | Path, parameters: dict[str, Any]) -> Study:
    is_path = isinstance(name_or_path, Path) or os.sep in name_or_path
    if is_path:
        return _opened(name_or_path, **parameters)
    try:
        registry().find("studies", str(name_or_path))
    except ValueError as error:
        if Path(name_or_path).is_dir():
            return _opened(name_or_path, **parameters)
        raise ValueError(f"{error} (nor is there a folder of that name)") from error
    study: Study = load_spec("studies", str(name_or_path))(**parameters)
    return study


def _opened(path: str | Path, **parameters: Any) -> Study:
    return Study._of(read_study(path, **parameters))
