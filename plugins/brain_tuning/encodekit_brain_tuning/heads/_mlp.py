"""A linear map, and a hidden layer beside it."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.heads._base import Head, HeadModule


class MlpHeadModule(HeadModule):
    """``y = z W + b + gelu(z D + c) U``: a linear map, and ``n_hidden`` hidden units beside it."""

    n_hidden: int

    def build(self) -> None:
        """Make the linear map and the hidden layer."""
        self.linear = nn.Linear(self.n_features, self.n_targets)
        self.down = nn.Linear(self.n_features, self.n_hidden)
        self.up = nn.Linear(self.n_hidden, self.n_targets, bias=False)

    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return the same for everybody."""
        predicted: Tensor = self.linear(z) + self.up(nn.functional.gelu(self.down(z)))
        return predicted[None]

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Take the solution as the linear map; the hidden layer begins without effect."""
        self.linear.weight.copy_(coefficients.T)
        self.linear.bias.copy_(intercept)
        self.up.weight.zero_()


class MlpHead(Head):
    """A linear map for all participants, and a hidden layer beside it.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    start : {"ridge", "random"}
    layer : int, optional
        See `Head`.
    """

    module = MlpHeadModule
    n_hidden: int = 128

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        yield from super().mistakes()
        if self.n_hidden < 1:
            yield f"n_hidden={self.n_hidden}: expected at least 1"
