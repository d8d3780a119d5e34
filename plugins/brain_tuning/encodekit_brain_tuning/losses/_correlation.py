"""Pearson's r over targets, TR by TR."""

import torch
from torch import Tensor

from encodekit_brain_tuning.losses._base import EPSILON, per_pair


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
    total = weights.sum(-1).clamp_min(EPSILON)
    # sums of products alone, as centring would copy the predictions for every participant
    y = torch.where(weights > 0, true, 0.0).to(predicted.dtype)
    y = y - (_dot(weights, y) / total)[..., None]
    weighted = weights * y
    x = predicted - predicted.detach().mean(-1, keepdim=True)  # near zero, so that sums are exact
    x_sum, x_square = _dot(weights, x), _dot(weights, x * x)
    x_spread = x_square - x_sum**2 / total
    product = _dot(weighted, x) - x_sum * weighted.sum(-1) / total
    squares = torch.where(x_spread > _rounding(x) * x_square, x_spread * _dot(weighted, y), 0.0)
    r = torch.where(squares > 0, product / torch.sqrt(squares + EPSILON), 0.0)
    return per_pair(1 - r, weights)


def _rounding(x: Tensor) -> float:
    """Share of a sum of squares below which a spread is what rounding left."""
    return 64 * torch.finfo(x.dtype).eps


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Sum of products over the last axis; the others broadcast, without copies."""
    with torch.autocast(x.device.type, enabled=False):  # which would round sums to bfloat16
        return torch.einsum("...t,...t->...", x, y)
