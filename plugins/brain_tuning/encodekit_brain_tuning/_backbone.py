"""A speech encoder in two parts: a frozen convolutional stem, and transformer blocks to tune."""

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encodekit.features import (
    Stem,
    layer_outputs,
    normalise_waveform,
    transformer_blocks,
    weights_hash,
)
from encodekit.features import load_backbone as load_pretrained
from encodekit_brain_tuning._windows import FrameGrid

Trainable = Literal["lora", "all", "head"]
LORA_MODULES = {
    "attention": ["q_proj", "k_proj", "v_proj", "out_proj"],
    "attention+feed_forward": [
        "q_proj", "k_proj", "v_proj", "out_proj", "intermediate_dense", "output_dense",
    ],
}  # fmt: skip
_DROPOUTS = ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout")


class Backbone(nn.Module):
    """The transformer of a wav2vec2-shaped model, fed with what its frozen stem made.

    ``stem`` (the model's ``feature_extractor``) is never trained: it is kept outside the module's
    parameters, in eval mode, and its output can be computed once and kept. Layer 0 is the input
    of the first transformer block, layer k the output of block k.

    Parameters
    ----------
    model : transformers model
        With ``feature_extractor``, ``feature_projection`` and ``encoder.layers``.
    rate : int
        Hz of the audio it takes.
    normalise : bool
        Whether each clip is scaled to zero mean and unit variance first.
    name : str
    """

    def __init__(self, model: Any, *, rate: int, normalise: bool, name: str) -> None:
        super().__init__()
        self.n_layers = len(transformer_blocks(model))
        self.pretrained_hash = weights_hash(model)
        stem: Any = model.feature_extractor
        self._frozen = (stem.eval().requires_grad_(False),)  # a tuple: not a submodule
        model.feature_extractor = nn.Identity()
        self.model = model
        self.rate, self.normalise, self.name = rate, normalise, name
        self.n_features = int(model.config.hidden_size)
        self.grid = FrameGrid(rate, Stem.of(self.model.config))

    @property
    def stem(self) -> nn.Module:
        """The frozen convolutional part."""
        stem: nn.Module = self._frozen[0]
        return stem

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @torch.no_grad()
    def stem_output(self, audio: NDArray[np.float32]) -> Tensor:
        """Return the stem's frames (n_clips, n_channels, n_frames) of clips (n_clips, n_samples).

        Clips of one call have one length: a group-normalised stem depends on it.
        """
        stem = self.stem.to(self.device)
        scaled = normalise_waveform(audio) if self.normalise else audio
        frames: Tensor = stem(torch.from_numpy(scaled).to(self.device))
        return frames

    def forward(self, frames: Tensor) -> Tensor:
        """Return the last layer (n_clips, n_frames, n_features) from the stem's output."""
        return self.layers(frames, [self.n_layers])[0]

    def layers(self, frames: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        """Return the wanted layers, each (n_clips, n_frames, n_features), from the stem's."""
        found = layer_outputs(self.model, frames, wanted)
        return [found[layer] for layer in wanted]


def load_backbone(name: str, *, dropout: float | None = None) -> Backbone:
    """Return the speech encoder of that name, folder or hub id, in eval mode.

    Parameters
    ----------
    name : str
        A registered name such as ``"tiny"``, a folder, or a hub id.
    dropout : float, optional
        For all of its dropouts; its own if not given. LayerDrop and SpecAugment are always off.
    """
    model, reader = load_pretrained(name)
    _quieten(model, dropout)
    normalise = bool(getattr(reader, "do_normalize", True))
    return Backbone(model, rate=int(reader.sampling_rate), normalise=normalise, name=name)


def make_trainable(
    backbone: Backbone,
    trainable: Trainable,
    *,
    modules: str = "attention",
    rank: int = 8,
    alpha: float | None = None,
) -> None:
    """Choose what learns: adapters (LoRA), every transformer weight, or nothing but the head.

    ``alpha`` is 4 x rank if not given, so that another rank keeps the scale (as published: 32
    at rank 8). The adapters' dropout is the backbone's ``hidden_dropout``.
    """
    backbone.model.requires_grad_(trainable == "all")
    if trainable != "lora":
        return
    from peft import LoraConfig, inject_adapter_in_model

    scale: Any = 4 * rank if alpha is None else alpha
    config = LoraConfig(
        r=rank,
        lora_alpha=scale,
        lora_dropout=float(backbone.model.config.hidden_dropout),
        target_modules=LORA_MODULES[modules],
    )
    inject_adapter_in_model(config, backbone.model)


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of what can learn in ``module``, by name, on the CPU."""
    learnt = (item for item in module.named_parameters() if item[1].requires_grad)
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in learnt}


def hash_tensors(tensors: dict[str, Tensor]) -> str:
    """The sha256 of tensors with their names, shapes and dtypes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _quieten(model: nn.Module, dropout: float | None) -> None:
    config: Any = model.config
    config.apply_spec_augment = False
    config.layerdrop = 0.0
    if dropout is None:
        return
    for name in _DROPOUTS:
        setattr(config, name, dropout)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = dropout  # type: ignore[assignment]
