"""One loss first, another then."""

from collections.abc import Callable, Iterator

from torch import Tensor

from encodekit.core import Settings
from encodekit_brain_tuning.losses._base import Loss, resolve_loss


class Hybrid(Settings):
    """One loss first, another then: ``(1 - w) first + w then``.

    ``w`` is 0 up to ``begin`` of the tuning, rises linearly, and is 1 from ``end`` on. Called
    directly, as in validation, it is the second loss.

    Parameters
    ----------
    first, then : str or callable
        Losses; correlation was best with little data and L2 with much (Moussa & Toneva 2025), and
        whether to begin with one and end with the other is their open question.
    begin, end : float
        Shares of the optimizer steps.

    Examples
    --------
    >>> import torch
    >>> true = torch.tensor([[1.0, 2.0, 4.0]])
    >>> half = Hybrid().at(0.5)
    >>> round(float(half(true + 1, true, torch.ones(1, 3))), 6)
    0.5
    """

    first: str | Callable[..., Tensor] = "correlation"
    then: str | Callable[..., Tensor] = "l2"
    begin: float = 0.4
    end: float = 0.6

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if not 0 <= self.begin <= self.end <= 1:
            yield (
                f"Hybrid changes between begin={self.begin:g} and end={self.end:g}: expected "
                "shares of the tuning, 0 <= begin <= end <= 1"
            )

    def at(self, progress: float) -> Loss:
        """Return the loss at that share of the optimizer steps."""
        first, then = resolve_loss(self.first), resolve_loss(self.then)
        if progress < self.begin:
            return first
        if progress >= self.end:
            return then
        weight = (progress - self.begin) / (self.end - self.begin)

        def mixed(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
            return (1 - weight) * first(predicted, true, mask) + weight * then(
                predicted, true, mask
            )

        return mixed

    def __call__(self, predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
        """Return the second loss."""
        return self.at(1.0)(predicted, true, mask)
