"""Heads: from pooled hidden states to the fMRI of a TR, of everybody or of each participant.

A head is called with pooled rows and the participants asked for, and answers (participant, ...,
target): one participant if all get the same prediction (``shared``), else one for each asked for.
Without participants it predicts somebody that it was not trained on.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from encodekit.plugins import unknown_name


class Head(nn.Module, ABC):
    """What all heads share: features are standardised first.

    ``z = (x - coverage * mean) / scale``, where ``x`` is (..., n_features), a weighted sum of
    frames, and ``coverage`` (..., 1) the sum of its weights: what lies before the audio's start
    counts as the mean. ``mean`` and ``scale`` come from the pretrained features of the tuning
    stories and stay as they are; they are 0 and 1 for a head that does not begin at a ridge.

    Parameters
    ----------
    n_features, n_targets, n_participants : int
    rank : int, optional
        Of the maps that have one.
    """

    shared: ClassVar[bool] = True  # one prediction for everybody
    own_targets: ClassVar[bool] = False  # whether each participant may have targets of its own
    mean: Tensor
    scale: Tensor

    def __init__(
        self, n_features: int, n_targets: int, n_participants: int = 1, rank: int | None = None
    ) -> None:
        super().__init__()
        self.n_features, self.n_targets = n_features, n_targets
        self.n_participants, self.rank = n_participants, rank
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.build()

    @abstractmethod
    def build(self) -> None:
        """Make the parameters."""

    @abstractmethod
    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return (participant, ..., n_targets) from standardised rows (..., n_features)."""

    @abstractmethod
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Begin at a known linear solution.

        Parameters
        ----------
        coefficients : Tensor (n_features, n_targets)
            With a participant axis in front for a head that is not ``shared`` at its start.
        intercept : Tensor (n_targets,)
        z : Tensor (n_rows, n_features)
            The standardised rows that it was found on.
        """

    def standardise(self, pooled: Tensor, coverage: Tensor) -> Tensor:
        """Centre and scale ``pooled`` (..., n_features) with the stored statistics."""
        return (pooled - coverage * self.mean) / self.scale

    def forward(self, pooled: Tensor, coverage: Tensor, people: Tensor | None = None) -> Tensor:
        """Predict (participant, ..., n_targets)."""
        return self.predict(self.standardise(pooled, coverage), people)

    @torch.no_grad()
    def set_statistics(self, pooled: Tensor, coverage: Tensor) -> None:
        """Take mean and scale from ``pooled`` (n_rows, n_features); constant features keep 1."""
        weight = coverage / coverage.sum()
        self.mean.copy_((weight * pooled).sum(0) / (weight * coverage).sum())
        spread = (pooled - coverage * self.mean).std(dim=0, correction=0)
        self.scale.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))


class SharedLinearHead(Head):
    """``y = z W + b``, one map for all participants (Moussa & Toneva 2025).

    Examples
    --------
    >>> import torch
    >>> head = SharedLinearHead(4, 3)
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


class IndividualHead(Head):
    """``y_p = z W_p + b_p``, a map for each participant, whose targets may be their own.

    Somebody it was not trained on gets the mean of the maps.
    """

    shared = False
    own_targets = True

    def build(self) -> None:
        """Make the maps, drawn as `torch.nn.Linear` draws its own."""
        self.weight = _uniform(self.n_participants, self.n_features, self.n_targets)
        self.bias = nn.Parameter(torch.zeros(self.n_participants, self.n_targets))

    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return a prediction for each of ``people``."""
        if people is None:
            weight, bias = self.weight.mean(0, keepdim=True), self.bias.mean(0, keepdim=True)
        else:
            weight, bias = self.weight[people], self.bias[people]
        return _each(z, weight, bias)

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Take each participant's own solution."""
        self.weight.copy_(coefficients)
        self.bias.copy_(intercept)


class LowRankHead(Head):
    """``y_p = z W + b + (z A_p) B_p``: what all share, and a low-rank deviation of each.

    ``B_p`` begins at 0. Somebody it was not trained on gets what all share.
    """

    shared = False

    def build(self) -> None:
        """Make the shared map and the deviations."""
        rank = self.rank or 8
        self.linear = nn.Linear(self.n_features, self.n_targets)
        self.down = _uniform(self.n_participants, self.n_features, rank)
        self.up = nn.Parameter(torch.zeros(self.n_participants, rank, self.n_targets))

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


