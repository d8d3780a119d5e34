"""What drives the simulated brain: word meanings gathered over seconds, loudness, mel bands."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encodekit.simulation._steps import STEP, word_impulses
from encodekit.simulation._vocabulary import TOPICS, VOCABULARY

N_DIMENSIONS = 12
N_BANDS = 8
SMOOTHING = (2.0, 4.0, 8.0)  # s
TOPIC_SHARE = 0.6

_WINDOW, _HOP, _N_FFT = 400, 320, 512  # samples at 16 kHz: 25 ms every 20 ms
_FLOOR = 1e-3  # power of silence, about 30 dB below speech


def word_vectors(rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Return a vector (N_DIMENSIONS,) per content word: 60 % its topic's, 40 % its own.

    The vectors have a mean of 0 over the vocabulary, so that the number of words means nothing.
    """
    of_topic = dict(zip(TOPICS, rng.standard_normal((len(TOPICS), N_DIMENSIONS)), strict=True))
    own = rng.standard_normal((len(VOCABULARY), N_DIMENSIONS))
    topics = np.stack([of_topic[item.topic] for item in VOCABULARY])
    vectors = np.sqrt(TOPIC_SHARE) * topics + np.sqrt(1 - TOPIC_SHARE) * own
    vectors -= vectors.mean(axis=0)
    return {item.word: vector for item, vector in zip(VOCABULARY, vectors, strict=True)}


def story_latents(
    audio: NDArray[np.float32], words: pd.DataFrame, vectors: Mapping[str, NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """Return meaning, loudness and bands (step, feature) of one story heard at 16 kHz."""
    power = mel_power(audio)
    meaning = word_impulses(words, vectors, len(power))
    return [meaning, _decibels(power.mean(axis=1, keepdims=True)), _decibels(power)]


def mel_power(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the power (time, N_BANDS) in mel bands of audio at 16 kHz, a row per `STEP`."""
    n_frames = round(STEP * 16_000 / _HOP)
    n_steps = -(-len(audio) // (n_frames * _HOP))  # rounded up: the last step is part silence
    padded = np.zeros((n_steps * n_frames - 1) * _HOP + _N_FFT, dtype=np.float32)
    kept = min(len(audio), len(padded))
    padded[:kept] = audio[:kept]
    # (frame, sample), views of the sound until the window multiplies them.
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    frames = frames[: n_steps * n_frames] * np.hanning(_WINDOW).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, n=_N_FFT, axis=1)) ** 2 @ _mel_filters().T
    bands: NDArray[np.float64] = power.reshape(n_steps, n_frames, N_BANDS).mean(axis=1)
    return bands


def _mel_filters() -> NDArray[np.float64]:
    """Return N_BANDS triangles (band, frequency) of height 1 between 50 Hz and 8 kHz."""
    hertz = np.arange(_N_FFT // 2 + 1) * 16_000 / _N_FFT
    low, high = (2595 * np.log10(1 + edge / 700) for edge in (50, 8_000))
    edges = 700 * (10 ** (np.linspace(low, high, N_BANDS + 2) / 2595) - 1)
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return filters


def _decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return decibels above the floor, so that silence, also before the story, is 0."""
    level: NDArray[np.float64] = 10 * np.log10(1 + power / _FLOOR)
    return level
