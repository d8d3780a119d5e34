"""What the settings of a tuning make: windows, stems, targets, the model, and its identity."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from encodekit.data import Stimulus
from encodekit_brain_tuning._backbone import load_backbone, make_trainable
from encodekit_brain_tuning._clips import WindowSettings
from encodekit_brain_tuning._heads import resolve_head
from encodekit_brain_tuning._losses import Loss, joint_equals_mean
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._selection import to_json
from encodekit_brain_tuning._stem_cache import StemCache
from encodekit_brain_tuning._strategies import Situation, TargetMaker, resolve_strategy

_ELSEWHERE = (  # of no effect on the tuned weights, or told otherwise
    "backbone", "recipe", "layer", "history", "cache", "device", "n_workers", "random_state",
    "checkpoint", "checkpoint_every", "tensorboard", "stem_cache", "stem_cache_gb",
)  # fmt: skip


def window_settings(settings: Any) -> WindowSettings:
    """Return how audio is cut and pooled."""
    return WindowSettings(
        settings.windows, settings.chunk, settings.overlap, settings.stretch, settings.pooling
    )


def stem_cache(settings: Any) -> StemCache:
    """Return where the stem's output is kept."""
    return StemCache(settings.stem_cache, dtype=settings.stem_dtype, limit=settings.stem_cache_gb)


def target_maker(settings: Any, loss: Loss) -> TargetMaker:
    """Return what makes targets of responses, by the strategy that suits loss and head."""
    head = resolve_head(settings.head)
    situation = Situation(
        joint_equals_mean=joint_equals_mean(loss),
        shared_head=getattr(head, "shared", True),
        reduction=settings.reduction,
        n_components=settings.n_components,
    )
    strategy = resolve_strategy(settings.strategy, situation)
    own = getattr(head, "own_targets", False)
    return TargetMaker(strategy, settings.z_score, own)


def new_model(settings: Any, n_targets: int, n_participants: int) -> TuningModel:
    """Return a pretrained backbone, prepared for what is trainable, with a head to be fitted."""
    backbone = load_backbone(
        settings.backbone, dropout=settings.dropout, pooled_layer=settings.pooled_layer
    )
    make_trainable(
        backbone, settings.trainable, modules=settings.lora_targets,
        rank=settings.lora_rank, alpha=settings.lora_alpha,
        checkpointing=settings.gradient_checkpointing,
    )  # fmt: skip
    make_head = resolve_head(settings.head)
    head = make_head(backbone.n_features, n_targets, n_participants, settings.head_rank)
    return TuningModel(backbone, head).to(_device(settings.device))


def identifying(
    settings: Any, seed: int, backbone_hash: str, keys: Sequence[str], stimuli: Iterable[Stimulus]
) -> dict[str, Any]:
    """Return what decides a tuning's result beside its data and its machine, see `identify`."""
    facts = {
        f"settings.{name}": to_json(value, keys)
        for name, value in vars(settings).items()
        if name not in _ELSEWHERE
    }
    audio = [stimulus.audio_hash for stimulus in stimuli]
    return {**facts, "seed": seed, "backbone": backbone_hash, "audio": audio}


def _device(asked: str | None) -> torch.device:
    """Return the device of this process; `accelerate launch` numbers its processes' GPUs."""
    kind = asked or ("cuda" if torch.cuda.is_available() else "cpu")
    rank = os.environ.get("LOCAL_RANK")
    return torch.device(f"cuda:{rank}" if kind == "cuda" and rank else kind)
