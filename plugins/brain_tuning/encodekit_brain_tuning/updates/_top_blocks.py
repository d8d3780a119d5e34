"""The highest transformer blocks learn."""

from collections.abc import Iterator

from encodekit.features import transformer_blocks
from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.updates._base import Update
from encodekit_brain_tuning.updates._blocks import chosen_blocks


class TopBlocks(Update):
    """The ``n`` highest transformer blocks learn, counted down from the layer that the head reads.

    The blocks below them are computed once and kept: an epoch costs the ``n`` blocks.

    Parameters
    ----------
    n : int
    dropout : float, optional
        See `Update`.
    """

    n: int = 2

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        yield from super().mistakes()
        if self.n < 1:
            yield f"n={self.n}: expected at least 1"

    def apply(self, backbone: Backbone) -> None:
        """Let these blocks learn.

        Raises
        ------
        ValueError
            If the backbone has fewer blocks below the layer that the head reads.
        """
        blocks = transformer_blocks(backbone.model)
        for number in chosen_blocks(f"TopBlocks(n={self.n})", self.n, backbone):
            blocks[number - 1].requires_grad_(requires_grad=True)
