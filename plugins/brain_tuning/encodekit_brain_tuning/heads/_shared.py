"""One linear map for all participants."""

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.heads._base import Head, HeadModule


class SharedHeadModule(HeadModule):
    """``y = z W + b``, one map for all participants (Moussa & Toneva 2025).

    Examples
    --------
    >>> import torch
    >>> head = SharedHeadModule(4, 3)
    >>> head(torch.zeros(2, 4), torch.ones(2, 1)).shape
    torch.Size([1, 2, 3])
    """

    def build(self) -> None:
        """Make ``linear``."""
        self.linear = nn.Linear(self.n_features, self.n_targets)

    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return the same for everybody."""
        predicted: Tensor = self.linear(z)
        return predicted[None]

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Take the solution as it is."""
        self.linear.weight.copy_(coefficients.T)
        self.linear.bias.copy_(intercept)


class SharedHead(Head):
    """One linear map for all participants (Moussa & Toneva 2025).

    Parameters
    ----------
    start : {"ridge", "random"}
    layer : int, optional
        See `Head`.
    """

    module = SharedHeadModule
