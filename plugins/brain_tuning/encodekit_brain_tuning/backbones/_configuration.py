"""What a model is told beside its weights, and what of the machine may change its numbers."""

import json
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from encodekit.features import SETTINGS_OF_FILES

_OF_WORDS = (  # a decoder, or a head that names classes: none of them is read
    "bos_token_id", "eos_token_id", "pad_token_id", "begin_suppress_tokens", "suppress_tokens",
    "forced_decoder_ids", "vocab_size", "max_target_positions", "median_filter_width", "use_cache",
    "is_encoder_decoder", "tie_word_embeddings", "id2label", "label2id", "problem_type",
    "output_attentions", "output_hidden_states", "return_dict",
)  # fmt: skip
_DROPOUTS = ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout",
             "dropout")  # fmt: skip
_OF_TRAINING = ("apply_spec_augment", "initializer_range", "init_std")


def settings_of(config: Any, *, training: bool = False) -> dict[str, str]:
    """Return what of a configuration may decide a model's hidden states, as JSON by its name.

    Parameters
    ----------
    config : transformers configuration
    training : bool
        Whether dropouts are among it, which act in training alone.
    """
    left_out = {*SETTINGS_OF_FILES, *_OF_WORDS, *_OF_TRAINING}
    return {
        name: json.dumps(value, sort_keys=True, default=str)
        for name, value in sorted(config.to_dict().items())
        if name not in left_out
        and not name.startswith("decoder_")
        and (training or "drop" not in name)
    }


def machine_of(device: torch.device) -> dict[str, Any]:
    """Return what of a machine may change the last digits of a result."""
    if device.type != "cpu":
        return {"device": torch.cuda.get_device_name(device)}
    return {
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def computed_by(model: Any, device: torch.device) -> str:
    """Return what beside a model and its input may change the last digits of its output."""
    packages = {name: version(name) for name in ("torch", "transformers")}
    attention = getattr(model.config, "_attn_implementation", None)
    return json.dumps({**machine_of(device), **packages, "attention": attention})


def quieten(model: nn.Module, dropout: float | None) -> None:
    """Set all dropouts, where one is given, and take LayerDrop and SpecAugment away."""
    config: Any = model.config
    config.apply_spec_augment = False
    for part in (config, *model.modules()):
        for name in ("layerdrop", "encoder_layerdrop"):
            if isinstance(getattr(part, name, None), float | int):
                setattr(part, name, 0.0)
        if dropout is not None:
            _set_dropout(part, dropout)


def _set_dropout(part: Any, dropout: float) -> None:
    if isinstance(part, nn.Dropout):
        part.p = dropout
    for name in _DROPOUTS:
        value = getattr(part, name, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            setattr(part, name, dropout)
