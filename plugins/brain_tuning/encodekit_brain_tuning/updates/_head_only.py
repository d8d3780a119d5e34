"""Nothing of the backbone learns."""

from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.updates._base import Update


class HeadOnly(Update):
    """The backbone stays as it is, and the head alone learns.

    Parameters
    ----------
    dropout : float, optional
        See `Update`.
    """

    def apply(self, backbone: Backbone) -> None:
        """Let nothing learn."""
