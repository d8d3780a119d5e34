"""Training on transformers' Trainer: equal-length batches, validation, early stop, best weights."""

import math
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from encodekit_brain_tuning._alignment import Alignment, RunningAlignment
from encodekit_brain_tuning._board import Board
from encodekit_brain_tuning._checkpoint import Checkpoints, identify, load_learnt
from encodekit_brain_tuning._clips import Batch, EqualLengthBatches, TuningClips
from encodekit_brain_tuning._losses import Loss, counts_values, loss_at
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._steps import Budget, ClipCounts, StepLoader, Steps
from encodekit_brain_tuning._watch import Watch


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train, and on whom in each step.

    ``budget`` (unit, amount) of `Steps` decides the length where it is given, else ``epochs``.
    ``warmup`` is the share of the real number of optimizer steps in which the rate rises from 0;
    it then falls linearly to 0. ``validate_every`` counts steps (None: every epoch).
    ``patience`` counts validations without a new best (None: never stop early).
    ``head_learning_rate`` is a tenth of ``learning_rate`` if None. ``accumulate`` forward passes
    make one step of ``batch_size`` clips. ``bf16`` computes in bfloat16 where that is safe.
    ``checkpoint`` is the folder of `Checkpoints`, ``tensorboard`` that of `Board`.
    """

    epochs: int
    learning_rate: float
    batch_size: int
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_norm: float = 1.0
    patience: int | None = 5
    validate_every: int | None = None
    seed: int = 0
    device: str | None = None
    head_learning_rate: float | None = None
    budget: Budget | None = None
    one_by_one: bool = False
    reduction: str = "pairs"
    accumulate: int = 1
    bf16: bool = False
    n_workers: int = 0
    checkpoint: str | Path | None = None
    checkpoint_every: int | None = None
    tensorboard: str | Path | None = None


def make_plan(settings: Any, seed: int, *, one_by_one: bool) -> Plan:
    """Return the plan that settings of `BrainTunedFeatures` make."""
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    auto = on_gpu and torch.cuda.is_bf16_supported()
    named = {field.name for field in fields(Plan)} & set(vars(settings))
    return Plan(
        **{name: getattr(settings, name) for name in named},
        seed=seed,
        one_by_one=one_by_one,
        bf16=auto if settings.precision == "auto" else settings.precision == "bfloat16",
    )


class BrainTrainer(Trainer):
    """transformers' Trainer over clips of fMRI, one step at a time of `Steps`.

    Parameters
    ----------
    model : TuningModel
    clips, validation : TuningClips
    loss : callable (predicted, true, mask) -> scalar
    plan : Plan
    folder : str
        Where Trainer may write; nothing is left there.
    """

    loss_is_scaled_for_ga = True  # by each part's share
    checkpoints: Checkpoints | None = None

    def __init__(
        self,
        model: TuningModel,
        clips: TuningClips,
        validation: TuningClips | None,
        loss: Loss,
        plan: Plan,
        folder: str,
    ) -> None:
        self.clips, self.validation, self.loss, self.plan = clips, validation, loss, plan
        self.tuned = model
        self.seen: list[Tensor] = []
        self.parts: list[Tensor] = []
        arguments = training_arguments(plan, folder)
        by: Any = "values" if counts_values(loss) else "pairs"
        self.steps = Steps(
            clips, ClipCounts(clips, by, model.backbone.rate), plan.batch_size, plan.seed,
            one_by_one=plan.one_by_one, reduction=plan.reduction, n_parts=plan.accumulate,
            n_processes=arguments.world_size, process=arguments.process_index,
        )  # fmt: skip
        budget = plan.budget or ("steps", plan.epochs * self.steps.n_steps)
        self.n_steps = arguments.max_steps = self.steps.n_steps_of(budget)
        arguments.warmup_steps = warmup_steps(plan, self.n_steps)
        super().__init__(model=model, args=arguments, train_dataset=clips)
        self.remove_callback(PrinterCallback)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return AdamW with a rate of its own for the head."""
        if self.optimizer is None:
            plan, head = self.plan, self.tuned.head
            backbone = [p for p in self.tuned.backbone.parameters() if p.requires_grad]
            rate = plan.head_learning_rate
            head_rate = plan.learning_rate / 10 if rate is None else rate
            groups = [
                {"params": backbone, "lr": plan.learning_rate},
                {"params": list(head.parameters()), "lr": head_rate},
            ]
            self.optimizer = torch.optim.AdamW(
                [group for group in groups if group["params"]], weight_decay=plan.weight_decay
            )
        return self.optimizer

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the parts of the steps that this process makes."""
        return StepLoader(
            self.clips,
            batch_sampler=self.steps,
            collate_fn=partial(self.steps.batch, self.clips),
            num_workers=self.plan.n_workers,
            pin_memory=self.args.device.type == "cuda",
            persistent_workers=self.plan.n_workers > 0,
        )

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Return a part's share of the loss of a step over all its (TR, participant) pairs."""
        predicted = model(inputs["frames"], inputs["mixing"], inputs["people"]).float()
        loss = loss_at(self.loss, self.state.global_step / self.n_steps)
        share = inputs["share"]
        if self.plan.reduction == "pairs":
            value = share[0] * loss(predicted, inputs["true"], inputs["mask"])
            self.parts.append(value.detach() + share[0] * _left_out(inputs))
        else:
            value = _over_participants(predicted, inputs, loss)
            self.parts.append(value.detach())
        whole: Tensor = value * self.args.world_size  # gradients are averaged over processes
        return whole

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.checkpoints is not None:
            self.checkpoints.save()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_learnt(self.tuned, Path(resume_from_checkpoint))

    def end_step(self) -> Tensor:
        """Return the loss of the step that has ended, over all its parts."""
        total = torch.stack(self.parts).sum()
        self.parts.clear()
        if self.args.world_size > 1:
            total = self.accelerator.reduce(total, "sum")
        self.seen.append(total)
        return total

    @torch.no_grad()
    def validate(self) -> tuple[float, Alignment]:
        """Return the loss and the mean r over targets on the validation clips, dropout off."""
        if self.validation is None:
            return math.nan, Alignment(math.nan, ())
        model, clips = self.tuned, self.validation
        was_training = model.training
        model.eval()
        total = weight = 0.0
        by_value = counts_values(self.loss)
        alignment = RunningAlignment()
        for indices in EqualLengthBatches(clips, self.plan.batch_size):
            batch = self._prepare_inputs(clips.batch(indices))
            people = torch.arange(len(batch["true"]), device=batch["true"].device)
            predicted = model(batch["frames"], batch["mixing"], people).float()
            loss = self.loss(predicted, batch["true"], batch["mask"])
            n = float(batch["mask"].sum() if by_value else (batch["mask"] > 0).any(-1).sum())
            total += n * float(loss + _left_out(batch))
            weight += n
            runs, parts = [clips.runs[i] for i in indices], [clips.parts(i) for i in indices]
            alignment.add(runs, parts, predicted, batch["true"], batch["mask"])
        model.train(was_training)
        return self._agreed([total / weight, alignment.found()])

    def _agreed(self, found: list[Any]) -> tuple[float, Alignment]:
        """What the first process found, for all: they stop together."""
        if self.args.world_size > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(found)
        return found[0], found[1]

    def take_training_loss(self) -> float:
        """Return the mean loss of the steps since the last call."""
        mean = float(torch.stack(self.seen).mean()) if self.seen else math.nan
        self.seen.clear()
        return mean


