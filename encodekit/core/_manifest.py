"""The manifest of a saved folder: what it lists, its one form, how it is written and read."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from encodekit.core._files import MANIFEST, MARKER, atomic_write, is_partial_name

SCHEMA = 1
FIELDS = {
    "schema": int, "kind": str, "opened_by": str, "files": dict, "pending": str, "obsolete": dict,
}  # fmt: skip
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Seal:
    """What a manifest says of one file."""

    bytes: int
    sha256: str


def write_manifest(folder: str | Path, kind: str = "folder", *, opened_by: str = "") -> Path:
    """List every file of ``folder`` with its size and sha256; written last, it seals the folder.

    ``opened_by`` says how to read such a folder; it is told to people who try something else.
    """
    content = {**describe_files(folder), "kind": kind, "opened_by": opened_by}
    return store_manifest(folder, content)


def store_manifest(folder: str | Path, content: dict[str, Any]) -> Path:
    """Write the content of a manifest, such as `describe_files` begins it."""
    return atomic_write(Path(folder) / MANIFEST, json.dumps(content, indent=1).encode())


def describe_files(folder: str | Path) -> dict[str, Any]:
    """Return what a manifest says of the files of a folder, which are synced to the disk."""
    root = Path(folder)
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path not in (root / MANIFEST, root / MARKER)
    )
    odd = [name for name in names if not _is_inside(name)]
    if odd:
        raise ValueError(f"{odd[0]!r} is a name that other systems cannot hold: choose another")
    return {"schema": SCHEMA, "files": {name: _sealed(root / name) for name in names}}


def _sealed(path: Path) -> dict[str, Any]:
    with path.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return {"bytes": file.tell(), "sha256": digest}


def read_manifest(root: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a folder's manifest, every field there, and its sha256.

    Raises
    ------
    FileNotFoundError
        Where the folder or its manifest is not there.
    ValueError
        Where it is not as `write_manifest` writes it, or its schema is newer.
    """
    if root.is_file():
        raise NotADirectoryError(f"{str(root)!r} is a file: name the folder that it is in")
    if not root.is_dir():
        raise FileNotFoundError(f"folder {str(root)!r} is not there: check the path")
    path = root / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"folder {str(root)!r} has no {MANIFEST}: encodekit did not save it, or its writing "
            "was interrupted; save it again"
        )
    written = path.read_bytes()
    content = parsed(written, repr(str(path)))
    schema = content.get("schema") if isinstance(content, dict) else None
    if type(schema) is int and schema > SCHEMA:
        raise ValueError(
            f"folder {str(root)!r} has schema {schema}, this encodekit reads up to {SCHEMA}: "
            "pip install --upgrade encodekit"
        )
    mistake = next(_form_mistakes(content), None)
    if mistake:
        raise ValueError(f"{str(path)!r} is damaged, {mistake}: copy or save the folder again")
    absent = {"opened_by": "", "pending": "", "obsolete": {}}
    return absent | content, hashlib.sha256(written).hexdigest()


def parsed(written: bytes, where: str) -> Any:
    """Return what JSON holds; ValueError, which names ``where``, if it is none."""
    try:
        return json.loads(written)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where} is damaged and no JSON ({error}): copy or save the folder again"
        ) from error


def _form_mistakes(content: Any) -> Iterator[str]:
    """Yield in what a manifest is not as `write_manifest` writes it."""
    if not isinstance(content, dict):
        yield "it holds no mapping"
        return
    yield from (f"it lacks {name!r}" for name in ("schema", "kind", "files") if name not in content)
    for name, kind in FIELDS.items():
        if name in content and type(content[name]) is not kind:
            yield f"its {name} is no {kind.__name__}"
            return
    if content.get("pending") and not is_partial_name(content["pending"]):
        yield f"its pending is {content['pending']!r:.80}"
    for name, entry in (content.get("files", {}) | content.get("obsolete", {})).items():
        if not _is_inside(name):
            yield f"{name!r:.80} is no name of a file within the folder"
        if not _is_entry(entry):
            yield f"its entry of {name!r:.80} is not a size and a sha256"


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and set(entry) == {"bytes", "sha256"}
        and type(entry["bytes"]) is int
        and entry["bytes"] >= 0
        and isinstance(entry["sha256"], str)
        and _SHA256.fullmatch(entry["sha256"]) is not None
    )


def _is_inside(name: str) -> bool:
    """Tell whether a name lies within its folder, on any system."""
    parts = PurePosixPath(name).parts
    try:
        fits = all(len(part.encode()) <= 255 for part in parts)
    except UnicodeEncodeError:  # a lone surrogate
        return False
    plain = bool(parts) and "/".join(parts) == name and not name.startswith("/")
    odd = "\\" in name or "\0" in name or _DRIVE.match(name) is not None or ".." in parts
    return fits and plain and not odd
