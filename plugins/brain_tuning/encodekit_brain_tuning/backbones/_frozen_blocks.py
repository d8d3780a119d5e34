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
from encodekit_brain_tuning.backbones._configuration import settings_of

Parts = dict[str, dict[tuple[str, Any], Any]]
_NOTES = ("training", "peft_config")  # the mode, and peft's list of what it put in
_KNOWN = (  # models whose blocks take nothing from below but what `_handed_on` makes
    "wav2vec2", "hubert", "unispeech", "unispeech-sat", "data2vec-audio", "whisper", "wavlm",
    "wav2vec2-conformer",
)  # fmt: skip


def count_still_blocks(backbone: nn.Module, model: Any, pooled_layer: int) -> int:
    """Return how many of the lowest blocks do not learn, with all that lies below them.

    0 where anything outside the blocks learns, as it may lie below them.
    """
    reached = transformer_blocks(model)[:pooled_layer]
    inside = {id(weight) for block in reached for weight in block.parameters()}
    outside = (weight for weight in backbone.parameters() if id(weight) not in inside)
    if any(weight.requires_grad for weight in outside):
        return 0
    for number, block in enumerate(reached):
        if any(weight.requires_grad for weight in block.parameters()):
            return number
    return pooled_layer


def count_known_blocks(model: Any, n_blocks: int, before: Parts | None) -> tuple[int, str]:
    """Return how many of the lowest ``n_blocks`` can be told by a hash, and why no more.

    Those of a known kind that are made as they were ``before``: weights, settings and the names of
    parts tell them from others then, and a part of one's own, with any attributes, never counts.
    """
    kind = model.config.model_type
    if n_blocks and kind not in _KNOWN:
        return 0, f"it is not known what blocks of a {kind!r} model hand on to the next"
    changed, why = [] if before is None else _changed_parts(model, before), ""
    blocks = transformer_blocks(model)
    prefix = f"{next(name for name, part in model.named_modules() if part is blocks)}."
    for name in changed:
        inside = name.startswith(prefix)
        number = int(name.removeprefix(prefix).partition(".")[0]) if inside else 0
        if number < n_blocks:
            n_blocks, why = number, f"the update changed {name or 'the model'!r} below what learns"
    return n_blocks, why


def parts_of(model: nn.Module) -> Parts:
    """Return the parts of a model with their attributes, for `count_known_blocks`."""
    found: Parts = {}
    for name, part in model.named_modules(remove_duplicate=False):
        own: dict[tuple[str, Any], Any] = {}
        for attribute, value in vars(part).items():
            if attribute in _NOTES:
                continue
            # parameters, buffers, parts and hooks are in dicts
            items = value.items() if isinstance(value, dict) else [(None, value)]
            own |= {(attribute, key): item for key, item in items}
        found[name] = own
    return found


def _changed_parts(model: nn.Module, before: Parts) -> list[str]:
    now, blocks = parts_of(model), transformer_blocks(model)
    whole = [name for name, part in model.named_modules() if part is blocks]  # by its blocks
    names = [name for name in {**before, **now} if name not in whole]
    return [name for name in names if not _are_same(before.get(name), now.get(name))]


def _are_same(one: Any, other: Any) -> bool:
    if one is None or other is None or one.keys() != other.keys():
        return False
    return all(
        value is other[key]
        or (isinstance(value, bool | int | float | str) and (type(value), value)
            == (type(other[key]), other[key]))
        for key, value in one.items()
    )  # fmt: skip


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
    parts = re.sub(r"Dropout\([^)]*\)", "Dropout()", repr(transformer_blocks(model)[:n_blocks]))
    settings = json.dumps(settings_of(model.config))
    return f"blocks 1 to {n_blocks}, transformers {version('transformers')} {settings} {parts}"
