"""What tuning minimises: fMRI, masked audio, or other features of the stimuli; one kind a file."""

from encodekit_brain_tuning.objectives._base import Prepared, Setup, StimulusObjective
from encodekit_brain_tuning.objectives._contrastive import Contrastive, with_quantiser
from encodekit_brain_tuning.objectives._feature_targets import AcousticBands, LanguageModelLayers
from encodekit_brain_tuning.objectives._fmri import FmriObjective
from encodekit_brain_tuning.objectives._units import Units

StimulusObjective.choices = {
    "units": Units,
    "contrastive": Contrastive,
    "language_model": LanguageModelLayers,
    "acoustic": AcousticBands,
}

__all__ = [
    "AcousticBands",
    "Contrastive",
    "FmriObjective",
    "LanguageModelLayers",
    "Prepared",
    "Setup",
    "StimulusObjective",
    "Units",
    "with_quantiser",
]
