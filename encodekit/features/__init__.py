"""Features from audio and words, on the grid of the fMRI."""

from encodekit.features._array_features import ArrayFeatures
from encodekit.features._articulation import Articulation
from encodekit.features._backbones import (
    SETTINGS_OF_FILES,
    BackboneNotFoundError,
    load_backbone,
    load_whole_model,
    resolve_backbone,
    wants_scaled,
    weights_hash,
)
from encodekit.features._cache import cache_folder
from encodekit.features._confounds import ConfoundRemover
from encodekit.features._delayer import Delayer
from encodekit.features._encoding import (
    encode_context,
    encode_layers,
    has_last_norm,
    layer_outputs,
    normalise_waveform,
    transformer_blocks,
)
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._frames import Stem, frame_times
from encodekit.features._hrf import CanonicalHRF, canonical_hrf
from encodekit.features._hub import read_pretrained
from encodekit.features._impulses import PhoneRate, WordRate
from encodekit.features._lanczos import Lanczos
from encodekit.features._layers import pick_layers
from encodekit.features._mel import MelSpectrogram
from encodekit.features._pitch import Pitch
from encodekit.features._scaler import RunScaler
from encodekit.features._spaces import FeatureSpaces
from encodekit.features._speech import SpeechFeatures
from encodekit.features._text import TextFeatures
from encodekit.features._transformer import FeatureTransformer
from encodekit.features._window_settings import Context, Exact, Streamed, Windows
from encodekit.features._windows import stream_windows
from encodekit.features._word_values import WordValues
from encodekit.features._word_vectors import WordVectors

__all__ = [
    "SETTINGS_OF_FILES",
    "ArrayFeatures",
    "Articulation",
    "BackboneNotFoundError",
    "CanonicalHRF",
    "ConfoundRemover",
    "Context",
    "Delayer",
    "Exact",
    "FeatureExtractor",
    "FeatureSpaces",
    "FeatureTransformer",
    "Lanczos",
    "MelSpectrogram",
    "PhoneRate",
    "Pitch",
    "RunScaler",
    "SpeechFeatures",
    "Stem",
    "Streamed",
    "TextFeatures",
    "Windows",
    "WordRate",
    "WordValues",
    "WordVectors",
    "cache_folder",
    "canonical_hrf",
    "encode_context",
    "encode_layers",
    "frame_times",
    "has_last_norm",
    "layer_outputs",
    "load_backbone",
    "load_whole_model",
    "normalise_waveform",
    "pick_layers",
    "read_pretrained",
    "resolve_backbone",
    "stream_windows",
    "transformer_blocks",
    "wants_scaled",
    "weights_hash",
]
