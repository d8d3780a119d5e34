"""Stimulus-tuning: the baseline that hears the same audio, and learns from no brain.

The backbone goes on with a self-supervised loss of its own kind, on the stem's frames of the same
clips, with the same trainable weights, steps and schedule:

``"contrastive"``
    wav2vec 2.0's: tell the quantised frame under a mask from those elsewhere in the clip, with
    diversity of the codebook, as `transformers.Wav2Vec2ForPreTraining` computes it. For checkpoints
    that hold the quantiser (``facebook/wav2vec2-base``).
``"units"``
    HuBERT's: tell which k-means unit lies under a mask, where the units are those of the middle
    layer of the model before tuning. For every other checkpoint: HuBERT and WavLM, which come
    without their own units, and ``tiny``, whose own stage of masked prediction had units of mel
    frames and whose checkpoint holds no quantiser.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback

from encodekit.data import Stimulus
from encodekit.features import resolve_backbone, stream_windows
from encodekit.plugins import unknown_name
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._stem_cache import stem_outputs
from encodekit_brain_tuning._trainer import (
    make_plan,
    private_random,
    training_arguments,
    warmup_steps,
)

if TYPE_CHECKING:
    from encodekit_brain_tuning._extractor import BrainTunedFeatures

Clip = dict[str, Tensor]
OBJECTIVES = ("contrastive", "units")
PARTICIPANT = "audio"
_SPAN = 0.2  # s under one mask, in both publications
_SHARE = 0.65  # of frames that the spans would cover if none overlapped: about half is masked
_N_NEGATIVES = 100


def stimulus_tuned(
    extractor: "BrainTunedFeatures",
    stimuli: Sequence[Stimulus],
    *,
    validation: Sequence[Stimulus] = (),
    objective: str | None = None,
    n_units: int = 100,
) -> "BrainTunedFeatures":
    """Return a copy of ``extractor`` tuned on the audio alone, see the module's first lines.

    Windows are streamed. ``budget=("steps", n)`` or ``epochs`` say how long; there is no early
    stop, and the last weights stay. ``history_`` has the loss on ``validation`` once per epoch.

    Parameters
    ----------
    extractor : BrainTunedFeatures
        With the parameters of the model that the baseline is held against.
    stimuli, validation : list of Stimulus
    objective : {"contrastive", "units"}, optional
        Contrastive if the checkpoint holds what it needs, else units.
    n_units : int
        Of k-means.

    Raises
    ------
    ValueError
        For another objective, one that the checkpoint cannot give, or a backbone without masked
        prediction (Whisper).
    """
    tuned: BrainTunedFeatures = clone(extractor)
    settings = tuned.settings()
    tuned.seed_ = int(check_random_state(settings.random_state).randint(2**31 - 1))
    with private_random(tuned.seed_):
        task = _make_task(tuned, settings, list(stimuli), objective, n_units)
        held = task.clips(list(validation)) if len(validation) else []
        tuned.history_ = _train(task, task.clips(list(stimuli)), held, settings, tuned.seed_)
    tuned.loss = f"self-supervised: {task.name}"
    tuned.targets_ = tuple(f"{task.name}/{number:03d}" for number in range(tuned.n_targets_))
    tuned.head_alpha_ = None
    tuned.tuned_on_ = {item.heard_hash: item.run_name for item in stimuli}
    tuned.validated_on_ = {item.heard_hash: item.run_name for item in validation}
    seconds = [item.audio_duration or 0.0 for item in stimuli]
    tuned.tuned_seconds_ = float(sum(seconds))
    tuned._finish(task.release())
    return tuned


class Task(nn.Module):
    """A model to tune and a self-supervised loss; batches are stem frames and units.

    Parameters
    ----------
    model : TuningModel
    chunk, overlap : float
        s, of the windows.
    """

    name = ""

    def __init__(self, model: TuningModel, chunk: float, overlap: float) -> None:
        super().__init__()
        self.model, self.chunk, self.overlap = model, chunk, overlap
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

    def clips(self, stimuli: Sequence[Stimulus]) -> list[Clip]:
        """Return the stem's frames (channel, frame) of the windows of all stimuli."""
        backbone, found = self.model.backbone, []
        for stimulus in stimuli:
            audio = stimulus.load_audio(backbone.rate)
            windows = stream_windows(audio.size, backbone.rate, self.chunk, self.overlap)
            spans = [(start, stop) for start, stop, _ in windows]
            outputs = dict(stem_outputs(backbone, audio, spans))
            found += [outputs[number].contiguous() for number in range(len(spans))]
        return [{"frames": frames, **self.answers(frames)} for frames in found]

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


