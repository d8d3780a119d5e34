"""A speech encoder in two parts: what is frozen, from the stem upwards, and what may learn."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import MethodType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from encodekit.core import warn_caller
from encodekit.features import (
    Stem,
    has_last_norm,
    layer_outputs,
    normalise_waveform,
    resolve_backbone,
    transformer_blocks,
    wants_scaled,
    weights_hash,
)
from encodekit.features import load_backbone as load_pretrained
from encodekit_brain_tuning.backbones._configuration import quieten, settings_of
from encodekit_brain_tuning.backbones._frozen_blocks import (
    Parts,
    count_known_blocks,
    count_still_blocks,
    frozen_tensors,
    how_computed,
    run_blocks,
)
from encodekit_brain_tuning.backbones._windows import FrameGrid


class Backbone(nn.Module):
    """The transformer of wav2vec2, HuBERT, WavLM, Whisper or the like, fed by its frozen stem.

    ``stem`` (the model's ``feature_extractor``) is never trained: it is kept outside the module's
    parameters, in eval mode, and its output can be computed once and kept. Layer 0 is the input
    of the first transformer block, layer k the output of block k.

    Blocks below the lowest that learns are frozen as the stem is, once `split` has found them:
    they are computed in evaluation mode, without dropout, and their output can be kept too. Batch
    norms are in evaluation mode everywhere: the statistics of pretraining stay, and a model that
    is saved and loaded is the same.

    Parameters
    ----------
    model : transformers model
        With ``feature_extractor``, ``feature_projection`` and ``encoder.layers``.
    rate : int
        Hz of the audio it takes.
    normalise : bool
        Whether each clip is scaled to zero mean and unit variance first.
    name : str
    pooled_layer : int, optional
        The layer that `forward` gives; the last if not given. No block above it is computed.

    Attributes
    ----------
    n_frozen_blocks : int
        The blocks that belong to the frozen part; 0 where it is the stem alone.
    licences : dict of str to bytes
        The licence files that came with the weights, by name.
    """

    def __init__(
        self, model: Any, *, rate: int, normalise: bool, name: str, pooled_layer: int | None = None
    ) -> None:
        super().__init__()
        self.n_layers = len(transformer_blocks(model))
        if getattr(model.config, "squeeze_factor", 1) > 1:
            raise TypeError(
                f"{type(model).__name__} of {name!r} takes means of frames before its first block "
                f"(squeeze_factor={model.config.squeeze_factor}), and only models whose blocks "
                "have the frames of their stem are tuned: wav2vec2 (also Conformer), HuBERT, "
                "WavLM, UniSpeech, UniSpeech-SAT, Data2VecAudio or Whisper. SpeechFeatures reads "
                "this one as it is"
            )
        self.pooled_layer = self._checked_layer(pooled_layer)
        self.pretrained_hash = weights_hash(model)
        stem: Any = model.feature_extractor
        self._frozen = (stem.eval().requires_grad_(False),)  # a tuple: not a submodule
        model.feature_extractor = nn.Identity()
        self.model = model
        self.rate, self.normalise, self.name = rate, normalise, name
        self.n_features = int(model.config.hidden_size)
        self.grid = FrameGrid(rate, Stem.of(self.model.config))
        self.n_frozen_blocks = self._n_still_blocks = 0
        self.licences: dict[str, bytes] = {}
        _call_projections(model)
        self.eval()

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

    @property
    def configuration(self) -> dict[str, str]:
        """What beside the weights decides the hidden states, as JSON by its name."""
        return self._settings(training=False)

    @property
    def configuration_hash(self) -> str:
        """The sha256 of `configuration`."""
        return hashlib.sha256(json.dumps(self.configuration).encode()).hexdigest()

    @property
    def configuration_in_training(self) -> dict[str, str]:
        """The same with the dropouts."""
        return self._settings(training=True)

    def _settings(self, *, training: bool) -> dict[str, str]:
        reading = {"do_normalize": json.dumps(self.normalise), "sampling_rate": str(self.rate)}
        return settings_of(self.model.config, training=training) | reading

    @cached_property
    def stem_hash(self) -> str:
        """The sha256 of what the stem's output depends on beside the audio."""
        how = f"{self.stem!r} {self.normalise} {self.rate} {self.grid.stem}"
        return hash_tensors({how: torch.zeros(0), **self.stem.state_dict()})

    def split(self, before: Parts | None = None) -> None:
        """Let all that lies below the lowest block that learns be frozen.

        Where the projection of the stem's frames or another part outside the blocks learns, the
        stem alone is.

        Parameters
        ----------
        before : dict, optional
            The parts of the model before an update, see `parts_of`: output of what the update
            changed, and does not learn, is not kept.

        Warns
        -----
        UserWarning
            Where blocks that do not learn are computed in every epoch all the same.
        """
        still = count_still_blocks(self, self.model, self.pooled_layer)
        self.n_frozen_blocks, why = count_known_blocks(self.model, still, before)
        if why:
            warn_caller(
                f"{still - self.n_frozen_blocks} of the blocks of {self.name!r} do not learn, but "
                f"are computed in every epoch: {why}",
                UserWarning,
            )
        self._n_still_blocks = still
        vars(self).pop("frozen_hash", None)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of what learns; what does not, and batch norms, stay in evaluation mode."""
        super().train(mode)
        if self._n_still_blocks:
            self.model.eval()
            transformer_blocks(self.model)[self._n_still_blocks :].train(mode)
        for part in self.model.modules():
            if isinstance(part, _BatchNorm):
                part.eval()
        return self

    @cached_property
    def frozen_hash(self) -> str:
        """The sha256 of what the frozen part's output depends on beside the audio."""
        n_blocks = self.n_frozen_blocks
        if not n_blocks:
            return self.stem_hash
        how = f"{self.stem_hash} {how_computed(self.model, n_blocks)}"
        return hash_tensors({how: torch.zeros(0), **frozen_tensors(self.model, n_blocks)})

    @property
    def frozen_name(self) -> str:
        """What messages call the frozen part's output."""
        return f"layer {self.n_frozen_blocks}" if self.n_frozen_blocks else "the stem's output"

    @torch.no_grad()
    def frozen_output(self, frames: Tensor) -> Tensor:
        """Return what the frozen part makes of the stem's frames, (n_clips, n_channels, n_frames).

        The stem's frames themselves, or the layer below the lowest block that learns.
        """
        if not self.n_frozen_blocks:
            return frames
        was_training = self.training
        self.eval()
        try:
            (hidden,) = self.layers(frames.to(self.device), [self.n_frozen_blocks])
        finally:
            self.train(was_training)
        return hidden.transpose(1, 2)

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
        """Return the pooled layer (n_clips, n_frames, n_features) from the frozen part's output."""
        if not self.n_frozen_blocks:
            return self.layers(frames, [self.pooled_layer])[0]
        weight = next(self.model.parameters())
        hidden = frames.to(weight.dtype).transpose(1, 2).contiguous()
        return run_blocks(self.model, hidden, self.n_frozen_blocks, self.pooled_layer)

    def layers(self, frames: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        """Return the wanted layers, each (n_clips, n_frames, n_features), from the stem's."""
        weight = next(self.model.parameters())
        found = layer_outputs(self.model, frames.to(weight.dtype), wanted)
        return [found[layer] for layer in wanted]

    def never_reached(self) -> Iterator[Any]:
        """Yield parts that the pooled layer does not depend on, and positions that are fixed."""
        yield from transformer_blocks(self.model)[self.pooled_layer :]
        config, encoder = self.model.config, self.model.encoder
        if config.model_type == "whisper":
            yield encoder.embed_positions
        if config.model_type == "wav2vec2-conformer":
            yield encoder.pos_conv_embed  # which transformers makes and never calls
        if has_last_norm(config):
            yield encoder.layer_norm  # above the last block
        if getattr(self.model, "adapter", None) is not None:
            yield self.model.adapter  # of Wav2Vec2(add_adapter=True), above it too
        if hasattr(self.model, "masked_spec_embed"):
            yield self.model.masked_spec_embed

    def recompute_in_backward(self) -> None:
        """Compute each block again in the backward pass instead of keeping what it needs."""
        for block in transformer_blocks(self.model):
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)

    def _checked_layer(self, layer: int | None) -> int:
        if layer is not None and layer not in range(1, self.n_layers + 1):
            raise ValueError(
                f"layer={layer} of the head: the blocks of this backbone give the layers 1 to "
                f"{self.n_layers}; choose one of them, or None for the last"
            )
        return self.n_layers if layer is None else layer


def load_backbone(
    name: str, *, dropout: float | None = None, pooled_layer: int | None = None
) -> Backbone:
    """Return the speech encoder of that name, folder or hub id, in eval mode.

    Parameters
    ----------
    name : str
        A registered name such as ``"tiny"``, a folder, or a hub id.
    dropout : float, optional
        For all of its dropouts; its own if not given. LayerDrop and SpecAugment are always off.
    pooled_layer : int, optional
        The layer that tuning pools; the last if not given.
    """
    model, reader = load_pretrained(name)
    quieten(model, dropout)
    backbone = Backbone(
        model, rate=int(reader.sampling_rate), normalise=wants_scaled(reader), name=name,
        pooled_layer=pooled_layer,
    )  # fmt: skip
    folder = Path(resolve_backbone(name))
    backbone.licences = {path.name: path.read_bytes() for path in sorted(folder.glob("LICENSE*"))
                         if path.is_file()}  # fmt: skip
    return backbone


def _call_projections(model: Any) -> None:
    """Let WavLM's attention call its projections, where adapters sit.

    transformers hands their weights to one function instead, so that an adapter would neither
    act nor learn.
    """
    for module in model.modules():
        if hasattr(module, "torch_multi_head_self_attention"):
            module.torch_multi_head_self_attention = MethodType(_attend, module)


def _attend(attention: Any, hidden: Tensor, _mask: Any, bias: Tensor) -> tuple[Tensor, None]:
    n_clips, n_frames, _ = hidden.shape
    shape = (n_clips, n_frames, attention.num_heads, attention.head_dim)
    query, key, value = (
        project(hidden).view(shape).transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    bias = bias.view(n_clips, attention.num_heads, n_frames, n_frames).to(query.dtype)
    dropout = attention.dropout if attention.training else 0.0
    mixed = functional.scaled_dot_product_attention(query, key, value, bias, dropout)
    return attention.out_proj(mixed.transpose(1, 2).reshape(n_clips, n_frames, -1)), None


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
