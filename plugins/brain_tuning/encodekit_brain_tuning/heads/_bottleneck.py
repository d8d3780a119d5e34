"""A linear map through few dimensions."""

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.heads._base import HeadModule, RankedHead, reduced_rank


class BottleneckHeadModule(HeadModule):
    """``y = (z D) U + b`` with ``rank`` dimensions in between (BrainWavLM, arXiv 2502.08866)."""

    rank: int

    def build(self) -> None:
        """Make the two maps; at most as many dimensions as features or targets."""
        rank = min(self.rank, self.n_features, self.n_targets)
        self.down = nn.Linear(self.n_features, rank, bias=False)
        self.up = nn.Linear(rank, self.n_targets)

    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return the same for everybody."""
        predicted: Tensor = self.up(self.down(z))
        return predicted[None]

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Take the solution's best approximation of that rank, over the rows ``z``."""
        down, up = reduced_rank(coefficients, z, self.up.in_features)
        self.down.weight.copy_(down.T)
        self.up.weight.copy_(up.T)
        self.up.bias.copy_(intercept)


class BottleneckHead(RankedHead):
    """Linear for all participants, through few dimensions.

    Parameters
    ----------
    rank : int
        Dimensions in between; never more than features or targets.
    start : {"ridge", "random"}
    layer : int, optional
        See `Head`.
    """

    module = BottleneckHeadModule
    rank: int = 100
