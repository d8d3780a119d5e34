"""Messages that every room shares: an unknown name with its close matches, a list of mistakes."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def unknown_name(kind: str, name: object, known: Iterable[object]) -> str:
    """Return the message for a ``name`` that is not among the ``known`` names of a ``kind``."""
    names = [str(item) for item in known]
    by_case = {item.lower(): item for item in names}
    close = [by_case[item] for item in get_close_matches(str(name).lower(), by_case, n=3)]
    if close:
        hint = "did you mean " + " or ".join(repr(item) for item in close) + "?"
    elif names:
        shown = ", ".join(repr(item) for item in names[:8])
        hint = f"known: {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    else:
        hint = "none is known"
    return f"unknown {kind} {str(name)!r}: {hint}"


def refuse(subject: str, mistakes: Sequence[str]) -> None:
    """Raise one ``ValueError`` that names the ``subject`` and every mistake; none is fine."""
    if not mistakes:
        return
    if len(mistakes) == 1:
        raise ValueError(f"{subject}: {mistakes[0]}")
    listed = "".join(f"\n  - {mistake}" for mistake in mistakes)
    raise ValueError(f"{subject} has {len(mistakes)} mistakes:{listed}")
