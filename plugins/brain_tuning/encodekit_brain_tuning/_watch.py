"""What watches a tuning: validation, the best weights, early stop, and the history."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor
from transformers import TrainerCallback

from encodekit_brain_tuning._alignment import Alignment
from encodekit_brain_tuning._backbone import trained_state

if TYPE_CHECKING:
    from encodekit_brain_tuning._trainer import BrainTrainer

CHANCE = 2.0  # standard errors


class Watch(TrainerCallback):
    """Validate, remember the best weights, stop early, and keep the history.

    The best weights are those of the highest mean r over time on the validation stories. A loss is
    no judge of features: while they still improve, the head follows the noise of the tuning
    stories, which costs a mean squared error more than better features bring. The untuned model
    is kept unless others are better by more than chance: by two standard errors of the paired
    difference, from a jackknife over quarters of the validation runs. Without that rule, tuning
    on fMRI that has nothing to do with the audio would keep whichever weights chance favoured.
    Only a look whose r is the highest so far is tested, and it alone: no correction is made for
    their number.
    """

    def __init__(self, trainer: "BrainTrainer", tick: Callable[[float], None]) -> None:
        self.trainer, self.tick = trainer, tick
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.kept, self.start = 0, Alignment(math.nan, ())
        self.best_r, self.waited, self.begun = math.nan, 0, time.monotonic()
        self.last_loss, self.stopped = math.nan, False

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate the model as it starts."""
        self.tick(state.global_step)
        if not self.rows:
            self._look(0, 0.0, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate every ``validate_every`` steps; refuse a loss that is not a number."""
        self.tick(1)
        self.last_loss = float(self.trainer.end_step())
        if not math.isfinite(self.last_loss):
            raise FloatingPointError(
                f"the training loss is {self.last_loss} at step {state.global_step} of "
                f"{state.max_steps}: lower learning_rate (it is "
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
        loss, found = self.trainer.validate()
        self.rows.append(
            {
                "epoch": epoch,
                "step": step,
                "train_loss": self.trainer.take_training_loss(),
                "validation_loss": loss,
                "validation_r": found.r,
                "seconds": time.monotonic() - self.begun,
            }
        )
        if self.trainer.validation is None:
            return
        highest = math.isnan(self.best_r) or found.r > self.best_r
        self.waited = 0 if highest else self.waited + 1
        if highest:
            self.best_r = found.r
        if highest and self._is_above_start(found):
            self.kept, self.best = len(self.rows) - 1, trained_state(self.trainer.tuned)
        patience = self.trainer.plan.patience
        if patience is not None and self.waited >= patience:
            self.stopped = control.should_training_stop = True

    def _is_above_start(self, found: Alignment) -> bool:
        """Whether r is above the untuned model's, if that has one, by more than chance."""
        if len(self.rows) == 1:
            self.start = found
        gain, error = found.gain_over(self.start)
        return len(self.rows) == 1 or math.isnan(gain) or gain > CHANCE * error

    def history(self) -> pd.DataFrame:
        """Return the rows, with the ones whose weights are kept marked."""
        kept = self.kept if self.best is not None else len(self.rows) - 1
        return pd.DataFrame(self.rows).assign(kept=[row == kept for row in range(len(self.rows))])

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps, beside the best weights, as JSON."""
        return {
            "rows": self.rows,
            "best": self.best is not None,
            "kept": self.kept,
            "start": asdict(self.start),
            "best_r": self.best_r,
            "waited": self.waited,
            "stopped": self.stopped,
            "seconds": time.monotonic() - self.begun,
            "seen": [float(loss) for loss in self.trainer.seen],
        }

    def restore(self, state: Mapping[str, Any], folder: Path) -> None:
        """Go on from what `state` returned and the best weights of a checkpoint's folder."""
        from safetensors.torch import load_file

        best = folder / "best.safetensors"
        lacking = [name for name in self.state() if name not in state]
        if state.get("best") and not best.exists():
            lacking.append(best.name)
        if lacking:
            raise ValueError(
                f"checkpoint {str(folder)!r} lacks {', '.join(lacking)}: remove the folder to "
                "begin anew"
            )
        self.rows, self.kept = list(state["rows"]), state["kept"]
        self.start = Alignment(state["start"]["r"], tuple(state["start"]["without"]))
        self.best_r, self.waited, self.stopped = (
            state[name] for name in ("best_r", "waited", "stopped")
        )
        self.begun = time.monotonic() - state["seconds"]
        self.best = load_file(best) if state["best"] else None
        device = self.trainer.args.device
        self.trainer.seen = [torch.tensor(loss, device=device) for loss in state["seen"]]
