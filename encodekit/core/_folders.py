"""Folders that are saved whole or not at all, and saved over without touching what is not ours.

A new folder is written beside its name and renamed. Where a folder of ours is there, the new files
are written within it, under a name of our own; then its manifest is replaced, which decides: the
old version before, the new one after. The files then move to their places. A program that dies
between leaves a manifest that says where they are, and the next save, or load, moves them.
What the old manifest does not list is not touched, and nor is anything behind a link in the folder.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from encodekit.core._files import (
    MANIFEST,
    MARKER,
    followed,
    is_partial_name,
    is_pending,
    locked_folder,
    locked_marker,
    new_folder,
    partial_name,
    remove_abandoned,
    sync_folder,
)
from encodekit.core._manifest import Seal, describe_files, store_manifest, write_manifest
from encodekit.core._sealed import SealedFolder, finish, is_linked, remove_files

_SHOWN = 4  # names of what is in the way


@contextmanager
def whole_folder(path: str | Path, kind: str, *, opened_by: str = "") -> Iterator[Path]:
    """Give a temporary folder to write into; what it holds is at ``path`` when the block ends well.

    A saved folder of the same kind is replaced: the files that it lists, and nothing else that
    lies there. A link stays a link.

    Raises
    ------
    FileExistsError
        Where ``path`` is there and encodekit did not save it as a ``kind``, or a file of somebody
        else has the name of one that is to be written.
    """
    target = followed(path)
    _refuse_foreign(target, kind)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(target.parent)
    inside = target if target.is_dir() else None
    with new_folder(partial_name(target, inside)) as partial:
        try:
            yield partial
            _take_place(partial, target, kind, opened_by)
        finally:
            _discard(partial)


@contextmanager
def resumed_folder(
    path: str | Path, kind: str, fingerprint: str, *, opened_by: str = ""
) -> Iterator[Path]:
    """Give the sibling that an interrupted block with this ``fingerprint`` left, or a new one.

    As `whole_folder`, but what a block that ended badly (or was killed) wrote stays for the next;
    what was left by blocks with another fingerprint goes when the folder is whole.

    Raises
    ------
    FileExistsError
        As `whole_folder`; and where another process is writing the same.
    """
    target = followed(path)
    _refuse_foreign(target, kind)
    partial = target.with_name(f".{target.name}.{fingerprint[:12]}.resumed")
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with locked_marker(partial):
            yield partial
            _take_place(partial, target, kind, opened_by)
    except BlockingIOError as error:
        raise FileExistsError(
            f"another process is writing {str(target)!r}: wait for it, or end it"
        ) from error
    for old in target.parent.iterdir():
        is_other = re.fullmatch(rf"\.{re.escape(target.name)}\.[0-9a-f]{{1,12}}\.resumed", old.name)
        if is_other and (old / MARKER).is_file() and not old.is_symlink():
            with suppress(BlockingIOError), locked_marker(old):
                shutil.rmtree(old, ignore_errors=True)


def remove_sealed(path: Path, kind: str) -> None:
    """Remove a folder that was saved as a ``kind``: the files that it lists, then what is empty.

    A folder of somebody else, or of another kind, stays as it is.
    """
    if path.is_symlink():
        return
    try:
        finish(path)
        folder = SealedFolder.open(path, kind)
    except (OSError, ValueError):
        return
    remove_files(path, folder.files)
    with suppress(OSError):
        (path / MARKER).unlink(missing_ok=True)
        (path / MANIFEST).unlink()  # last: one that is killed before can be removed again
        path.rmdir()


def _refuse_foreign(target: Path, kind: str) -> None:
    """Raise where something is at ``target`` that a ``kind`` may not be saved over."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise FileExistsError(
            f"{str(target)!r} is there and is no saved {kind} but a file: choose another path, or "
            "move it away"
        )
    remove_abandoned(target)
    there = sorted(item.name for item in target.iterdir() if not _is_being_written(item.name))
    if not there:
        return
    try:
        SealedFolder.open(target, kind)
    except (OSError, ValueError) as error:
        told = ", ".join(map(repr, there[:_SHOWN])) + (", ..." if len(there) > _SHOWN else "")
        why = "" if isinstance(error, FileNotFoundError) else f" ({error})"
        raise FileExistsError(
            f"{str(target)!r} is there, with {told}, and is no saved {kind}{why}: choose another "
            "path, or move it away"
        ) from error


def _take_place(partial: Path, target: Path, kind: str, opened_by: str) -> None:
    """Bring what was written to its place."""
    if partial.parent == target:
        _commit(partial, target, describe_files(partial), kind, opened_by)
        return
    if not (target.is_dir() and any(target.iterdir())):
        write_manifest(partial, kind, opened_by=opened_by)
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():
                raise  # else another process was first, or it is a mount point
        else:
            (target / MARKER).unlink(missing_ok=True)
            sync_folder(target.parent)
            return
    _refuse_foreign(target, kind)
    described = describe_files(partial)  # takes long, so before it moves
    with _moved_into(target, partial) as inside:
        _commit(inside, target, described, kind, opened_by)


@contextmanager
def _moved_into(target: Path, partial: Path) -> Iterator[Path]:
    """Give the folder with another name, in ``target``; it is back where it was if that fails."""
    inside = partial_name(target, target)
    try:
        partial.rename(inside)
    except OSError:  # ``target`` is a mount point: its marker has to be locked anew
        with new_folder(inside):
            shutil.copytree(
                partial, inside, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MARKER)
            )
            try:
                yield inside
            finally:
                _discard(inside)
        return
    try:
        yield inside
    except BaseException:
        if not is_pending(inside):
            inside.rename(partial)
        raise


def _commit(
    partial: Path, target: Path, described: dict[str, Any], kind: str, opened_by: str
) -> None:
    """Replace the listed files of ``target`` by what ``partial``, a folder in it, holds."""
    with locked_folder(target):
        old = _listed(target, kind)
        _refuse_conflicts(target, set(described["files"]), set(old))
        content = {
            **described,
            "kind": kind,
            "opened_by": opened_by,
            "pending": partial.name,
            "obsolete": {
                name: asdict(seal) for name, seal in old.items() if name not in described["files"]
            },
        }
        store_manifest(target, content)
        finish(target)
        (target / MARKER).unlink(missing_ok=True)


def _listed(target: Path, kind: str) -> Mapping[str, Seal]:
    """Return the files of the folder that is saved over, every one in its place."""
    if not (target / MANIFEST).exists():
        return {}
    finish(target)
    return SealedFolder.open(target, kind).files


def _discard(partial: Path) -> None:
    """Remove what was not saved; files that a manifest counts as saved stay, to be moved later."""
    if partial.exists() and not is_pending(partial):
        shutil.rmtree(partial, ignore_errors=True)


def _is_being_written(name: str) -> bool:
    return name == MARKER or is_partial_name(name)


def _refuse_conflicts(target: Path, new: set[str], old: set[str]) -> None:
    in_the_way = [name for name in sorted(new) if _is_in_the_way(target, name, name in old)]
    if in_the_way:
        told = ", ".join(map(repr, in_the_way[:_SHOWN]))
        raise FileExistsError(
            f"{str(target)!r} holds {told}, which encodekit did not write, or behind a link, and "
            "would write now: move it away, or choose another path"
        )


def _is_in_the_way(target: Path, name: str, listed: bool) -> bool:
    path = target / name
    if is_linked(target, name):
        return True
    if os.path.lexists(path):
        return not listed or path.is_dir()
    parents = list(path.parents)[: name.count("/")]
    return any(parent.exists() and not parent.is_dir() for parent in parents)
