"""Training on transformers' Trainer: equal-length batches, validation, early stop, best weights."""

import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from encodekit_brain_tuning._alignment import RunningAlignment
from encodekit_brain_tuning._backbone import trained_state
from encodekit_brain_tuning._clips import Batch, EqualLengthBatches, TuningClips
from encodekit_brain_tuning._losses import Loss, counts_values, loss_at
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._steps import Budget, ClipCounts, StepLoader, Steps


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train, and on whom in each step.

    ``budget`` (unit, amount) of `Steps` decides the length where it is given, else ``epochs``.
    ``warmup`` is the share of the real number of optimizer steps in which the rate rises from 0;
    it then falls linearly to 0. ``validate_every`` counts steps (None: every epoch).
    ``patience`` counts validations without a new best (None: never stop early).
    ``head_learning_rate`` is a tenth of ``learning_rate`` if None. ``accumulate`` forward passes
    make one step of ``batch_size`` clips. ``bf16`` computes in bfloat16 where that is safe.
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

    def end_step(self) -> Tensor:
        """Return the loss of the step that has ended, over all its parts."""
        total = torch.stack(self.parts).sum()
        self.parts.clear()
        if self.args.world_size > 1:
            total = self.accelerator.reduce(total, "sum")
        self.seen.append(total)
        return total

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Return the loss and the mean r over targets on the validation clips, dropout off."""
        if self.validation is None:
            return math.nan, math.nan
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
            alignment.add([clips.runs[i] for i in indices], predicted, batch["true"], batch["mask"])
        model.train(was_training)
        return total / weight, alignment.mean()

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


class Watch(TrainerCallback):
    """Validate, remember the best weights, stop early, and keep the history.

    The best weights are those of the highest mean r over time on the validation stories. A loss is
    no judge of features: while they still improve, the head follows the noise of the tuning
    stories, which costs a mean squared error more than better features bring. The untuned model
    counts as the first candidate: weights that are never better than it are not kept.
    """

    def __init__(self, trainer: BrainTrainer, tick: Callable[[float], None]) -> None:
        self.trainer, self.tick = trainer, tick
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_r, self.waited, self.begun = -math.inf, 0, time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate the model as it starts."""
        self._look(0, 0.0, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate every ``validate_every`` steps; refuse a loss that is not a number."""
        self.tick(1)
        loss = self.trainer.end_step()
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"the training loss is {float(loss)} at step {state.global_step} "
                f"of {state.max_steps}: lower learning_rate (it is "
                f"{self.trainer.plan.learning_rate:g})"
            )
        every = self.trainer.plan.validate_every
        if every and state.global_step % every == 0:
            self._look(state.global_step, state.epoch, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate after the epoch."""
        if not self.trainer.plan.validate_every:
            self._look(state.global_step, state.epoch, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate the last weights if they have not been."""
        if self.rows[-1]["step"] != state.global_step:
            self._look(state.global_step, state.epoch, control)

    def _look(self, step: int, epoch: float, control: Any) -> None:
        loss, r = self.trainer.validate()
        self.rows.append(
            {
                "epoch": epoch,
                "step": step,
                "train_loss": self.trainer.take_training_loss(),
                "validation_loss": loss,
                "validation_r": r,
                "seconds": time.monotonic() - self.begun,
            }
        )
        if self.trainer.validation is None:
            return
        better = r > self.best_r
        self.waited = 0 if better else self.waited + 1
        if better:
            self.best_r, self.best = r, trained_state(self.trainer.tuned)
        patience = self.trainer.plan.patience
        if patience is not None and self.waited >= patience:
            control.should_training_stop = True


def tune(
    model: TuningModel,
    clips: TuningClips,
    validation: TuningClips | None,
    loss: Loss,
    plan: Plan,
    *callbacks: TrainerCallback,
) -> pd.DataFrame:
    """Train ``model`` in place, put its best weights back, and return the history.

    Returns
    -------
    DataFrame
        One row per validation, the first before any step: ``epoch``, ``step``, ``train_loss``,
        ``validation_loss``, ``validation_r`` (mean over targets of r over time), ``seconds``.

    Raises
    ------
    FloatingPointError
        If the training loss is no longer a number.
    """
    from encodekit.features import progress

    with private_random(plan.seed), tempfile.TemporaryDirectory() as folder:
        trainer = BrainTrainer(model, clips, validation, loss, plan, folder)
        with progress(f"tuning ({trainer.n_steps} steps)", trainer.n_steps) as tick:
            watch = Watch(trainer, tick)
            for callback in (watch, *callbacks):
                trainer.add_callback(callback)
            trainer.train()
    if watch.best is not None:
        model.load_state_dict(watch.best, strict=False)
    model.eval()
    return pd.DataFrame(watch.rows)


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
