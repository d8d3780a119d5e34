"""Stories: composed, spoken, cut to an exact length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encodekit.simulation._grammar import Sentence, compose_story
from encodekit.simulation._speech import SAMPLING_RATE, WORDS_PER_MINUTE, Speech, speak
from encodekit.simulation._vocabulary import vocabulary_without

_PAUSE_AFTER = 0.02  # s between the last word and the cut, so that its sound dies away


@dataclass(frozen=True, eq=False)
class SpokenStory:
    """A story as heard: its audio and the true times of its words and phones.

    Attributes
    ----------
    name, voice : str
    audio : ndarray of float32, (seconds * sampling_rate,)
    sampling_rate : int
        16,000 Hz.
    words : DataFrame
        ``word``, ``onset``, ``duration`` (s), ``kind`` (noun, verb, adjective, function),
        ``topic`` (of its sentence) and ``sentence`` (counted from 0).
    phones : DataFrame
        ``phone``, ``onset``, ``duration`` (s), ``word`` (row of ``words``).
    """

    name: str
    voice: str
    audio: NDArray[np.float32]
    sampling_rate: int
    words: pd.DataFrame
    phones: pd.DataFrame

    @property
    def seconds(self) -> float:
        """Length of the audio in seconds."""
        return len(self.audio) / self.sampling_rate


def spoken_story(
    name: str,
    seconds: float = 150.0,
    *,
    voice: str = "en-us",
    rng: np.random.Generator | int = 0,
    words_held_out: Iterable[str] = (),
    rate: int = WORDS_PER_MINUTE,
) -> SpokenStory:
    """Compose and speak a story of exactly ``seconds``: whole sentences, then silence.

    Parameters
    ----------
    name : str
        What the story is called.
    seconds : float
        Length of the audio. About 3.2 words a second are spoken at the default ``rate``.
    voice : str
        One of `VOICES`, or another of espeak-ng's.
    rng : Generator or int
        The source of the text, or its seed. The same seed gives the same bytes anywhere.
    words_held_out : iterable of str
        Content words that the story never uses, such as `HELD_OUT_WORDS`.
    rate : int
        espeak-ng's words per minute.

    Raises
    ------
    ValueError
        When not even one sentence fits into ``seconds``.

    Examples
    --------
    >>> story = spoken_story("story-01", seconds=10, rng=1)
    >>> story.audio.shape, story.audio.dtype
    ((160000,), dtype('float32'))
    """
    rng = np.random.default_rng(rng)
    n_words = ceil(seconds * rate / 60) + 10
    sentences = compose_story(rng, n_words, vocabulary=vocabulary_without(words_held_out))
    said = speak(" ".join(sentence.text for sentence in sentences), voice, rate)
    words = _whole_sentences(said, sentences, seconds)
    if words.empty:
        raise ValueError(
            f"story {name!r}: no sentence fits into {seconds} s (the first takes "
            f"{_end(said.words.iloc[: len(sentences[0].words)]):.1f} s): ask for more seconds"
        )
    phones = said.phones[said.phones["word"] < len(words)].reset_index(drop=True)
    audio = _cut(said.audio, _end(words) + _PAUSE_AFTER, round(seconds * SAMPLING_RATE))
    return SpokenStory(name, voice, audio, SAMPLING_RATE, words, phones)


def _end(words: pd.DataFrame) -> float:
    return float((words["onset"] + words["duration"]).max())


def _whole_sentences(said: Speech, sentences: Sequence[Sentence], seconds: float) -> pd.DataFrame:
    """Word rows, with kind, topic and sentence, of the sentences that end within ``seconds``."""
    words = said.words.copy()
    words["kind"] = [kind for sentence in sentences for kind in sentence.kinds]
    words["topic"] = [sentence.topic for sentence in sentences for _ in sentence.words]
    words["sentence"] = [row for row, sentence in enumerate(sentences) for _ in sentence.words]
    ends = (words["onset"] + words["duration"]).groupby(words["sentence"]).transform("max")
    return words[ends + _PAUSE_AFTER <= seconds]


def _cut(audio: NDArray[np.float32], end: float, n_samples: int) -> NDArray[np.float32]:
    """Return ``n_samples``: the audio until ``end`` (s), then silence."""
    cut = np.zeros(n_samples, dtype=np.float32)
    n_kept = min(round(end * SAMPLING_RATE), n_samples, len(audio))
    cut[:n_kept] = audio[:n_kept]
    return cut
