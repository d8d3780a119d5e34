"""Losses between predicted and true fMRI, one vector over targets per (TR, participant) pair.

Every loss is called as ``loss(predicted, true, mask)`` with tensors of shape ``(..., n_targets)``
that broadcast together; the leading axes count (TR, participant) pairs. ``mask`` weighs each
value: 0 where a participant lacks it (``true`` may hold anything there, NaN included), 1 where it
is, or any weight above 0. The result is a scalar; with nothing to compare it is 0.

A loss whose ``joint_equals_mean`` attribute is true has the same gradient, summed over the
participants of a shared head, as when it is taken once on their weighted mean: the trainer then
uses the mean. A loss whose ``counts`` attribute is ``"values"`` is an average over values, others
are averages over pairs: parts of a batch are put together accordingly. A loss with a method
``at(progress)`` changes on its way through the tuning (0 to 1).
"""

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor

EPSILON = 1e-12


class Loss(Protocol):
    """What a registered loss is: a callable of predicted, true and mask, to a scalar tensor."""

    def __call__(self, predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of ``predicted`` against ``true`` where ``mask`` is above 0."""
        ...


def fill_masked(predicted: Tensor, true: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Broadcast the three together, with 0 for what is masked out."""
    weights = mask.to(predicted.dtype)
    known = torch.where(weights > 0, true, 0.0).to(predicted.dtype)
    shape = np.broadcast_shapes(predicted.shape, known.shape, weights.shape)
    return predicted.expand(shape), known.expand(shape), weights.expand(shape)


def per_pair(values: Tensor, weights: Tensor) -> Tensor:
    """Average ``values`` (pairs) over the pairs that have at least one target."""
    present = (weights > 0).any(dim=-1).expand_as(values)
    return torch.where(present, values, 0.0).sum() / present.sum().clamp_min(1)


def cosine(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Cosine over the last axis under ``weights``."""
    product = (weights * x * y).sum(-1)
    squares = (weights * x * x).sum(-1) * (weights * y * y).sum(-1)
    return product / torch.sqrt(squares + EPSILON)


def resolve_loss(loss: str | Callable[..., Tensor]) -> Loss:
    """Return the loss of that registered name, or ``loss`` itself if it can be called."""
    if callable(loss):
        return cast(Loss, loss)
    from encodekit import make_loss

    return cast(Loss, make_loss(loss))


def joint_equals_mean(loss: Loss) -> bool:
    """Whether tuning a shared head jointly equals tuning on the participants' mean."""
    return bool(getattr(loss, "joint_equals_mean", False))


def loss_at(loss: Loss, progress: float) -> Loss:
    """Return the loss at that share of the tuning; most are always the same."""
    return cast(Loss, loss.at(progress)) if hasattr(loss, "at") else loss


def counts_values(loss: Loss) -> bool:
    """Whether the loss is an average over values, not over (TR, participant) pairs."""
    return getattr(loss, "counts", "pairs") == "values"
