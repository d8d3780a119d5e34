"""A layer for each participant, and one for people that the head does not know."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.heads._base import (
    HeadModule,
    RankedHead,
    apply_each,
    reduced_rank,
    uniform_maps,
)


class UnseenHeadModule(HeadModule):
    """``y_p = (z D) U_p + b_p``, and a layer for people that it does not know.

    In training each participant's layer is exchanged for the unseen one with probability
    ``dropout``, so that this one learns from everybody (TRIBE v2, arXiv 2605.04326).
    """

    shared = False
    rank: int
    dropout: float

    def build(self) -> None:
        """Make the shared projection and the layers; the last is the unseen one."""
        rank = min(self.rank, self.n_features, self.n_targets)
        self.down = nn.Linear(self.n_features, rank, bias=False)
        self.up = uniform_maps(self.n_participants + 1, rank, self.n_targets)
        self.bias = nn.Parameter(torch.zeros(self.n_participants + 1, self.n_targets))

    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return a prediction for each of ``people``, or for somebody unseen."""
        unseen = self.n_participants
        if people is None:
            people = torch.tensor([unseen], device=z.device)
        elif self.training:
            gone = torch.rand(people.shape, device=z.device) < self.dropout
            people = torch.where(gone, unseen, people)
        return apply_each(self.down(z), self.up[people], self.bias[people])

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Take the solution's best approximation of that rank in every layer."""
        down, up = reduced_rank(coefficients, z, self.down.out_features)
        self.down.weight.copy_(down.T)
        self.up.copy_(up.expand_as(self.up))
        self.bias.copy_(intercept.expand_as(self.bias))


class UnseenHead(RankedHead):
    """A bottleneck with a layer for each participant, and one for anybody else.

    Parameters
    ----------
    rank : int
        Dimensions in between; never more than features or targets.
    dropout : float
        How often, in training, a participant's layer is exchanged for the one for anybody else.
    start : {"ridge", "random"}
    layer : int, optional
        See `Head`.
    """

    module = UnseenHeadModule
    rank: int = 100
    dropout: float = 0.1

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        yield from super().mistakes()
        if not 0 <= self.dropout <= 1:
            yield f"dropout={self.dropout:g}: expected a share from 0 to 1"
