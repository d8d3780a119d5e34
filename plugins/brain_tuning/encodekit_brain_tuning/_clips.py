"""The clips that tuning sees: stem frames computed once, and the fMRI they answer for."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from encodekit.data import Stimulus
from encodekit_brain_tuning._backbone import Backbone
from encodekit_brain_tuning._participants import SharedTargets
from encodekit_brain_tuning._windows import Clip, WindowKind, make_clips

Batch = dict[str, Tensor]
_STEM_SAMPLES = 4_000_000  # of audio in one call of the stem


@dataclass(frozen=True)
class WindowSettings:
    """How audio is cut: ``kind`` "streamed" or "exact"; ``chunk`` and ``overlap`` in s."""

    kind: WindowKind = "streamed"
    chunk: float = 30.0
    overlap: float = 8.0


class TuningClips(Dataset[int]):
    """Clips of several runs, with what the stem made of each and the targets they answer for.

    Parameters
    ----------
    stimuli : list of Stimulus
        One for each run of ``targets``.
    targets : SharedTargets
    backbone : Backbone
    windows : WindowSettings
    """

    def __init__(
        self,
        stimuli: Sequence[Stimulus],
        targets: SharedTargets,
        backbone: Backbone,
        windows: WindowSettings,
    ) -> None:
        self.targets = targets
        self.runs: list[str] = []
        self.clips: list[Clip] = []
        self.frames: list[Tensor] = []
        for stimulus in stimuli:
            self._add(stimulus, backbone, windows)

    def _add(self, stimulus: Stimulus, backbone: Backbone, windows: WindowSettings) -> None:
        run = stimulus.run_name
        audio = stimulus.load_audio(backbone.rate)
        begins = stimulus.grid + stimulus.offset - float(stimulus.t_r or 0) / 2
        heard = np.any(self.targets.runs[run].weights, axis=(0, 2))
        clips = [
            clip
            for clip in make_clips(
                windows.kind, audio.size, backbone.grid, begins, float(stimulus.t_r or 0),
                chunk=windows.chunk, overlap=windows.overlap,
            )
            if heard[clip.rows].any()
        ]  # fmt: skip
        self.runs += [run] * len(clips)
        self.clips += clips
        self.frames += stem_frames(backbone, audio, [(clip.start, clip.stop) for clip in clips])

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> int:
        return index

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return clips of one length as tensors; rows that a clip has less than others weigh 0.

        ``frames`` (clip, channel, frame), ``mixing`` (clip, row, frame), ``true`` and ``mask``
        (participant, clip, row, target), ``spread`` (clip, row).
        """
        n_rows = max(self.clips[i].rows.size for i in indices)
        frames = torch.stack([self.frames[i] for i in indices])
        mixing = np.zeros((len(indices), n_rows, frames.shape[-1]), np.float32)
        first = self.targets.runs[self.runs[indices[0]]].values
        true = np.zeros((first.shape[0], len(indices), n_rows, first.shape[2]), np.float32)
        mask, spread = np.zeros_like(true), np.zeros((len(indices), n_rows))
        for place, i in enumerate(indices):
            rows, run = self.clips[i].rows, self.targets.runs[self.runs[i]]
            mixing[place, : rows.size, : self.clips[i].mixing.shape[1]] = self.clips[i].mixing
            true[:, place, : rows.size] = run.values[:, rows]
            mask[:, place, : rows.size] = run.weights[:, rows]
            spread[place, : rows.size] = run.spread[rows]
        arrays = {"mixing": mixing, "true": true, "mask": mask, "spread": spread}
        return {"frames": frames} | {name: torch.from_numpy(a) for name, a in arrays.items()}


class EqualLengthBatches(Sampler[list[int]]):
    """Batches of clips that have one length; their order is drawn anew in every pass.

    A group-normalised stem and unpadded attention allow nothing else.

    Parameters
    ----------
    clips : TuningClips
    batch_size : int
    generator : torch.Generator, optional
        Without one, the order of the clips.
    apart : sequence, optional
        Of each clip; clips for which it differs are never in one batch.
    """

    drop_last = False

    def __init__(
        self,
        clips: TuningClips,
        batch_size: int,
        generator: torch.Generator | None = None,
        apart: Sequence[Hashable] | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.generator = generator
        self.groups: dict[Hashable, list[int]] = {}
        for index, frames in enumerate(clips.frames):
            key = (frames.shape[-1], apart[index] if apart else None)
            self.groups.setdefault(key, []).append(index)

    def __len__(self) -> int:
        return sum(-(-len(group) // self.batch_size) for group in self.groups.values())

    def __iter__(self) -> Iterator[list[int]]:
        batches = []
        for group in self.groups.values():
            order = [group[i] for i in self._order(len(group))]
            starts = range(0, len(order), self.batch_size)
            batches += [order[start : start + self.batch_size] for start in starts]
        return iter([batches[i] for i in self._order(len(batches))])

    def _order(self, n: int) -> list[int]:
        if self.generator is None:
            return list(range(n))
        order: list[int] = torch.randperm(n, generator=self.generator).tolist()
        return order


def stem_frames(
    backbone: Backbone, audio: NDArray[np.float32], spans: Sequence[tuple[int, int]]
) -> list[Tensor]:
    """Return the stem's frames (n_channels, n_frames) of each span of samples, on the CPU.

    Spans of one length go together; each is scaled and encoded by itself.
    """
    found: dict[int, Tensor] = {}
    lengths = {stop - start for start, stop in spans}
    for length in sorted(lengths):
        same = [i for i, (start, stop) in enumerate(spans) if stop - start == length]
        at_once = max(1, _STEM_SAMPLES // length)
        for first in range(0, len(same), at_once):
            some = same[first : first + at_once]
            clips = np.stack([audio[slice(*spans[i])] for i in some])
            found |= dict(zip(some, backbone.stem_output(clips).cpu(), strict=True))
    return [found[i].contiguous() for i in range(len(spans))]


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch."""
    return {name: tensor.to(device) for name, tensor in batch.items()}
