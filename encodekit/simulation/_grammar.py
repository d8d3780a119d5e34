"""Sentences from frames, and stories from sentences whose topic mostly stays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from encodekit.simulation._vocabulary import VOCABULARY, ContentWord

FRAMES = (
    "the ADJECTIVE NOUN VERB near a NOUN",
    "then a NOUN VERB and every ADJECTIVE NOUN VERB",
    "some NOUN VERB behind the ADJECTIVE NOUN",
    "while the NOUN VERB a ADJECTIVE NOUN VERB under the NOUN",
    "every ADJECTIVE ADJECTIVE NOUN VERB",
)
_Groups = dict[str, dict[str, list[str]]]


@dataclass(frozen=True)
class Sentence:
    """Words in the order spoken, the kind of each ("function" or a kind), and the one topic."""

    words: tuple[str, ...]
    kinds: tuple[str, ...]
    topic: str

    @property
    def text(self) -> str:
        """The sentence as written, with its capital and its full stop."""
        return " ".join(self.words).capitalize() + "."


def compose_story(
    rng: np.random.Generator,
    n_words: int,
    *,
    vocabulary: Sequence[ContentWord] = VOCABULARY,
    topic_kept: float = 0.75,
) -> list[Sentence]:
    """Compose sentences until they have at least ``n_words`` words.

    A sentence keeps the topic of the one before with probability ``topic_kept``; otherwise the
    topic is drawn from the others. All content words of a sentence belong to its topic, and no
    word occurs twice in a sentence.

    Examples
    --------
    >>> import numpy as np
    >>> story = compose_story(np.random.default_rng(0), n_words=20)
    >>> sum(len(sentence.words) for sentence in story) >= 20
    True
    """
    groups = _by_topic_and_kind(vocabulary)
    topics = list(groups)
    topic = topics[rng.integers(len(topics))]
    story: list[Sentence] = []
    while sum(len(sentence.words) for sentence in story) < n_words:
        if story and len(topics) > 1 and rng.random() >= topic_kept:
            others = [other for other in topics if other != topic]
            topic = others[rng.integers(len(others))]
        story.append(_compose_sentence(rng, topic, groups))
    return story


def _by_topic_and_kind(vocabulary: Sequence[ContentWord]) -> _Groups:
    groups: _Groups = {}
    for item in vocabulary:
        kinds = groups.setdefault(item.topic, {"NOUN": [], "VERB": [], "ADJECTIVE": []})
        kinds[item.kind.upper()].append(item.word)
    short = [
        f"{topic} has {len(words)} of kind {kind.lower()}"
        for topic, kinds in groups.items()
        for kind, words in kinds.items()
        if len(words) < 3
    ]
    if short or not groups:
        raise ValueError(
            "the vocabulary is too small for the sentence frames: "
            + ("; ".join(short) or "it has no word")
            + ". Keep at least 3 nouns, 3 verbs and 3 adjectives of every topic in it"
        )
    return groups


def _compose_sentence(rng: np.random.Generator, topic: str, groups: _Groups) -> Sentence:
    slots = FRAMES[rng.integers(len(FRAMES))].split()
    shuffled = {kind: iter(rng.permutation(words)) for kind, words in groups[topic].items()}
    words = [str(next(shuffled[slot])) if slot in shuffled else slot for slot in slots]
    kinds = [slot.lower() if slot in shuffled else "function" for slot in slots]
    for place, follower in enumerate(words[1:]):
        if words[place] == "a" and follower[0] in "aeiou":
            words[place] = "some"
    return Sentence(tuple(words), tuple(kinds), topic)
