"""Refusals of scikit-learn's tools that lose the runs without an error of their own."""

import sys
from types import FrameType

_CROSS_VAL_PREDICT = ("sklearn.model_selection._validation", "_fit_and_predict")
_SCORER = ("sklearn.metrics._scorer", "_score")


def refuse_lossy_callers() -> None:
    """Raise where a labelled prediction is about to be flattened by scikit-learn.

    ``cross_val_predict`` puts the TRs of a list of runs in the place of the runs, and a metric of
    scikit-learn's pairs rows by position: both return numbers that look right. Neither can be told
    from an ordinary call by its arguments, so the calling frames are looked at.

    Raises
    ------
    TypeError
        Naming the tool of encodekit's that does it by run.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        place = (frame.f_globals.get("__name__"), frame.f_code.co_name)
        if place == _CROSS_VAL_PREDICT:
            raise TypeError(
                "scikit-learn's cross_val_predict loses the runs of a labelled prediction: use "
                "ek.cross_val_predict(estimator, X, y)"
            )
        if place == _SCORER:
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
