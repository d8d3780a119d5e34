"""TensorBoard: the curves of a tuning as it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

if TYPE_CHECKING:
    from encodekit_brain_tuning._watch import Watch


class Board(TrainerCallback):
    """Writes each step's loss and rates, and each validation, to a folder of TensorBoard.

    Parameters
    ----------
    folder : path
    watch : Watch

    Raises
    ------
    ImportError
        If tensorboard is not installed.
    """

    def __init__(self, folder: str | Path, watch: "Watch") -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "tensorboard= needs the package tensorboard: "
                "pip install 'encodekit-brain-tuning[tensorboard]'"
            ) from error
        self.watch, self.n_rows = watch, 0
        self.writer: Any = SummaryWriter(str(folder))

    def on_step_end(
        self, args: Any, state: Any, control: Any, optimizer: Any = None, **rest: Any
    ) -> None:
        """Write the loss and the rate of every group."""
        self.writer.add_scalar("step/loss", float(self.watch.last_loss), state.global_step)
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
        for row in self.watch.rows[self.n_rows :]:
            for name in ("train_loss", "validation_loss", "validation_r"):
                self.writer.add_scalar(f"validation/{name}", row[name], int(row["step"]))
        self.n_rows = len(self.watch.rows)
