"""Refusals of scikit-learn's tools that lose the runs without an error of their own."""

import sys
from types import FrameType

from encodekit.data._lossy_tools import lossy_tool

_SCORER = ("sklearn.metrics._scorer", "_score")


def refuse_lossy_callers() -> None:
    """Raise where labelled runs are about to be flattened or exchanged by scikit-learn.

    ``cross_val_predict`` puts the TRs of a list of runs in the place of the runs,
    ``permutation_test_score`` gives a run the response to another, and a metric of scikit-learn's
    pairs rows by position.

    Raises
    ------
    TypeError
        Naming the tool of encodekit's that does it by run.
    """
    found = lossy_tool()
    if found is not None:
        name, instead = found
        raise TypeError(f"scikit-learn's {name} loses the runs of labelled responses: {instead}")
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == _SCORER:
            _refuse_metric(frame)
        frame = frame.f_back


def _refuse_metric(frame: FrameType) -> None:
    metric = getattr(frame.f_locals.get("self"), "_score_func", None)
    if str(getattr(metric, "__module__", "")).startswith("sklearn."):
        raise TypeError(
            f"scoring={getattr(metric, '__name__', metric)!r} pairs rows by position and loses the "
            "runs of a labelled prediction: leave scoring=None (the estimator's own score), or "
            "use scoring=ek.r2_scorer or ek.correlation_scorer"
        )
