"""Tell a file from the pointer that stands for it until it is downloaded."""

from pathlib import Path

_SMALL = 1024  # bytes; pointers are shorter
_LFS = b"version https://git-lfs.github.com/spec/"
_ANNEX = (b"/annex/objects/", b".git/annex/objects/")


class NotDownloadedError(FileNotFoundError):
    """A file of a clone is a pointer of git-annex or Git LFS: its content was never fetched."""


def present_file(path: str | Path, *, fetch: str | None = None) -> Path:
    """Return ``path`` if a file with its content is there.

    A clone of a large data set holds, in place of each large file, a dangling link (git-annex) or
    a few lines of text (an unlocked git-annex file, Git LFS) until the file is fetched.

    Parameters
    ----------
    path : path
    fetch : str, optional
        The command that fetches the file, for the message.

    Raises
    ------
    NotDownloadedError
        Where a pointer is there; says which command fetches the file.
    FileNotFoundError
        Where nothing is there.
    """
    file = Path(path)
    kind = _pointer(file)
    if kind is not None:
        own = {"git-annex": "datalad get", "Git LFS": "git lfs pull --include"}[kind]
        raise NotDownloadedError(
            f"{str(file)!r} is not downloaded: it is a {kind} pointer. Fetch it by "
            f"`{fetch or f'{own} {file}'}`"
        )
    if not file.is_file():
        raise FileNotFoundError(f"{str(file)!r} is not there: check the path")
    return file


def _pointer(file: Path) -> str | None:
    if file.is_symlink() and not file.exists():
        return "git-annex" if "annex/objects" in str(file.readlink()) else None
    if not file.is_file() or file.stat().st_size >= _SMALL:
        return None
    head = file.read_bytes()
    if head.startswith(_LFS):
        return "Git LFS"
    return "git-annex" if head.startswith(_ANNEX) else None
