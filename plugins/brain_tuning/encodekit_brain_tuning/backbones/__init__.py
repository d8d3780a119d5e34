"""A speech model in two parts, what its frozen part made, and how audio is cut for it."""

from encodekit_brain_tuning.backbones._backbone import (
    Backbone,
    hash_tensors,
    load_backbone,
    trained_state,
)
from encodekit_brain_tuning.backbones._configuration import machine_of
from encodekit_brain_tuning.backbones._frozen_blocks import Parts, parts_of
from encodekit_brain_tuning.backbones._layers import (
    as_frames,
    chosen_layers,
    exact_blocks,
    streamed_blocks,
)
from encodekit_brain_tuning.backbones._stem_cache import StemCache, StemFrames, stem_outputs
from encodekit_brain_tuning.backbones._windows import (
    Clip,
    TuningWindows,
    check_tuning_windows,
    haemodynamic_weights,
    make_clips,
    say_short_windows,
)

__all__ = [
    "Backbone",
    "Clip",
    "Parts",
    "StemCache",
    "StemFrames",
    "TuningWindows",
    "as_frames",
    "check_tuning_windows",
    "chosen_layers",
    "exact_blocks",
    "haemodynamic_weights",
    "hash_tensors",
    "load_backbone",
    "machine_of",
    "make_clips",
    "parts_of",
    "say_short_windows",
    "stem_outputs",
    "streamed_blocks",
    "trained_state",
]
