"""Which runs were heard before, by the content of their audio."""

from collections.abc import Iterable

from encodekit.data._stimulus import Stimulus

_CLOSE = 1e-6  # s


def is_same_sound(mine: str, theirs: str) -> bool:
    """Tell whether two hashes of what was heard (`Stimulus.heard_hash`) overlap.

    They do if their audio is the same; segments of one audio do where less than the larger of
    their gaps lies between them.
    """
    (audio, *when), (other, *elsewhere) = mine.split(), theirs.split()
    if audio != other or not (when and elsewhere):
        return audio == other
    (start, stop, gap), (begin, end, other_gap) = map(float, when), map(float, elsewhere)
    return max(start - end, begin - stop) < max(gap, other_gap) - _CLOSE


def runs_heard_in(stimuli: Iterable[Stimulus], known: Iterable[str]) -> list[str]:
    """Return the runs among ``stimuli`` that overlap with one of ``known`` (hashes)."""
    hashes = list(known)
    return [
        stimulus.run_name
        for stimulus in stimuli
        if any(is_same_sound(stimulus.heard_hash, one) for one in hashes)
    ]
