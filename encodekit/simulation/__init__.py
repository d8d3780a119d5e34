"""Spoken stories and the simulated study."""

from encodekit.simulation._grammar import FRAMES, Sentence, compose_story
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
    "TOPICS",
    "VOCABULARY",
    "VOICES",
    "WORDS_PER_MINUTE",
    "ContentWord",
    "Sentence",
    "Speech",
    "SpokenStory",
    "compose_story",
    "speak",
    "spoken_story",
    "vocabulary_without",
]
