"""Folders with a manifest, and the one reader of them: what is parsed is what was hashed."""

import hashlib
import json
import os
import re
import shutil
import stat
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from typing import Any, Self, TypeVar

from encodekit.core._files import (
    MANIFEST,
    MARKER,
    atomic_write,
    followed,
    is_partial_name,
    locked_folder,
)
from encodekit.core._messages import refuse

SCHEMA = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DRIVE = re.compile(r"[A-Za-z]:")
_BLOCK = 1 << 20
_LOCKED_AFTER, _ATTEMPTS = 3, 50
_READ_BY_OTHERS = (".json", ".safetensors", ".bin", ".pt", ".model", ".txt", ".py")
_FIELDS = {
    "schema": int, "kind": str, "opened_by": str, "files": dict, "pending": str, "obsolete": dict,
}  # fmt: skip
T = TypeVar("T")


@dataclass(frozen=True)
class Seal:
    """What a manifest says of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class SealedFolder:
    """A folder as its manifest describes it, to be read by the names that stand there.

    A file is opened once, and its bytes are checked before anybody parses them. Small enough to
    send to another process.

    Attributes
    ----------
    root : Path
    kind : str
        What the folder holds, such as ``"model"``.
    opened_by : str
        How to read such a folder; told to people who try something else.
    files : dict of str to Seal
        By their path within the folder.
    token : str
        The sha256 of the manifest; it tells one version of the folder from the next.
    places : tuple of Path
        Where files lie: the folder, and one within it from which a save that was interrupted has
        not yet moved them.
    obsolete : dict of str to Seal
        Files of the version before, which that save has not yet removed.
    """

    root: Path
    kind: str
    opened_by: str
    files: Mapping[str, Seal]
    token: str
    places: tuple[Path, ...]
    obsolete: Mapping[str, Seal]

    @classmethod
    def open(cls, path: str | Path, kind: str | None = None) -> Self:
        """Return the folder at ``path``; only its manifest is read.

        Raises
        ------
        FileNotFoundError
            Where the folder or its manifest is not there: its writing never ended.
        ValueError
            Where the manifest is damaged, its schema newer, or the folder holds another kind.
        """
        root = followed(path)
        content, token = _read_manifest(root)
        if kind is not None and content["kind"] != kind:
            told = f": {content['opened_by']}" if content["opened_by"] else ""
            raise ValueError(
                f"folder {str(root)!r} holds a {content['kind']}, expected a {kind}{told}"
            )
        pending = content["pending"]
        files, obsolete = (
            {name: Seal(**entry) for name, entry in content[field].items()}
            for field in ("files", "obsolete")
        )
        source = root / (pending or ".")
        unmoved = pending != "" and source.is_dir() and not source.is_symlink()
        places = (root, source) if unmoved else (root,)
        return cls(root, content["kind"], content["opened_by"], files, token, places, obsolete)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file that the manifest lists.

        Raises
        ------
        ValueError
            Where the manifest does not list it, or it is missing or damaged.
        """
        return b"".join(self._verified(name, keep=True)[1])

    def read_json(self, name: str) -> Any:
        """Return what a listed JSON file holds."""
        return _parsed(self.read(name), f"{name} in folder {str(self.root)!r}")

    def locate(self, name: str, *, verify: bool = True) -> Path:
        """Return where a listed file lies, for readers that take no bytes.

        ``verify`` checks its sha256; without, who reads it has a check of their own.
        """
        if verify or len(self.places) > 1:
            return self._verified(name, keep=False)[0]
        wrong = self._wrong_size(name) if name in self.files else [_not_listed(name)]
        refuse(self._damaged(), wrong)
        return self.root / name

    def __truediv__(self, name: str) -> Path:
        """Return where a listed file lies, as `locate`."""
        return self.locate(name)

    def check_sizes(self) -> None:
        """Raise ValueError, naming every file, where one is missing or has another size."""
        refuse(self._damaged(), [m for name in self.files for m in self._wrong_size(name)])

    def verify(self) -> None:
        """Raise ValueError, naming every file that is missing or is not what was sealed."""
        refuse(self._damaged(), [told for name in self.files if (told := self._find(name)[2])])

    def within(self, folder: str) -> Self:
        """Return a folder inside this one, with the files that are listed there."""
        start = f"{folder}/"
        first = bisect_left(self._names, start)
        listed = takewhile(lambda name: name.startswith(start), islice(self._names, first, None))
        files = {name.removeprefix(start): self.files[name] for name in listed}
        places = tuple(place / folder for place in self.places)
        return replace(self, root=self.root / folder, files=files, places=places, obsolete={})

    @cached_property
    def _names(self) -> list[str]:
        return sorted(self.files)

    def is_current(self) -> bool:
        """Tell whether the folder has not been saved over since it was opened."""
        try:
            return hashlib.sha256((self.root / MANIFEST).read_bytes()).hexdigest() == self.token
        except OSError:
            return False

    def _damaged(self) -> str:
        return f"folder {str(self.root)!r} is damaged (copy or save it again)"

    def _wrong_size(self, name: str) -> list[str]:
        stated, told = self.files[name], f"{name} is missing"
        for place in self._search():
            with suppress(OSError):
                status = (place / name).stat()
                if stat.S_ISREG(status.st_mode) and status.st_size == stated.bytes:
                    return []
                told = f"{name} has {status.st_size} bytes, expected {stated.bytes}"
        return [told]

    def _verified(self, name: str, *, keep: bool) -> tuple[Path, list[bytes]]:
        if name not in self.files:
            refuse(self._damaged(), [_not_listed(name)])
        path, blocks, mistake = self._find(name, keep=keep)
        refuse(self._damaged(), [mistake] if mistake else [])
        return path, blocks

    def _find(self, name: str, *, keep: bool = False) -> tuple[Path, list[bytes], str]:
        """Return where a file lies that is as stated, its bytes if wanted, and what is wrong."""
        mistakes = []
        for place in self._search():
            blocks, mistake = _read_stated(place / name, name, self.files[name], keep)
            if not mistake:
                return place / name, blocks, ""
            mistakes.append(mistake)
        return self.root / name, [], mistakes[0]

    def _search(self) -> tuple[Path, ...]:
        # Files move from the last place to the first, perhaps while this looks for them.
        return (*self.places, self.places[0]) if len(self.places) > 1 else self.places


