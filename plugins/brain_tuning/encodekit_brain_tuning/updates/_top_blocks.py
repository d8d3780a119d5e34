"""The highest transformer blocks learn."""

from collections.abc import Iterator

from encodekit.features import transformer_blocks
from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.updates._base import Update


class TopBlocks(Update):
    """The ``n`` highest transformer blocks learn, counted down from the layer that the head reads.

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
        if self.n > backbone.pooled_layer:
            raise ValueError(
                f"TopBlocks(n={self.n}): the head reads layer {backbone.pooled_layer}, which has "
                f"{backbone.pooled_layer} blocks below it: pass at most as many, or AllWeights()"
            )
        reached = transformer_blocks(backbone.model)[: backbone.pooled_layer]
        for block in reached[-self.n :]:
            block.requires_grad_(requires_grad=True)
