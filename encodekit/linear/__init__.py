"""Ridge regression for encoding models: solvers on arrays, estimators that keep the labels."""

from encodekit.linear._banded import BandedRidgeCV
from encodekit.linear._cross_val import cross_val_predict
from encodekit.linear._fir import fir
from encodekit.linear._layers import LayerSelector
from encodekit.linear._partition import variance_partition
from encodekit.linear._ridge import RidgeCV
from encodekit.linear._scorers import correlation_scorer, r2_scorer
from encodekit.linear._stacked import StackedRidge

__all__ = [
    "BandedRidgeCV",
    "LayerSelector",
    "RidgeCV",
    "StackedRidge",
    "correlation_scorer",
    "cross_val_predict",
    "fir",
    "r2_scorer",
    "variance_partition",
]