def _not_listed(name: str) -> str:
    return f"{name!r:.200} is not listed in its {MANIFEST}"


def read_sealed(path: str | Path, kind: str | None, parse: Callable[[SealedFolder], T]) -> T:
    """Return what ``parse`` makes of a folder; of one version of it, whoever saves meanwhile.

    A parse that fails because the folder was saved over is begun again.

    Raises
    ------
    FileNotFoundError
        Where the folder or its manifest is not there.
    ValueError
        Where anything in it is damaged or malformed; the cause is chained.
    """
    for attempt in range(_ATTEMPTS):
        # Where others save all the time, keep them from it.
        locked = locked_folder(followed(path), shared=True)
        with locked if attempt >= _LOCKED_AFTER else nullcontext():
            folder = _finished(SealedFolder.open(path, kind))
            try:
                return parse(folder)
            except Exception as error:
                if not folder.is_current() and attempt < _ATTEMPTS - 1:
                    continue
                if isinstance(error, OSError | ImportError) or type(error) is ValueError:
                    raise
                raise ValueError(
                    f"folder {str(folder.root)!r} holds a malformed {folder.kind} "
                    f"({type(error).__name__}: {error}): save it again, or load it with the "
                    "version that wrote it"
                ) from error
    raise AssertionError("the last attempt returns or raises")


def verify_if_sealed(path: str | Path) -> None:
    """Check every file of a folder that encodekit saved; other folders are not looked at.

    Raises
    ------
    ValueError
        If a file, or the manifest, is damaged.
    """
    manifest = Path(path) / MANIFEST
    if not manifest.is_file():
        return
    with suppress(ValueError, RecursionError):  # no JSON: a damaged one of ours
        content = json.loads(manifest.read_bytes())
        # more than one of our fields: so that a flipped bit in one does not make it another's
        if not isinstance(content, dict) or len(_FIELDS.keys() & content.keys()) < 2:
            return
    read_sealed(path, None, _check_plain)


