"""Which tier of a TextGrid holds the words, and which the phones, by their names."""

import re
from collections.abc import Sequence

from encodekit.core import unknown_name, warn_caller

_NAMES = {
    "word": ("word", "words", "wd", "wrd", "wrds", "ort", "ort-mau", "orthography", "tokens"),
    "phone": (
        "phone", "phones", "phn", "phon", "phoneme", "phonemes", "segment", "segments", "mau",
    ),
}  # fmt: skip
_BESIDE = {"word": {"word", "words"}, "phone": {"phone", "phones", "phoneme", "phonemes"}}
_PART = re.compile(r"[\s_./:|-]+")  # between a speaker's name and what the tier holds


def find_tier(names: Sequence[str], kind: str, where: str = "the TextGrid") -> str | None:
    """Return the tier that holds the words or phones, by its name; None where none is known.

    ``word`` and ``words`` (``phone`` and ``phones``) are taken silently, whatever their case.
    Names that aligners give are taken with a warning: ``ORT-MAU`` and ``MAU`` of WebMAUS,
    ``speaker - words`` of MFA, ``wrd``, ``phonemes``, ``segments``, and their like.

    Parameters
    ----------
    names : list of str
        The tiers of one file.
    kind : "word" or "phone"
    where : str
        The file, for messages.

    Raises
    ------
    ValueError
        Where several tiers may be meant, such as those of two speakers.

    Warns
    -----
    UserWarning
        Where the tier has another name than the kind; names the tier and ``tier=``.

    Examples
    --------
    >>> find_tier(["words", "phones"], "word")
    'words'
    >>> find_tier(["notes"], "word") is None
    True
    """
    if kind not in _NAMES:
        raise ValueError(unknown_name("kind", kind, _NAMES))
    exact = [name for name in names if name.strip().casefold() in (kind, f"{kind}s")]
    found = exact or [name for name in names if kind_of(name) == kind]
    if len(found) > 1:
        raise ValueError(
            f"{where} has {len(found)} tiers of {kind}s ({', '.join(map(repr, found))}): say which "
            "one with tier="
        )
    if not found:
        return None
    if not exact:
        warn_caller(
            f"{where}: tier {found[0]!r} is taken for the {kind}s, by its name: pass "
            f"tier={found[0]!r}, or another of {', '.join(map(repr, names))}",
            UserWarning,
        )
    return found[0]


def kind_of(name: str) -> str | None:
    """Return "word" or "phone" where a tier's name says so, alone or beside a speaker's name."""
    plain = name.strip().casefold()
    parts = [part for part in _PART.split(plain) if part]
    beside = {parts[0], parts[-1]} if len(parts) > 1 else set()
    for kind, known in _NAMES.items():
        if plain in known or not beside.isdisjoint(_BESIDE[kind]):
            return kind
    return None
