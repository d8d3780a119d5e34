"""Every weight of the transformer learns."""

from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.updates._base import Update


class AllWeights(Update):
    """Every weight of the transformer learns, up to the layer that the head reads.

    Parameters
    ----------
    dropout : float, optional
        See `Update`.
    """

    def apply(self, backbone: Backbone) -> None:
        """Let all learn."""
        backbone.model.requires_grad_(requires_grad=True)
