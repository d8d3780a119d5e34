"""TensorBoard: the curves of a tuning as it runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback


class TensorBoard(TrainerCallback):
    """Writes each step's loss and rates, and each validation, to a folder of TensorBoard.

    Parameters
    ----------
    folder : path
    last_loss : callable -> float
        Of the step that has ended.
    rows : callable -> sequence of mappings
        Of the history.

    Raises
    ------
    ImportError
        If tensorboard is not installed.
    """

    def __init__(
        self,
        folder: str | Path,
        last_loss: Callable[[], float],
        rows: Callable[[], Sequence[Mapping[str, float]]],
    ) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "tensorboard= needs the package tensorboard: "
                "pip install 'encodekit-brain-tuning[tensorboard]'"
            ) from error
        self.last_loss, self.rows, self.n_rows = last_loss, rows, 0
        self.writer: Any = SummaryWriter(str(folder))

    def on_step_end(
        self, args: Any, state: Any, control: Any, optimizer: Any = None, **rest: Any
    ) -> None:
        """Write the loss and the rate of every group."""
        self.writer.add_scalar("step/loss", self.last_loss(), state.global_step)
        for number, group in enumerate(optimizer.param_groups):
            self.writer.add_scalar(f"step/rate_{number}", group["lr"], state.global_step)
        self._write_rows()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Write what was validated."""
        self._write_rows()

    def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Write what was validated, and close."""
        self._write_rows()
        self.writer.close()

    def _write_rows(self) -> None:
        rows = self.rows()
        for row in rows[self.n_rows :]:
            for name in ("train_loss", "validation_loss", "validation_r"):
                self.writer.add_scalar(f"validation/{name}", row[name], int(row["step"]))
        self.n_rows = len(rows)
