"""Training on transformers' Trainer: equal-length batches, validation, early stop, best weights."""

import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from encodekit_brain_tuning._losses import Loss
from encodekit_brain_tuning._model import TuningModel


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    ``warmup`` is the share of the real number of optimizer steps in which the rate rises from 0;
    it then falls linearly to 0. ``validate_every`` counts steps (None: every epoch).
    ``patience`` counts validations without a new best (None: never stop early).
    ``head_learning_rate`` is a tenth of ``learning_rate`` if None.
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


class BrainTrainer(Trainer):
    """transformers' Trainer over clips of fMRI: one loss for all participants of a batch.

    Parameters
    ----------
    model : TuningModel
    clips, validation : TuningClips
    loss : callable (predicted, true, mask) -> scalar
    plan : Plan
    folder : str
        Where Trainer may write; nothing is left there.
    """

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
        generator = torch.Generator().manual_seed(plan.seed)
        self.batches = EqualLengthBatches(clips, plan.batch_size, generator)
        arguments = _arguments(plan, plan.epochs * len(self.batches), folder)
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

    def get_train_dataloader(self) -> DataLoader[int]:
        """Return batches of clips of one length."""
        loader = DataLoader(self.clips, batch_sampler=self.batches, collate_fn=self.clips.batch)
        return self.accelerator.prepare_data_loader(loader)  # type: ignore[no-any-return]

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Return the loss of a batch over all its (TR, participant) pairs."""
        loss = _loss_of(model(inputs["frames"], inputs["mixing"]), inputs, self.loss)
        self.seen.append(loss.detach() + _left_out(inputs))
        return loss

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Return the loss and the mean r over targets on the validation clips, dropout off."""
        if self.validation is None:
            return math.nan, math.nan
        model, clips = self.tuned, self.validation
        was_training = model.training
        model.eval()
        total = weight = 0.0
        alignment = RunningAlignment()
        for indices in EqualLengthBatches(clips, self.plan.batch_size):
            batch = self._prepare_inputs(clips.batch(indices))
            predicted = model(batch["frames"], batch["mixing"])
            n = float(batch["mask"].sum())
            total += n * float(_loss_of(predicted, batch, self.loss) + _left_out(batch))
            weight += n
            alignment.add([clips.runs[i] for i in indices], predicted, batch["true"], batch["mask"])
        model.train(was_training)
        return total / weight, alignment.mean()

    def take_training_loss(self) -> float:
        """Return the mean loss of the steps since the last call."""
        mean = float(torch.stack(self.seen).mean()) if self.seen else math.nan
        self.seen.clear()
        return mean


def _loss_of(predicted: Tensor, batch: Batch, loss: Loss) -> Tensor:
    return loss(predicted.unsqueeze(0), batch["true"], batch["mask"])


def _left_out(batch: Batch) -> Tensor:
    """What a mean over participants leaves out of the loss that they would have had jointly."""
    return (batch["spread"].sum() / batch["mask"].sum().clamp_min(1)).to(batch["true"].dtype)


def _arguments(plan: Plan, n_steps: int, folder: str) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=plan.epochs,
        learning_rate=plan.learning_rate,
        warmup_steps=warmup_steps(plan, n_steps),
        lr_scheduler_type="linear",
        weight_decay=plan.weight_decay,
        max_grad_norm=plan.max_norm,
        optim="adamw_torch",
        seed=plan.seed,
        use_cpu=plan.device == "cpu",
        eval_strategy="no",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=[],
    )


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
        if not torch.isfinite(self.trainer.seen[-1]):
            raise FloatingPointError(
                f"the training loss is {float(self.trainer.seen[-1])} at step {state.global_step} "
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
        n_steps = plan.epochs * len(trainer.batches)
        with progress(f"tuning ({n_steps} steps)", n_steps) as tick:
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
