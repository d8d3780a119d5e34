"""What the public code of the method computes: Huber loss and cosine."""

import torch
from torch import Tensor

from encodekit_brain_tuning.losses._base import EPSILON, cosine, fill_masked, per_pair


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
    predicted, true, weights = fill_masked(predicted, true, mask)
    total = weights.sum(-1).clamp_min(EPSILON)
    far = torch.nn.functional.huber_loss(predicted, true, reduction="none", delta=0.6)
    pairs = (weights * far).sum(-1) / total + 1 - cosine(predicted, true, weights)
    return per_pair(pairs, weights)
