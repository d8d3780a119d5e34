"""Which files are a run: all that the names say, and what the user chooses among them."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encodekit.core import refuse, unknown_name
from encodekit_adapters._bids_names import DERIVED, BidsFile, bids_file

# Entities by which files of one acquisition differ: they show the same seconds of the same scan.
VARIANTS = ("echo", "part", "rec", "cohort", "res", "den", "desc")
_OWN = {"sub": "participants", "task": "task", "space": "space"}
_FIRST = ("sub", "ses", "task", "acq", "ce", "dir")  # the order in which BIDS writes them
_SHOWN = 3

Entities = Mapping[str, Any]


@dataclass(frozen=True)
class BoldRun:
    """One run of one participant: its files, and what their names say."""

    participant: str
    label: str  # what the names say of session, task, run and the like
    files: tuple[Path, ...]
    entities: dict[str, str]
    root: Path  # of the derivatives

    @property
    def acquired(self) -> dict[str, str]:
        """The entities of what was scanned, which events and sidecars may carry."""
        return {key: value for key, value in self.entities.items() if key not in DERIVED}

    @property
    def where(self) -> str:
        """The run in words, for messages."""
        return f"{self.participant}, {self.label}"


def find_runs(
    derivatives: Path,
    task: str,
    space: str,
    entities: Entities | None = None,
    people: Sequence[str] | None = None,
) -> list[BoldRun]:
    """Return the runs of a task in a space, in order of participant, session and run.

    Runs differ in any entity but those of `VARIANTS`, by which files of one run differ;
    ``entities`` chooses among both. Only files of the ``people`` are compared, unless there is
    nobody of that name.

    Raises
    ------
    FileNotFoundError
        Where there is none; says which tasks and spaces there are.
    ValueError
        Where several files compete for a run, a run is in pieces (``split``), or ``entities``
        names what no file has.
    """
    chosen = _choices(entities)
    surface, cifti = space.startswith(("fsaverage", "fsnative")), space.startswith("fsLR")
    ending = (".func.gii",) if surface else (".dtseries.nii",) if cifti else (".nii", ".nii.gz")
    every, skipped = _bold_files(derivatives, ending, nameless=surface or cifti)
    usual = {"preproc", None} if surface or cifti else {"preproc"}
    found = [
        file
        for file in every
        if file.entities["task"] == task
        and file.entities.get("space") == space
        and ("desc" in chosen or file.entities.get("desc") in usual)
    ]
    if not found:
        raise FileNotFoundError(_none_found(derivatives, every, skipped, task, space))
    found = [file for file in found if _is_of(file, people)] or found
    _refuse_pieces(found)
    kept = _chosen(found, chosen)
    grouped: dict[Any, list[BidsFile]] = {}
    for file in sorted(kept, key=_order):
        grouped.setdefault(_run_key(file), []).append(file)
    runs = list(grouped.values())
    _refuse_variants(runs, f"task {task!r}, space {space!r}")
    return [_run(files, derivatives) for files in runs]


def _is_of(file: BidsFile, people: Sequence[str] | None) -> bool:
    person = file.entities["sub"]
    return people is None or person in people or f"sub-{person}" in people


def _bold_files(
    derivatives: Path, endings: tuple[str, ...], *, nameless: bool
) -> tuple[list[BidsFile], list[str]]:
    """Return the runs' files, and the names of those that BIDS does not allow.

    Older versions of fMRIPrep name surfaces and grayordinates without ``_bold``.
    """
    found, skipped = [], []
    for path in sorted(derivatives.glob("sub-*/**/func/*")):
        file = bids_file(path)
        if not path.name.endswith(endings) or path.name.startswith("."):
            continue
        person = path.relative_to(derivatives).parts[0]
        if file is None or f"sub-{file.entities.get('sub')}" != person:
            skipped.append(path.name)
        elif "task" in file.entities and (
            file.suffix == "bold" or (nameless and file.suffix is None)
        ):
            found.append(file)
    return found, skipped


def _none_found(
    derivatives: Path, every: list[BidsFile], skipped: list[str], task: str, space: str
) -> str:
    tasks = sorted({file.entities["task"] for file in every})
    spaces = sorted({file.entities.get("space", "") for file in every} - {""})
    odd = ""
    if skipped:
        shown = ", ".join(skipped[:_SHOWN])
        odd = f"; {len(skipped)} files have names that BIDS does not allow ({shown})"
    if task not in tasks:
        return f"{str(derivatives)!r} has no such run: {unknown_name('task', task, tasks)}{odd}"
    return f"{str(derivatives)!r}, task {task!r}: {unknown_name('space', space, spaces)}{odd}"


def _choices(entities: Entities | None) -> dict[str, set[str | None]]:
    """Return the values that are wanted of each entity; None stands for files without it."""
    if not isinstance(entities, Mapping | None):
        raise TypeError(f"entities is a {type(entities).__name__}, expected {{'res': '2'}}")
    own = [key for key in entities or () if key in _OWN]
    refuse("bids", [f"entities={{{key!r}: ...}}: say it by {_OWN[key]}=" for key in own])
    return {
        key: {None if value is None else str(value) for value in _listed(values)}
        for key, values in (entities or {}).items()
    }


def _listed(values: Any) -> Iterable[Any]:
    return [values] if values is None or isinstance(values, str | int) else values


def _chosen(files: list[BidsFile], chosen: Mapping[str, set[str | None]]) -> list[BidsFile]:
    keys = {key for file in files for key in file.entities}
    mistakes = []
    for key, values in chosen.items():
        known = {file.entities.get(key) for file in files}
        if key not in keys and values != {None}:
            mistakes.append(unknown_name("entity", key, sorted(keys - {*_OWN, "hemi"})))
        else:
            mistakes += [
                f"entities={{{key!r}: {value!r}}}: {unknown_name(key, value, _sorted(known))}"
                for value in _sorted(values - known)
            ]
    refuse("bids", mistakes)
    # A run of which no file has the variant has nothing to choose: echo=2 keeps who has one echo.
    varied = {(_run_key(file), key) for file in files for key in VARIANTS if key in file.entities}
    kept = [
        file
        for file in files
        if all(
            file.entities.get(key) in values
            or (key in VARIANTS and (_run_key(file), key) not in varied)
            for key, values in chosen.items()
        )
    ]
    people = {file.entities["sub"] for file in kept}
    lost = sorted({f"sub-{file.entities['sub']}" for file in files} - {f"sub-{p}" for p in people})
    if kept and lost:
        warnings.warn(
            f"bids: entities={ {key: _sorted(values) for key, values in chosen.items()} } leaves "
            f"no run of {', '.join(lost)}: the study is without them",
            stacklevel=4,
        )
    if not kept:
        said = {key: _sorted(values) for key, values in chosen.items()}
        raise ValueError(
            f"bids: no run has all of entities={said}; the first of {len(files)} files there is "
            f"{files[0].path.name}"
        )
    return kept


def _sorted(values: Iterable[str | None]) -> list[str | None]:
    return sorted(values, key=lambda value: (value is not None, value))


def _refuse_pieces(files: list[BidsFile]) -> None:
    pieces = [file.path.name for file in files if "split" in file.entities]
    if pieces:
        raise ValueError(
            f"bids: {len(pieces)} files are pieces of runs by their entity split "
            f"({', '.join(pieces[:_SHOWN])}): a piece is no run; join the pieces of each run in "
            "time, say by nilearn.image.concat_imgs, and name the whole without split"
        )


def _run_key(file: BidsFile) -> frozenset[tuple[str, str]]:
    apart = {*VARIANTS, "hemi"}
    return frozenset((key, value) for key, value in file.entities.items() if key not in apart)


def _order(file: BidsFile) -> Any:
    """Return what sorts runs: participant and session as text, numbers of runs as numbers."""
    keys = [*_FIRST, *sorted({*file.entities} - {*_FIRST, "run"}), "run"]
    return [(key, _natural(key, file.entities.get(key))) for key in keys]


def _natural(key: str, value: str | None) -> tuple[int, int, str]:
    if value is None:
        return (0, 0, "")
    return (1, int(value) if key == "run" and value.isdigit() else 0, value)


def _refuse_variants(runs: list[list[BidsFile]], where: str) -> None:
    competing = [files for files in runs if len(_variants(files)) > 1 or _doubled(files)]
    mistakes = [_variant_mistake(files) for files in competing[:_SHOWN]]
    if len(competing) > _SHOWN:
        mistakes.append(f"and {len(competing) - _SHOWN} more runs")
    refuse(where, mistakes)


def _variants(files: list[BidsFile]) -> list[dict[str, str | None]]:
    """Return by what the files of one run differ: one table for each of the variants."""
    keys = [key for key in VARIANTS if len({file.entities.get(key) for file in files}) > 1]
    found = [{key: file.entities.get(key) for key in keys} for file in files]
    return [item for n, item in enumerate(found) if item not in found[:n]]


def _doubled(files: list[BidsFile]) -> bool:
    kinds = {"hemi", *VARIANTS}
    said = [tuple(file.entities.get(key) for key in sorted(kinds)) for file in files]
    return len(set(said)) < len(said)


def _variant_mistake(files: list[BidsFile]) -> str:
    names = ", ".join(file.path.name for file in files)
    variants = _variants(files)
    run = f"sub-{files[0].entities['sub']}: {len(files)} files compete for one run ({names})"
    if len(variants) == 1:
        return f"{run}: they say the same of themselves; remove all but one"
    choice = " or ".join(f"entities={variant}" for variant in variants)
    return f"{run}: choose by {choice}"


def _run(files: list[BidsFile], derivatives: Path) -> BoldRun:
    entities = files[0].entities
    label = "_".join(f"{key}-{value}" for key, value in files[0].acquired.items() if key != "sub")
    paths = tuple(file.path for file in files)
    return BoldRun(f"sub-{entities['sub']}", label, paths, entities, derivatives)
