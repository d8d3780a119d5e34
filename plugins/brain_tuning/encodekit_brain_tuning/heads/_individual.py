"""A linear map for each participant."""

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.heads._base import Head, HeadModule, apply_each, uniform_maps


class IndividualHeadModule(HeadModule):
    """``y_p = z W_p + b_p``, a map for each participant, whose targets may be their own.

    Somebody it was not trained on gets the mean of the maps.
    """

    shared = False
    own_targets = True

    def build(self) -> None:
        """Make the maps, drawn as `torch.nn.Linear` draws its own."""
        self.weight = uniform_maps(self.n_participants, self.n_features, self.n_targets)
        self.bias = nn.Parameter(torch.zeros(self.n_participants, self.n_targets))

    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return a prediction for each of ``people``."""
        if people is None:
            weight, bias = self.weight.mean(0, keepdim=True), self.bias.mean(0, keepdim=True)
        else:
            weight, bias = self.weight[people], self.bias[people]
        return apply_each(z, weight, bias)

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Take each participant's own solution."""
        self.weight.copy_(coefficients)
        self.bias.copy_(intercept)


class IndividualHead(Head):
    """A linear map for each participant, whose targets may be in native space.

    Parameters
    ----------
    start : {"ridge", "random"}
    layer : int, optional
        See `Head`.
    """

    module = IndividualHeadModule
