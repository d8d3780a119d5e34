"""Strategies: how several participants' fMRI makes the steps of one tuning.

A strategy says whether each optimizer step has one participant or all of them, and what becomes of
their fMRI before: it is kept apart, averaged, or brought into one space of shared components.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from encodekit.plugins import unknown_name
from encodekit_brain_tuning._participants import (
    RunTargets,
    SharedTargets,
    TargetWeights,
    align,
    plain_mean,
    weighted_mean,
)
from encodekit_brain_tuning._srm import SharedResponseModel
from encodekit_brain_tuning._tuning_data import Runs

Reduction = Literal["pairs", "participants"]


@dataclass(frozen=True)
class Situation:
    """What a strategy is told: its choices, and what loss and head it works with."""

    joint_equals_mean: bool = False  # the loss says so
    shared_head: bool = True
    reduction: Reduction = "pairs"
    n_components: int = 20


class Strategy:
    """Every participant is kept apart and every step has all of them; others differ in a method.

    Parameters
    ----------
    situation : Situation
    """

    one_by_one: ClassVar[bool] = False  # a step for each participant who heard the batch
    learns: ClassVar[bool] = False  # from all tuning runs at once

    def __init__(self, situation: Situation) -> None:
        self.situation = situation

    def learn(self, targets: SharedTargets) -> None:
        """Fit what the strategy learns on the tuning runs, participants apart."""

    def combine(self, run: RunTargets) -> RunTargets:
        """Return what becomes of a run's participants."""
        return run

    def keys(self, targets: SharedTargets) -> tuple[str, ...]:
        """Return the names of what the head predicts."""
        return targets.keys

    def n_targets(self, targets: SharedTargets) -> int:
        """Return how many numbers the head predicts for a TR."""
        return targets.n_slots


class Joint(Strategy):
    """One forward for all who heard the clip; who lacks a value is masked out of the loss.

    The loss is the mean over (TR, participant) pairs (``reduction="pairs"``) or of the
    participants' own losses (``"participants"``). With L2 over pairs and a shared head this equals
    tuning on the participants' mean, each value weighted by how many have it: then that is done.
    """

    @property
    def on_mean(self) -> bool:
        """Whether the participants' weighted mean stands for all of them."""
        given = self.situation
        return given.joint_equals_mean and given.shared_head and given.reduction == "pairs"

    def combine(self, run: RunTargets) -> RunTargets:
        """Return the weighted mean where it has the same gradient."""
        return weighted_mean(run) if self.on_mean else run


class Sequential(Strategy):
    """One step per participant and batch, one participant after another (Moussa & Toneva 2025)."""

    one_by_one = True


class ResponseMean(Strategy):
    """One step per batch on the mean of those who heard it, however many they are."""

    def __init__(self, situation: Situation) -> None:
        super().__init__(situation)
        _needs_shared_head(situation, "response_mean")

    def combine(self, run: RunTargets) -> RunTargets:
        """Return the mean, each value counting once."""
        return plain_mean(run)


class SharedResponse(Strategy):
    """One step per batch on ``n_components`` shared responses, fitted on the tuning runs alone.

    Validation runs go through the maps of the tuning runs, see `SharedResponseModel`.
    """

    learns = True

    def __init__(self, situation: Situation) -> None:
        super().__init__(situation)
        _needs_shared_head(situation, "srm")
        self.model = SharedResponseModel(situation.n_components)

    def learn(self, targets: SharedTargets) -> None:
        """Fit each participant's map on what all have."""
        runs = targets.runs.values()
        values = np.concatenate([run.values for run in runs], axis=1)
        there = np.concatenate([run.weights > 0 for run in runs], axis=1)
        self.model.fit(values, there, targets.participants)

    def combine(self, run: RunTargets) -> RunTargets:
        """Return the shared responses of a run."""
        shared, there = self.model.transform(run.values, run.weights > 0)
        weights = np.broadcast_to(there[:, None], shared.shape).astype(np.float32)
        return RunTargets(shared[None], weights[None], run.heard, np.zeros(len(run.spread)))

    def keys(self, targets: SharedTargets) -> tuple[str, ...]:
        """Return ``srm/000`` and so on."""
        return tuple(f"srm/{number:03d}" for number in range(self.model.n_components))

    def n_targets(self, targets: SharedTargets) -> int:
        """Return the number of components."""
        return self.model.n_components


STRATEGIES: dict[str, type[Strategy]] = {
    "joint": Joint,
    "sequential": Sequential,
    "response_mean": ResponseMean,
    "srm": SharedResponse,
}


def resolve_strategy(name: str, situation: Situation) -> Strategy:
    """Return the strategy of that name.

    Raises
    ------
    ValueError
        If there is none, or it needs a head that all participants share.
    """
    if name not in STRATEGIES:
        raise ValueError(unknown_name("strategy", name, STRATEGIES))
    return STRATEGIES[name](situation)


@dataclass(frozen=True)
class TargetMaker:
    """From tuning and validation runs to what the head learns, by one strategy."""

    strategy: Strategy
    z_score: bool = True
    own_targets: bool = False

    def tuning(self, runs: Runs, weights: TargetWeights | None = None) -> SharedTargets:
        """Return the tuning runs' targets; a strategy that learns is fitted on them."""
        strategy = self.strategy
        combine = None if strategy.learns else strategy.combine
        targets = align(
            runs.responses, runs.n_trs, z_score=self.z_score, combine=combine,
            own_targets=self.own_targets, weights=weights,
        )  # fmt: skip
        if strategy.learns:
            strategy.learn(targets)
            combined = {name: strategy.combine(run) for name, run in targets.runs.items()}
            return replace(targets, runs=combined)
        return targets

    def validation(
        self, runs: Runs, tuning: SharedTargets, weights: TargetWeights | None = None
    ) -> SharedTargets:
        """Return validation runs in the places that `tuning` gave."""
        return align(
            runs.responses, runs.n_trs, z_score=self.z_score, combine=self.strategy.combine,
            like=tuning, weights=weights,
        )  # fmt: skip


def _needs_shared_head(situation: Situation, name: str) -> None:
    if not situation.shared_head:
        raise ValueError(
            f"strategy={name!r} makes one response of all participants, but the head has a map "
            "for each: pass head='shared', 'bottleneck' or 'mlp', or strategy='joint'"
        )


def describe(strategy: Strategy) -> str:
    """Return one line for a model card."""
    mean = isinstance(strategy, Joint) and strategy.on_mean
    return "joint, as tuning on the participants' weighted mean" if mean else _name(strategy)


def _name(strategy: Strategy) -> str:
    return next(name for name, kind in STRATEGIES.items() if type(strategy) is kind)
