"""What the layers of "tiny" tell by a linear read-out about words that it never heard."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny_speech import Corpus, Evaluation, frame_centres, frames_of
from transformers import Wav2Vec2Model

from encodekit.simulation import HELD_OUT_WORDS, VOCABULARY

SECONDS = 30
TOPIC_OF = {item.word: item.topic for item in VOCABULARY}


def probe_layers(model: Wav2Vec2Model, evaluation: Evaluation) -> dict[str, list[float]]:
    """Score three read-outs of a word's mean hidden state, layer by layer (0: the stem's output).

    ``identity`` tells which of the words that the training never heard is spoken (chance 1 in 40),
    in stories that the read-out did not see; ``topic of these words, learnt from them`` tells
    their topic (chance 1 in 8) likewise; ``topic of these words, learnt from others`` is fitted on
    the words that the training heard, and is above chance only if words of a topic are alike.
    """
    n_fit = len(evaluation.all_words.stories) * 3 // 4
    fit, test = _split(evaluation.all_words, n_fit)
    (fit_states, fit_words), (test_states, test_words) = (
        word_states(model, part) for part in (fit, test)
    )
    new_fit, new_test = (
        np.isin(words, sorted(HELD_OUT_WORDS)) for words in (fit_words, test_words)
    )
    fit_topics, test_topics = (
        np.array([TOPIC_OF[word] for word in words]) for words in (fit_words, test_words)
    )
    cases = {
        "identity": (new_fit, fit_words, test_words),
        "topic, learnt from these words": (new_fit, fit_topics, test_topics),
        "topic, learnt from other words": (~new_fit, fit_topics, test_topics),
    }
    return {
        name: [
            _score(x[chosen], y[chosen], x_test[new_test], y_test[new_test])
            for x, x_test in zip(fit_states, test_states, strict=True)
        ]
        for name, (chosen, y, y_test) in cases.items()
    }


def _split(corpus: Corpus, n_fit: int) -> tuple[Corpus, Corpus]:
    parts = (corpus.stories[:n_fit], corpus.stories[n_fit:])
    return tuple(Corpus(part, corpus.vocabulary) for part in parts)  # type: ignore[return-value]


def _score(x: NDArray, y: NDArray, x_test: NDArray, y_test: NDArray) -> float:
    read_out = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(0, 4, 5)))
    return float(read_out.fit(x, y).score(x_test, y_test))


@torch.no_grad()
def word_states(model: Wav2Vec2Model, corpus: Corpus) -> tuple[NDArray, NDArray]:
    """Return the mean states (n_layers, n_words, width) of the content words, and the words."""
    states, spoken = [], []
    for story, batch in zip(corpus.stories, corpus.windows(SECONDS), strict=True):
        layers = torch.stack(model(batch.audio, output_hidden_states=True).hidden_states)
        hidden = layers.flatten(1, 2).numpy()
        centres = frame_centres(hidden.shape[1])
        n_frames = frames_of(SECONDS * 16_000)
        content = story.words[story.words["word"].isin(TOPIC_OF)]
        for word, onset, duration in content[["word", "onset", "duration"]].itertuples(index=False):
            frames = np.flatnonzero((centres >= onset) & (centres < onset + duration))
            if len(frames) and frames[0] // n_frames == frames[-1] // n_frames:
                states.append(hidden[:, frames].mean(axis=1))
                spoken.append(word)
    return np.stack(states, axis=1), np.array(spoken)
