"""Training on transformers' Trainer: one trainer for every objective."""

import math
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from encodekit_brain_tuning.training._alignment import Alignment
from encodekit_brain_tuning.training._checkpoint import (
    Checkpoints,
    Running,
    identify,
    load_learnt,
)
from encodekit_brain_tuning.training._clips import Batch
from encodekit_brain_tuning.training._keep import resolve_keep
from encodekit_brain_tuning.training._model import learnt
from encodekit_brain_tuning.training._objective import Objective
from encodekit_brain_tuning.training._settings import Runtime, Training
from encodekit_brain_tuning.training._steps import PartSet, StepLoader
from encodekit_brain_tuning.training._tensorboard import TensorBoard
from encodekit_brain_tuning.training._validation import ValidationCallback

_MAX_NORM = 1.0  # to which a step's gradient is clipped


class ObjectiveTrainer(Trainer):
    """transformers' Trainer over the parts of an objective's steps.

    Parameters
    ----------
    objective : Objective
    training : Training
    runtime : Runtime
    seed : int
    folder : str
        Where Trainer may write; nothing is left there.
    """

    objective: Objective
    loss_is_scaled_for_ga = True  # by each part's share
    checkpoints: Checkpoints | None = None

    def __init__(
        self, objective: Objective, training: Training, runtime: Runtime, seed: int, folder: str
    ) -> None:
        self.objective, self.training, self.runtime = objective, training, runtime
        self.parts: list[Tensor] = []  # losses of the parts of the step that is made
        arguments = training_arguments(training, runtime, seed, folder)
        self.steps = objective.steps(training, seed, arguments.world_size, arguments.process_index)
        budget = training.budget or ("steps", training.epochs * self.steps.n_steps)
        self.n_steps = arguments.max_steps = self.steps.n_steps_of(budget)
        arguments.warmup_steps = math.ceil(training.warmup * self.n_steps)
        parts = PartSet(len(objective.clips))
        super().__init__(model=objective.module, args=arguments, train_dataset=parts)
        self.remove_callback(PrinterCallback)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return AdamW with a rate of its own for what is not the backbone."""
        if self.optimizer is None:
            training, objective = self.training, self.objective
            backbone = [p for p in objective.backbone_parameters() if p.requires_grad]
            known = {id(parameter) for parameter in backbone}
            rest = [p for p in objective.module.parameters() if id(p) not in known]
            rate = training.head_learning_rate
            head_rate = training.learning_rate * objective.head_rate if rate is None else rate
            groups = [
                {"params": backbone, "lr": training.learning_rate},
                {"params": [p for p in rest if p.requires_grad], "lr": head_rate},
            ]
            self.optimizer = torch.optim.AdamW(
                [group for group in groups if group["params"]], weight_decay=training.weight_decay
            )
        return self.optimizer

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the parts of the steps that this process makes."""
        return StepLoader(
            PartSet(len(self.objective.clips)),
            batch_sampler=self.steps,
            collate_fn=self.objective.batch,
            num_workers=self.runtime.n_workers,
            pin_memory=self.args.device.type == "cuda",
            persistent_workers=self.runtime.n_workers > 0,
        )

    def compute_loss(
        self,
        model: Any,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Tensor:
        """Return a part's share of the loss of a step."""
        value, told = self.objective.loss(model, inputs, self.state.global_step / self.n_steps)
        self.parts.append(told)
        whole: Tensor = value * self.args.world_size  # gradients are averaged over processes
        return whole

    def end_step(self) -> Tensor:
        """Return the loss of the step that has ended, over all its parts."""
        total = torch.stack(self.parts).sum()
        self.parts.clear()
        if self.args.world_size > 1:
            total = self.accelerator.reduce(total, "sum")
        return total

    def validate(self) -> tuple[float, Alignment]:
        """Return the loss and the alignment that the first process found: all stop together."""
        loss, alignment = self.objective.validate(self._prepare_inputs)
        if self.args.world_size > 1:
            from accelerate.utils import broadcast_object_list

            loss, alignment = broadcast_object_list([loss, alignment])
        return loss, alignment

    def running(self, watch: ValidationCallback) -> Running:
        """Return what checkpoints take from this tuning, and give back."""
        return Running(
            module=self.objective.module,
            n_steps=self.steps.n_steps,
            n_processes=self.args.world_size,
            is_first=self.is_world_process_zero(),
            write=self._write_state,
            write_random=self._write_random,
            share=self._shared,
            best=lambda: watch.best,
            state=watch.state,
            restore=watch.restore,
        )

    def _write_state(self, folder: Path) -> None:
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def _write_random(self, folder: str) -> None:
        self._save_rng_state(folder)
        self.accelerator.wait_for_everyone()

    def _shared(self, place: str) -> str:
        if self.args.world_size == 1:
            return place
        from accelerate.utils import broadcast_object_list

        return str(broadcast_object_list([place])[0])

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.checkpoints is not None:
            self.checkpoints.save(self.state.global_step)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_learnt(self.objective.module, Path(resume_from_checkpoint))


def training_arguments(
    training: Training, runtime: Runtime, seed: int, folder: str
) -> TrainingArguments:
    """Return what Trainer is told; `max_steps` and `warmup_steps` are the caller's."""
    arguments = TrainingArguments(
        output_dir=folder,
        learning_rate=training.learning_rate,
        lr_scheduler_type="linear",
        weight_decay=training.weight_decay,
        max_grad_norm=_MAX_NORM,
        optim="adamw_torch",
        seed=seed,
        bf16=runtime.bf16,
        gradient_accumulation_steps=training.accumulate,
        ddp_find_unused_parameters=True,
        use_cpu=runtime.device == "cpu",
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


def tune(
    objective: Objective,
    training: Training,
    runtime: Runtime,
    seed: int,
    *callbacks: TrainerCallback,
    about: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Train ``objective.module`` in place, put the weights to keep back, and return the history.

    With ``runtime.checkpoint`` it goes on where a checkpoint of the same tuning stands; ``about``
    is what else decides the result, see `identify`.

    Returns
    -------
    DataFrame
        One row per validation, the first before any step: ``epoch``, ``step``, ``train_loss``,
        ``validation_loss``, ``validation_r`` (mean over targets of r over time), ``gain`` of r
        over the first row with its standard error ``gain_se``, ``seconds``, and ``kept``, true for
        the weights that were put back.

    Raises
    ------
    FloatingPointError
        If the training loss is no longer a number.
    ValueError
        If the checkpoint is of another tuning, or ``training.keep`` needs a validation that there
        is not.
    OSError
        If a checkpoint cannot be written.
    """
    from encodekit.core import progress

    keep = resolve_keep(training.keep, validated=objective.validated, has_r=objective.has_r)
    module = objective.module
    with private_random(seed), tempfile.TemporaryDirectory() as folder:
        trainer = ObjectiveTrainer(objective, training, runtime, seed, folder)
        with progress(f"tuning ({trainer.n_steps} steps)", trainer.n_steps) as tick:
            watch = ValidationCallback(
                training, keep, trainer.validate if objective.validated else None,
                trainer.end_step, lambda: learnt(module), tick,
            )  # fmt: skip
            begun = _checkpoints(trainer, watch, about or {})
            for callback in (watch, *callbacks, *_optional_callbacks(trainer, watch)):
                trainer.add_callback(callback)
            if not watch.stopped:
                trainer.train(resume_from_checkpoint=begun)
    if runtime.bf16:  # the wrapper of mixed precision stays with training
        trainer.accelerator.unwrap_model(module, keep_fp32_wrapper=False)
    if watch.best is not None:
        module.load_state_dict(watch.best, strict=False)
    module.eval()
    return watch.history()


def _checkpoints(
    trainer: ObjectiveTrainer, watch: ValidationCallback, about: Mapping[str, Any]
) -> str | None:
    """Let the trainer save checkpoints, and return the folder of the one to go on from."""
    runtime = trainer.runtime
    if runtime.checkpoint is None:
        return None
    made = {**about, "bfloat16": runtime.bf16, "stem_dtype": runtime.stem_dtype}
    objective = trainer.objective
    identity = identify(made, objective.module, objective.digests(), trainer.args.world_size)
    trainer.checkpoints = Checkpoints(
        Path(runtime.checkpoint), runtime.checkpoint_every, trainer.running(watch), identity
    )
    begun = trainer.checkpoints.resume()
    return None if begun is None else str(begun)


def _optional_callbacks(
    trainer: ObjectiveTrainer, watch: ValidationCallback
) -> Iterator[TrainerCallback]:
    if trainer.checkpoints is not None:
        yield trainer.checkpoints
    folder = trainer.runtime.tensorboard
    if folder is not None and trainer.is_world_process_zero():
        yield TensorBoard(folder, lambda: watch.last_loss, lambda: watch.rows)


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
