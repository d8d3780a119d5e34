"""The transformer blocks below the lowest that learns: which they are, and the blocks above them.

A block is called as the models of transformers call it. What beside the hidden states one block
hands to the next is made anew for the blocks above: WavLM's position bias, by the embedding in its
first block, and a Conformer's position embeddings. Neither depends on the sound.
"""

import json
import re
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from encodekit.features import transformer_blocks

_OF_ITS_FILES = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
_KNOWN = (  # models whose blocks take nothing from below but what `_handed_on` makes
    "wav2vec2", "hubert", "unispeech", "unispeech-sat", "data2vec-audio", "whisper", "wavlm",
    "wav2vec2-conformer",
)  # fmt: skip


def count_frozen_blocks(backbone: nn.Module, model: Any, pooled_layer: int) -> int:
    """Return how many of the lowest blocks do not learn, with all that lies below them.

    0 where anything outside the blocks learns, as it may lie below them, or where it is not known
    what the blocks of a model hand on.
    """
    reached = transformer_blocks(model)[:pooled_layer]
    inside = {id(weight) for block in reached for weight in block.parameters()}
    outside = (weight for weight in backbone.parameters() if id(weight) not in inside)
    if any(weight.requires_grad for weight in outside) or model.config.model_type not in _KNOWN:
        return 0
    for number, block in enumerate(reached):
        if any(weight.requires_grad for weight in block.parameters()):
            return number
    return pooled_layer


def run_blocks(model: Any, hidden: Tensor, first: int, last: int) -> Tensor:
    """Return layer ``last`` (n_clips, n_frames, n_features) from layer ``first``."""
    blocks = transformer_blocks(model)[first:last]
    given = _handed_on(model, hidden) if len(blocks) else {}
    for block in blocks:
        found = block(hidden, attention_mask=None, **given)
        hidden = found[0] if isinstance(found, tuple) else found
    return hidden


@torch.no_grad()
def _handed_on(model: Any, hidden: Tensor) -> dict[str, Tensor | None]:
    """Return what the encoder gives each block beside the hidden states."""
    if model.config.model_type == "wavlm":
        n_clips, n_frames, _ = hidden.shape
        attention = transformer_blocks(model)[0].attention
        bias = attention.compute_bias(n_frames, n_frames)  # (n_heads, n_frames, n_frames)
        return {"position_bias": bias.repeat(n_clips, 1, 1)}
    if model.config.model_type == "wav2vec2-conformer":
        embed = model.encoder.embed_positions
        return {"relative_position_embeddings": None if embed is None else embed(hidden)}
    return {}


def frozen_tensors(model: Any, n_blocks: int) -> dict[str, Tensor]:
    """Return the weights and buffers that are not of the blocks above the lowest ``n_blocks``."""
    above: set[int] = set()
    for block in transformer_blocks(model)[n_blocks:]:
        above |= {id(tensor) for tensor in block.state_dict(keep_vars=True).values()}
    return {
        name: tensor
        for name, tensor in model.state_dict(keep_vars=True).items()
        # the mask is of pretraining alone, and random where a checkpoint lacks it
        if id(tensor) not in above and not name.endswith("masked_spec_embed")
    }


def how_computed(model: Any, n_blocks: int) -> str:
    """Return what beside the weights decides the frozen blocks' output, dropout being off."""
    told = {name: value for name, value in model.config.to_dict().items() if _matters(name)}
    parts = re.sub(r"Dropout\([^)]*\)", "Dropout()", repr(transformer_blocks(model)[:n_blocks]))
    settings = json.dumps(told, sort_keys=True, default=str)
    return f"blocks 1 to {n_blocks}, transformers {version('transformers')} {settings} {parts}"


def _matters(setting: str) -> bool:
    """Whether a setting of a model may decide what it computes in evaluation mode."""
    of_training = "drop" in setting or setting == "apply_spec_augment"
    return not of_training and setting not in _OF_ITS_FILES
