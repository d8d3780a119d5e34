"""The speech that "tiny" is pretrained on and measured on: spoken stories of its own."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import librosa
import numpy as np
import pandas as pd
import soxr
import torch
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from encodekit.simulation import (
    FUNCTION_WORDS,
    HELD_OUT_VOICE,
    HELD_OUT_WORDS,
    VOICES,
    compose_story,
    speak,
    spoken_story,
    vocabulary_without,
)

TRAINING_SEEDS, SEED_SPACE = 10**9, 10**6  # no study uses these seeds
SEEDS_PER_RUN = 10_000
EVALUATION_SEEDS = TRAINING_SEEDS + SEED_SPACE - 1_000
STORY_SECONDS = 150
SPEEDS = (0.88, 1.14)  # changes tempo, pitch and formants together
HEARD_VOICES = tuple(voice for voice in VOICES if voice != HELD_OUT_VOICE)
RATE = 16_000
STRIDE, RECEPTIVE_FIELD = 640, 720  # samples: one frame every 40 ms sees 45 ms


class Spelling(NamedTuple):
    """A word as its first letters: 0 for none, 1-26 for a-z."""

    positions: int
    symbols: int

    def of(self, word: str) -> NDArray[np.int64]:
        """Return the letters of ``word`` (positions,)."""
        codes = [ord(letter) - 96 if letter.isalpha() else 0 for letter in word.lower()]
        return np.array((codes + [0] * self.positions)[: self.positions])


SPELLING = Spelling(positions=8, symbols=27)


@dataclass(frozen=True)
class Story:
    """One story: int16 ``samples``, its ``words`` and, per frame, a word's index and a unit."""

    samples: NDArray[np.int16]
    words: pd.DataFrame
    voice: str
    indices: NDArray[np.int64]
    units: NDArray[np.int64]

    @property
    def n_frames(self) -> int:
        """How many frames the story has."""
        return len(self.indices)


class Batch(NamedTuple):
    """Clips ``audio`` (n_clips, n_samples) and per frame (n_clips, n_frames) what is to learn."""

    audio: Tensor
    units: Tensor
    words: Tensor
    letters: Tensor


@dataclass(frozen=True)
class Corpus:
    """Stories, and the words that frames are labelled with; the first word is silence."""

    stories: list[Story]
    vocabulary: tuple[str, ...]

    def draw(self, n_clips: int, seconds: int, rng: np.random.Generator) -> Batch:
        """Draw clips at random, with a little noise (15-45 dB below the speech)."""
        n_frames = frames_of(seconds * RATE)
        clips = []
        for story in rng.choice(len(self.stories), n_clips):
            first = int(rng.integers(self.stories[story].n_frames - n_frames))
            clips.append((self.stories[story], first))
        return self._batch(clips, seconds, rng)

    def windows(self, seconds: int) -> Iterator[Batch]:
        """Yield each story's windows, one story at a time, without noise."""
        n_frames = frames_of(seconds * RATE)
        for story in self.stories:
            firsts = range(0, story.n_frames - n_frames, n_frames)
            yield self._batch([(story, first) for first in firsts], seconds, None)

    def _batch(
        self, clips: list[tuple[Story, int]], seconds: int, rng: np.random.Generator | None
    ) -> Batch:
        n_frames = frames_of(seconds * RATE)
        audio = [_cut(story, first, seconds, rng) for story, first in clips]
        units = [story.units[first : first + n_frames] for story, first in clips]
        words = np.stack([story.indices[first : first + n_frames] for story, first in clips])
        letters = np.stack([SPELLING.of(word) for word in self.vocabulary])[words]
        arrays = (np.stack(audio), np.stack(units), words, letters)
        return Batch(*(torch.from_numpy(array) for array in arrays))


def frames_of(n_samples: int) -> int:
    """How many frames the stem makes of ``n_samples``."""
    return (n_samples - RECEPTIVE_FIELD) // STRIDE + 1


def frame_centres(n_frames: int) -> NDArray[np.float64]:
    """Seconds of the frames' centres."""
    return ((RECEPTIVE_FIELD - 1) / 2 + STRIDE * np.arange(n_frames)) / RATE


