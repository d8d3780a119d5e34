"""Updates: what of a backbone learns in tuning."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import field
from typing import ClassVar

from encodekit.core import Settings
from encodekit_brain_tuning.backbones import Backbone, parts_of


class Update(Settings):
    """What of the backbone learns; a subclass says so in ``apply``.

    Blocks below the lowest that learns are computed once and kept, as the stem's output is: an
    epoch costs what lies above them. They are computed in evaluation mode, without dropout.

    Parameters
    ----------
    dropout : float, optional
        Of the backbone from the lowest block that learns, and of what an update adds to it; the
        backbone's own if not given.
    """

    registered_as: ClassVar[str] = "updates"

    dropout: float | None = field(default=None, kw_only=True)

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.dropout is not None and not 0 <= self.dropout < 1:
            yield f"dropout={self.dropout:g}: expected a share from 0 to below 1, or None"

    def prepare(self, backbone: Backbone) -> None:
        """Let learn what `apply` says, and nothing that the head's layer does not depend on.

        What lies below all that learns is frozen, see `Backbone.split`.
        """
        backbone.model.requires_grad_(requires_grad=False)
        before = parts_of(backbone.model)
        self.apply(backbone)
        for unused in backbone.never_reached():
            unused.requires_grad_(requires_grad=False)
        backbone.split(before)

    @abstractmethod
    def apply(self, backbone: Backbone) -> None:
        """Let parameters of ``backbone`` learn, none of which does yet, or add some that do."""
