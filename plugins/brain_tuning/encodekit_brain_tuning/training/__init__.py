"""How a model is tuned: what is trained, on which clips in which steps, and what is kept."""

from encodekit_brain_tuning.training._alignment import Alignment, RunningAlignment
from encodekit_brain_tuning.training._clips import (
    Batch,
    EqualLengthBatches,
    TuningClips,
    to_device,
)
from encodekit_brain_tuning.training._keep import (
    RevertedToPretrainedWarning,
    resolve_keep,
    reverted,
    say_gain,
    say_kept,
    say_reverted,
)
from encodekit_brain_tuning.training._model import TuningModel, learnt
from encodekit_brain_tuning.training._objective import Objective, as_share, evaluating
from encodekit_brain_tuning.training._ridge_start import (
    Rows,
    best_alpha,
    collect_rows,
    start_head,
    weighted_ridge,
)
from encodekit_brain_tuning.training._settings import Runtime, Training
from encodekit_brain_tuning.training._steps import ClipCounts, Part, Steps, count_clips
from encodekit_brain_tuning.training._trainer import private_random, tune

__all__ = [
    "Alignment",
    "Batch",
    "ClipCounts",
    "EqualLengthBatches",
    "Objective",
    "Part",
    "RevertedToPretrainedWarning",
    "Rows",
    "RunningAlignment",
    "Runtime",
    "Steps",
    "Training",
    "TuningClips",
    "TuningModel",
    "as_share",
    "best_alpha",
    "collect_rows",
    "count_clips",
    "evaluating",
    "learnt",
    "private_random",
    "resolve_keep",
    "reverted",
    "say_gain",
    "say_kept",
    "say_reverted",
    "start_head",
    "to_device",
    "tune",
    "weighted_ridge",
]
