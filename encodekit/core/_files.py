"""Files that appear whole or not at all, and what a program that was killed leaves of them.

A file or folder that is being written has a name of one form,
``.NAME.<host><random>.encodekit-partial``, and its writer holds a lock on it. When a program dies,
the system frees its locks. So if such a file can be locked, its writer is dead, and the next write
in that folder removes it. Where files cannot be locked, or another machine wrote it, it is removed
after a day without a change.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MANIFEST = "manifest.json"
MARKER = ".encodekit-writing"  # within a folder that is being written; its lock is the folder's
_SUFFIX = ".encodekit-partial"
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_FORM = re.compile(rf"\..*\.(?P<host>[0-9a-f]{{6}})[0-9a-f]{{10}}{re.escape(_SUFFIX)}", re.DOTALL)
_DAY, _MOMENT = 86400.0, 0.05  # s


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary sibling to write; it takes the name ``path`` when the block ends well.

    The bytes are synced to the disk first, so that a reader sees the old file or the new one. A
    link stays a link: the file that it leads to is replaced.
    """
    target = followed(path)
    remove_abandoned(target.parent)
    partial = partial_name(target)
    with _new_file(partial):
        try:
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    sync_folder(target.parent)


def atomic_write(path: str | Path, content: bytes) -> Path:
    """Write ``content`` to ``path`` so that a reader sees the old file or the new one."""
    with whole_file(path) as partial:
        partial.write_bytes(content)
    return Path(path)


def followed(path: str | Path) -> Path:
    """Return where a path leads if it is a link, else the path as it is."""
    return Path(os.path.realpath(path)) if Path(path).is_symlink() else Path(path)


def partial_name(target: Path, folder: Path | None = None) -> Path:
    """Return the name under which ``target`` is written, in ``folder`` or beside it."""
    own = f".{target.name[:40]}.{_HOST}{uuid.uuid4().hex[:10]}{_SUFFIX}"
    return (target.parent if folder is None else folder) / own


def is_partial_name(name: str) -> bool:
    """Tell whether a name has the form of what is being written."""
    return _FORM.fullmatch(name) is not None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Make a folder that counts as being written until the block ends."""
    with ExitStack() as stack:
        with locked_folder(path.parent):  # nobody takes it for abandoned before there is a marker
            path.mkdir()
            stack.enter_context(_new_file(path / MARKER))
        yield path


@contextmanager
def _new_file(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    if fcntl is None:  # Windows renames nothing that is open
        os.close(descriptor)
        yield
        return
    with _locked(descriptor):
        yield


@contextmanager
def locked_folder(folder: Path, *, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """Lock a folder while the block runs; give whether the system can.

    Raises
    ------
    BlockingIOError
        If another has locked it, and there is no ``wait``.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except (FileNotFoundError, PermissionError):  # the latter is Windows, always
        yield False
        return
    with _locked(descriptor, shared=shared, wait=wait) as is_locked:
        yield is_locked


@contextmanager
def locked_marker(folder: Path) -> Iterator[None]:
    """Mark a folder as being written while the block runs; BlockingIOError if it is already."""
    with _locked(os.open(folder / MARKER, os.O_RDWR | os.O_CREAT, 0o666), wait=False):
        yield


@contextmanager
def _locked(descriptor: int, *, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """Lock an open file or folder, give whether that is possible here, and close it at the end."""
    try:
        is_locked = _lock(descriptor, shared=shared, wait=wait)
        yield is_locked
        if is_locked:  # closing does not suffice where a child of this process has it too
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, shared: bool, wait: bool) -> bool:
    if fcntl is None:
        return False
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return False
    return True


def remove_abandoned(folder: Path) -> None:
    """Remove what programs that died were writing in ``folder``."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _FORM.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_abandoned(Path(entry.path))


def _remove_if_abandoned(path: Path) -> None:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode) and _is_abandoned(path, path):
        path.unlink(missing_ok=True)
    elif stat.S_ISDIR(status.st_mode):
        if _is_abandoned(path, path / MARKER):
            if not is_pending(path):  # asked last: its writer may have ended well just now
                shutil.rmtree(path, ignore_errors=True)
        elif not any(path.iterdir()):  # its writer died before there was a marker
            with locked_folder(path.parent, wait=False) as is_locked:
                if is_locked or time.time() - status.st_mtime > _DAY:
                    path.rmdir()


def is_pending(partial: Path) -> bool:
    """Tell whether the manifest beside a folder counts its files as saved; so if it is not clear.

    See `encodekit.core.whole_folder`: they are then yet to be moved to their places.
    """
    try:
        content = json.loads((partial.parent / MANIFEST).read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, RecursionError):
        return True
    return not isinstance(content, dict) or content.get("pending") == partial.name


def _is_abandoned(path: Path, locked: Path) -> bool:
    """Tell whether the writer of ``path``, which locks ``locked``, is dead."""
    form = _FORM.fullmatch(path.name)
    assert form is not None
    if not locked.exists() or locked.is_symlink():
        return False
    free = _is_free(locked)
    if free is False:
        return False
    age = time.time() - max(locked.stat().st_mtime, path.stat().st_mtime)
    if free is None or form["host"] != _HOST:
        return age > _DAY
    if age < _MOMENT:  # a writer locks what it has just made
        time.sleep(_MOMENT)
    return _is_free(locked) is True


def _is_free(path: Path) -> bool | None:
    """Tell whether nobody has locked a file; None where files cannot be locked."""
    try:
        with _locked(os.open(path, os.O_RDWR), wait=False) as is_locked:
            return is_locked or None
    except BlockingIOError:
        return False


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with suppress(OSError):  # Windows opens no folders, and some file systems sync none
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
