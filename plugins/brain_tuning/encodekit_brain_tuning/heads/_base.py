"""Heads: from pooled hidden states to the fMRI of a TR, of everybody or of each participant.

A `Head` says which head is wanted; what it builds, a `HeadModule`, is called with pooled rows and
the participants asked for, and answers (participant, ..., target): one participant if all get the
same prediction (``shared``), else one for each asked for. Without participants it predicts somebody
that it was not trained on.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from encodekit.core import Settings, unknown_name

STARTS = ("ridge", "random")
_OF_ALL = ("start", "layer")


class HeadModule(nn.Module, ABC):
    """What all heads share: features are standardised first.

    ``z = (x - coverage * mean) / scale``, where ``x`` is (..., n_features), a weighted sum of
    frames, and ``coverage`` (..., 1) the sum of its weights: what lies before the audio's start
    counts as the mean. ``mean`` and ``scale`` come from the pretrained features of the tuning
    stories and stay as they are; they are 0 and 1 for a head that does not begin at a ridge.

    Parameters
    ----------
    n_features, n_targets, n_participants : int
    **parameters
        Those of the head's settings beside ``start``, ``layer``; they become attributes.
    """

    shared: ClassVar[bool] = True  # one prediction for everybody
    # whether each participant may have targets of its own, and begins at a ridge of its own
    own_targets: ClassVar[bool] = False
    mean: Tensor
    scale: Tensor

    def __init__(
        self, n_features: int, n_targets: int, n_participants: int = 1, **parameters: Any
    ) -> None:
        super().__init__()
        self.n_features, self.n_targets = n_features, n_targets
        self.n_participants = n_participants
        for name, value in parameters.items():
            if hasattr(self, name) or name in ("mean", "scale"):
                raise TypeError(f"{type(self).__name__}: a parameter cannot be called {name!r}")
            setattr(self, name, value)
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
            With a participant axis in front for a head with ``own_targets``.
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


class Head(Settings):
    """Which head reads the backbone; a subclass names its ``module`` and that one's parameters.

    Parameters
    ----------
    start : {"ridge", "random"}
        Whether the head begins at a ridge solution on the standardised pretrained features, or at
        random weights on the features as they are.
    layer : int, optional
        Which layer it reads; the last if not given. No block above it is computed or tuned.

    Attributes
    ----------
    module : type of HeadModule
        Made with ``(n_features, n_targets, n_participants)`` and the other parameters by name.
    """

    registered_as: ClassVar[str] = "heads"
    module: ClassVar[type[HeadModule]]

    start: Literal["ridge", "random"] = field(default="ridge", kw_only=True)
    layer: int | None = field(default=None, kw_only=True)

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.start not in STARTS:
            yield unknown_name("start", self.start, STARTS)

    def build(self, n_features: int, n_targets: int, n_participants: int) -> HeadModule:
        """Return the module, with weights that are drawn by torch."""
        own = {name: getattr(self, name) for name in self.parameters() if name not in _OF_ALL}
        return self.module(n_features, n_targets, n_participants, **own)


class RankedHead(Head):
    """A head of low rank.

    Parameters
    ----------
    rank : int
    """

    rank: int = 8

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        yield from super().mistakes()
        if self.rank < 1:
            yield f"rank={self.rank}: expected at least 1"


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


def uniform_maps(n: int, n_in: int, n_out: int) -> nn.Parameter:
    """``n`` maps, drawn like the weights of `torch.nn.Linear`."""
    return nn.Parameter(torch.empty(n, n_in, n_out).uniform_(-(n_in**-0.5), n_in**-0.5))


def apply_each(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply (participant, feature, target) maps to rows (..., feature)."""
    predicted = torch.einsum("...f,pft->p...t", z, weight)
    return predicted + bias.reshape(len(bias), *[1] * (z.dim() - 1), -1)
