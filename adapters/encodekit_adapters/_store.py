"""Save a study to zarr once, and open it from there ever after."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import encodekit as ek
from encodekit.core import progress


def through_store(
    load: Callable[[], ek.Study],
    store: str | Path | None,
    participants: Sequence[str],
    space: str | None = None,
) -> ek.Study:
    """Return ``load()``, or what was saved from it to the folder ``store``.

    Raises
    ------
    ValueError
        Where the folder holds other participants, or another space, than are asked for.
    """
    if store is None:
        return load()
    if not (Path(store) / "manifest.json").is_file():
        convert(load(), store)
    study = ek.load_study(Path(store))
    if study.participants != list(participants):
        raise ValueError(
            f"{str(store)!r} holds {', '.join(study.participants)}, not {', '.join(participants)}: "
            "name another folder as store="
        )
    held = study.responses()[0].attrs["space"]
    if space not in (None, held):
        raise ValueError(f"{str(store)!r} is in the space {held!r}, not {space!r}: name another "
                         "folder as store=")  # fmt: skip
    return study


def convert(study: ek.Study, path: str | Path) -> Path:
    """Save a study to zarr, one run at a time, with progress; goes on where it was interrupted."""
    total = float(sum(run.nbytes for run in study.responses()))
    with progress(f"{study.name} -> {Path(path).name}", total) as tick:
        saved: Path = study.save(path, resume=True, tick=tick)
    return saved


def as_list(names: str | Iterable[str] | None) -> list[str] | None:
    """Return names as a list; one name is a list of one."""
    if names is None:
        return None
    return [names] if isinstance(names, str) else list(names)
