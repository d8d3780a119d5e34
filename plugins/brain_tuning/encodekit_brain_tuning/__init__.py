"""Brain-tuning: fine-tune a speech model on the fMRI of several participants."""

from importlib import import_module
from typing import Any

_HOME = {
    "_adapt": ("AdaptedHead",),
    "_baselines": ("acoustic_targets", "language_model_targets", "untrained_backbone"),
    "_card": ("CardNotes",),
    "_controls": ("randomise_phases", "shift_circularly", "shuffle_blocks"),
    "_extractor": ("BrainTunedFeatures",),
    "_heads": ("Head",),
    "_kept": ("PretrainedKeptWarning",),
    "_losses": (
        "Hybrid",
        "correlation",
        "cosine_l2",
        "huber_cosine",
        "l2",
        "temporal_correlation",
    ),
    "_recipes": ("recipe_parameters",),
    "_probes": ("LabelledAudio", "phone_labels", "probe", "word_labels"),
    "_stimulus_tuning": ("stimulus_tuned",),
    "_selection": ("AgreementSelector",),
    "_tuned_on": ("TunedOnWarning", "warn_if_tuned_on"),
    "_glasser": ("GlasserSelector", "glasser_atlas"),
}
_ROOM = {name: room for room, names in _HOME.items() for name in names}
__all__ = [
    "AdaptedHead",
    "AgreementSelector",
    "BrainTunedFeatures",
    "CardNotes",
    "GlasserSelector",
    "Head",
    "Hybrid",
    "LabelledAudio",
    "PretrainedKeptWarning",
    "TunedOnWarning",
    "acoustic_targets",
    "correlation",
    "cosine_l2",
    "glasser_atlas",
    "huber_cosine",
    "l2",
    "language_model_targets",
    "phone_labels",
    "probe",
    "randomise_phases",
    "recipe_parameters",
    "shift_circularly",
    "shuffle_blocks",
    "stimulus_tuned",
    "temporal_correlation",
    "untrained_backbone",
    "warn_if_tuned_on",
    "word_labels",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_ROOM[name]}"), name)
    globals()[name] = value
    return value
