"""The participants' mean response."""

from encodekit_brain_tuning.heads import Head
from encodekit_brain_tuning.losses import Loss
from encodekit_brain_tuning.strategies._base import Combination, Strategy
from encodekit_brain_tuning.targets import SharedTargets, plain_mean


class ResponseMean(Strategy):
    """One step per batch on the mean of those who heard it, each value counting once.

    Parameters
    ----------
    z_score : bool
        See `Strategy`.
    """

    shared_heads_only = True

    def combination(self, tuning: SharedTargets, loss: Loss, head: Head) -> Combination:
        """Return the mean."""
        return Combination(plain_mean)
