"""Spoken stories and the simulated study."""

from encodekit.simulation._follows import Follows
from encodekit.simulation._grammar import FRAMES, Sentence, compose_story
from encodekit.simulation._noise import Noise
from encodekit.simulation._oracle import TrueFeatures, TrueMeaning
from encodekit.simulation._recipe import STUDY_VOICES
from encodekit.simulation._responses import simulate_responses
from encodekit.simulation._simulate import simulate_study
from encodekit.simulation._speech import (
    HELD_OUT_VOICE,
    SAMPLING_RATE,
    VOICES,
    WORDS_PER_MINUTE,
    Speech,
    speak,
)
from encodekit.simulation._story import SpokenStory, spoken_story
from encodekit.simulation._vocabulary import (
    FUNCTION_WORDS,
    HELD_OUT_WORDS,
    TOPICS,
    VOCABULARY,
    ContentWord,
    vocabulary_without,
)

__all__ = [
    "FRAMES",
    "FUNCTION_WORDS",
    "HELD_OUT_VOICE",
    "HELD_OUT_WORDS",
    "SAMPLING_RATE",
    "STUDY_VOICES",
    "TOPICS",
    "VOCABULARY",
    "VOICES",
    "WORDS_PER_MINUTE",
    "ContentWord",
    "Follows",
    "Noise",
    "Sentence",
    "Speech",
    "SpokenStory",
    "TrueFeatures",
    "TrueMeaning",
    "compose_story",
    "simulate_responses",
    "simulate_study",
    "speak",
    "spoken_story",
    "vocabulary_without",
]
