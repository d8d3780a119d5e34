"""Heads: from pooled hidden states to the fMRI of a TR."""

import torch
from torch import Tensor, nn


class SharedLinearHead(nn.Module):
    """One linear map from standardised features to targets, shared by all participants.

    ``y = ((x - coverage * mean) / scale) W + b``, where ``x`` is (..., n_features), a weighted sum
    of frames, and ``coverage`` (..., 1) the sum of its weights: what lies before the audio's start
    counts as the mean. ``mean`` and ``scale`` come from the pretrained features of the tuning
    stories and stay as they are.

    Parameters
    ----------
    n_features, n_targets : int

    Examples
    --------
    >>> import torch
    >>> head = SharedLinearHead(4, 3)
    >>> head(torch.zeros(2, 4), torch.ones(2, 1)).shape
    torch.Size([2, 3])
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, n_targets: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, n_targets)
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))

    def standardise(self, pooled: Tensor, coverage: Tensor) -> Tensor:
        """Centre and scale ``pooled`` (..., n_features) with the stored statistics."""
        return (pooled - coverage * self.mean) / self.scale

    def forward(self, pooled: Tensor, coverage: Tensor) -> Tensor:
        """Predict (..., n_targets)."""
        predicted: Tensor = self.linear(self.standardise(pooled, coverage))
        return predicted

    @torch.no_grad()
    def set_statistics(self, pooled: Tensor, coverage: Tensor) -> None:
        """Take mean and scale from ``pooled`` (n_rows, n_features); constant features keep 1."""
        weight = coverage / coverage.sum()
        self.mean.copy_((weight * pooled).sum(0) / (weight * coverage).sum())
        spread = (pooled - coverage * self.mean).std(dim=0, correction=0)
        self.scale.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor) -> None:
        """Begin at a known solution: ``coefficients`` (n_features, n_targets)."""
        self.linear.weight.copy_(coefficients.T)
        self.linear.bias.copy_(intercept)
