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
from dataclasses import dataclass
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
    present = (weights > 0).any(dim=-1).expand_as(values)
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
l2.counts = "values"  # type: ignore[attr-defined]


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
    weights = mask.to(predicted.dtype).expand(*mask.shape[:-1], predicted.shape[-1])
    total = weights.sum(-1).clamp_min(_EPSILON)
    # sums of products alone, as centring would copy the predictions for every participant
    y = torch.where(weights > 0, true, 0.0).to(predicted.dtype)
    y = y - (_dot(weights, y) / total)[..., None]
    weighted = weights * y
    x = predicted - predicted.detach().mean(-1, keepdim=True)  # near zero, so that sums are exact
    x_sum, x_square = _dot(weights, x), _dot(weights, x * x)
    x_spread = x_square - x_sum**2 / total
    product = _dot(weighted, x) - x_sum * weighted.sum(-1) / total
    squares = torch.where(x_spread > _rounding(x) * x_square, x_spread * _dot(weighted, y), 0.0)
    r = torch.where(squares > 0, product / torch.sqrt(squares + _EPSILON), 0.0)
    return _per_pair(1 - r, weights)


def temporal_correlation(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    r"""Return :math:`1 - r(P, R)`, Pearson's r over the TRs of a batch, target by target.

    Parameters
    ----------
    predicted, true, mask : tensors (participant, ..., n_targets), or (n_trs, n_targets)
        All axes between the first and the last are time. A target's r is weighted by ``mask`` over
        its TRs, and counts by the sum of its weights; with fewer than two TRs it is left out.

    Notes
    -----
    TRs of several runs are compared together, so the fMRI should be z-scored within its run, as it
    is by default. What encoding models are scored by (Huth et al. 2016, Nature 532), as a loss. It
    needs batches of many TRs.

    Examples
    --------
    >>> import torch
    >>> true = torch.tensor([[1.0], [2.0], [4.0]])
    >>> float(temporal_correlation(2 * true + 1, true, torch.ones(3, 1))) < 1e-6
    True
    """
    tensors = _filled(predicted, true, mask)
    lead = (None,) if tensors[0].dim() == 2 else ()
    x, y, weights = (each[(*lead, ...)].flatten(1, -2).transpose(1, 2) for each in tensors)
    apart = 1 - _cosine(*_centred(x, y, weights), weights)
    total = torch.where((weights > 0).sum(-1) > 1, weights.sum(-1), 0.0)
    return (total * apart).sum() / total.sum().clamp_min(_EPSILON)


temporal_correlation.counts = "values"  # type: ignore[attr-defined]


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


def huber_cosine(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    r"""Return :math:`\mathrm{mean}\, H_{0.6}(P - R) + 1 - \cos(P, R)`, over pairs.

    :math:`H_\delta(e)` is :math:`e^2/2` up to :math:`|e| = \delta`, then
    :math:`\delta (|e| - \delta/2)`; the cosine is over targets and not centred.

    Notes
    -----
    What the public code of Moussa & Toneva (2025) computes where their paper has `cosine_l2`.

    Examples
    --------
    >>> import torch
    >>> huber_cosine(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.ones(1, 2))
    tensor(1.4200)
    """
    predicted, true, weights = _filled(predicted, true, mask)
    total = weights.sum(-1).clamp_min(_EPSILON)
    far = torch.nn.functional.huber_loss(predicted, true, reduction="none", delta=0.6)
    pairs = (weights * far).sum(-1) / total + 1 - _cosine(predicted, true, weights)
    return _per_pair(pairs, weights)


@dataclass(frozen=True)
class Hybrid:
    """One loss first, another then: ``(1 - w) first + w then``.

    ``w`` is 0 up to ``begin`` of the tuning, rises linearly, and is 1 from ``end`` on. Called
    directly, as in validation, it is the second loss.

    Parameters
    ----------
    first, then : str or callable
        Losses; correlation was best with little data and L2 with much (Moussa & Toneva 2025), and
        whether to begin with one and end with the other is their open question.
    begin, end : float
        Shares of the optimizer steps.

    Examples
    --------
    >>> import torch
    >>> true = torch.tensor([[1.0, 2.0, 4.0]])
    >>> half = Hybrid().at(0.5)
    >>> round(float(half(true + 1, true, torch.ones(1, 3))), 6)
    0.5
    """

    first: str | Callable[..., Tensor] = "correlation"
    then: str | Callable[..., Tensor] = "l2"
    begin: float = 0.4
    end: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.begin <= self.end <= 1:
            raise ValueError(
                f"Hybrid changes between begin={self.begin:g} and end={self.end:g}: expected "
                "shares of the tuning, 0 <= begin <= end <= 1"
            )

    def at(self, progress: float) -> Loss:
        """Return the loss at that share of the optimizer steps."""
        first, then = resolve_loss(self.first), resolve_loss(self.then)
        if progress < self.begin:
            return first
        if progress >= self.end:
            return then
        weight = (progress - self.begin) / (self.end - self.begin)

        def mixed(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
            return (1 - weight) * first(predicted, true, mask) + weight * then(
                predicted, true, mask
            )

        return mixed

    def __call__(self, predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
        """Return the second loss."""
        return self.at(1.0)(predicted, true, mask)


def _centred(x: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Take the weighted mean over the last axis off both."""
    total = weights.sum(-1, keepdim=True).clamp_min(_EPSILON)
    x_mean = (weights * x).sum(-1, keepdim=True) / total
    return x - x_mean, y - (weights * y).sum(-1, keepdim=True) / total


def _rounding(x: Tensor) -> float:
    """Share of a sum of squares below which a spread is what rounding left."""
    return 64 * torch.finfo(x.dtype).eps


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Sum of products over the last axis; the others broadcast, without copies."""
    with torch.autocast(x.device.type, enabled=False):  # which would round sums to bfloat16
        return torch.einsum("...t,...t->...", x, y)


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


def loss_at(loss: Loss, progress: float) -> Loss:
    """Return the loss at that share of the tuning; most are always the same."""
    return cast(Loss, loss.at(progress)) if hasattr(loss, "at") else loss


def counts_values(loss: Loss) -> bool:
    """Whether the loss is an average over values, not over (TR, participant) pairs."""
    return getattr(loss, "counts", "pairs") == "values"
