"""Nothing of the backbone learns."""

from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.updates._base import Update


class HeadOnly(Update):
    """The backbone stays as it is, and the head alone learns.

    The layer that the head reads is computed once and kept: an epoch costs the head.

    Parameters
    ----------
    dropout : float, optional
        Of no effect here: what is frozen has no dropout.
    """

    def apply(self, backbone: Backbone) -> None:
        """Let nothing learn."""
