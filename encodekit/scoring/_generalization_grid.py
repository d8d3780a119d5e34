"""Scores where tuning had seen the participant, the story, both, or neither."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from sklearn.base import clone

from encodekit.data import Study
from encodekit.scoring._participant_scores import by_participant, score_on

WORDS = ("unseen", "seen")


def generalization_grid(
    model: Any,
    study: Study,
    *,
    fit: Iterable[str],
    seen_stories: Iterable[str],
    unseen_stories: Iterable[str],
    seen_participants: Iterable[str],
) -> pd.DataFrame:
    """Score one pipeline on people and stories that its features were tuned on, or were not.

    The ridge is fitted on stories that nobody was tuned on, for every participant alike; so what
    differs between the four cells is what tuning had seen. Compare each cell with the same cell
    of untuned features: stories differ in how well anything predicts them.

    Parameters
    ----------
    model : pipeline
        With frozen features: its ``fit`` fits the ridge. Cloned.
    study : Study
    fit, seen_stories, unseen_stories : names
        Disjoint by content. Seen stories tuned the features, the others did not. Each story must
        have been heard as often as the others.
    seen_participants : names
        Those whose fMRI tuned the features; all others of the study are unseen.

    Returns
    -------
    DataFrame
        One row per participant and set of stories: ``participant``, ``participants`` and
        ``stories`` ("seen" or "unseen"), ``score``.

    Raises
    ------
    ValueError
        If stories overlap, a participant is unknown, nobody is unseen, or stories were heard
        with other numbers of repeats.
    """
    parts = study.split(fit=fit, seen=seen_stories, unseen=unseen_stories)
    tuned = set(study.select(participants=list(seen_participants)).participants)
    if tuned == set(study.participants):
        raise ValueError(
            "generalization_grid: every participant was tuned on: nobody is left to be unseen"
        )
    _check_repeats(parts)
    fitted = clone(model).fit(parts.fit.stimuli, parts.fit.responses())
    rows = []
    for stories in WORDS:
        of_each = by_participant(score_on(fitted, getattr(parts, stories)))
        rows += [
            {
                "participant": who,
                "participants": WORDS[who in tuned],
                "stories": stories,
                "score": score,
            }
            for who, score in of_each.items()
        ]
    return pd.DataFrame(rows)


def _check_repeats(parts: Any) -> None:
    counts = {
        name: sorted({int(n) for run in getattr(parts, name).responses() for n in
                      run.coords["n_repeats"].values} - {0})
        for name in WORDS
    }  # fmt: skip
    if counts["seen"] != counts["unseen"]:
        raise ValueError(
            f"generalization_grid: seen stories are means of {counts['seen']} repeats and unseen "
            f"ones of {counts['unseen']}: their noise differs; take stories heard equally often"
        )
