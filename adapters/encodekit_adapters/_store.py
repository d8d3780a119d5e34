"""Save a study to zarr once, and open it from there ever after."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import encodekit as ek
from encodekit.core import progress


def through_store(
    load: Callable[[], ek.Study],
    store: str | Path | None,
    participants: Sequence[str],
    space: str | None = None,
    asked: str = "",
) -> ek.Study:
    """Return ``load()``, or what was saved from it to the folder ``store``.

    ``asked`` is what the description of the study says of what it was loaded with.

    Raises
    ------
    ValueError
        Where the folder holds other participants, or another space, than are asked for, or was
        loaded with something else.
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
    if asked not in (study.description or ""):
        raise ValueError(
            f"{str(store)!r} holds a study that was loaded with something else: its description "
            f"lacks {asked!r}; name another folder as store="
        )
    return study


def loaded_with(**parameters: Any) -> str:
    """Return in a sentence the parameters that decide what a study holds; None is left out."""
    said = (f"{name}={_plain(value)!r}" for name, value in parameters.items() if value is not None)
    return f"Loaded with {', '.join(said)}."


def _plain(value: Any) -> Any:
    """Return what is equal where it is written in another way: lists, paths, orders of keys."""
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, str | int | float):
        return value
    return [_plain(item) for item in value] if isinstance(value, Iterable) else str(value)


def convert(study: ek.Study, path: str | Path) -> Path:
    """Save a study to zarr, one run at a time, with progress; goes on where it was interrupted."""
    total = float(sum(run.nbytes for run in study.responses()))
    with progress(f"{study.name} -> {Path(path).name}", total) as tick:
        saved: Path = study.save(path, resume=True, tick=tick)
    return saved


def as_list(names: str | Iterable[str] | None, parameter: str = "participants") -> list[str] | None:
    """Return names as a list; one name is a list of one.

    Raises
    ------
    TypeError
        Where they are no text: participant 1 may be called 01.
    ValueError
        Where there are none.
    """
    if names is None or isinstance(names, str):
        return None if names is None else [names]
    listed = list(names) if isinstance(names, Iterable) else [names]
    if not all(isinstance(name, str) for name in listed):
        raise TypeError(
            f"{parameter}={names!r}: expected a name or a list of names, in quotation marks, such "
            "as '01'"
        )
    if not listed:
        raise ValueError(f"{parameter}={names!r} names nobody: leave it out to take all")
    return listed
