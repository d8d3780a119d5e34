"""The sha256 of files that a study's description lists: what is other, lacking or not listed."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_SHOWN = 20


def changed_files(root: Path, listed: Mapping[str, str], read: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with the files that are ``read``: not listed, lacking, or changed."""
    sums = {os.path.normpath(name): digest.lower() for name, digest in listed.items()}
    for name in dict.fromkeys(map(os.path.normpath, read)):
        if name not in sums:
            yield f"{name} is read, and sha256 does not list it: add its sum"
            continue
        try:
            with (root / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            yield f"{name} is listed in sha256 and cannot be read ({why}): get it again"
            continue
        if found != sums[name]:
            yield (
                f"{name} has the sha256 {found[:12]}..., the description says {sums[name][:12]}...:"
                " it was changed or damaged; copy it again, or correct its sum"
            )


def unlisted_files(root: Path, listed: Iterable[str], description: Path) -> Iterator[str]:
    """Yield the files of the folder that ``listed`` lacks; hidden ones need not be there."""
    known = {os.path.normpath(name) for name in listed}
    lacking = []
    for folder, inside, names in os.walk(root):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        here = [Path(folder) / name for name in sorted(names) if not name.startswith(".")]
        lacking += [
            name
            for path in here
            if path != description and (name := os.path.relpath(path, root)) not in known
        ]
    for name in lacking[:_SHOWN]:
        yield f"{name} is in the folder, and sha256 does not list it: add its sum, or move it away"
    if lacking[_SHOWN:]:
        yield f"{len(lacking) - _SHOWN} more files are in the folder that sha256 does not list"
