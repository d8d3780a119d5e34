"""The loss between predicted and true fMRI."""

import torch
from torch import Tensor


def huber(predicted: Tensor, true: Tensor, mask: Tensor, threshold: float = 1.0) -> Tensor:
    """``sum m h(P - R) / sum m``, h quadratic up to ``threshold`` and linear beyond (Huber 1964).

    Parameters
    ----------
    predicted, true, mask : tensors (..., n_targets)
        They broadcast together; ``mask`` of 0 leaves a value out, n counts it n times.
    threshold : float
        In standard deviations of the responses, where these are z-scored.
    """
    weights = mask.to(predicted.dtype)
    there = torch.where(weights > 0, true, 0.0).to(predicted.dtype)
    apart = (predicted - there).abs()
    bent = torch.where(apart <= threshold, 0.5 * apart**2, threshold * (apart - 0.5 * threshold))
    total = (weights * torch.ones_like(bent)).sum()
    return (weights * bent).sum() / torch.where(total > 0, total, 1.0)
