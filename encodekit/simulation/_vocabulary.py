"""The vocabulary of the spoken stories: 192 content words in 8 topics and 10 function words.

Common English words, each in one topic and of one kind only, each with a sound of its own. Verbs
stand in the third person, so that one written word is one spoken word.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from encodekit.core import unknown_name

KINDS = ("noun", "verb", "adjective")

_TOPICS = {
    "animals": (
        "dog cat rabbit tiger lion monkey elephant spider eagle dolphin wolf chicken",
        "chases bites hunts growls crawls howls",
        "wild furry tame hungry fierce feathered",
    ),
    "food": (
        "apple butter sugar pepper onion cheese soup salad chocolate coffee sandwich lemon",
        "cooks bakes tastes eats drinks chews",
        "spicy salty fresh bitter delicious crispy",
    ),
    "health": (
        "doctor nurse hospital finger shoulder stomach fever bandage surgeon medicine elbow "
        "skeleton",
        "cures coughs sneezes bleeds limps breathes",
        "sick healthy dizzy swollen painful injured",
    ),
    "travel": (
        "train ticket airport bridge engine bicycle station driver luggage captain wagon highway",
        "drives travels arrives departs steers parks",
        "fast slow distant crowded narrow foreign",
    ),
    "home": (
        "kitchen window table pillow blanket carpet curtain lamp cupboard mirror sofa chimney",
        "cleans sweeps paints washes repairs decorates",
        "tidy dusty wooden shiny broken comfortable",
    ),
    "weather": (
        "storm cloud thunder mountain forest river valley ocean desert island meadow glacier",
        "melts floods drifts shines erupts evaporates",
        "windy cloudy frozen rainy muddy foggy",
    ),
    "music": (
        "guitar piano violin drummer melody concert singer trumpet orchestra rhythm flute chorus",
        "sings dances hums plays whistles rehearses",
        "loud quiet musical rhythmic joyful solemn",
    ),
    "business": (
        "market dollar banker lawyer office contract customer budget salary invoice manager "
        "factory",
        "borrows invests earns pays trades counts",
        "rich expensive greedy wealthy legal profitable",
    ),
}


@dataclass(frozen=True)
class ContentWord:
    """A word that carries meaning: its spelling, its topic, and its kind."""

    word: str
    topic: str
    kind: str


def _content_words() -> tuple[ContentWord, ...]:
    return tuple(
        ContentWord(word, topic, kind)
        for topic, lists in _TOPICS.items()
        for kind, words in zip(KINDS, lists, strict=True)
        for word in words.split()
    )


def _every_fifth(words: Iterable[ContentWord]) -> frozenset[str]:
    """Three nouns, a verb and an adjective of every topic: the last of each list, in steps."""
    held_out: set[str] = set()
    for topic in TOPICS:
        for kind, places in (("noun", (3, 7, 11)), ("verb", (5,)), ("adjective", (5,))):
            of_kind = [item.word for item in words if (item.topic, item.kind) == (topic, kind)]
            held_out.update(of_kind[place] for place in places)
    return frozenset(held_out)


TOPICS = tuple(_TOPICS)
VOCABULARY = _content_words()
FUNCTION_WORDS = ("the", "a", "and", "near", "under", "behind", "while", "some", "every", "then")
HELD_OUT_WORDS = _every_fifth(VOCABULARY)


def vocabulary_without(words: Iterable[str]) -> tuple[ContentWord, ...]:
    """Return the vocabulary that lacks ``words``, for stories in which they are never heard."""
    left_out = frozenset(words)
    known = {item.word for item in VOCABULARY}
    if left_out - known:
        raise ValueError(unknown_name("content word", min(left_out - known), sorted(known)))
    return tuple(item for item in VOCABULARY if item.word not in left_out)
