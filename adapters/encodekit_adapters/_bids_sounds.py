"""The sounds of a BIDS data set: where they are, what they are called, their words."""

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from encodekit.core import refuse, warn_caller
from encodekit.data import find_tier, textgrid_tiers
from encodekit_adapters._tables import read_labels

_TABLES = (".TextGrid", ".textgrid", ".csv", ".tsv")
_SUFFIX = "_audio"

Labels = tuple[pd.DataFrame | None, pd.DataFrame | None]
Words = Callable[[Path, Path, str], Labels]  # (folder of the sounds, a sound, its name)


@dataclass(frozen=True)
class Tiers:
    """Which tiers of a TextGrid hold words and phones (None: by name), and what is no label."""

    word: str | None = None
    phone: str | None = None
    silence: Collection[str] | None = None


def find_sounds(folder: Path, heard: Mapping[str, str]) -> dict[str, Path]:
    """Return the sound of each stim_file: at its path below ``folder``, or the end of its path.

    ``heard`` says of each where it is named, for messages.

    Raises
    ------
    FileNotFoundError
        Where a sound is at neither place.
    ValueError
        Where several stim_files lead to one sound, not being at their own paths.
    """
    found = {name: _find_sound(folder, name, where) for name, where in heard.items()}
    by_sound: dict[Path, list[str]] = {}
    for name, sound in found.items():
        by_sound.setdefault(sound, []).append(name)
    several = {sound: names for sound, names in by_sound.items() if len(names) > 1}
    refuse(
        "bids",
        [
            f"the stim_files {' and '.join(map(repr, names))} are not at these paths, and "
            f"{str(sound)!r} cannot be all of them: put each sound at its path below "
            f"{str(folder)!r}, or name one sound alike in all events"
            for sound, names in several.items()
        ],
    )
    return found


def _find_sound(folder: Path, heard: str, where: str) -> Path:
    parts = PurePosixPath(heard).parts
    places = [folder.joinpath(*parts[k:]) for k in range(len(parts))]
    for place in places:
        if place.exists() or place.is_symlink():
            return place
    nor = f", nor is {str(places[-1])!r}" if len(places) > 1 else ""
    raise FileNotFoundError(
        f"{where}: its sound {str(places[0])!r} is not there{nor}: put it there, or name the "
        "folder of the sounds by stimuli="
    )


def name_sounds(sounds: Iterable[Path], folder: Path) -> dict[Path, str]:
    """Return a name for each sound, unique among them.

    The file's name without ending and ``_audio``; of several sounds that share it with the
    folders below ``folder`` before it; with its ending where that is needed too.
    """
    below = {sound: PurePosixPath(sound.relative_to(folder).as_posix()) for sound in sounds}
    names = {sound: path.stem.removesuffix(_SUFFIX) for sound, path in below.items()}
    for longer in (lambda path: str(path.with_suffix("")), str):
        counts = Counter(names.values())
        names = {
            sound: name if counts[name] == 1 else longer(below[sound])
            for sound, name in names.items()
        }
    return names


def stimulus_words(folder: Path, sound: Path, name: str, tiers: Tiers = Tiers()) -> Labels:
    """Return (words, phones) of a sound: those of the first table of its name that is there.

    It is looked for beside the sound, with its name or without ``_audio``, then in ``folder``.
    A TextGrid without a tier of phones has no phones.
    """
    stems = [sound.with_suffix(""), sound.parent / sound.stem.removesuffix(_SUFFIX), folder / name]
    paths = [stem.with_name(stem.name + ending) for stem in stems for ending in _TABLES]
    path = next((path for path in paths if path.exists() or path.is_symlink()), None)
    if path is None:
        return None, None
    more: dict[str, Any] = {} if tiers.silence is None else {"silence": tiers.silence}
    if path.suffix.lower() != ".textgrid":
        return read_labels(path, "word", **more), None
    with _said_of("word_tier"):
        words = read_labels(path, "word", tier=tiers.word, **more)
    with _said_of("phone_tier"):
        tier = tiers.phone or find_tier(textgrid_tiers(path), "phone", str(path))
        phones = None if tier is None else read_labels(path, "phone", tier=tier, **more)
    return words, phones


@contextmanager
def _said_of(parameter: str) -> Iterator[None]:
    """Name the parameter of this loader in what is said of ``tier=`` within."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except ValueError as error:
        raise ValueError(str(error).replace(" tier=", f" {parameter}=")) from error
    for warning in caught:
        warn_caller(str(warning.message).replace(" tier=", f" {parameter}="), warning.category)
