"""Each step has all who heard its clips."""

from collections.abc import Iterator
from typing import Literal

from encodekit.core import unknown_name
from encodekit_brain_tuning.heads import Head
from encodekit_brain_tuning.losses import Loss, joint_equals_mean
from encodekit_brain_tuning.strategies._base import Combination, Strategy
from encodekit_brain_tuning.targets import SharedTargets, weighted_mean

REDUCTIONS = ("pairs", "participants")


class Joint(Strategy):
    """One forward pass for all who heard the clip; who lacks a value is masked out of the loss.

    With ``reduction="pairs"``, a loss such as L2 and a shared head this equals tuning on the
    participants' mean, each value weighted by how many have it: then that is done, at the cost of
    one participant.

    Parameters
    ----------
    reduction : {"pairs", "participants"}
        Whether the loss is a mean over (TR, participant) pairs, or over the participants' own
        losses, so that who heard less counts as much.
    z_score : bool
        See `Strategy`.
    """

    reduction: Literal["pairs", "participants"] = "pairs"

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.reduction not in REDUCTIONS:
            yield unknown_name("reduction", self.reduction, REDUCTIONS)

    def combination(self, tuning: SharedTargets, loss: Loss, head: Head) -> Combination:
        """Return the weighted mean where it has the same gradient, else the participants apart."""
        on_mean = joint_equals_mean(loss) and head.module.shared and self.reduction == "pairs"
        return Combination(weighted_mean if on_mean else None)
