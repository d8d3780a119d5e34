"""Warnings at the line of the user that called for them."""

import sys
import warnings

# what lies between that line and the place that warns
_INSIDE = ("encodekit", "encodekit_brain_tuning", "encodekit_adapters", "joblib", "sklearn")


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called encodekit, through pipelines of scikit-learn too."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_inside(module: str) -> bool:
    return module.partition(".")[0] in _INSIDE