class BottleneckHead(Head):
    """``y = (z D) U + b`` with ``rank`` dimensions in between (BrainWavLM, arXiv 2502.08866)."""

    def build(self) -> None:
        """Make the two maps; at most as many dimensions as features or targets."""
        rank = min(self.rank or 100, self.n_features, self.n_targets)
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


class MlpHead(Head):
    """``y = z W + b + gelu(z D + c) U``: a linear map, and ``rank`` hidden units beside it."""

    def build(self) -> None:
        """Make the linear map and the hidden layer."""
        rank = self.rank or 128
        self.linear = nn.Linear(self.n_features, self.n_targets)
        self.down = nn.Linear(self.n_features, rank)
        self.up = nn.Linear(rank, self.n_targets, bias=False)

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


class UnseenHead(Head):
    """``y_p = (z D) U_p + b_p``, and a layer for people that it does not know.

    In training each participant's layer is exchanged for the unseen one with probability
    ``dropout``, so that this one learns from everybody (TRIBE v2, arXiv 2605.04326).
    """

    shared = False
    dropout = 0.1

    def build(self) -> None:
        """Make the shared projection and the layers; the last is the unseen one."""
        rank = min(self.rank or 100, self.n_features, self.n_targets)
        self.down = nn.Linear(self.n_features, rank, bias=False)
        self.up = _uniform(self.n_participants + 1, rank, self.n_targets)
        self.bias = nn.Parameter(torch.zeros(self.n_participants + 1, self.n_targets))

    def predict(self, z: Tensor, people: Tensor | None) -> Tensor:
        """Return a prediction for each of ``people``, or for somebody unseen."""
        unseen = self.n_participants
        if people is None:
            people = torch.tensor([unseen], device=z.device)
        elif self.training:
            gone = torch.rand(people.shape, device=z.device) < self.dropout
            people = torch.where(gone, unseen, people)
        return _each(self.down(z), self.up[people], self.bias[people])

    @torch.no_grad()
    def start_from(self, coefficients: Tensor, intercept: Tensor, z: Tensor) -> None:
        """Take the solution's best approximation of that rank in every layer."""
        down, up = reduced_rank(coefficients, z, self.down.out_features)
        self.down.weight.copy_(down.T)
        self.up.copy_(up.expand_as(self.up))
        self.bias.copy_(intercept.expand_as(self.bias))


HEADS: dict[str, type[Head]] = {
    "shared": SharedLinearHead,
    "individual": IndividualHead,
    "shared+low_rank": LowRankHead,
    "bottleneck": BottleneckHead,
    "mlp": MlpHead,
    "unseen": UnseenHead,
}


def resolve_head(head: str | Callable[..., Head]) -> Callable[..., Head]:
    """Return the class of that name, or ``head`` itself if it can be called."""
    if callable(head):
        return head
    if head not in HEADS:
        raise ValueError(unknown_name("head", head, HEADS))
    return HEADS[head]


def reduced_rank(coefficients: Tensor, z: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return (n_features, rank) and (rank, n_targets) whose product predicts best on rows ``z``.

    The product's predictions are the nearest of that rank to those of ``coefficients``: with
    ``z B = U S V'``, it is ``B V_k V_k'`` (reduced-rank regression, Izenman 1975).
    """
    centred = z - z.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    root = values.clamp_min(0).sqrt()[:, None] * vectors.T
    right = torch.linalg.svd(root @ coefficients, full_matrices=False).Vh[:rank]
    return coefficients @ right.T, right


def _uniform(n: int, n_in: int, n_out: int) -> nn.Parameter:
    """``n`` maps, drawn like the weights of `torch.nn.Linear`."""
    return nn.Parameter(torch.empty(n, n_in, n_out).uniform_(-(n_in**-0.5), n_in**-0.5))


def _each(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply (participant, feature, target) maps to rows (..., feature)."""
    predicted = torch.einsum("...f,pft->p...t", z, weight)
    return predicted + bias.reshape(len(bias), *[1] * (z.dim() - 1), -1)
