"""What all participants share, and a low-rank deviation of each."""

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.heads._base import HeadModule, RankedHead, uniform_maps


class LowRankHeadModule(HeadModule):
    """``y_p = z W + b + (z A_p) B_p``: what all share, and a low-rank deviation of each.

    ``B_p`` begins at 0. Somebody it was not trained on gets what all share.
    """

    shared = False
    rank: int

    def build(self) -> None:
        """Make the shared map and the deviations."""
        self.linear = nn.Linear(self.n_features, self.n_targets)
        self.down = uniform_maps(self.n_participants, self.n_features, self.rank)
        self.up = nn.Parameter(torch.zeros(self.n_participants, self.rank, self.n_targets))

    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return a prediction for each of ``people``."""
        together: Tensor = self.linear(z)[None]
        if people is None:
            return together
        low = torch.einsum("...f,pfk->p...k", z, self.down[people])
        return together + torch.einsum("p...k,pkt->p...t", low, self.up[people])

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Take the solution as what all share."""
        self.linear.weight.copy_(coefficients.T)
        self.linear.bias.copy_(intercept)


class LowRankHead(RankedHead):
    """A shared linear map, and a deviation of low rank for each participant.

    Parameters
    ----------
    rank : int
        Of the deviations.
    start : {"ridge", "random"}
    layer : int, optional
        See `Head`.
    """

    module = LowRankHeadModule
    rank: int = 8
