"""What a BIDS data set says of itself in ``dataset_description.json``."""

from pathlib import Path
from typing import Any

from encodekit_adapters._json import read_json

FILE = "dataset_description.json"


def described(raw: Path, derivatives: Path) -> str:
    """Return in a sentence what the data are, under which terms, and what preprocessed them.

    What the two files do not say is said to be unknown; a data set without its file is named by
    its folder.

    Raises
    ------
    FileNotFoundError, ValueError
        Where a file is a pointer, or holds no JSON object.
    """
    own, theirs = _read(raw), _read(derivatives)
    name = own.get("Name") or f"the data set in {raw.name!r}"
    licence = own.get("License")
    terms = [f"licence {licence}" if licence else "licence not stated"]
    terms += [f"doi {own['DatasetDOI']}"] if own.get("DatasetDOI") else []
    return f"{name} ({', '.join(terms)}), preprocessed by {_maker(theirs)}"


def _read(folder: Path) -> dict[str, Any]:
    path = folder / FILE
    if not (path.exists() or path.is_symlink()):
        return {}
    found = read_json(path, strict=False)
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise ValueError(f"{str(path)!r} holds a {kind}, expected a JSON object: get it again")
    return found


def _maker(found: dict[str, Any]) -> str:
    """Return the first program that made derivatives, as BIDS says it since 1.4 and before."""
    listed = found.get("GeneratedBy") or [found.get("PipelineDescription") or {}]
    first = listed[0] if isinstance(listed, list) else {}
    made = [str(first[key]) for key in ("Name", "Version") if first.get(key)]
    return " ".join(made) or "fMRIPrep (version not stated)"
