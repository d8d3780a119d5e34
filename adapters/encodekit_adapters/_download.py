"""Download the files of an OpenNeuro data set: sizes first, checksums, resumed by the byte."""

import filecmp
import hashlib
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from encodekit.core import NotDownloadedError, present_file, warn_caller
from encodekit_adapters._need import need

OPENNEURO = "https://s3.amazonaws.com/openneuro.org"
_ANNEX_KEY = re.compile(r"(MD5|SHA256)E?-s(\d+)--([0-9a-f]+)")
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_BLOCK = 1 << 16  # bytes
_TRIES = 4
_WAIT = 60.0  # s without an answer


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set: its path below the root, its size and its checksum where known."""

    path: str
    size: int | None = None
    checksum: str | None = None


def plan(files: list[RemoteFile], root: Path, source: str) -> list[RemoteFile]:
    """Return what is still to be fetched, with the sizes and checksums that the server states.

    Checksums come from the clone's own pointers (git-annex keys) before the server's.

    Raises
    ------
    OSError
        Where the server does not answer or lacks a file, or it has another size than is known.
    """
    lacking = [file for file in files if not _is_whole(root / file.path, file.size)]
    stated = [_stated(_from_pointer(root / file.path, file), source) for file in lacking]
    return [file for file in stated if not _is_whole(root / file.path, file.size)]


def _is_whole(path: Path, size: int | None) -> bool:
    return _has_content(path) and path.stat().st_size == size


def _from_pointer(path: Path, file: RemoteFile) -> RemoteFile:
    text = str(path.readlink()) if path.is_symlink() else ""
    if not text and path.is_file() and path.stat().st_size < 1024:
        text = path.read_text(errors="ignore")
    key = _ANNEX_KEY.search(text)
    if key is None:
        return file
    return replace(file, size=int(key[2]), checksum=f"{key[1].lower()}:{key[3]}")


def _stated(file: RemoteFile, source: str) -> RemoteFile:
    requests = need("requests", extra="lebel2023", purpose="downloading")
    url = f"{source}/{file.path}"
    try:
        answer = requests.head(url, timeout=_WAIT, allow_redirects=True)
    except requests.RequestException as error:
        raise OSError(f"{url} does not answer ({error}): check the network") from error
    if answer.status_code != 200:
        raise OSError(
            f"{url}: the server says {answer.status_code} ({answer.reason}): the data set or the "
            "network may have changed"
        )
    size = int(answer.headers.get("Content-Length", -1))
    if file.size is not None and size not in (-1, file.size):
        raise OSError(
            f"{url} has {size} bytes, expected {file.size}: the server has another version of the "
            "data set"
        )
    tag = _MD5.fullmatch(answer.headers.get("ETag", ""))
    checksum = file.checksum or (f"md5:{tag[1]}" if tag else None)
    return replace(file, size=file.size if size < 0 else size, checksum=checksum)


def check_room(files: list[RemoteFile], root: Path) -> None:
    """Raise OSError where the disk has less room than the files take."""
    needed = sum(file.size or 0 for file in files)
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if free < needed:
        raise OSError(
            f"{needed / 1e9:.1f} GB are to be fetched but {str(root)!r} has {free / 1e9:.1f} GB "
            "free: name fewer participants or stories, or another --root"
        )


def fetch(
    file: RemoteFile,
    root: Path,
    source: str,
    tick: Callable[[float], None] = lambda _: None,
    tries: int = _TRIES,
) -> Path:
    """Download one file, going on where an earlier download ended, and check it.

    A file that is there with other content is kept under another name, and a warning says so.

    Raises
    ------
    OSError
        Where the connection breaks ``tries`` times, or what came has another size or checksum.
    """
    pooch = need("pooch", extra="lebel2023", purpose="downloading")
    pooch.get_logger().setLevel("WARNING")
    path = root / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")

    def resumed(url: str, output: Any, _: Any) -> None:
        _resume(url, part, file.size, tick, tries)
        shutil.move(part, output)

    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:40]}.") as folder:
        try:
            if not _is_there(path, file.checksum):
                pooch.retrieve(
                    f"{source}/{file.path}",
                    known_hash=file.checksum,
                    fname=path.name,
                    path=folder,
                    downloader=resumed,
                )
                _take(Path(folder) / path.name, path)
        except ValueError as error:
            raise OSError(f"{file.path} came damaged ({error}): run the command again") from error
    return path


def _is_there(path: Path, checksum: str | None) -> bool:
    """Tell whether a file has the stated checksum; one without is asked for anew."""
    if checksum is None or not path.is_file():
        return False
    kind, _, digest = checksum.rpartition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind or "sha256").hexdigest() == digest.lower()


def _take(new: Path, path: Path) -> None:
    """Give a download its name; other content that had it keeps a name of its own."""
    if _has_content(path) and not filecmp.cmp(new, path, shallow=False):
        aside = path.with_name(f"{path.name}.before-{uuid.uuid4().hex[:8]}")
        path.rename(aside)
        warn_caller(
            f"{str(path)!r} had another content than what was downloaded; that is kept as "
            f"{aside.name!r}",
            UserWarning,
        )
    new.replace(path)


def _has_content(path: Path) -> bool:
    """Tell whether a file is there, and no pointer of git-annex or DataLad to one."""
    try:
        return present_file(path).is_file()
    except (NotDownloadedError, FileNotFoundError):
        return False


def _resume(
    url: str, part: Path, size: int | None, tick: Callable[[float], None], tries: int
) -> None:
    requests = need("requests", extra="lebel2023", purpose="downloading")
    failed: Exception | None = None
    for _ in range(tries):
        try:
            for count in _blocks(requests, url, part):
                tick(count)
        except requests.RequestException as error:
            failed = error
        there = part.stat().st_size if part.is_file() else 0
        if there == size or (size is None and failed is None):
            return
        if size is not None and there > size:
            part.unlink()
    raise OSError(
        f"{url}: {there} of {size} bytes came ({failed or 'the connection closed'}): run the "
        "command again, it goes on from there"
    )


def _blocks(requests: Any, url: str, part: Path) -> Iterator[int]:
    done = part.stat().st_size if part.is_file() else 0
    headers = {"Range": f"bytes={done}-", "Accept-Encoding": "identity"} if done else {}
    with requests.get(url, headers=headers, stream=True, timeout=_WAIT) as answer:
        if answer.status_code == 416:  # nothing is left of it
            return
        answer.raise_for_status()
        goes_on = answer.status_code == 206
        with part.open("ab" if goes_on else "wb") as file:
            for block in answer.iter_content(_BLOCK):
                file.write(block)
                yield len(block)
