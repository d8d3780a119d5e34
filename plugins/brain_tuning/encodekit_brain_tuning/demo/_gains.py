"""What the demo's result holds: scores of held-out people by model and area, and differences."""

from typing import Any

import pandas as pd

import encodekit as ek
from encodekit.reports import t_interval

REFERENCE, TUNED, CONTROL = "pretrained", "multi-tuned", "shuffled-tuned"


def rows_of(result: ek.Result, area: str) -> pd.DataFrame:
    """Return the rows of the table of scores of one area."""
    table = result.tables["scores"]
    return table[table["area"] == area]


def means_of(result: ek.Result, area: str) -> pd.Series:
    """Return each model's mean normalised score over held-out people in one area."""
    return rows_of(result, area).groupby("model", sort=False)["score"].mean()


def splits(result: ek.Result) -> dict[str, list[str]]:
    """Return which stories did what, and who was tuned on and who was held out."""
    steps = [step for of in result.provenance["models"].values() for step in of]
    tuned = [who for step in steps for who in step.get("tuned_participants", ())]
    return {
        **result.provenance["experiment"]["split"],
        "tuned": list(dict.fromkeys(tuned)),
        "held out": list(result.provenance["test"]["participants"]),
    }


def gains(result: ek.Result, model: str, area: str, reference: str = REFERENCE) -> pd.Series:
    """Return each held-out participant's score with ``model`` minus that with ``reference``."""
    wide = rows_of(result, area).pivot(index="participant", columns="model", values="score")
    return wide[model] - wide[reference]


def verdict(gain: Any) -> str:
    """Return what differences (participant,) say; a 95 % t interval with zero in it says little.

    >>> verdict([0.10, 0.12, 0.11]), verdict([0.10, -0.12, 0.11]), verdict([-0.1, -0.12, -0.11])
    ('better than', 'not shown to differ from', 'worse than')
    """
    interval = t_interval(gain, 0.95)
    if interval.low > 0:
        return "better than"
    return "worse than" if interval.high < 0 else "not shown to differ from"
