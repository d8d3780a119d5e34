"""Losses between predicted and true fMRI, one a file; ``_base`` says what a loss is."""

from encodekit_brain_tuning.losses._base import (
    Loss,
    counts_values,
    joint_equals_mean,
    loss_at,
    resolve_loss,
)
from encodekit_brain_tuning.losses._correlation import correlation
from encodekit_brain_tuning.losses._cosine_l2 import cosine_l2
from encodekit_brain_tuning.losses._huber_cosine import huber_cosine
from encodekit_brain_tuning.losses._hybrid import Hybrid
from encodekit_brain_tuning.losses._l2 import l2
from encodekit_brain_tuning.losses._temporal_correlation import temporal_correlation

__all__ = [
    "Hybrid",
    "Loss",
    "correlation",
    "cosine_l2",
    "counts_values",
    "huber_cosine",
    "joint_equals_mean",
    "l2",
    "loss_at",
    "resolve_loss",
    "temporal_correlation",
]
