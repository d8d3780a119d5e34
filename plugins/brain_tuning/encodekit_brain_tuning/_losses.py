"""Losses between predicted and true fMRI, one vector over targets per (TR, participant) pair.

Every loss is called as ``loss(predicted, true, mask)`` with tensors of shape ``(..., n_targets)``
that broadcast together; the leading axes count (TR, participant) pairs. ``mask`` weighs each
value: 0 where a participant lacks it (``true`` may hold anything there, NaN included), 1 where it
is, or any weight above 0. The result is a scalar; with nothing to compare it is 0.

A loss whose ``joint_equals_mean`` attribute is true has the same gradient, summed over the
participants of a shared head, as when it is taken once on their weighted mean: the trainer then
uses the mean.
"""

from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor

_EPSILON = 1e-12


class Loss(Protocol):
    """What a registered loss is: a callable of predicted, true and mask, to a scalar tensor."""

    def __call__(self, predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
        """Return the loss of ``predicted`` against ``true`` where ``mask`` is above 0."""
        ...


def _filled(predicted: Tensor, true: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Broadcast the three together, with 0 for what is masked out."""
    weights = mask.to(predicted.dtype)
    filled = torch.where(weights > 0, true, 0.0).to(predicted.dtype)
    shape = np.broadcast_shapes(predicted.shape, filled.shape, weights.shape)
    return predicted.expand(shape), filled.expand(shape), weights.expand(shape)


def _per_pair(values: Tensor, weights: Tensor) -> Tensor:
    """Average ``values`` (pairs) over the pairs that have at least one target."""
    present = (weights > 0).any(dim=-1)
    return torch.where(present, values, 0.0).sum() / present.sum().clamp_min(1)


def l2(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    r"""Return :math:`\sum m (P - R)^2 / \sum m` over all pairs and targets.

    Parameters
    ----------
    predicted, true, mask : tensors (..., n_targets)
        Weights ``m`` of 0 leave a value out; ``m`` of n counts it as n participants.

    Examples
    --------
    >>> import torch
    >>> l2(torch.zeros(1, 2), torch.tensor([[1.0, 3.0]]), torch.ones(1, 2))
    tensor(5.)
    """
    predicted, true, weights = _filled(predicted, true, mask)
    total = weights.sum()
    return (weights * (predicted - true) ** 2).sum() / torch.where(total > 0, total, 1.0)


l2.joint_equals_mean = True  # type: ignore[attr-defined]


def correlation(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    r"""Return :math:`1 - r(P, R)`, Pearson's r over targets, averaged over pairs.

    A pair's r is taken over the targets it has, weighted by ``mask``. A pair whose prediction or
    truth does not vary has r = 0.

    Notes
    -----
    The spatial correlation loss of Moussa & Toneva (2025), arXiv 2510.21520.

    Examples
    --------
    >>> import torch
    >>> true = torch.tensor([[1.0, 2.0, 4.0]])
    >>> float(correlation(2 * true + 1, true, torch.ones(1, 3))) < 1e-6
    True
    """
    predicted, true, weights = _filled(predicted, true, mask)
    total = weights.sum(-1, keepdim=True).clamp_min(_EPSILON)
    x = predicted - (weights * predicted).sum(-1, keepdim=True) / total
    y = true - (weights * true).sum(-1, keepdim=True) / total
    return _per_pair(1 - _cosine(x, y, weights), weights)


def cosine_l2(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    r"""Return :math:`\frac12 (1 - \cos(P, R)) + \frac12 \mathrm{mean}(P - R)^2`, over pairs.

    The cosine is over the targets of a pair and not centred, so it is not a correlation; the mean
    square is over the same targets.

    Notes
    -----
    The combined loss of Moussa & Toneva (2025) at lambda = 0.5; their public code adds a Huber
    loss to (1 - cosine) instead.

    Examples
    --------
    >>> import torch
    >>> cosine_l2(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.ones(1, 2))
    tensor(1.)
    """
    predicted, true, weights = _filled(predicted, true, mask)
    total = weights.sum(-1).clamp_min(_EPSILON)
    squared = (weights * (predicted - true) ** 2).sum(-1) / total
    pairs = 0.5 * (1 - _cosine(predicted, true, weights)) + 0.5 * squared
    return _per_pair(pairs, weights)


def _cosine(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Cosine over the last axis under ``weights``."""
    product = (weights * x * y).sum(-1)
    squares = (weights * x * x).sum(-1) * (weights * y * y).sum(-1)
    return product / torch.sqrt(squares + _EPSILON)


def resolve_loss(loss: str | Callable[..., Tensor]) -> Loss:
    """Return the loss of that registered name, or ``loss`` itself if it can be called."""
    if callable(loss):
        return cast(Loss, loss)
    from encodekit import make_loss

    return cast(Loss, make_loss(loss))


def joint_equals_mean(loss: Loss) -> bool:
    """Whether tuning a shared head jointly equals tuning on the participants' mean."""
    return bool(getattr(loss, "joint_equals_mean", False))
