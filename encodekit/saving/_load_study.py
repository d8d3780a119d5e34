"""Studies by name, or by the folder they were saved to."""

import os
from pathlib import Path
from typing import Any

from encodekit.data import Study
from encodekit.data._stored_study import read_study
from encodekit.plugins import load_spec, registry


def load_study(name_or_path: str | Path, **parameters: Any) -> Study:
    """Return a registered study, or a saved one, whose responses are read when computed.

    Parameters
    ----------
    name_or_path : str or Path
        Such as ``"simulated"``, or the folder that ``study.save`` wrote.
    **parameters
        Of the registered study; for a folder ``verify=True`` checks every byte now.

    Raises
    ------
    ValueError
        Where neither a study nor a folder has that name, with close matches; where the folder is
        damaged.
    """
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