def _over_participants(predicted: Tensor, batch: Batch, loss: Loss) -> Tensor:
    """Sum the participants' own losses, each by its share."""
    total = predicted.sum() * 0
    for number in torch.nonzero(batch["share"]).flatten().tolist():
        own = predicted if len(predicted) == 1 else predicted[[number]]
        true, mask = batch["true"][[number]], batch["mask"][[number]]
        total = total + batch["share"][number] * loss(own, true, mask)
    return total


def _left_out(batch: Batch) -> Tensor:
    """What a mean over participants leaves out of the loss that they would have had jointly."""
    return (batch["spread"].sum() / batch["mask"].sum().clamp_min(1)).to(batch["true"].dtype)


def training_arguments(plan: Plan, folder: str) -> TrainingArguments:
    """Return what Trainer is told; `max_steps` and `warmup_steps` are the caller's."""
    arguments = TrainingArguments(
        output_dir=folder,
        learning_rate=plan.learning_rate,
        lr_scheduler_type="linear",
        weight_decay=plan.weight_decay,
        max_grad_norm=plan.max_norm,
        optim="adamw_torch",
        seed=plan.seed,
        bf16=plan.bf16,
        gradient_accumulation_steps=plan.accumulate,
        ddp_find_unused_parameters=True,
        use_cpu=plan.device == "cpu",
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=[],
    )
    if arguments.n_gpu > 1:  # several GPUs are for `accelerate launch`; DataParallel would cut
        arguments._n_gpu = 1  # each clip's participants apart
    return arguments


