"""The steps of a tuning: which clips, of whom, and in how many parts and processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from encodekit.core import unknown_name
from encodekit_brain_tuning.training._clips import EqualLengthBatches, TuningClips

Budget = tuple[str, float]
UNITS = ("steps", "pairs", "seconds")


@dataclass(frozen=True)
class Step:
    """Clips of one optimizer step, and the participant whose step it is (None: everybody's)."""

    clips: tuple[int, ...]
    person: int | None = None


@dataclass(frozen=True)
class Part:
    """What one forward pass of a step sees, and how much its losses count in the step's.

    ``share`` has one number, or one per participant if their losses are averaged.
    """

    clips: tuple[int, ...]
    person: int | None
    share: tuple[float, ...]


@dataclass(frozen=True)
class ClipCounts:
    """What each clip holds.

    Attributes
    ----------
    amount : array (n_clips, n_participants)
        What the loss averages over, by participants as the targets keep them.
    heard : array of bool (n_clips, n_people)
        Whether each of the people has any value in it, combined or not.
    seconds : array (n_clips,)
        Of audio that is encoded.
    """

    amount: NDArray[np.float64]
    heard: NDArray[np.bool_]
    seconds: NDArray[np.float64]


def count_clips(clips: TuningClips, by: Literal["values", "pairs"], rate: int) -> ClipCounts:
    """Count the sum of the weights of the clips' values, or their TRs that have any."""
    amount, heard, seconds = [], [], []
    for run, clip in zip(clips.runs, clips.clips, strict=True):
        targets = clips.targets.runs[run]
        weights = targets.weights[:, clip.rows]
        found = weights if by == "values" else np.any(weights > 0, axis=2, keepdims=True)
        amount.append(found.sum(axis=(1, 2), dtype=np.float64))
        heard.append(np.any(targets.heard[:, clip.rows], axis=1))
        seconds.append(clip.n_samples / rate)
    return ClipCounts(np.array(amount), np.array(heard), np.array(seconds))


class Steps(Sampler[list[Part]]):
    """The optimizer steps of every epoch, drawn anew in each; any can be drawn again.

    A step's clips have one length. With ``per_participant_steps`` every batch makes a step for each
    participant who heard it, one after the other; batches then hold clips that the same people
    heard. A step is split into ``n_parts`` forward passes for each of ``n_processes``, whose
    gradients add up to the step's: neither number changes what is learnt. A part that is left
    without clips gets one that counts 0.

    Parameters
    ----------
    n_frames : sequence of int
        Length of each clip.
    counts : ClipCounts
    batch_size : int
        Clips per optimizer step.
    seed : int
    per_participant_steps : bool
    reduction : "pairs" or "participants"
        Whether a step's loss is a mean over pairs, or over the participants' own losses.
    n_parts, n_processes, process : int
    """

    def __init__(
        self,
        n_frames: Sequence[int],
        counts: ClipCounts,
        batch_size: int,
        seed: int,
        *,
        per_participant_steps: bool = False,
        reduction: str = "pairs",
        n_parts: int = 1,
        n_processes: int = 1,
        process: int = 0,
    ) -> None:
        self.counts, self.epoch = counts, 0
        self.per_participant_steps, self.reduction = per_participant_steps, reduction
        self.n_parts, self.n_processes, self.process = n_parts, n_processes, process
        apart = [tuple(row) for row in counts.heard.tolist()] if per_participant_steps else None
        self.generator = torch.Generator().manual_seed(seed)
        self.starts = [self.generator.get_state()]  # of every epoch that is known
        self.batches = EqualLengthBatches(n_frames, batch_size, self.generator, apart)
        self.n_steps = sum(1 for _ in self.steps(0))

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is drawn next."""
        self.epoch = epoch

    def steps(self, epoch: int) -> Iterator[Step]:
        """Yield the steps of an epoch."""
        for earlier in range(len(self.starts) - 1, epoch):
            self._draw(earlier)
        for batch in self._draw(epoch):
            if not self.per_participant_steps:
                yield Step(tuple(batch))
                continue
            for person in np.flatnonzero(self.counts.heard[batch[0]]):
                yield Step(tuple(batch), int(person))

    def _draw(self, epoch: int) -> list[list[int]]:
        self.generator.set_state(self.starts[epoch])
        batches = list(self.batches)
        self.starts[epoch + 1 :] = [self.generator.get_state()]
        return batches

    def __len__(self) -> int:
        return self.n_steps * self.n_parts

    def __iter__(self) -> Iterator[list[Part]]:
        for step in self.steps(self.epoch):
            for part in self.parts(step)[self.process :: self.n_processes]:
                yield [part]

    def parts(self, step: Step) -> list[Part]:
        """Return the forward passes of a step, over all processes."""
        clips = np.array(step.clips)
        amount = self.counts.amount[clips]
        if step.person is not None:
            amount = amount[:, [step.person]]
        if self.reduction == "pairs":
            amount = amount.sum(axis=1, keepdims=True)
        total = amount.sum(axis=0)
        split = np.array_split(np.arange(clips.size), self.n_parts * self.n_processes)
        return [
            Part(tuple(clips[some].tolist()), step.person, _shares(amount[some].sum(axis=0), total))
            if some.size
            else Part(step.clips[:1], step.person, (0.0,) * len(total))
            for some in split
        ]

    def n_steps_of(self, budget: Budget) -> int:
        """Return how many optimizer steps first use up a budget of steps, pairs or seconds."""
        unit, amount = budget
        used = 0.0
        steps = (step for epoch in count() for step in self.steps(epoch))
        for number, step in enumerate(steps, 1):
            used += 1 if unit == "steps" else self._use(step, unit)
            if used >= amount:
                return number
        raise AssertionError  # the epochs have no end

    def _use(self, step: Step, unit: str) -> float:
        clips = list(step.clips)
        if unit == "seconds":
            return float(self.counts.seconds[clips].sum())
        heard = self.counts.heard[clips]
        return float(len(clips) if step.person is not None else heard.sum())


class PartSet(Dataset[Part]):
    """What a loader indexes by parts: each stands for itself, as an objective makes the batches.

    Parameters
    ----------
    n_clips : int
        Its length, as the trainer counts examples.
    """

    def __init__(self, n_clips: int) -> None:
        self.n_clips = n_clips

    def __len__(self) -> int:
        return self.n_clips

    def __getitem__(self, part: Part) -> Part:
        return part


class StepLoader(DataLoader[Any]):
    """Batches of the parts of `Steps`; knows which epoch it is in."""

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is drawn next."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


def _shares(amount: NDArray[np.float64], total: NDArray[np.float64]) -> tuple[float, ...]:
    """Part of each total, over the number of totals that are not 0."""
    shares = np.divide(amount, total, out=np.zeros_like(total), where=total > 0)
    return tuple((shares / np.count_nonzero(total)).tolist())


def check_budget(budget: Any) -> Iterator[str]:
    """Say what is wrong with a budget that is no (unit, amount)."""
    if budget is None:
        return
    try:
        unit, amount = budget
        right = float(amount) > 0
    except (TypeError, ValueError):
        right = False
    if not right:
        yield f"budget={budget!r}: expected a unit and an amount above 0, such as ('steps', 500)"
    elif unit not in UNITS:
        yield unknown_name("unit of the budget", unit, UNITS)
