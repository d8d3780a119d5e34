"""Write files and folders whole or not at all, and notice damage when they are read."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from encodekit.core._messages import refuse

MANIFEST = "manifest.json"
SCHEMA = 1


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary sibling to write; it takes the name ``path`` when the block ends well.

    The bytes are synced to the disk first, so that a reader sees the old file or the new one.
    """
    target = Path(path)
    sibling = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield sibling
        with sibling.open("rb+") as file:
            os.fsync(file.fileno())
        sibling.replace(target)
    finally:
        sibling.unlink(missing_ok=True)


def atomic_write(path: str | Path, content: bytes) -> Path:
    """Write ``content`` to ``path`` so that a reader sees the old file or the new one."""
    with whole_file(path) as sibling:
        sibling.write_bytes(content)
    return Path(path)


def write_manifest(folder: str | Path, kind: str = "folder", *, opened_by: str = "") -> Path:
    """List every file of ``folder`` with its size and sha256; written last, it seals the folder.

    ``opened_by`` says how such a folder is read, to who tries something else.
    """
    root = Path(folder)
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path != root / MANIFEST
    )
    files = {
        name: {"bytes": (root / name).stat().st_size, **_sealed(root / name)} for name in names
    }
    content = {"schema": SCHEMA, "kind": kind, "opened_by": opened_by, "files": files}
    return atomic_write(root / MANIFEST, json.dumps(content, indent=1).encode())


def _sealed(path: Path) -> dict[str, str]:
    with path.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return {"sha256": digest}


def check_manifest(
    folder: str | Path, kind: str | None = None, *, bulk: Callable[[str], bool] | None = None
) -> dict[str, Any]:
    """Return the manifest of a folder after checking its files against it.

    Parameters
    ----------
    folder : path
    kind : str, optional
        What the folder should hold, such as ``"model"`` or ``"study"``.
    bulk : callable, optional
        Of a file's name: True for large files whose size alone is checked.

    Raises
    ------
    FileNotFoundError
        Where the folder or its manifest is not there: its writing never ended.
    ValueError
        Where a file is lacking or damaged, the folder holds something else, or its schema is
        newer than this encodekit.
    """
    root = Path(folder)
    manifest = _read_manifest(root)
    if kind is not None and manifest["kind"] != kind:
        raise ValueError(
            f"folder {str(root)!r} holds a {manifest['kind']}, expected a {kind}{_advice(manifest)}"
        )
    mistakes = [
        mistake
        for name, stated in manifest["files"].items()
        for mistake in _damage(root, name, stated, bulk is not None and bulk(name))
    ]
    refuse(f"folder {str(root)!r} is damaged (copy or save it again)", mistakes)
    return manifest


def _advice(manifest: dict[str, Any]) -> str:
    opened_by = str(manifest.get("opened_by", ""))
    return f": {opened_by}" if opened_by else ""


def _read_manifest(root: Path) -> dict[str, Any]:
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
    try:
        manifest = json.loads(path.read_bytes())
        schema, files = int(manifest["schema"]), manifest["files"]
        assert isinstance(files, dict)
        assert isinstance(manifest["kind"], str)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ValueError(f"{str(path)!r} is damaged: copy or save the folder again") from error
    if schema > SCHEMA:
        raise ValueError(
            f"folder {str(root)!r} has schema {schema}, this encodekit reads up to {SCHEMA}: "
            "pip install --upgrade encodekit"
        )
    return dict(manifest)


def _damage(root: Path, name: str, stated: dict[str, Any], size_only: bool) -> Iterator[str]:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        yield f"{name!r} lies outside the folder"
        return
    path = root / name
    if not path.is_file():
        yield f"{name} is missing"
    elif path.stat().st_size != stated["bytes"]:
        yield f"{name} has {path.stat().st_size} bytes, expected {stated['bytes']}"
    elif not size_only:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != stated["sha256"]:
            yield f"{name} has sha256 {digest[:12]}..., expected {stated['sha256'][:12]}..."


@contextmanager
def whole_folder(path: str | Path, kind: str, *, opened_by: str = "") -> Iterator[Path]:
    """Give a temporary sibling to write into; it takes the name ``path`` when the block ends well.

    A saved folder of the same kind is replaced; anything else that is there is left alone.

    Raises
    ------
    FileExistsError
        Where ``path`` is there and encodekit did not save it as a ``kind``.
    """
    target = Path(path)
    _refuse_foreign(target, kind)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    partial.mkdir()
    try:
        yield partial
        write_manifest(partial, kind, opened_by=opened_by)
        _take_name(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def resumed_folder(
    path: str | Path, kind: str, fingerprint: str, *, opened_by: str = ""
) -> Iterator[Path]:
    """Give the sibling that an interrupted block with this ``fingerprint`` left, or a new one.

    As `whole_folder`, but what a block that ended badly (or was killed) wrote stays for the next.
    """
    target = Path(path)
    _refuse_foreign(target, kind)
    partial = target.with_name(f".{target.name}.{fingerprint[:12]}.resumed")
    partial.mkdir(parents=True, exist_ok=True)
    yield partial
    write_manifest(partial, kind, opened_by=opened_by)
    _take_name(partial, target)


def _refuse_foreign(target: Path, kind: str) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        ours = _read_manifest(target)["kind"] == kind
    except (OSError, ValueError):
        ours = False
    if not ours:
        raise FileExistsError(
            f"{str(target)!r} is there and is no saved {kind}: choose another path, or move it away"
        )


def _take_name(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
        return
    old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
    target.rename(old)
    try:
        partial.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
