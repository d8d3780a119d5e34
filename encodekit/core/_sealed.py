"""Folders with a manifest, and the one reader of them: what is parsed is what was hashed."""

import hashlib
import json
import os
import shutil
import stat
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Self, TypeVar

from encodekit.core._files import MANIFEST, followed, locked_folder
from encodekit.core._manifest import FIELDS, Seal, parsed, read_manifest
from encodekit.core._messages import refuse

_BLOCK = 1 << 20
_LOCKED_AFTER, _ATTEMPTS = 3, 50
_READ_BY_OTHERS = (".json", ".safetensors", ".bin", ".pt", ".model", ".txt", ".py")
T = TypeVar("T")


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
        content, token = read_manifest(root)
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
        return parsed(self.read(name), f"{name} in folder {str(self.root)!r}")

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

    def verify(self, *, but: Collection[str] = ()) -> None:
        """Raise ValueError, naming every file that is missing or is not what was sealed.

        ``but`` are large files that are read afterwards, which checks them: of these the size
        alone is checked here.
        """
        mistakes = []
        for name in self.files:
            mistakes += self._wrong_size(name) if name in but else [self._find(name)[2]]
        refuse(self._damaged(), [mistake for mistake in mistakes if mistake])

    def verify_in_place(self) -> None:
        """As `verify`; and raise where readers by paths, such as torch, would find other files."""
        self.verify()
        if len(self.places) > 1:
            raise ValueError(
                f"folder {str(self.root)!r} has files of an interrupted save that cannot be moved "
                "to their places here: save it again"
            )

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
        if not isinstance(content, dict) or len(FIELDS.keys() & content.keys()) < 2:
            return
    read_sealed(path, None, _check_plain)


def _check_plain(folder: SealedFolder) -> None:
    """Raise ValueError where others, who read by names of their own, would read something else."""
    folder.verify_in_place()
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
