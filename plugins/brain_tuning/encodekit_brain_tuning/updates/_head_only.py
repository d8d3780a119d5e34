"""Nothing of the backbone learns."""

from collections.abc import Iterator

from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.updates._base import Update


class HeadOnly(Update):
    """The backbone stays as it is, and the head alone learns.

    The layer that the head reads is computed once and kept: an epoch costs the head.

    Parameters
    ----------
    dropout : float, optional
        None or 0: what is frozen has no dropout.
    """

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        yield from super().mistakes()
        if self.dropout:
            yield (
                f"HeadOnly(dropout={self.dropout:g}): nothing of the backbone learns, and what is "
                "frozen has no dropout: leave dropout out"
            )

    def apply(self, backbone: Backbone) -> None:
        """Let nothing learn."""
