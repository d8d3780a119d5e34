"""Layers and surprisal of a causal language model as features of words."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import unknown_name
from encodekit.data import Stimulus
from encodekit.features._backbones import configuration_hash, weights_hash
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._lanczos import Lanczos
from encodekit.features._language_model import Loaded, load_language_model
from encodekit.features._layers import pick_layers
from encodekit.features._loaded_model import LoadedModel
from encodekit.features._words_tokens import WordTokens, align

CONTEXTS = ("full", "sliding")
PLACES = {"onset": 0.0, "middle": 0.5, "end": 1.0}
_AT_ONCE = 16384  # tokens in one forward pass


class TextFeatures(LoadedModel, FeatureExtractor):
    """Hidden states of a causal language model (transformers) at the last token of each word.

    Layer 0 is the embedding, layer k the output of block k as transformers' ``hidden_states[k]``
    gives it (the last one after the model's final norm); all layers come from one pass. Features
    are named ``layer3.017`` and carry ``layer``; with ``surprisal=True`` one more, ``surprisal``
    (layer -1), is the word's ``-log2 p(its tokens | context)`` in bits: the sum over its tokens.
    Words are events in the middle of their duration, summed by `Lanczos`.

    Needs ``encodekit[speech]`` (torch, transformers) and ``words`` in each stimulus.

    Parameters
    ----------
    model : str or path
        A hub id (``"gpt2"``) or a folder with model and tokenizer.json.
    layer : int, list of int, "all" or None
        None is two thirds of the way up. ``[]`` with ``surprisal=True`` is surprisal alone.
    context : "full" or "sliding"
        ``"full"``: the text in windows as long as the model allows, each word seeing at least the
        ``lookback`` words before it (in the first window: all there are). ``"sliding"``: each word
        sees exactly these, at the cost of one pass per word.
    lookback : int
        Words.
    surprisal : bool
    at : "onset", "middle" or "end"
        Where in the word its features lie.
    lower : bool
        Whether words are brought to lower case first.
    resample, history, cache
        As in `FeatureExtractor`; the cache is on.
    device : str, optional
        Of torch; the GPU where there is one, else the CPU.

    Raises
    ------
    ValueError, TypeError, OSError, ImportError
        In ``transform``: an unknown layer or model, words without tokens, a window that does not
        hold ``lookback`` words, a missing extra; each says what to do.

    Examples
    --------
    >>> TextFeatures("gpt2", layer=[4, 8])
    TextFeatures(layer=[4, 8])
    """

    cache: str | Path | None = "auto"
    events = True
    _same_result = ("cache", "history", "device")

    def __init__(
        self,
        model: str | Path = "gpt2",
        layer: int | Sequence[int] | str | None = None,
        *,
        context: str = "full",
        lookback: int = 100,
        surprisal: bool = False,
        at: str = "middle",
        lower: bool = False,
        resample: str | Lanczos = "lanczos",
        device: str | None = None,
        history: float = 16.0,
        cache: str | Path | None = "auto",
    ) -> None:
        self.model = model
        self.layer = layer
        self.context = context
        self.lookback = lookback
        self.surprisal = surprisal
        self.at = at
        self.lower = lower
        self.resample = resample
        self.device = device
        self.history = history
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return a row per word (time, feature)."""
        words, seconds = self._words(stimulus)
        loaded = self._loaded()
        layers = pick_layers(self.layer, loaded.n_layers)
        if not layers and not self.surprisal:
            raise ValueError("layer=[] without surprisal=True leaves no feature: name a layer")
        try:
            tokens = align(loaded.tokenizer, words)
            hidden, bits = self._encoded(loaded, tokens, layers)
        except ValueError as error:
            raise ValueError(f"run {stimulus.run_name!r}: {error}") from error
        columns: list[NDArray[Any]] = [hidden[layer] for layer in layers]
        names = [f"layer{n}.{i:03d}" for n in layers for i in range(hidden[n].shape[1])]
        of_layer = np.repeat(layers, [hidden[n].shape[1] for n in layers]).tolist()
        if self.surprisal:
            columns.append(bits[:, None])
            names, of_layer = [*names, "surprisal"], [*of_layer, -1]
        return xr.DataArray(
            np.concatenate(columns, axis=1).astype(np.float32),
            dims=("time", "feature"),
            coords={
                "seconds": ("time", seconds),
                "name": ("feature", names),
                "layer": ("feature", of_layer),
            },
        )

    def weights_hash(self) -> str:
        """Return the sha256 of the model's weights and of its tokenizer."""
        loaded = self._loaded()
        return self._kept_hash(lambda: f"{weights_hash(loaded.model)} {loaded.tokenizer_hash()}")

    def _described(self) -> dict[str, Any]:
        told = configuration_hash(self._loaded().model)
        return super()._described() | {"configuration": told}

    def _words(self, stimulus: Stimulus) -> tuple[list[str], NDArray[np.float64]]:
        if self.at not in PLACES:
            raise ValueError(unknown_name("at", self.at, PLACES))
        if self.context not in CONTEXTS:
            raise ValueError(unknown_name("context", self.context, CONTEXTS))
        if self.lookback < 0:
            raise ValueError(f"lookback is {self.lookback}, expected 0 or more words")
        table = stimulus.words
        if table is None or table.empty:
            raise ValueError(
                f"TextFeatures: run {stimulus.run_name!r} has no words: pass Stimulus(words=) with "
                "the columns word, onset, duration"
            )
        words = [word.lower() if self.lower else word for word in table["word"]]
        onset, duration = (table[name].to_numpy(np.float64) for name in ("onset", "duration"))
        return words, np.maximum.accumulate(onset + PLACES[self.at] * duration)

    def _encoded(
        self, loaded: Loaded, tokens: WordTokens, layers: list[int]
    ) -> tuple[dict[int, NDArray[np.float32]], NDArray[np.float64]]:
        """Return (layer -> (word, hidden), bits of surprisal of each word)."""
        n_words = tokens.starts.size
        hidden = {n: np.empty((n_words, loaded.width), dtype=np.float32) for n in layers}
        bits = np.empty(n_words)
        for batch in self._batches(loaded, tokens):
            states, surprisals = loaded.run([ids for ids, _, _ in batch], layers)
            for row, (_, first, asked) in enumerate(batch):
                for word in asked:
                    start, stop = tokens.starts[word] - first, tokens.stops[word] - first
                    bits[word] = surprisals[row][start:stop].sum()
                    for layer in layers:
                        hidden[layer][word] = states[layer][row][stop - 1]
        return hidden, bits

    def _batches(
        self, loaded: Loaded, tokens: WordTokens
    ) -> Iterator[list[tuple[NDArray[np.int64], int, range]]]:
        """Yield batches of windows of one length: (ids, position of the first, words asked)."""
        batch: list[tuple[NDArray[np.int64], int, range]] = []
        for first, stop, asked in self._windows(loaded.room, tokens):
            ids = tokens.ids[first:stop]
            full = sum(len(other) for other, _, _ in batch) + ids.size > _AT_ONCE
            if batch and (batch[0][0].size != ids.size or full):
                yield batch
                batch = []
            batch.append((ids, first, asked))
        yield batch

    def _windows(self, room: int, tokens: WordTokens) -> Iterator[tuple[int, int, range]]:
        """Yield (first token, last token + 1, words whose states count) in order."""
        n_words = tokens.starts.size
        done = 0
        while done < n_words:
            first = int(tokens.starts[max(0, done - self.lookback)])
            stop = done + 1
            if self.context == "full":
                stop = int(np.searchsorted(tokens.stops, first + room, side="right"))
            if stop <= done or tokens.stops[stop - 1] - first > room:
                raise ValueError(
                    f"word {done} and the {self.lookback} words before it take "
                    f"{int(tokens.stops[done]) - first} tokens but the model holds {room}: lower "
                    "lookback"
                )
            yield first, int(tokens.stops[stop - 1]), range(done, stop)
            done = stop

    def _loaded(self) -> Loaded:
        loaded: Loaded = self._kept_model(load_language_model)
        return loaded
