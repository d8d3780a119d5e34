"""What a tuned model is held against: other targets, fMRI of other stories, untrained weights."""

from encodekit_brain_tuning.baselines._shuffles import (
    CONTROLS,
    randomise_phases,
    shift_circularly,
    shuffle_blocks,
)
from encodekit_brain_tuning.baselines._targets import (
    acoustic_targets,
    feature_targets,
    language_model_targets,
)
from encodekit_brain_tuning.baselines._untrained import untrained_backbone

__all__ = [
    "CONTROLS",
    "acoustic_targets",
    "feature_targets",
    "language_model_targets",
    "randomise_phases",
    "shift_circularly",
    "shuffle_blocks",
    "untrained_backbone",
]
