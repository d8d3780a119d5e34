"""Heads, one a file; ``_base`` says what a head is."""

from encodekit_brain_tuning.heads._base import Head, HeadModule, reduced_rank
from encodekit_brain_tuning.heads._bottleneck import BottleneckHead
from encodekit_brain_tuning.heads._individual import IndividualHead, IndividualHeadModule
from encodekit_brain_tuning.heads._low_rank import LowRankHead
from encodekit_brain_tuning.heads._mlp import MlpHead
from encodekit_brain_tuning.heads._shared import SharedHead, SharedHeadModule
from encodekit_brain_tuning.heads._unseen import UnseenHead

__all__ = [
    "BottleneckHead",
    "Head",
    "HeadModule",
    "IndividualHead",
    "IndividualHeadModule",
    "LowRankHead",
    "MlpHead",
    "SharedHead",
    "SharedHeadModule",
    "UnseenHead",
    "reduced_rank",
]
