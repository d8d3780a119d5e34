"""scikit-learn's tools that would lose the runs, and what does the same by run."""

import sys
from types import FrameType

_AVERAGE = (
    "for an average of feature spaces use ek.StackedRidge on ek.FeatureSpaces([(name, extractor), "
    "...]), to choose among layers ek.LayerSelector"
)
_ALL_TARGETS = "ek.RidgeCV fits all targets at once, each with an alpha of its own"
_SPACES = "join feature spaces by ek.FeatureSpaces([(name, extractor), ...])"
_EQUIVALENTS = {
    "VotingRegressor": _AVERAGE,
    "StackingRegressor": _AVERAGE,
    "TransformedTargetRegressor": (
        "transform the responses before the fit, such as ek.RunScaler().fit_transform(responses), "
        "and score in the same units"
    ),
    "MultiOutputRegressor": _ALL_TARGETS,
    "RegressorChain": _ALL_TARGETS,
    "FeatureUnion": _SPACES,
    "ColumnTransformer": _SPACES,
    "SelectKBest": "choose features by bands: ek.FeatureSpaces with ek.BandedRidgeCV",
    "cross_val_predict": "use ek.cross_val_predict(estimator, X, y)",
    "permutation_test_score": (
        "use ek.permutation_test(y, model.predict(X)) on held-out runs, which permutes blocks of "
        "TRs within runs"
    ),
    "permutation_importance": (
        "use ek.variance_partition for what each feature space explains alone"
    ),
}


def lossy_tool() -> tuple[str, str] | None:
    """Return the outermost tool of scikit-learn's that called, and what to use in its place.

    Neither an argument nor an object tells such a call from an ordinary one, so the calling frames
    are looked at. The outermost counts: a StackingRegressor calls cross_val_predict.
    """
    found = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith("sklearn."):
            for name in (frame.f_code.co_name, type(frame.f_locals.get("self")).__name__):
                found = (name, _EQUIVALENTS[name]) if name in _EQUIVALENTS else found
        frame = frame.f_back
    return found