class UnitsTask(Task):
    """Cross-entropy over the k-means units of masked frames (HuBERT, arXiv 2106.07447)."""

    name = "units"
    centres: Tensor

    def __init__(self, model: TuningModel, chunk: float, overlap: float) -> None:
        super().__init__(model, chunk, overlap)
        self.register_buffer("centres", torch.zeros(0, 0))

    def learn_units(self, stimuli: Sequence[Stimulus], n_units: int, seed: int) -> None:
        """Cluster the frames of the middle layer, z-scored, of the model as it is."""
        from sklearn.cluster import MiniBatchKMeans

        rows = [self.middle(clip["frames"]) for clip in self.clips(stimuli)]
        joined = torch.cat(rows).cpu().numpy()
        found = MiniBatchKMeans(n_units, random_state=seed, n_init=3).fit(joined)
        self.centres = torch.from_numpy(found.cluster_centers_.astype(np.float32))

    @torch.no_grad()
    def middle(self, frames: Tensor) -> Tensor:
        """Return the middle layer (frame, feature) of one clip."""
        backbone = self.model.backbone
        layer = max(1, backbone.n_layers // 2)
        return backbone.layers(frames[None].to(backbone.device), [layer])[0][0]

    def answers(self, frames: Tensor) -> dict[str, Tensor]:
        """Return the unit of every frame, by the model before tuning."""
        if not self.centres.numel():
            return {}
        rows = self.middle(frames)
        return {"units": torch.cdist(rows, self.centres.to(rows.device)).argmin(dim=1).cpu()}

    def forward(self, frames: Tensor, units: Tensor) -> Tensor:
        """Return the mean cross-entropy over masked frames."""
        masked = self.mask(frames)
        hidden = self.inner(frames, mask_time_indices=masked).last_hidden_state
        rows = hidden[masked]
        logits = self.model.head(rows, rows.new_ones(len(rows), 1))[0]
        loss: Tensor = nn.functional.cross_entropy(logits, units[masked])
        return loss


class ContrastiveTask(Task):
    """wav2vec 2.0's contrastive and diversity losses (arXiv 2006.11477), per masked frame.

    The head of the tuned model is the projection of hidden states into the codebook's space.
    """

    name = "contrastive"

    def take(self, pretraining: Any) -> None:
        """Compute the losses by a `Wav2Vec2ForPreTraining` around the model that is tuned."""
        pretraining.wav2vec2 = self.inner
        pretraining.project_hid = self.model.head.linear
        pretraining.set_gumbel_temperature(0.5)  # where pretraining of the base model ended
        self.pretraining = pretraining

    def forward(self, frames: Tensor) -> Tensor:
        """Return the loss per masked frame."""
        from transformers.models.wav2vec2.modeling_wav2vec2 import _sample_negative_indices

        masked = self.mask(frames)
        shape = (len(frames), frames.shape[-1])
        negatives = _sample_negative_indices(shape, _N_NEGATIVES, masked.cpu().numpy())
        result = self.pretraining(
            frames,
            mask_time_indices=masked,
            sampled_negative_indices=torch.from_numpy(negatives).to(frames.device),
        )
        loss: Tensor = result.loss / masked.sum()
        return loss


def _make_task(
    tuned: "BrainTunedFeatures",
    settings: Any,
    stimuli: Sequence[Stimulus],
    objective: str | None,
    n_units: int,
) -> Task:
    if objective not in (None, *OBJECTIVES):
        raise ValueError(unknown_name("objective", objective, OBJECTIVES))
    pretraining = None if objective == "units" else _with_quantiser(settings.backbone)
    if objective == "contrastive" and pretraining is None:
        raise ValueError(
            f"the checkpoint {settings.backbone!r} holds no quantiser, which the contrastive loss "
            "of wav2vec 2.0 needs: use objective='units'"
        )
    tuned.participants_ = (PARTICIPANT,)
    if pretraining is None:
        tuned.n_targets_ = n_units
        units = UnitsTask(_model(tuned), settings.chunk, settings.overlap)
        units.learn_units(stimuli, n_units, tuned.seed_)
        return units
    tuned.n_targets_ = int(pretraining.config.proj_codevector_dim)
    contrastive = ContrastiveTask(_model(tuned), settings.chunk, settings.overlap)
    head: Any = contrastive.model.head
    head.linear.load_state_dict(pretraining.project_hid.state_dict())
    contrastive.take(pretraining.to(contrastive.model.backbone.device))
    return contrastive


def _model(tuned: "BrainTunedFeatures") -> TuningModel:
    """The backbone with the shared head, which the loss reads it by."""
    tuned.set_params(head="shared")
    return tuned._new_model()


def _with_quantiser(name: str | Path) -> Any:
    """Return the checkpoint as `Wav2Vec2ForPreTraining`, or None if it lacks parts of it."""
    from transformers import AutoConfig, Wav2Vec2ForPreTraining

    where = resolve_backbone(name)
    if AutoConfig.from_pretrained(where).model_type != "wav2vec2":
        return None
    read: Any = Wav2Vec2ForPreTraining.from_pretrained
    model, info = read(where, output_loading_info=True, dtype=torch.float32)
    own = ("quantizer.", "project_q.", "project_hid.")
    return None if any(key.startswith(own) for key in info["missing_keys"]) else model


class _AudioTrainer(Trainer):
    """transformers' Trainer over clips of audio."""

    def __init__(self, task: Task, clips: list[Clip], plan: Any, folder: str) -> None:
        self.clips, self.batches = clips, _EqualLengths(clips, plan.batch_size)
        unit, amount = plan.budget or ("epochs", plan.epochs)
        if unit not in ("steps", "epochs"):
            raise ValueError(
                f"budget={plan.budget}: stimulus-tuning has no participants and counts in "
                "('steps', n), or in epochs="
            )
        arguments = training_arguments(plan, folder)
        arguments.max_steps = int(amount if unit == "steps" else amount * len(self.batches))
        arguments.warmup_steps = warmup_steps(plan, arguments.max_steps)
        self.losses: list[Tensor] = []
        super().__init__(model=task, args=arguments, train_dataset=clips)
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return batches of clips of one length."""
        clips: Any = self.clips
        return DataLoader(clips, batch_sampler=self.batches)

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **rest: Any) -> Tensor:
        """Return the task's loss."""
        loss: Tensor = model(**inputs)
        self.losses.append(loss.detach())
        return loss


class _EqualLengths(Sampler[list[int]]):
    """Batches of clips of one length, in another order in every pass."""

    def __init__(self, clips: Sequence[Clip], batch_size: int) -> None:
        groups: dict[int, list[int]] = {}
        for number, clip in enumerate(clips):
            groups.setdefault(clip["frames"].shape[-1], []).append(number)
        self.groups, self.batch_size = list(groups.values()), batch_size

    def __len__(self) -> int:
        return sum(-(-len(group) // self.batch_size) for group in self.groups)

    def __iter__(self) -> Iterator[list[int]]:
        batches = []
        for group in self.groups:
            order = [group[i] for i in torch.randperm(len(group)).tolist()]
            starts = range(0, len(order), self.batch_size)
            batches += [order[start : start + self.batch_size] for start in starts]
        return iter([batches[i] for i in torch.randperm(len(batches)).tolist()])


class _Look(TrainerCallback):
    """Keep the history: before the first step, after every epoch, and at the end."""

    def __init__(self, trainer: _AudioTrainer, held: list[Clip], seed: int) -> None:
        self.trainer, self.held, self.seed = trainer, held, seed
        self.rows: list[dict[str, float]] = []
        self.begun = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Look at the model as it starts."""
        self._look(state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Look at the model after an epoch, or where the budget ends."""
        self._look(state)

    def _look(self, state: Any) -> None:
        losses, self.trainer.losses = self.trainer.losses, []
        self.rows.append(
            {
                "epoch": float(state.epoch or 0),
                "step": state.global_step,
                "train_loss": float(torch.stack(losses).mean()) if losses else np.nan,
                "validation_loss": self._validate(),
                "validation_r": np.nan,
                "seconds": time.monotonic() - self.begun,
            }
        )

    @torch.no_grad()
    def _validate(self) -> float:
        """Return the loss over the held-out clips, under the same masks every time."""
        if not self.held:
            return float("nan")
        task: Any = self.trainer.model
        was_training = task.training
        task.eval()
        with private_random(self.seed):
            losses = []
            for clip in self.held:
                batch = {name: value[None].to(self.trainer.args.device)
                         for name, value in clip.items()}  # fmt: skip
                losses.append(float(task(**batch)))
        task.train(was_training)
        return float(np.mean(losses))


def _train(
    task: Task, clips: list[Clip], held: list[Clip], settings: Any, seed: int
) -> pd.DataFrame:
    plan = make_plan(settings, seed, one_by_one=False)
    with tempfile.TemporaryDirectory() as folder:
        trainer = _AudioTrainer(task, clips, plan, folder)
        look = _Look(trainer, held, seed)
        trainer.add_callback(look)
        trainer.train()
    last = len(look.rows) - 1
    return pd.DataFrame(look.rows).assign(kept=[row == last for row in range(len(look.rows))])
