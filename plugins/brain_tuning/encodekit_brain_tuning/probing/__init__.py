"""Linear probes: what the features of a model tell about the sound."""

from encodekit_brain_tuning.probing._probes import (
    LabelledAudio,
    phone_labels,
    probe,
    word_labels,
)

__all__ = ["LabelledAudio", "phone_labels", "probe", "word_labels"]
