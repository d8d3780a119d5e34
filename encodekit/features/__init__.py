"""Features from audio and words, on the grid of the fMRI."""

from encodekit.features._delayer import Delayer
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._lanczos import Lanczos
from encodekit.features._scaler import RunScaler

__all__ = ["Delayer", "FeatureExtractor", "Lanczos", "RunScaler"]
