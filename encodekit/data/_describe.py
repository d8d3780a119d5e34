"""A study in a few lines: what is there and what is lacking."""

from collections import Counter

import pandas as pd

from encodekit.data._not_words import looks_like_mark
from encodekit.data._study_contents import StudyContents
from encodekit.data._timing import NEARLY, ONSET, say_seconds

_SHOWN = 8  # labels


def describe(study: StudyContents) -> str:
    """Return what a study has, participant by participant."""
    lines = [
        f"{study.name}: {len(study.participants)} participants, {len(study.runs)} runs "
        f"({study.minutes:.1f} min), TR {say_seconds(study.t_rs)}"
    ]
    if study.description:
        lines.append(study.description)
    lines += [_heard(study), *_marks(study), _onsets(study)]
    lines += [_participant(study, participant) for participant in study.participants]
    return "\n".join(lines)


def _heard(study: StudyContents) -> str:
    names = list(dict.fromkeys(stimulus.name for stimulus in study.stimuli))
    n_words = sum(len(table) for table in _tables(study))
    shown = ", ".join(names[:4]) + (f", ... {names[-1]}" if len(names) > 5 else "")
    shown = ", ".join(names) if len(names) == 5 else shown
    return f"  heard: {shown}" + (f" ({n_words:,} words)" if n_words else "")


def _tables(study: StudyContents) -> list[pd.DataFrame]:
    """Return the tables of words, each once, however many runs share it."""
    return list({id(s.words): s.words for s in study.stimuli if s.words is not None}.values())


def _marks(study: StudyContents) -> list[str]:
    """Say which labels were left out as no words, and which were kept but may be none."""
    left_out: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for table in _tables(study):
        left_out.update(table.attrs.get("left_out", {}))
        kept.update(label for label in table["word"] if looks_like_mark(label))
    told = [("left out as no words", left_out), ("kept as words, but they may be none", kept)]
    return [f"  {what}: {_counts(counter)}" for what, counter in told if counter]


def _counts(counter: Counter[str]) -> str:
    listed = [f"{label!r} {count:,}" for label, count in counter.most_common(_SHOWN)]
    more = len(counter) - len(listed)
    return ", ".join(listed) + (f" and {more} other labels" if more else "")


def _onsets(study: StudyContents) -> str:
    """Say when the runs begin, relative to their sound: responses to an onset are not to speech."""
    after = [round(float(s.grid[0]) - s.sound_onset, 1) + 0.0 for s in study.stimuli]  # no -0
    first, last = min(after), max(after)
    when = f"{first:g} s" if first == last else f"{first:g} to {last:g} s"
    advice = " (study.trim() leaves out the first 20 s)" if first < ONSET - NEARLY else ""
    return f"  first TR: {when} after the sound begins{advice}"


def _participant(study: StudyContents, participant: str) -> str:
    runs = study.responses[participant]
    n_targets = study.targets[participant]["target"].size
    parts = [f"{n_targets:,} targets", f"{len(runs)} runs"]
    repeats = {run: array.sizes["repeat"] for run, array in runs.items()}
    repeated = [run for run, count in repeats.items() if count > 1]
    if repeated:
        counts = sorted({repeats[run] for run in repeated})
        parts.append(f"{len(repeated)} of them heard {' or '.join(map(str, counts))} times")
    lacking = [run for run in study.runs if run not in runs]
    if lacking:
        parts.append(f"lacks {', '.join(lacking)}")
    length = {stimulus.run_name: stimulus.n_trs for stimulus in study.stimuli}
    parts += [
        f"{array.sizes['time']} of {length[run]} TRs in {run}"
        for run, array in runs.items()
        if array.sizes["time"] < length[run]
    ]
    return f"  {participant}: " + ", ".join(parts)
