"""Scores per target, and what the noise in the responses leaves to be found."""

from encodekit.scoring._ceiling import noise_ceiling
from encodekit.scoring._compare import compare_models
from encodekit.scoring._correlation import correlation
from encodekit.scoring._data_to_reach import data_to_reach
from encodekit.scoring._generalization_grid import generalization_grid
from encodekit.scoring._group_mean import group_mean
from encodekit.scoring._normalise import normalise
from encodekit.scoring._nulls import BlockNull, PhaseNull, ProductNull, ShiftNull, SignNull
from encodekit.scoring._plan import plan
from encodekit.scoring._r2 import r2
from encodekit.scoring._significance import permutation_test
from encodekit.scoring._wrong_stimulus import wrong_stimulus_test

__all__ = [
    "BlockNull",
    "PhaseNull",
    "ProductNull",
    "ShiftNull",
    "SignNull",
    "compare_models",
    "correlation",
    "data_to_reach",
    "generalization_grid",
    "group_mean",
    "noise_ceiling",
    "normalise",
    "permutation_test",
    "plan",
    "r2",
    "wrong_stimulus_test",
]