def warmup_steps(plan: Plan, n_steps: int) -> int:
    """How many of the optimizer steps raise the rate."""
    return math.ceil(plan.warmup * n_steps)


def tune(
    model: TuningModel,
    clips: TuningClips,
    validation: TuningClips | None,
    loss: Loss,
    plan: Plan,
    *callbacks: TrainerCallback,
    about: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Train ``model`` in place, put its best weights back, and return the history.

    With ``plan.checkpoint`` it goes on where a checkpoint of the same tuning stands; ``about`` is
    what else decides the result, see `identify`.

    Returns
    -------
    DataFrame
        One row per validation, the first before any step: ``epoch``, ``step``, ``train_loss``,
        ``validation_loss``, ``validation_r`` (mean over targets of r over time), ``seconds``, and
        ``kept``, true for the weights that were put back (the last ones without validation).

    Raises
    ------
    FloatingPointError
        If the training loss is no longer a number.
    ValueError
        If the checkpoint is of another tuning.
    OSError
        If a checkpoint cannot be written.
    """
    from encodekit.features import progress

    with private_random(plan.seed), tempfile.TemporaryDirectory() as folder:
        trainer = BrainTrainer(model, clips, validation, loss, plan, folder)
        with progress(f"tuning ({trainer.n_steps} steps)", trainer.n_steps) as tick:
            watch = Watch(trainer, tick)
            begun = _checkpoints(trainer, watch, about or {})
            for callback in (watch, *callbacks, *_others(trainer, watch)):
                trainer.add_callback(callback)
            if not watch.stopped:
                trainer.train(resume_from_checkpoint=begun)
    if plan.bf16:  # the wrapper of mixed precision stays with training
        trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    if watch.best is not None:
        model.load_state_dict(watch.best, strict=False)
    model.eval()
    return watch.history()


def _checkpoints(trainer: BrainTrainer, watch: Watch, about: Mapping[str, Any]) -> str | None:
    """Let the trainer save checkpoints, and return the folder of the one to go on from."""
    plan = trainer.plan
    if plan.checkpoint is None:
        return None
    identity = identify(
        about, trainer.tuned, trainer.clips, trainer.validation, trainer.args.world_size
    )
    trainer.checkpoints = Checkpoints(
        Path(plan.checkpoint), plan.checkpoint_every, trainer, watch, identity
    )
    begun = trainer.checkpoints.resume()
    return None if begun is None else str(begun)


def _others(trainer: BrainTrainer, watch: Watch) -> Iterator[TrainerCallback]:
    if trainer.checkpoints is not None:
        yield trainer.checkpoints
    if trainer.plan.tensorboard is not None and trainer.is_world_process_zero():
        yield Board(trainer.plan.tensorboard, watch)


@contextmanager
def private_random(seed: int) -> Iterator[None]:
    """Seed Python, NumPy and torch, and give them back as they were."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (Trainer draws from it)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
