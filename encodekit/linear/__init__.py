"""Ridge regression for encoding models: solvers on arrays, estimators that keep the labels."""

from encodekit.linear._band_shares import BandSearch
from encodekit.linear._banded import BandedRidgeCV
from encodekit.linear._cross_val import cross_val_predict
from encodekit.linear._fir import fir
from encodekit.linear._huth import huth_ridge
from encodekit.linear._layers import LayerSelector
from encodekit.linear._learning_curve import learning_curve
from encodekit.linear._partition import variance_partition
from encodekit.linear._regressor import LinearRegressor, Weights
from encodekit.linear._ridge import DEFAULT_ALPHAS, RidgeCV
from encodekit.linear._scorers import correlation_scorer, r2_scorer
from encodekit.linear._splitters import RandomChunks, TrimmedKFold
from encodekit.linear._stacked import StackedRidge

__all__ = [
    "DEFAULT_ALPHAS",
    "BandSearch",
    "BandedRidgeCV",
    "LayerSelector",
    "LinearRegressor",
    "RandomChunks",
    "RidgeCV",
    "StackedRidge",
    "TrimmedKFold",
    "Weights",
    "correlation_scorer",
    "cross_val_predict",
    "fir",
    "huth_ridge",
    "learning_curve",
    "r2_scorer",
    "variance_partition",
]
