"""The fundamental frequency of the voice, by librosa's pYIN."""

from encodekit_example_pitch.features import PitchFeatures

__all__ = ["PitchFeatures"]
