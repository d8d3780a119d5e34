"""Validation while a model is tuned: the best weights, early stop, and the history."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from transformers import TrainerCallback

from encodekit_brain_tuning.training._alignment import Alignment
from encodekit_brain_tuning.training._keep import is_kept
from encodekit_brain_tuning.training._settings import Training

Weights = dict[str, Tensor]


class ValidationCallback(TrainerCallback):
    """Validate, remember the weights to keep, stop early, and keep the history.

    Looks are compared by the mean r over time on the validation stories. A loss is no judge of
    features: while they still improve, the head follows the noise of the tuning stories, which
    costs a mean squared error more than better features bring. See `Training` for what is kept.

    Parameters
    ----------
    training : Training
    keep : {"last", "best", "two_se"}
    validate : callable -> (loss, Alignment), or None
        Without it there is nothing to validate on.
    end_step : callable -> Tensor
        Gives the loss of the step that has ended.
    weights : callable -> dict of Tensor
        Gives a copy of what has been learnt.
    tick : callable
        Told the number of steps that are made.
    """

    def __init__(
        self,
        training: Training,
        keep: str,
        validate: Callable[[], tuple[float, Alignment]] | None,
        end_step: Callable[[], Tensor],
        weights: Callable[[], Weights],
        tick: Callable[[float], None],
    ) -> None:
        self.training, self.keep = training, keep
        self.validate, self.end_step, self.weights = validate, end_step, weights
        self.tick = tick
        self.rows: list[dict[str, float]] = []
        self.best: Weights | None = None
        self.kept, self.start = 0, Alignment(math.nan, ())
        self.best_r, self.waited, self.begun = math.nan, 0, time.monotonic()
        self.losses: list[float] = []  # of the steps since the last look
        self.last_loss, self.stopped = math.nan, False

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate the model as it starts."""
        self.tick(state.global_step)
        if not self.rows:
            self._look(0, 0.0, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate every ``validate_every`` steps; refuse a loss that is not a number."""
        self.tick(1)
        self.last_loss = float(self.end_step())
        self.losses.append(self.last_loss)
        if not math.isfinite(self.last_loss):
            raise FloatingPointError(
                f"the training loss is {self.last_loss} at step {state.global_step} of "
                f"{state.max_steps}: lower learning_rate (it is {self.training.learning_rate:g})"
            )
        every = self.training.validate_every
        if every and state.global_step % every == 0:
            self._look(state.global_step, state.epoch, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate after the epoch."""
        if not self.training.validate_every:
            self._look(state.global_step, state.epoch, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Validate the last weights if they have not been."""
        if self.rows[-1]["step"] != state.global_step:
            self._look(state.global_step, state.epoch, control)

    def _look(self, step: int, epoch: float, control: Any) -> None:
        loss, found = self.validate() if self.validate else (math.nan, Alignment(math.nan, ()))
        if not self.rows:
            self.start = found
        gain, error = found.gain_over(self.start)
        self.rows.append(
            {
                "epoch": epoch,
                "step": step,
                "train_loss": self._mean_loss(),
                "validation_loss": loss,
                "validation_r": found.r,
                "gain": gain,
                "gain_se": math.nan if math.isnan(gain) else error,
                "seconds": time.monotonic() - self.begun,
            }
        )
        if self.validate is None or self.keep == "last":
            return
        highest = math.isnan(self.best_r) or found.r > self.best_r
        self.waited = 0 if highest else self.waited + 1
        if highest:
            self.best_r = found.r
        first = len(self.rows) == 1  # the untuned model is kept until another is better
        if highest and (first or is_kept(self.keep, found, self.start)):
            self.kept, self.best = len(self.rows) - 1, self.weights()
        patience = self.training.patience
        if patience is not None and self.waited >= patience:
            self.stopped = control.should_training_stop = True

    def _mean_loss(self) -> float:
        """Return the mean loss of the steps since the last look."""
        mean = float(torch.tensor(self.losses).mean()) if self.losses else math.nan
        self.losses = []
        return mean

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
            "losses": self.losses,
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
        self.losses = list(state["losses"])
        self.best = load_file(best) if state["best"] else None