def _check_plain(folder: SealedFolder) -> None:
    """Raise ValueError where others, who read by names of their own, would read something else."""
    folder.verify()
    if len(folder.places) > 1:
        raise ValueError(
            f"folder {str(folder.root)!r} has files of an interrupted save that cannot be moved to "
            "their places here: save it again"
        )
    for path in folder.root.iterdir():
        if path.suffix in _READ_BY_OTHERS and path.name not in (MANIFEST, *folder.files):
            raise ValueError(
                f"folder {str(folder.root)!r} holds {path.name!r}, which is not listed in its "
                f"{MANIFEST} and would be read: move it away"
            )


def finish(root: Path) -> None:
    """End the save of a folder that was interrupted once its manifest was written.

    The caller has locked the folder. The new files move to their places, and files of the version
    before are removed.
    """
    folder = SealedFolder.open(root)
    if len(folder.places) == 1:
        return
    source = folder.places[-1]
    for name in folder.files:
        if (source / name).is_file() and not is_linked(source, name):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # without locks, another may have moved it
                (source / name).replace(root / name)
    remove_files(root, folder.obsolete)
    shutil.rmtree(source, ignore_errors=True)


def remove_files(root: Path, files: Mapping[str, Seal]) -> None:
    """Remove files and then empty folders, but nothing behind a link.

    What somebody wrote anew stays, too: known by its sha256, or, where it is large, by its size.
    """
    parents = set()
    for name, seal in files.items():
        path = root / name
        if is_linked(root, name):
            continue
        with suppress(OSError):
            large = seal.bytes > _BLOCK and path.stat().st_size == seal.bytes
            if large or not _read_stated(path, name, seal, keep=False)[1]:
                path.unlink()
        parents |= set(list(path.parents)[: name.count("/")])
    for parent in sorted(parents, reverse=True):
        with suppress(OSError):
            parent.rmdir()


def is_linked(root: Path, name: str) -> bool:
    """Tell whether a name leads through a link: to files that may not be ours."""
    path = root / name
    return any(part.is_symlink() for part in [path, *list(path.parents)[: name.count("/")]])


def _finished(folder: SealedFolder) -> SealedFolder:
    """End an interrupted save where that is possible; reading goes on without, too.

    A folder may come from anybody: what its manifest says moves nothing through a link.
    """
    names = [*folder.files, *folder.obsolete]
    if len(folder.places) > 1 and not any(is_linked(folder.root, name) for name in names):
        with suppress(OSError), locked_folder(folder.root, wait=False) as is_locked:
            if is_locked:
                finish(folder.root)
                return SealedFolder.open(folder.root)
    return folder


def write_manifest(folder: str | Path, kind: str = "folder", *, opened_by: str = "") -> Path:
    """List every file of ``folder`` with its size and sha256; written last, it seals the folder.

    ``opened_by`` says how to read such a folder; it is told to people who try something else.
    """
    content = {**describe_files(folder), "kind": kind, "opened_by": opened_by}
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


def _read_stated(path: Path, name: str, stated: Seal, keep: bool) -> tuple[list[bytes], str]:
    """Return the bytes of a file, if wanted, and what is wrong with them, if anything."""
    try:
        # without O_NONBLOCK, opening a pipe would wait for a writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return [], f"{name} is missing"
    blocks, digest, n_bytes = [], hashlib.sha256(), 0
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return [], f"{name} is no file"
        if status.st_size != stated.bytes:
            return [], f"{name} has {status.st_size} bytes, expected {stated.bytes}"
        while n_bytes < stated.bytes and (block := file.read(_BLOCK)):
            digest.update(block)
            n_bytes += len(block)
            if keep:
                blocks.append(block)
    found = digest.hexdigest()
    if found == stated.sha256:
        return blocks, ""
    return [], f"{name} has sha256 {found[:12]}..., expected {stated.sha256[:12]}..."


def _read_manifest(root: Path) -> tuple[dict[str, Any], str]:
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
    content = _parsed(written, repr(str(path)))
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


def _parsed(written: bytes, where: str) -> Any:
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
    for name, kind in _FIELDS.items():
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
