"""A causal language model of transformers: token ids in, hidden states and surprisal out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import import_extra
from encodekit.features._hub import from_disk_or_hub, read_pretrained

_POSITIONS = ("n_positions", "max_position_embeddings", "n_ctx")
_UNLIMITED = 2048  # tokens in a window of a model that states no limit


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode and its tokenizer."""

    model: Any
    tokenizer: Any

    @property
    def n_layers(self) -> int:
        """Number of transformer blocks."""
        return int(self.model.config.num_hidden_layers)

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return int(self.model.config.hidden_size)

    @property
    def bos(self) -> int | None:
        """The token that begins a text; what ends one stands in for it."""
        first = self.tokenizer.bos_token_id
        found = self.tokenizer.eos_token_id if first is None else first
        return None if found is None else int(found)

    @property
    def room(self) -> int:
        """Tokens of text that a window holds."""
        config = self.model.config
        stated = next((getattr(config, k) for k in _POSITIONS if getattr(config, k, None)), None)
        return int(stated or _UNLIMITED) - (self.bos is not None)

    def tokenizer_hash(self) -> str:
        """Return the sha256 of the tokenizer's whole description."""
        return hashlib.sha256(self.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()

    def run(
        self, windows: Sequence[NDArray[np.int64]], layers: Sequence[int]
    ) -> tuple[dict[int, NDArray[np.float32]], NDArray[np.float64]]:
        """Return (layer -> (window, token, hidden), surprisal (window, token) in bits).

        Windows are equally long; the token that begins a text goes before each and is left out of
        what is returned. Without one, nothing precedes the first token and every token of the
        vocabulary is as likely.
        """
        import torch

        ids = torch.as_tensor(np.stack(windows), device=self.model.device)
        begun, bos = self.bos is not None, self.bos
        if bos is not None:
            start = torch.full((ids.shape[0], 1), bos, dtype=ids.dtype, device=ids.device)
            ids = torch.cat([start, ids], dim=1)
        with torch.inference_mode():
            out = self.model(input_ids=ids, output_hidden_states=bool(layers), use_cache=False)
            logp = torch.log_softmax(out.logits.double(), dim=-1)
            told = logp[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
        bits = -told.cpu().numpy() / np.log(2)
        if not begun:
            uniform = np.full((len(windows), 1), np.log2(out.logits.shape[-1]))
            bits = np.concatenate([uniform, bits], axis=1)
        states = {n: out.hidden_states[n][:, int(begun) :].float().cpu().numpy() for n in layers}
        return states, bits


def load_language_model(name: str | Path, device: str) -> Loaded:
    """Return a causal language model and its fast tokenizer.

    Raises
    ------
    OSError
        If the model is neither on disk nor on the hub, or has no tokenizer.
    """
    for package in ("torch", "transformers"):
        import_extra(package, extra="speech", purpose="TextFeatures")
    from encodekit.features._backbones import BackboneNotFoundError

    try:
        model, tokenizer = from_disk_or_hub(str(name), _read)
    except (OSError, ValueError) as error:
        raise BackboneNotFoundError(
            f"the language model {str(name)!r} was not found as a folder, in the cache or on the "
            f"Hugging Face hub ({str(error).strip().partition(chr(10))[0]}): give a hub id, or the "
            "folder that save_pretrained wrote, with its tokenizer.json"
        ) from error
    return Loaded(model.eval().to(device), tokenizer)


def _read(name: str, local_files_only: bool) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    given = {"local_files_only": local_files_only}
    tokenizer = read_pretrained(AutoTokenizer, name, use_fast=True, **given)
    model = read_pretrained(
        AutoModelForCausalLM, name, dtype=torch.float32, adapter_kwargs=given, **given
    )
    return model, tokenizer
