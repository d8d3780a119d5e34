"""Layers of a causal language model at the words of a stimulus."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit import FeatureExtractor
from encodekit.data import Stimulus
from encodekit.features import weights_hash

_LAYERS = (18 / 32, 24 / 32)  # of the depth: layers 18 to 24 of Llama2-7B, as published


class LanguageModelFeatures(FeatureExtractor):
    """Hidden states of a causal language model, one row per word, at its onset.

    A word's row is the state of its last token, so that it has heard the word and what came
    before it, and nothing after. The words go through in windows of ``context`` tokens, each
    beginning half a window after the one before; every word is taken from the first window that
    holds it whole.

    Parameters
    ----------
    model : str or path
        Folder or hub id of a model that `transformers.AutoModel` loads, with its tokenizer.
    layer : None, int or list of int
        0 are the embeddings. If not given, those from 18/32 to 24/32 of the depth: the layers 18
        to 24 of Llama2-7B that Moussa & Toneva (2025) predict.
    context : int
        Tokens in a window, at most.
    device : str, optional
        The CPU if not given.
    history, resample, cache
        As in `encodekit.FeatureExtractor`.
    """

    events = True
    _same_result = ("cache", "history", "device")

    def __init__(
        self,
        model: str | Path = "gpt2",
        layer: int | Sequence[int] | None = None,
        *,
        context: int = 256,
        device: str | None = None,
        history: float = 16.0,
        resample: str = "lanczos",
        cache: str | Path | None = None,
    ) -> None:
        self.model = model
        self.layer = layer
        self.context = context
        self.device = device
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the states (word, feature) with ``name`` and ``layer``.

        Raises
        ------
        ValueError
            If the stimulus has no words, a word has no token or more than fit into the context,
            or the model lacks a layer or so long a context.
        """
        if stimulus.words is None:
            raise ValueError(
                f"run {stimulus.run_name!r} has no words, which a language model reads: pass "
                "Stimulus(words=) with the columns word, onset, duration"
            )
        network, _ = self._loaded()
        layers = self._layers(int(network.config.num_hidden_layers))
        states = self._states([str(word) for word in stimulus.words["word"]], layers)
        n_units = states.shape[1] // len(layers)
        names = [f"layer{layer}.{unit:04d}" for layer in layers for unit in range(n_units)]
        return xr.DataArray(
            states,
            dims=("time", "feature"),
            coords={
                "seconds": ("time", stimulus.words["onset"].to_numpy(dtype=np.float64)),
                "name": ("feature", names),
                "layer": ("feature", np.repeat(layers, n_units)),
            },
        )

    def weights_hash(self) -> str:
        """Return the sha256 of the model's weights."""
        digest: str = weights_hash(self._loaded()[0])
        return digest

    def _loaded(self) -> tuple[Any, Any]:
        runtime = self.__dict__.setdefault("_kept", {})
        where = (str(self.model), self.device)
        if runtime.get("for") != where:
            from transformers import AutoModel, AutoTokenizer

            tokenizer: Any = AutoTokenizer
            network = AutoModel.from_pretrained(str(self.model)).eval().to(self.device or "cpu")
            runtime.update(
                {"for": where, "pair": (network, tokenizer.from_pretrained(str(self.model)))}
            )
        pair: tuple[Any, Any] = runtime["pair"]
        return pair

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_kept", None)
        return state

    def _layers(self, n_layers: int) -> list[int]:
        if self.layer is None:
            first, last = (round(share * n_layers) for share in _LAYERS)
            return list(range(first, last + 1))
        asked = [int(layer) for layer in np.atleast_1d(np.asarray(self.layer))]
        unknown = [layer for layer in asked if not 0 <= layer <= n_layers]
        if unknown:
            raise ValueError(
                f"layer {unknown[0]} was asked for; {self.model} has the layers 0 (embeddings) "
                f"to {n_layers}"
            )
        return asked

    def _states(self, words: list[str], layers: list[int]) -> NDArray[np.float32]:
        """Return the states (n_words, n_layers * n_units) of the last tokens."""
        import torch

        network, tokenizer = self._loaded()
        tokens, ends = self._tokens(words)
        start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        found: list[NDArray[np.float32]] = []
        for begin, stop in token_windows(ends, self.context - len(start)):
            given = torch.tensor([[*start, *tokens[begin:stop]]], device=network.device)
            with torch.inference_mode():
                hidden = network(given, output_hidden_states=True).hidden_states
            new = [end for end in ends[len(found) :] if end < stop]
            places = torch.tensor(new, device=network.device) - begin + len(start)
            rows = torch.cat([hidden[layer][0, places] for layer in layers], dim=-1)
            found += list(rows.float().cpu().numpy())
        return np.stack(found)

    def _tokens(self, words: list[str]) -> tuple[list[int], list[int]]:
        """Return the tokens of all words, and the place of each word's last one."""
        network, tokenizer = self._loaded()
        longest = getattr(network.config, "max_position_embeddings", None)
        if longest is not None and not 2 <= self.context <= longest:
            raise ValueError(
                f"context={self.context} tokens: {self.model} takes 2 to {longest} at once"
            )
        tokens: list[int] = []
        ends: list[int] = []
        for word in words:
            own = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
            if not 0 < len(own) < self.context // 2:
                raise ValueError(
                    f"the tokenizer of {self.model} makes {len(own)} tokens of {word!r}, expected "
                    f"1 to {self.context // 2 - 1}: mend the word, or raise context"
                )
            tokens += own
            ends.append(len(tokens) - 1)
        return tokens, ends


def token_windows(ends: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Return windows (begin, stop) of at most ``size`` tokens, each with a word that is new.

    The first begins at 0, the others half a window later each.

    Examples
    --------
    >>> token_windows([1, 3, 5, 7], 4)
    [(0, 4), (2, 6), (4, 8)]
    """
    total = ends[-1] + 1
    begins = range(0, max(total - size, 0) + max(size // 2, 1), max(size // 2, 1))
    return [(begin, min(begin + size, total)) for begin in begins]
