"""What a tuning minimises: the contract between the trainer and what is learnt."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.training._alignment import Alignment
from encodekit_brain_tuning.training._clips import Batch
from encodekit_brain_tuning.training._settings import Training
from encodekit_brain_tuning.training._steps import Part, Steps


class Objective(ABC):
    """Data, a loss and a validation, which one trainer serves.

    Attributes
    ----------
    module : torch.nn.Module
        What is trained; its parameters that require a gradient learn.
    clips : sized
        What an epoch passes over.
    validated : bool
        Whether there is anything to validate on.
    has_r : bool
        Whether validation measures r, by which weights can be chosen.
    head_rate : float
        Learning rate of what is not the backbone, as a share of the backbone's, unless given.
    """

    has_r: ClassVar[bool] = True
    head_rate: ClassVar[float] = 0.1

    module: nn.Module
    clips: Sized
    validated: bool

    @abstractmethod
    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        """Return the parameters that learn at the backbone's rate; others at the head's."""

    @abstractmethod
    def steps(self, training: Training, seed: int, n_processes: int, process: int) -> Steps:
        """Return the optimizer steps of every epoch."""

    @abstractmethod
    def batch(self, parts: Sequence[Part]) -> Batch:
        """Return the tensors of one part of a step."""

    @abstractmethod
    def loss(self, module: Any, batch: Batch, progress: float) -> tuple[Tensor, Tensor]:
        """Return a part's share of its step's loss: to learn from, and to tell.

        Parameters
        ----------
        module : callable
            ``self.module``, as the trainer wrapped it.
        batch : dict of Tensor
        progress : float
            Share of the optimizer steps that are made.
        """

    @abstractmethod
    def validate(self, to_device: Callable[[Batch], Any]) -> tuple[float, Alignment]:
        """Return the loss and how well predictions follow, in evaluation mode; NaN where unknown.

        Only called where ``validated``.
        """

    @abstractmethod
    def digests(self) -> dict[str, str]:
        """Return hashes of the data, for a checkpoint to tell one tuning from another."""


def as_share(value: Tensor, batch: Batch) -> Tensor:
    """Return a loss over a part as its share of the step's."""
    share: Tensor = batch["share"][0]
    return share * value


@torch.no_grad()
def evaluating(module: nn.Module, measure: Callable[[], Any]) -> Any:
    """Return ``measure()`` with dropout off, and put the module back as it was."""
    was_training = module.training
    module.eval()
    try:
        return measure()
    finally:
        module.train(was_training)
