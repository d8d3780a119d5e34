"""Predict several participants' fMRI: what brain-tuning minimises."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.losses import Loss, counts_values, loss_at
from encodekit_brain_tuning.training import (
    Alignment,
    Batch,
    EqualLengthBatches,
    Objective,
    Part,
    RunningAlignment,
    Steps,
    Training,
    TuningClips,
    TuningModel,
    as_share,
    count_clips,
    evaluating,
)


class FmriObjective(Objective):
    """The loss between predicted and true fMRI, over (TR, participant) pairs or participants.

    Parameters
    ----------
    model : TuningModel
    clips : TuningClips
    validation : TuningClips or None
    loss : callable (predicted, true, mask) -> scalar
    batch_size : int
        Of validation.
    reduction : {"pairs", "participants"}
    per_participant_steps : bool
        See `Strategy`.
    """

    def __init__(
        self,
        model: TuningModel,
        clips: TuningClips,
        validation: TuningClips | None,
        loss: Loss,
        *,
        batch_size: int = 8,
        reduction: str = "pairs",
        per_participant_steps: bool = False,
    ) -> None:
        self.module = self.model = model
        self.clips: TuningClips = clips
        self.validation, self.loss_function = validation, loss
        self.validated = validation is not None
        self.batch_size, self.reduction = batch_size, reduction
        self.per_participant_steps = per_participant_steps

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        """Return those of the backbone; the head has a rate of its own."""
        return self.model.backbone.parameters()

    def steps(self, training: Training, seed: int, n_processes: int, process: int) -> Steps:
        """Return the steps; parts of a batch count by what the loss averages over."""
        by: Any = "values" if counts_values(self.loss_function) else "pairs"
        return Steps(
            self.clips.n_frames, count_clips(self.clips, by, self.model.backbone.rate),
            training.batch_size, seed, per_participant_steps=self.per_participant_steps,
            reduction=self.reduction, n_parts=training.accumulate,
            n_processes=n_processes, process=process,
        )  # fmt: skip

    def batch(self, parts: Sequence[Part]) -> Batch:
        """Return the clips of a part with ``people`` and ``share``."""
        (part,) = parts
        batch = self.clips.batch(part.clips)
        people = torch.arange(batch["true"].shape[0])
        if part.person is not None:
            people = people[[part.person]]
            batch |= {name: batch[name][[part.person]] for name in ("true", "mask")}
        share = torch.tensor(part.share, dtype=torch.float32)
        return batch | {"people": people, "share": share}

    def loss(self, module: Any, batch: Batch, progress: float) -> tuple[Tensor, Tensor]:
        """Return a part's share of the loss of a step over all its (TR, participant) pairs."""
        predicted = module(batch["frames"], batch["pooling_weights"], batch["people"]).float()
        loss = loss_at(self.loss_function, progress)
        if self.reduction == "pairs":
            value = as_share(loss(predicted, batch["true"], batch["mask"]), batch)
            return value, value.detach() + as_share(_left_out(batch), batch)
        value = _over_participants(predicted, batch, loss)
        return value, value.detach()

    def validate(self, to_device: Callable[[Batch], Any]) -> tuple[float, Alignment]:
        """Return the loss and the mean r over targets on the validation clips."""
        found: tuple[float, Alignment] = evaluating(self.module, lambda: self._measure(to_device))
        return found

    def _measure(self, to_device: Callable[[Batch], Any]) -> tuple[float, Alignment]:
        clips, loss_function = self.validation, self.loss_function
        assert clips is not None
        total = weight = 0.0
        by_value = counts_values(loss_function)
        alignment = RunningAlignment()
        for indices in EqualLengthBatches(clips.n_frames, self.batch_size):
            batch = to_device(clips.batch(indices))
            people = torch.arange(len(batch["true"]), device=batch["true"].device)
            predicted = self.model(batch["frames"], batch["pooling_weights"], people).float()
            loss = loss_function(predicted, batch["true"], batch["mask"])
            n = float(batch["mask"].sum() if by_value else (batch["mask"] > 0).any(-1).sum())
            total += n * float(loss + _left_out(batch))
            weight += n
            runs, parts = [clips.runs[i] for i in indices], [clips.parts(i) for i in indices]
            alignment.add(runs, parts, predicted, batch["true"], batch["mask"])
        return total / weight, alignment.found()

    def digests(self) -> dict[str, str]:
        """Return hashes of fMRI and clips."""
        held = "none" if self.validation is None else self.validation.digest()
        return {"data.tuning": self.clips.digest(), "data.validation": held}


def _over_participants(predicted: Tensor, batch: Batch, loss: Loss) -> Tensor:
    """Sum the participants' own losses, each by its share."""
    total = predicted.sum() * 0  # of the graph, also where nobody has a share
    for number in torch.nonzero(batch["share"]).flatten().tolist():
        own = predicted if len(predicted) == 1 else predicted[[number]]
        true, mask = batch["true"][[number]], batch["mask"][[number]]
        total = total + batch["share"][number] * loss(own, true, mask)
    return total


def _left_out(batch: Batch) -> Tensor:
    """What a mean over participants leaves out of the loss that they would have had jointly."""
    return (batch["spread"].sum() / batch["mask"].sum().clamp_min(1)).to(batch["true"].dtype)
