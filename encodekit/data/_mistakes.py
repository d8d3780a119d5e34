"""One message for all mistakes of one object."""

from collections.abc import Sequence


def refuse(subject: str, mistakes: Sequence[str]) -> None:
    """Raise one ``ValueError`` that names the ``subject`` and every mistake; none is fine."""
    if not mistakes:
        return
    if len(mistakes) == 1:
        raise ValueError(f"{subject}: {mistakes[0]}")
    listed = "".join(f"\n  - {mistake}" for mistake in mistakes)
    raise ValueError(f"{subject} has {len(mistakes)} mistakes:{listed}")