def normalise(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit variance, as the model's feature extractor does."""
    centred = audio - audio.mean()
    return np.asarray(centred / np.sqrt(np.mean(centred**2) + 1e-7), dtype=np.float32)


def _cut(
    story: Story, first: int, seconds: int, rng: np.random.Generator | None
) -> NDArray[np.float32]:
    start = first * STRIDE
    audio = normalise(story.samples[start : start + seconds * RATE].astype(np.float32))
    if rng is None:
        return audio
    level = 10 ** (-rng.uniform(15, 45) / 20)
    return normalise(audio + level * rng.standard_normal(len(audio), dtype=np.float32))


def label_frames(words: pd.DataFrame, vocabulary: tuple[str, ...], n_frames: int) -> NDArray[Any]:
    """Return the index of the word that is heard at each frame's centre; 0 between words."""
    index = {word: number for number, word in enumerate(vocabulary)}
    onset, end = words["onset"].to_numpy(), (words["onset"] + words["duration"]).to_numpy()
    codes = np.array([index.get(word, 0) for word in words["word"]])
    centres = frame_centres(n_frames)
    current = np.searchsorted(onset, centres, side="right") - 1
    heard = (current >= 0) & (centres < end[current])
    return np.where(heard, codes[current], 0).astype(np.int64)


def log_mel(story: Story) -> NDArray[np.float32]:
    """Return two log-mel spectra a frame (n_frames, 80)."""
    audio = normalise(story.samples.astype(np.float32))
    mel = librosa.feature.melspectrogram(
        y=audio, sr=RATE, n_fft=512, hop_length=STRIDE // 2, n_mels=40, center=False
    )
    n_frames = min(story.n_frames, mel.shape[1] // 2)
    spectra = np.log(mel.T[: 2 * n_frames] + 1e-3).reshape(n_frames, -1)
    return np.pad(spectra, ((0, story.n_frames - n_frames), (0, 0)), mode="edge")


def add_units(stories: list[Story], n_units: int, seed: int) -> list[Story]:
    """Give every frame the k-means cluster of its log-mel spectra."""
    spectra = [log_mel(story) for story in stories]
    together = np.concatenate(spectra)
    together = together[:: max(1, len(together) // 100_000)]
    centre, spread = together.mean(0), together.std(0)
    clusters = MiniBatchKMeans(n_units, random_state=seed, n_init=1, batch_size=4096)
    clusters.fit((together - centre) / spread)
    return [
        replace(story, units=clusters.predict((rows - centre) / spread).astype(np.int64))
        for story, rows in zip(stories, spectra, strict=True)
    ]


@dataclass(frozen=True)
class Evaluation:
    """Stories of other seeds than the training's.

    Those for recognition keep to topics, as studies do. ``all_words`` does not: were topics kept,
    a word's topic could be told from its neighbours.
    """

    heard_voices: Corpus
    new_voice: Corpus
    all_words: Corpus


def hear_training(hours: float, n_units: int, seed: int) -> Corpus:
    """Speak the training stories and find their units."""
    n_stories = round(hours * 3600 / STORY_SECONDS)
    stories = [
        _mixed_story(TRAINING_SEEDS + seed * SEEDS_PER_RUN + number) for number in range(n_stories)
    ]
    return Corpus(add_units(stories, n_units, seed), heard_vocabulary())


def hear_evaluation() -> Evaluation:
    """Speak the stories that measure the model; the same ones for every training."""
    seeds = iter(range(EVALUATION_SEEDS, TRAINING_SEEDS + SEED_SPACE))
    heard = [_study_story(next(seeds), voice) for voice in HEARD_VOICES]
    new = [_study_story(next(seeds), HELD_OUT_VOICE) for _ in range(5)]
    everything = [_mixed_story(next(seeds), held_out=()) for _ in range(20)]
    return Evaluation(*(Corpus(part, heard_vocabulary()) for part in (heard, new, everything)))


def heard_vocabulary() -> tuple[str, ...]:
    """Return silence, the function words and the content words that the training hears."""
    content = sorted(item.word for item in vocabulary_without(HELD_OUT_WORDS))
    return ("", *FUNCTION_WORDS, *content)


def _mixed_story(seed: int, held_out: Collection[str] = HELD_OUT_WORDS) -> Story:
    """Speak a story whose words are drawn without regard to topic, at a pace of its own."""
    rng = np.random.default_rng(seed)
    mixed = [replace(item, topic="any") for item in vocabulary_without(held_out)]
    sentences = compose_story(rng, round(3.2 * STORY_SECONDS), vocabulary=mixed)
    voice = HEARD_VOICES[seed % len(HEARD_VOICES)]
    said = speak(" ".join(item.text for item in sentences), voice, int(rng.integers(155, 200)))
    speed = float(rng.uniform(*SPEEDS))
    words = said.words.assign(
        onset=said.words["onset"] / speed, duration=said.words["duration"] / speed
    )
    return _make_story(soxr.resample(said.audio, RATE * speed, RATE), words, voice)


def _study_story(seed: int, voice: str) -> Story:
    said = spoken_story(
        f"seed-{seed}", STORY_SECONDS, voice=voice, rng=seed, words_held_out=HELD_OUT_WORDS
    )
    return _make_story(said.audio, said.words, voice)


def _make_story(audio: NDArray[np.float32], words: pd.DataFrame, voice: str) -> Story:
    samples = np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
    indices = label_frames(words, heard_vocabulary(), frames_of(len(samples)))
    return Story(samples, words, voice, indices, np.zeros_like(indices))
