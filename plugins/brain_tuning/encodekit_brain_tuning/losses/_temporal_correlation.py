"""Pearson's r over the TRs of a batch, target by target."""

import torch
from torch import Tensor

from encodekit_brain_tuning.losses._base import EPSILON, cosine, fill_masked


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
    tensors = fill_masked(predicted, true, mask)
    lead = (None,) if tensors[0].dim() == 2 else ()
    x, y, weights = (each[(*lead, ...)].flatten(1, -2).transpose(1, 2) for each in tensors)
    apart = 1 - cosine(*_centred(x, y, weights), weights)
    total = torch.where((weights > 0).sum(-1) > 1, weights.sum(-1), 0.0)
    return (total * apart).sum() / total.sum().clamp_min(EPSILON)


temporal_correlation.counts = "values"  # type: ignore[attr-defined]


def _centred(x: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Take the weighted mean over the last axis off both."""
    total = weights.sum(-1, keepdim=True).clamp_min(EPSILON)
    x_mean = (weights * x).sum(-1, keepdim=True) / total
    return x - x_mean, y - (weights * y).sum(-1, keepdim=True) / total
