"""Mean squared error."""

import torch
from torch import Tensor

from encodekit_brain_tuning.losses._base import fill_masked


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
    predicted, true, weights = fill_masked(predicted, true, mask)
    total = weights.sum()
    return (weights * (predicted - true) ** 2).sum() / torch.where(total > 0, total, 1.0)


l2.joint_equals_mean = True  # type: ignore[attr-defined]
l2.counts = "values"  # type: ignore[attr-defined]
