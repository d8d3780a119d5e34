"""Which tokens spell which word, for any tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WordTokens:
    """The tokens of a text of words: ``ids``, and of each word the first and the last + 1."""

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]


def align(tokenizer: Any, words: Sequence[str]) -> WordTokens:
    """Return the tokens of the words joined by spaces, each token with the word it spells.

    The text is tokenised once, and a token belongs to the word whose characters it covers: so
    byte-level BPE (a space begins the token), WordPiece (``##`` goes on), Unigram and
    characters (a space may be a token; it belongs to the word after it) come out right,
    as do tokenizers that change case or accents. One that merges the letters of two words has no
    such answer for the text; then each word is tokenised by itself, with the space before it.

    Raises
    ------
    TypeError
        If the tokenizer does not say which characters its tokens cover.
    ValueError
        If a word has no token.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise TypeError(
            f"{type(tokenizer).__name__} does not say which characters its tokens cover: use the "
            "fast tokenizer of the model (tokenizer.json)"
        )
    text = " ".join(words)
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    begins = ends - np.array([len(word) for word in words])
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = np.asarray(encoded["input_ids"], dtype=np.int64)
    owners = _owners(np.asarray(encoded["offset_mapping"]).reshape(-1, 2), begins, ends, text)
    if owners is None:
        ids, owners = _word_by_word(tokenizer, words)
    starts = np.searchsorted(owners, np.arange(len(words)), side="left")
    stops = np.searchsorted(owners, np.arange(len(words)), side="right")
    blank = np.array([not word.strip() for word in words])
    empty = np.flatnonzero((stops == starts) | blank)
    if empty.size:
        raise ValueError(
            f"{empty.size} words have no token, the first is word {empty[0]} "
            f"({words[empty[0]]!r}): drop them from the table of words"
        )
    return WordTokens(ids, starts, stops)


def _owners(
    spans: NDArray[np.int64], begins: NDArray[np.int64], ends: NDArray[np.int64], text: str
) -> NDArray[np.int64] | None:
    """Return the word of each token, or None where one covers letters of two words."""
    owners = np.empty(len(spans), dtype=np.int64)
    for token, (begin, end) in enumerate(spans):
        letters = text[begin:end]
        first = begin + len(letters) - len(letters.lstrip(" "))
        last = begin + max(len(letters.rstrip(" ")), 1) - 1
        if not letters.strip(" "):  # a space by itself, or a token that covers nothing
            owners[token] = min(int(np.searchsorted(begins, max(end, begin))), len(begins) - 1)
            continue
        owner = int(np.searchsorted(ends, first, side="right"))
        if last >= ends[owner]:
            return None
        owners[token] = owner
    return None if (np.diff(owners) < 0).any() else owners


def _word_by_word(tokenizer: Any, words: Sequence[str]) -> tuple[Any, NDArray[np.int64]]:
    spaced = [word if n == 0 else f" {word}" for n, word in enumerate(words)]
    each = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in spaced]
    owners = np.repeat(np.arange(len(words)), [len(ids) for ids in each])
    return np.concatenate([np.asarray(ids, dtype=np.int64) for ids in each]), owners
