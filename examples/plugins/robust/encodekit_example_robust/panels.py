"""The panel: whose targets score far from the others."""

from typing import Any

import numpy as np
import pandas as pd

from encodekit.reports import Result, Section, Table

FAR = 3.5  # of the modified z-score (Iglewicz & Hoaglin 1993)


def outliers(result: Result) -> Section | None:
    """Return a table of how many scores of each participant lie far from the others.

    Far is a modified z-score above 3.5: 0.6745 times the distance from the participant's median,
    over the median of these distances. None where targets belong to nobody.
    """
    scores = result.scores
    if "participant" not in scores.coords:
        return None
    people = scores.coords["participant"].values
    rows = [
        {"participant": person, **_counted(scores.values[..., people == person])}
        for person in dict.fromkeys(people.tolist())
    ]
    return Section(
        "Outliers",
        "Targets whose score lies far from their participant's median: look at their responses "
        "before they are averaged.",
        tables=[Table(pd.DataFrame(rows), caption="Scores of all models, by participant.")],
    )


def _counted(scores: np.ndarray) -> dict[str, Any]:
    there = scores[np.isfinite(scores)]
    distance = np.abs(there - np.median(there)) if there.size else there
    spread = np.median(distance) if there.size else 0.0
    far = 0.6745 * distance > FAR * spread
    return {"scores": there.size, "far": int(far.sum()) if spread > 0 else 0}
