"""One participant after another, as published."""

from encodekit_brain_tuning.heads import Head
from encodekit_brain_tuning.losses import Loss
from encodekit_brain_tuning.strategies._base import Combination, Strategy
from encodekit_brain_tuning.targets import SharedTargets


class Sequential(Strategy):
    """One step per participant and batch, one participant after another (Moussa & Toneva 2025).

    Parameters
    ----------
    z_score : bool
        See `Strategy`.
    """

    per_participant_steps = True

    def combination(self, tuning: SharedTargets, loss: Loss, head: Head) -> Combination:
        """Return the participants apart."""
        return Combination()
