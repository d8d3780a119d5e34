"""Brain-tuning as Moussa & Toneva (2025) describe it, step by step and nothing kept.

The audio of every (TR, participant) pair is encoded anew: the 10 s that end with the TR are cut,
scaled by transformers' own feature extractor inside the step, and go through the whole model, the
frozen convolutions too; the mean over time of the last layer goes to one linear head; participants
take turns, one optimizer step for each of them and batch. Everything is float32. What the public
code gets wrong is right here: each clip is scaled by itself, and the schedule has as many steps as
are taken.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import get_linear_schedule_with_warmup

SECONDS = 10.0


@dataclass
class Story:
    """Audio of one run, the onset of each TR in it (s), and who measured what.

    ``measured`` has, for each participant who heard it, the fMRI (n_trs, n_targets).
    """

    audio: NDArray[np.float32]
    onsets: NDArray[Any]
    t_r: float
    measured: dict[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass
class PublishedLoop:
    """``model`` is called with scaled waveforms, ``head`` with (features, coverage).

    The head gives (1, n_rows, n_targets): one prediction for everybody.
    """

    model: Any
    extractor: Any
    head: Any
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    learning_rate: float = 1e-4
    batch_size: int = 128
    n_steps: int = 1000

    def __post_init__(self) -> None:
        self.model.feature_extractor.requires_grad_(requires_grad=False)
        learning = [*self.model.parameters(), *self.head.parameters()]
        self.learning = [weight for weight in learning if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(self.learning, lr=self.learning_rate, weight_decay=0.0)
        self.schedule = get_linear_schedule_with_warmup(
            self.optimizer, self.n_steps // 10, self.n_steps
        )

    def batches(self, story: Story) -> Iterator[NDArray[np.intp]]:
        """TRs whose clips have one length, in the order of time."""
        lengths = np.array(
            [np.subtract(*self._span(story, row)) for row in range(len(story.onsets))]
        )
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            for first in range(0, len(rows), self.batch_size):
                yield rows[first : first + self.batch_size]

    def predict(self, story: Story, rows: Sequence[int]) -> Tensor:
        """Return the predicted fMRI (n_rows, n_targets)."""
        rate = self.extractor.sampling_rate
        clips = [story.audio[slice(*self._span(story, row)[::-1])] for row in rows]
        given = self.extractor(clips, sampling_rate=rate, return_tensors="pt")
        hidden = self.model(given.input_values).last_hidden_state
        predicted: Tensor = self.head(hidden.mean(dim=1), torch.ones(len(rows), 1))
        return predicted[0]

    def backward(self, story: Story, rows: NDArray[np.intp], people: Sequence[str]) -> float:
        """Add the gradient of one batch for some participants; return its loss."""
        true = torch.from_numpy(np.stack([story.measured[person][rows] for person in people]))
        loss = self.loss(self.predict(story, rows)[None], true, torch.ones_like(true))
        loss.backward()
        return float(loss.detach())

    def step(self, story: Story, rows: NDArray[np.intp], people: Sequence[str]) -> float:
        """Take one optimizer step."""
        self.optimizer.zero_grad()
        loss = self.backward(story, rows, people)
        torch.nn.utils.clip_grad_norm_(self.learning, 1.0)
        self.optimizer.step()
        self.schedule.step()
        return loss

    def epoch(self, stories: Sequence[Story]) -> list[float]:
        """Every batch, one participant after the other."""
        self.model.train()
        return [
            self.step(story, rows, [person])
            for story in stories
            for rows in self.batches(story)
            for person in story.measured
        ]

    def _span(self, story: Story, row: int) -> tuple[int, int]:
        """(stop, start) of a TR's clip, in samples."""
        rate = self.extractor.sampling_rate
        stop = min(round((float(story.onsets[row]) + story.t_r) * rate), len(story.audio))
        return stop, max(0, stop - round(SECONDS * rate))
