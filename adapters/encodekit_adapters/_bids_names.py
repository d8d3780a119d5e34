"""BIDS names: what a file's name says, and which files hold for a run."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

# What a derivative adds to the name of an acquisition, which events and sidecars do not carry.
DERIVED = frozenset({"space", "cohort", "res", "den", "hemi", "desc"})
_NUMBERS = frozenset({"run", "echo", "split", "inv", "flip", "chunk"})  # run-01 is run-1
_LABEL = "[a-zA-Z]+-[a-zA-Z0-9+]+"
_NAME = re.compile(
    rf"(?P<entities>{_LABEL}(?:_{_LABEL})*)?(?:(?:^|_)(?P<suffix>[a-zA-Z0-9]+))?"
    r"(?P<ending>(?:\.[a-zA-Z0-9]+)+)"
)


@dataclass(frozen=True)
class BidsFile:
    """A file whose name BIDS allows, and what the name says: sub-01_task-x_bold.nii.gz."""

    path: Path
    entities: dict[str, str]
    suffix: str | None
    ending: str

    @property
    def acquired(self) -> dict[str, str]:
        """The entities of what was scanned, without those of a derivative."""
        return {key: value for key, value in self.entities.items() if key not in DERIVED}


def bids_file(path: Path) -> BidsFile | None:
    """Return what a file's name says, or None where BIDS does not allow such a name.

    Only the name counts, not the folders above it. Hidden files, copies that an editor or a
    system made, and names with an entity twice are not allowed.
    """
    found = None if path.name.startswith(".") else _NAME.fullmatch(path.name)
    if found is None:
        return None
    pairs = [part.split("-", 1) for part in (found["entities"] or "").split("_") if part]
    entities = {part[0]: part[1] for part in pairs}
    if len(entities) < len(pairs):
        return None
    return BidsFile(path, entities, found["suffix"], found["ending"])


def bids_files(folder: Path) -> Iterator[BidsFile]:
    """Yield the files of a folder whose names BIDS allows, in the order of their names."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        found = bids_file(path)
        if found is not None and not path.is_dir():
            yield found


def folders_of(entities: Mapping[str, str], root: Path) -> list[Path]:
    """Return the folders in which files of a run may lie, the nearest first."""
    person = root / f"sub-{entities['sub']}"
    session = [person / f"ses-{entities['ses']}"] if "ses" in entities else []
    return [(session or [person])[0] / "func", *session, person, root]


def inherited(
    entities: Mapping[str, str],
    folders: Sequence[Path],
    suffixes: Sequence[str | None],
    ending: str,
    desc: str | None = None,
) -> list[list[Path]]:
    """Return the files that hold for a run, the nearest first; those equally near together.

    A file holds where it has no other entity than the run (BIDS' inheritance). It is nearer in a
    deeper folder, and in one folder if it shares more entities.
    """
    named = dict(entities) if desc is None else {**entities, "desc": desc}
    levels: list[list[Path]] = []
    for folder in folders:
        held = [
            file
            for file in bids_files(folder)
            if file.suffix in suffixes
            and file.ending == ending
            and (desc is None or "desc" in file.entities)
            and all(same_label(key, value, named) for key, value in file.entities.items())
        ]
        held.sort(key=lambda file: -len(file.entities))
        for _, level in groupby(held, key=lambda file: len(file.entities)):
            levels.append([file.path for file in level])
    return levels


def same_label(key: str, value: str, entities: Mapping[str, str]) -> bool:
    """Tell whether ``entities`` have ``value`` as ``key``; numbers are compared as numbers."""
    own = entities.get(key)
    if key in _NUMBERS and own is not None and own.isdigit() and value.isdigit():
        return int(own) == int(value)
    return own == value
