"""LeBel et al. 2023, OpenNeuro ds003020 v3.1.0 (CC0): who heard what, and when."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from encodekit.core import refuse, unknown_name

T_R = 2.0  # s; 2.0045 in the authors' code stands in for missed triggers alone
SOUND_STARTS = 10.0  # s after the first TR
GRID_LACKS = 5  # TRs at the end of a scan that no grid of the authors' holds
TRIMMED = (10, 5)  # rows that the preprocessed files lack at the start and the end of that grid
FIRST_ONSET = TRIMMED[0] * T_R - SOUND_STARTS  # s of audio, of row 0
TEST_STORY = "wheretheressmoke"
DESCRIPTION = (
    "LeBel et al. 2023, Sci Data 10, 555 (OpenNeuro ds003020, CC0), as preprocessed by the "
    "authors, in native voxels.\n"
    f"  timing: TR {T_R:g} s; the sound starts {SOUND_STARTS:g} s after the first TR; of a scan "
    f"the files lack the first {TRIMMED[0]} and the last {GRID_LACKS + TRIMMED[1]} TRs, so row 0 "
    f"begins at {FIRST_ONSET:g} s of audio and is sampled half a TR later.\n"
    f"  test story: {TEST_STORY}, 291 TRs, heard 10 times by UTS01-03, 5 times by the others.\n"
    "  oddities: UTS02 was scanned at another site; UTS04 lacks life; UTS09 joined in version 3 "
    "(54 stories, lacks fromboyhoodtofatherhood). Words are in lower case here."
)
_HEADER = 2048  # bytes of an hf5 file beside its arrays
_SECOND_ARRAY = 120  # more of them in the test story's file, but not in UTS09's


@cache
def _table() -> dict[str, Any]:
    path = Path(__file__).with_name("lebel2023.json")
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def scanned_trs() -> dict[str, int]:
    """Return the TRs of the scan of each story, as in the data set's respdict.json."""
    return {story: n for group in _table()["scanned_trs"].values() for story, n in group.items()}


def n_rows(story: str) -> int:
    """Return the rows of a story's preprocessed responses."""
    return scanned_trs()[story] - GRID_LACKS - sum(TRIMMED)


def participants() -> list[str]:
    """Return the names of the participants."""
    return list(_table()["n_voxels"])


def n_repeats(participant: str) -> int:
    """Return how often a participant heard the test story."""
    return 10 if participant in ("UTS01", "UTS02", "UTS03") else 5


def stories_of(participant: str) -> list[str]:
    """Return the stories that a participant heard."""
    groups = {name: list(group) for name, group in _table()["scanned_trs"].items()}
    if participant in ("UTS01", "UTS02", "UTS03"):
        return [story for group in groups.values() for story in group]
    if participant == "UTS09":
        both = groups["first_sessions"] + groups["also_uts09"]
        return [story for story in both if story != "fromboyhoodtofatherhood"]
    return [s for s in groups["first_sessions"] if participant != "UTS04" or s != "life"]


def hf5_bytes(participant: str, story: str) -> int:
    """Return the exact size of a preprocessed file: its arrays (float64) and a header."""
    tested = story == TEST_STORY
    presentations = n_repeats(participant) + 1 if tested else 1
    n_values = presentations * n_rows(story) * int(_table()["n_voxels"][participant])
    return n_values * 8 + _HEADER + (_SECOND_ARRAY if tested and participant != "UTS09" else 0)


def chosen(
    people: list[str] | None, stories: list[str] | None
) -> tuple[dict[str, list[str]], list[str]]:
    """Return (participant -> their stories, all stories) of what is asked for.

    Raises
    ------
    ValueError
        For unknown names, and where nobody heard a story that is asked for.
    """
    known = scanned_trs()
    mistakes = [
        unknown_name("participant", name, participants())
        for name in people or []
        if name not in participants()
    ]
    mistakes += [unknown_name("story", name, known) for name in stories or [] if name not in known]
    refuse("lebel2023", mistakes)
    heard = {
        person: [story for story in stories_of(person) if stories is None or story in stories]
        for person in (participants() if people is None else people)
    }
    refuse(
        "lebel2023",
        [
            f"{person} heard none of {', '.join(stories or [])}: leave them out"
            for person, theirs in heard.items()
            if not theirs
        ],
    )
    everything = [story for story in known if any(story in theirs for theirs in heard.values())]
    nobody = [story for story in stories or [] if story not in everything]
    refuse("lebel2023", [f"none of {', '.join(heard)} heard {story!r}" for story in nobody])
    return heard, everything
