"""Strategies: how several participants' fMRI makes the steps of one tuning.

A strategy says whether each optimizer step has one participant or all of them, and what becomes of
their fMRI before: it is kept apart, averaged, or brought into one space of shared components.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from encodekit.core import Settings
from encodekit_brain_tuning.heads import Head
from encodekit_brain_tuning.losses import Loss
from encodekit_brain_tuning.targets import (
    Runs,
    RunTargets,
    SharedTargets,
    TargetWeights,
    align,
    common_places,
)


@dataclass(frozen=True)
class Combination:
    """What a strategy makes of participants.

    Attributes
    ----------
    combine : callable RunTargets -> RunTargets, or None
        What becomes of a run's participants; they stay apart if None.
    keys : tuple of str, or None
        Names of what the head predicts, where these are not the participants' targets.
    """

    combine: Callable[[RunTargets], RunTargets] | None = None
    keys: tuple[str, ...] | None = None


class Strategy(Settings):
    """What becomes of several participants' fMRI; a subclass says so in ``combination``.

    Parameters
    ----------
    z_score : bool
        Whether each target's fMRI is scaled within its run before tuning.

    Attributes
    ----------
    per_participant_steps : bool
        Whether a batch makes a step for each participant who heard it, one after the other.
    learns : bool
        Whether ``combination`` needs the fMRI of all tuning runs.
    shared_heads_only : bool
        Whether it makes one response of all participants, which a head with a map for each cannot
        learn from.
    reduction : {"pairs", "participants"}
        Whether the loss is a mean over (TR, participant) pairs, or over the participants' own
        losses.
    """

    registered_as: ClassVar[str] = "strategies"
    per_participant_steps: ClassVar[bool] = False
    learns: ClassVar[bool] = False
    shared_heads_only: ClassVar[bool] = False
    reduction = "pairs"

    z_score: bool = field(default=True, kw_only=True)

    @abstractmethod
    def combination(self, tuning: SharedTargets, loss: Loss, head: Head) -> Combination:
        """Return what becomes of the participants.

        Parameters
        ----------
        tuning : SharedTargets
            Keys and participants of the tuning runs; their fMRI too, participants apart, if the
            strategy ``learns``.
        loss : callable
        head : Head
        """

    def check_head(self, head: Head) -> None:
        """Refuse a head that has a map for each participant, where one response is left."""
        if self.shared_heads_only and not head.module.shared:
            raise ValueError(
                f"participants={self!r} makes one response of all participants, but {head!r} has a "
                "map for each: pass head='shared', 'bottleneck' or 'mlp', or participants='joint'"
            )


@dataclass(frozen=True)
class TargetMaker:
    """From tuning and validation runs to what the head learns, by one strategy.

    Attributes
    ----------
    strategy : Strategy
    loss : callable
    head : Head
    weights : dict of (participant, key) to float, optional
        How much each target counts.
    """

    strategy: Strategy
    loss: Loss
    head: Head
    weights: TargetWeights | None = None

    def tuning(self, runs: Runs) -> tuple[SharedTargets, Combination]:
        """Return the tuning runs' targets, and what became of the participants."""
        strategy, own = self.strategy, self.head.module.own_targets
        strategy.check_head(self.head)
        if not strategy.learns:
            # combined run by run, so that the participants' fMRI is never held all at once
            places = common_places(runs.responses, own_targets=own)
            found = strategy.combination(places, self.loss, self.head)
            return self.placed(runs, places, found), found
        apart = self.placed(runs, common_places(runs.responses, own_targets=own), Combination())
        found = strategy.combination(apart, self.loss, self.head)
        combine = found.combine or (lambda run: run)
        return replace(apart, runs={n: combine(run) for n, run in apart.runs.items()}), found

    def placed(self, runs: Runs, places: SharedTargets, found: Combination) -> SharedTargets:
        """Return runs, such as those that validate, in places that are known."""
        return align(
            runs.responses, runs.n_trs, z_score=self.strategy.z_score, combine=found.combine,
            like=places, weights=self.weights,
        )  # fmt: skip
