"""The published combination of cosine and squared error."""

from torch import Tensor

from encodekit_brain_tuning.losses._base import EPSILON, cosine, fill_masked, per_pair


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
    predicted, true, weights = fill_masked(predicted, true, mask)
    total = weights.sum(-1).clamp_min(EPSILON)
    squared = (weights * (predicted - true) ** 2).sum(-1) / total
    pairs = 0.5 * (1 - cosine(predicted, true, weights)) + 0.5 * squared
    return per_pair(pairs, weights)
