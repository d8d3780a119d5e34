"""One long stimulus from several short ones, with the words and phones where they then are."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encodekit.core import refuse
from encodekit.data._stimulus import Stimulus


def join_stimuli(
    stimuli: Sequence[Stimulus],
    name: str,
    *,
    gap: float = 0.5,
    t_r: float | None = None,
    run: str | None = None,
) -> Stimulus:
    """Return one stimulus in which the given ones are heard one after the other.

    Clips of some seconds become a story: delays and haemodynamics then have a past to look at.

    Parameters
    ----------
    stimuli : sequence of Stimulus
        With audio, all at one sampling rate, or all without, each with a duration. All have words,
        or none has; the same goes for phones. Columns beside word, onset and duration are kept.
    name : str
        Of the joint stimulus.
    gap : float
        Seconds of silence between two stimuli.
    t_r : float, optional
        Repetition time of the joint stimulus, s. The grids of the parts are not kept.
    run : str, optional
        Its run; ``name`` if not given.

    Raises
    ------
    ValueError
        With every mistake: nothing to join, segments of longer runs, other sampling rates, audio
        or tables that only some have.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> words = pd.DataFrame({"word": ["hello"], "onset": [0.5], "duration": [0.3]})
    >>> clips = [Stimulus(n, np.zeros(16000, "float32"), 16000, words=words) for n in ("a", "b")]
    >>> story = join_stimuli(clips, "story-1", gap=0.5, t_r=2.0)
    >>> story.audio_duration, story.words["onset"].tolist()
    (2.5, [0.5, 2.0])
    """
    refuse(f"join_stimuli, {name!r}", _mistakes(stimuli, gap))
    rates = [item.sampling_rate for item in stimuli]
    audio, starts, duration = None, [0.0], None
    if stimuli[0].audio is not None and rates[0] is not None:
        audio, starts = _one_sound(stimuli, rates[0], gap)
    else:
        lengths = [float(item.duration or 0.0) for item in stimuli]
        starts = [0.0, *accumulate(length + gap for length in lengths[:-1])]
        duration = starts[-1] + lengths[-1]
    return Stimulus(
        name,
        audio,
        rates[0],
        words=_one_table([item.words for item in stimuli], starts),
        phones=_one_table([item.phones for item in stimuli], starts),
        t_r=t_r,
        duration=duration,
        run=run,
    )


def _mistakes(stimuli: Sequence[Stimulus], gap: float) -> list[str]:
    if not stimuli:
        return ["there is nothing to join: pass one Stimulus or more"]
    return [*_sound_mistakes(stimuli, gap), *_table_mistakes(stimuli)]


def _sound_mistakes(stimuli: Sequence[Stimulus], gap: float) -> list[str]:
    mistakes = [] if gap >= 0 else [f"gap is {gap} s, expected 0 or more"]
    cut = [item.run_name for item in stimuli if item.gap is not None]
    if cut:
        mistakes.append(
            f"run {cut[0]!r} is a segment of a longer run, and has all of its audio: join the "
            "whole runs"
        )
    rates = sorted({str(item.sampling_rate) for item in stimuli if item.audio is not None})
    if len(rates) > 1:
        mistakes.append(
            f"the sampling rates are {', '.join(rates)} Hz: bring all to one, "
            "Stimulus(name, stimulus.load_audio(16000), 16000)"
        )
    silent = [item.run_name for item in stimuli if item.audio is None and item.duration is None]
    if silent:
        mistakes.append(f"run {silent[0]!r} has neither audio nor a duration: pass duration=")
    return mistakes


def _table_mistakes(stimuli: Sequence[Stimulus]) -> list[str]:
    mistakes = []
    for what in ("audio", "words", "phones"):
        lacking = [item.run_name for item in stimuli if getattr(item, what) is None]
        if lacking and len(lacking) < len(stimuli):
            mistakes.append(
                f"{len(lacking)} of {len(stimuli)} stimuli have no {what}, the first is "
                f"{lacking[0]!r}: give it to all or to none"
            )
    for what in ("words", "phones"):
        tables = {item.run_name: getattr(item, what) for item in stimuli}
        given = {run: sorted(map(str, table)) for run, table in tables.items() if table is not None}
        first, *others = given or [""]
        other = next((run for run in others if given[run] != given[first]), None)
        if other is not None:
            mistakes.append(
                f"{what} have other columns: {first!r} has {given[first]}, {other!r} has "
                f"{given[other]}: give all the same"
            )
    return mistakes


def _one_sound(
    stimuli: Sequence[Stimulus], rate: int, gap: float
) -> tuple[NDArray[np.float32], list[float]]:
    """Return the samples, and when each stimulus begins in them, s."""
    sounds = [item.load_audio() for item in stimuli]
    steps = [sound.size + round(gap * rate) for sound in sounds]
    starts = [0, *accumulate(steps[:-1])]
    joint = np.zeros(starts[-1] + sounds[-1].size, dtype=np.float32)
    for start, sound in zip(starts, sounds, strict=True):
        joint[start : start + sound.size] = sound
    return joint, [start / rate for start in starts]


def _one_table(tables: Sequence[pd.DataFrame | None], starts: list[float]) -> pd.DataFrame | None:
    given = [table for table in tables if table is not None]
    if not given:
        return None
    later = [
        table.assign(onset=table["onset"] + start)
        for table, start in zip(given, starts, strict=True)
    ]
    return pd.concat(later, ignore_index=True)
