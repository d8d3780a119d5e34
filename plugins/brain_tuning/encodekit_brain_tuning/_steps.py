"""The steps of a tuning: which clips, of whom, and in how many parts and processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from encodekit.plugins import unknown_name
from encodekit_brain_tuning._clips import Batch, EqualLengthBatches, TuningClips

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


class ClipCounts:
    """What each clip holds.

    Attributes
    ----------
    amount : array (n_clips, n_participants)
        Sum of the weights of its values (``by="values"``) or number of its TRs that have any, by
        participants as the targets keep them.
    heard : array of bool (n_clips, n_people)
        Whether each of the people has any value in it, combined or not.
    seconds : array (n_clips,)
        Of audio that is encoded.
    """

    def __init__(self, clips: TuningClips, by: Literal["values", "pairs"], rate: int) -> None:
        amount, heard, seconds = [], [], []
        for run, clip in zip(clips.runs, clips.clips, strict=True):
            targets = clips.targets.runs[run]
            weights = targets.weights[:, clip.rows]
            found = weights if by == "values" else np.any(weights > 0, axis=2, keepdims=True)
            amount.append(found.sum(axis=(1, 2), dtype=np.float64))
            heard.append(np.any(targets.heard[:, clip.rows], axis=1))
            seconds.append(clip.n_samples / rate)
        self.amount: NDArray[np.float64] = np.array(amount)
        self.heard: NDArray[np.bool_] = np.array(heard)
        self.seconds: NDArray[np.float64] = np.array(seconds)


class Steps(Sampler[list[Part]]):
    """The optimizer steps of every epoch, drawn anew in each; any can be drawn again.

    A step's clips have one length. With ``one_by_one`` every batch makes a step for each
    participant who heard it, one after the other; batches then hold clips that the same people
    heard. A step is split into ``n_parts`` forward passes for each of ``n_processes``, whose
    gradients add up to the step's: neither number changes what is learnt. A part that is left
    without clips gets one that counts 0.

    Parameters
    ----------
    clips : TuningClips
    counts : ClipCounts
    batch_size : int
        Clips per optimizer step.
    seed : int
    one_by_one : bool
    reduction : "pairs" or "participants"
        Whether a step's loss is a mean over pairs, or over the participants' own losses.
    n_parts, n_processes, process : int
    """

    def __init__(
        self,
        clips: TuningClips,
        counts: ClipCounts,
        batch_size: int,
        seed: int,
        *,
        one_by_one: bool = False,
        reduction: str = "pairs",
        n_parts: int = 1,
        n_processes: int = 1,
        process: int = 0,
    ) -> None:
        self.counts, self.epoch = counts, 0
        self.one_by_one, self.reduction = one_by_one, reduction
        self.n_parts, self.n_processes, self.process = n_parts, n_processes, process
        apart = [tuple(row) for row in counts.heard.tolist()] if one_by_one else None
        self.generator = torch.Generator().manual_seed(seed)
        self.starts = [self.generator.get_state()]  # of every epoch that is known
        self.batches = EqualLengthBatches(clips, batch_size, self.generator, apart)
        self.n_steps = sum(1 for _ in self.steps(0))

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is drawn next."""
        self.epoch = epoch

    def steps(self, epoch: int) -> Iterator[Step]:
        """Yield the steps of an epoch."""
        for earlier in range(len(self.starts) - 1, epoch):
            self._draw(earlier)
        for batch in self._draw(epoch):
            if not self.one_by_one:
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

    def batch(self, clips: TuningClips, parts: Sequence[Part]) -> Batch:
        """Return the tensors of a part: a batch of clips with ``people`` and ``share``."""
        (part,) = parts
        batch = clips.batch(part.clips)
        people = torch.arange(batch["true"].shape[0])
        if part.person is not None:
            people = people[[part.person]]
            batch |= {name: batch[name][[part.person]] for name in ("true", "mask")}
        share = torch.tensor(part.share, dtype=torch.float32)
        return batch | {"people": people, "share": share}

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
