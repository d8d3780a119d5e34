"""Whether parts of a study share what was heard."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from encodekit.core import refuse
from encodekit.data._same_sound import is_same_sound
from encodekit.data._stimulus import Stimulus


def check_disjoint(parts: Mapping[str, Sequence[Stimulus]]) -> None:
    """Raise where two parts, of one study or of several, share what was heard.

    Two stimuli are the same if their names are, or their audio (by content, whatever its name).
    Segments of one audio (see `Study.segment`) are disjoint if at least their ``gap`` lies
    between the TRs of one and the TRs of the other.

    Parameters
    ----------
    parts : mapping of str to list of Stimulus
        Such as ``{"tune": tune.stimuli, "test": other_study.stimuli}``.

    Raises
    ------
    ValueError
        With every pair of stimuli that overlaps.
    """
    mistakes = [
        f"{mine.run_name!r} ({left}) and {theirs.run_name!r} ({right}) {why}: put them into one "
        "part, or leave one out"
        for left, right in combinations(parts, 2)
        for mine, theirs, why in _overlaps(parts[left], parts[right])
    ]
    refuse("parts that must not overlap", mistakes)


def _overlaps(
    left: Sequence[Stimulus], right: Sequence[Stimulus]
) -> Iterator[tuple[Stimulus, Stimulus, str]]:
    for mine in left:
        for theirs in right:
            if mine.name == theirs.name:
                yield mine, theirs, f"are the same stimulus {mine.name!r}"
            elif _overlap(mine, theirs):
                yield mine, theirs, _how(mine, theirs)


def _how(mine: Stimulus, theirs: Stimulus) -> str:
    if mine.gap is None or theirs.gap is None:
        return "have the same audio" if mine.audio is not None else "have the same words"
    return f"are less than {max(mine.gap, theirs.gap):g} s apart in the same audio"


def _overlap(mine: Stimulus, theirs: Stimulus) -> bool:
    if mine is theirs:
        return True
    lengths = [(item.audio_duration, item.sampling_rate) for item in (mine, theirs)]
    return lengths[0] == lengths[1] and is_same_sound(mine.heard_hash, theirs.heard_hash)
