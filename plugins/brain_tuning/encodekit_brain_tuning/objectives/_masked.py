"""Masked prediction on audio alone: what wav2vec 2.0's and HuBERT's objectives share."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from encodekit.data import Stimulus
from encodekit.features import Streamed, stream_windows
from encodekit_brain_tuning.backbones import hash_tensors, stem_outputs
from encodekit_brain_tuning.training import (
    Alignment,
    Batch,
    ClipCounts,
    Objective,
    Part,
    Steps,
    Training,
    TuningModel,
    as_share,
    evaluating,
    private_random,
)

Clip = dict[str, Tensor]
_SPAN = 0.2  # s under one mask, in both publications
_SHARE = 0.65  # of frames that the spans would cover if none overlapped: about half is masked


class MaskedPrediction(nn.Module):
    """A model to tune and a self-supervised loss of stem frames, some of them under a mask.

    Parameters
    ----------
    model : TuningModel
    """

    def __init__(self, model: TuningModel) -> None:
        super().__init__()
        self.model = model
        self.inner: Any = model.backbone.model
        if not hasattr(self.inner, "_mask_hidden_states"):
            raise ValueError(
                f"{type(self.inner).__name__} has no masked prediction of its own, which "
                "stimulus-tuning needs: use wav2vec2, HuBERT or WavLM"
            )
        self._was_masking = self.inner.config.apply_spec_augment
        self.inner.config.apply_spec_augment = True
        self._own_mask = not hasattr(self.inner, "masked_spec_embed")
        if self._own_mask:
            mask = torch.empty(model.backbone.n_features, device=model.backbone.device)
            self.inner.masked_spec_embed = nn.Parameter(mask.uniform_())
        grid = model.backbone.grid
        self.span = max(1, round(_SPAN * grid.rate / grid.stem.stride))

    def train(self, mode: bool = True) -> Self:
        """Set the mode, `Backbone.train` last: ``inner`` is a part of it and of this."""
        super().train(mode)
        self.model.backbone.train(mode)
        return self

    def answers(self, frames: Tensor) -> dict[str, Tensor]:
        """Return what is to be told about a clip beside its frames."""
        return {}

    def mask(self, frames: Tensor) -> Tensor:
        """Draw which frames are masked (clip, frame): spans that may overlap, at least one."""
        n_clips, n_frames = len(frames), frames.shape[-1]
        n_spans = max(1, round(_SHARE * n_frames / self.span))
        masked = torch.zeros(n_clips, n_frames, dtype=torch.bool)
        for clip in range(n_clips):
            starts = torch.randperm(max(1, n_frames - self.span + 1))[:n_spans]
            for step in range(self.span):
                masked[clip, (starts + step).clamp_max(n_frames - 1)] = True
        return masked.to(frames.device)

    def release(self) -> TuningModel:
        """Return the tuned model as it was set up, without what only this loss needed."""
        self.inner.config.apply_spec_augment = self._was_masking
        if self._own_mask:
            del self.inner.masked_spec_embed
        return self.model


class MaskedObjective(Objective):
    """The loss of a `MaskedPrediction` over windows of audio; validation has the same masks always.

    Parameters
    ----------
    module : MaskedPrediction
    stimuli, validation : list of Stimulus
    windows : Streamed
    seed : int
        Of the masks of validation.
    """

    has_r = False
    head_rate = 1.0  # the head begins at random, or is as pretrained as the backbone

    def __init__(
        self,
        module: MaskedPrediction,
        stimuli: Sequence[Stimulus],
        validation: Sequence[Stimulus],
        windows: Streamed,
        seed: int,
    ) -> None:
        self.module: MaskedPrediction = module
        self.clips: list[Clip] = audio_clips(module, stimuli, windows)
        self.held = audio_clips(module, validation, windows)
        self.validated, self.seed = bool(self.held), seed

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        """Return those of the backbone."""
        return self.module.model.backbone.parameters()

    def steps(self, training: Training, seed: int, n_processes: int, process: int) -> Steps:
        """Return the steps; parts of a batch count by their frames."""
        n_frames = [clip["frames"].shape[-1] for clip in self.clips]
        frames = np.array(n_frames, dtype=np.float64)
        grid = self.module.model.backbone.grid
        counts = ClipCounts(
            frames[:, None], np.ones((len(frames), 1), bool), frames * grid.stem.stride / grid.rate
        )
        return Steps(
            n_frames, counts, training.batch_size, seed, n_parts=training.accumulate,
            n_processes=n_processes, process=process,
        )  # fmt: skip

    def batch(self, parts: Sequence[Part]) -> Batch:
        """Return the clips of a part with its ``share``."""
        (part,) = parts
        clips = [self.clips[index] for index in part.clips]
        batch = {name: torch.stack([clip[name] for clip in clips]) for name in clips[0]}
        return batch | {"share": torch.tensor(part.share, dtype=torch.float32)}

    def loss(self, module: Any, batch: Batch, progress: float) -> tuple[Tensor, Tensor]:
        """Return a part's share of the loss per masked frame."""
        inputs = {name: value for name, value in batch.items() if name != "share"}
        value = as_share(module(**inputs), batch)
        return value, value.detach()

    def validate(self, to_device: Callable[[Batch], Any]) -> tuple[float, Alignment]:
        """Return the mean loss over the held-out clips; there is no r."""

        def measure() -> float:
            with private_random(self.seed):
                return float(np.mean([self._loss_of(clip, to_device) for clip in self.held]))

        return evaluating(self.module, measure), Alignment(float("nan"), ())

    def _loss_of(self, clip: Clip, to_device: Callable[[Batch], Any]) -> float:
        batch = to_device({name: value[None] for name, value in clip.items()})
        return float(self.module(**batch))

    def digests(self) -> dict[str, str]:
        """Return hashes of the clips."""
        return {"data.tuning": _digest(self.clips), "data.validation": _digest(self.held)}


def audio_clips(
    module: MaskedPrediction, stimuli: Sequence[Stimulus], windows: Streamed
) -> list[Clip]:
    """Return the stem's frames (channel, frame) of the windows of all stimuli."""
    backbone, found = module.model.backbone, []
    for stimulus in stimuli:
        audio = stimulus.load_audio(backbone.rate)
        cut = stream_windows(audio.size, backbone.rate, windows.chunk, windows.overlap)
        spans = [(start, stop) for start, stop, _ in cut]
        outputs = dict(stem_outputs(backbone, audio, spans))
        found += [outputs[number].contiguous() for number in range(len(spans))]
    return [{"frames": frames, **module.answers(frames)} for frames in found]


def _digest(clips: Sequence[Clip]) -> str:
    tensors = {f"{n} {name}": value for n, clip in enumerate(clips) for name, value in clip.items()}
    return hash_tensors(tensors)
