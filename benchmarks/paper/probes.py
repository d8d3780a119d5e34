"""What linear probes read from features: words, digits, speakers, phones and topics.

Real recordings first: the frequent words of LibriSpeech (times by a machine transcript), digits of
the Free Spoken Digit Dataset (CC BY-SA 4.0) by left-out speakers, and who speaks them; then phones
and topics of a cohort's own synthetic stories, which no tuning heard.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arms import Cohort
from worlds import clips_of

from encodekit.data import Stimulus
from encodekit.simulation import VOCABULARY
from encodekit_brain_tuning import LabelledAudio, phone_labels, probe, word_labels

FREQUENT = 25  # times that a word of LibriSpeech is spoken, at least
TAKES = 8  # of each digit and speaker
PHONE_WORDS = 5  # words that a phone is in, at least: a fold must not test what no other has
TOPICS = {item.word: item.topic for item in VOCABULARY}
Task = tuple[LabelledAudio, Any]  # and what is held out


@cache
def recorded(data: Path) -> dict[str, Task]:
    """Return the tasks on recorded speech of a folder with ``librispeech`` and ``fsdd``."""
    clips = [_plain(clip) for clip in clips_of(data / "librispeech")]
    counts = pd.concat([clip.words["word"] for clip in clips]).value_counts()
    frequent = {word: word for word in counts[counts >= FREQUENT].index if word}
    speakers = {clip.run_name: clip.name.partition("-")[0] for clip in clips}
    takes = [p for p in sorted((data / "fsdd").rglob("*.wav")) if int(p.stem.split("_")[2]) < TAKES]
    digit, speaker, take = zip(*(path.stem.split("_") for path in takes), strict=True)
    spoken = [Stimulus(path.stem, path, t_r=2.0) for path in takes]
    digits = LabelledAudio.of_clips(spoken, digit, speaker)
    who = LabelledAudio.of_clips(spoken, speaker, take)  # other takes are held out
    return {
        "words of LibriSpeech": (word_labels(clips, speakers, frequent), "speaker"),
        "digits": (digits, "speaker"),
        "speakers of digits": (who, "speaker"),
    }


def _plain(clip: Stimulus) -> Stimulus:
    """Return a clip with its words in lower case, without punctuation."""
    words = clip.words.assign(word=clip.words["word"].str.lower().str.strip(".,;:!?\"'-"))
    return replace(clip, words=words)


def synthetic(cohort: Cohort) -> dict[str, Task]:
    """Return the tasks on the stories of a cohort that fit and test, every second one."""
    stimuli = [*cohort.parts.fit.stimuli, *cohort.parts.test.stimuli][::2]
    phones = phone_labels(stimuli)
    each = phones.table.explode("labels")
    counts = each.groupby("labels")["word"].nunique()
    common = set(counts[counts >= PHONE_WORDS].index)
    labels = phones.table["labels"].map(lambda some: tuple(p for p in some if p in common))
    table = phones.table.assign(labels=labels)
    known = LabelledAudio(phones.stimuli, table[labels.map(len) > 0])
    return {
        "phones of a synthetic word": (known, "speaker"),
        "topic of a new synthetic word": (
            word_labels(stimuli, classes=TOPICS), ("speaker", "word")
        ),
    }  # fmt: skip


def probed(extractor: Any, cohort: Cohort, data: Path) -> dict[str, dict[str, Any]]:
    """Return, per task, F1 of each layer (the mean over folds) and of guessing."""
    found = {}
    own = synthetic(cohort) if cohort.world.backbone == "tiny" else {}
    for task, (labelled, held) in {**recorded(data), **own}.items():
        table = probe({"model": extractor}, labelled, hold_out=held)
        by_layer = table.groupby("layer")["f1"].mean().sort_index()
        found[task] = {
            "f1": list(np.round(by_layer, 5)),
            "chance": round(float(table["chance"].mean()), 5),
        }
    return found
