"""The one check that runs have names of their own."""

from collections import Counter
from collections.abc import Iterable

from encodekit.core import refuse


def check_run_names(names: Iterable[object], subject: str) -> None:
    """Raise where runs of the ``subject`` share a name: rows are joined by it.

    Raises
    ------
    ValueError
        With every name that comes more than once.

    Examples
    --------
    >>> check_run_names(["story-1", "story-2"], "study 'two'")
    """
    counts = Counter(map(str, names))
    refuse(
        subject,
        [
            f"{count} runs have the name {run!r}: pass each run once, and name a second hearing by "
            "run=, as in Stimulus(name, run=...)"
            for run, count in sorted(counts.items())
            if count > 1
        ],
    )
