"""The audit: every decision beside the data that made it, and whether test data did."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from encodekit.data import is_same_sound
from encodekit.reports._decisions import Decision

if TYPE_CHECKING:
    from encodekit.reports._result import Result

OK, UNKNOWN, TEST = "ok", "unknown", "TEST DATA"


def audit(result: "Result") -> pd.DataFrame:
    """Return one row per decision: what, value, how, the runs and people behind it, and a verdict.

    ``verdict`` is "TEST DATA" where a decision was chosen or fitted on what is scored (by the
    content of the audio, whatever its name), or taken after scores were there; "unknown" where it
    is not recorded what it was chosen on; else "ok". A noise ceiling divides by the test data's
    own noise and chooses nothing, which is as it should be.

    Parameters
    ----------
    result : Result

    Returns
    -------
    DataFrame
        Columns ``what``, ``value``, ``how``, ``runs``, ``participants``, ``verdict``, ``why``.
    """
    test = dict(result.provenance.get("test", {}).get("stimuli", {}))
    rows = [_row(decision, test) for decision in result.decisions]
    columns = ["what", "value", "how", "runs", "participants", "verdict", "why"]
    return pd.DataFrame(rows, columns=columns)


def _row(decision: Decision, test: Mapping[str, str]) -> dict[str, str]:
    verdict, why = _judged(decision, test)
    runs = "not recorded" if decision.stimuli is None else _some(list(decision.stimuli))
    return {
        "what": decision.what,
        "value": decision.value,
        "how": decision.how,
        "runs": runs or "none",
        "participants": _some(list(decision.participants)) or "nobody",
        "verdict": verdict,
        "why": why,
    }


def _judged(decision: Decision, test: Mapping[str, str]) -> tuple[str, str]:
    if decision.after_scores:
        return TEST, "taken after the scores were there"
    if decision.role == "set":
        return OK, "set before there were scores"
    if decision.role == "divisor":
        return OK, "divides the scores, chooses nothing"
    if decision.stimuli is None:
        return UNKNOWN, "the model does not know its runs: pass fit= to evaluate"
    shared = [
        run
        for run, sha in decision.stimuli.items()
        if any(is_same_sound(sha, scored) for scored in test.values())
    ]
    if shared:
        return TEST, f"{_some(shared)} is scored too"
    return OK, "nothing that is scored"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")
