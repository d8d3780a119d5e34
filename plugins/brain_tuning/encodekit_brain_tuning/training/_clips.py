"""The clips that tuning sees: frames of the frozen part, and the fMRI they answer for."""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Sampler

from encodekit.data import Stimulus
from encodekit_brain_tuning.backbones import (
    Backbone,
    Clip,
    StemCache,
    StemFrames,
    TuningWindows,
    hash_tensors,
    make_clips,
)
from encodekit_brain_tuning.targets import SharedTargets

Batch = dict[str, Tensor]
N_PARTS = 4  # of a validation run, for the error of its r


class TuningClips:
    """Clips of several runs, with what the backbone's frozen part made of each, and their targets.

    Parameters
    ----------
    stimuli : list of Stimulus
        One for each run of ``targets``.
    targets : SharedTargets
    backbone : Backbone
    windows : Streamed or Exact
    stems : StemCache, optional
        Where the frozen part's output is kept; in memory and float32 if not given.

    Attributes
    ----------
    n_frames : list of int
        Frames of each clip, over all of its windows, silence that the stem fills them with
        included. Clips with as many frames have as many windows.
    """

    def __init__(
        self,
        stimuli: Sequence[Stimulus],
        targets: SharedTargets,
        backbone: Backbone,
        windows: TuningWindows,
        stems: StemCache | None = None,
    ) -> None:
        self.targets = targets
        self.runs: list[str] = []
        self.clips: list[Clip] = []
        self.n_frames: list[int] = []
        self._stems: list[tuple[StemFrames, list[int]]] = []
        for stimulus in stimuli:
            self._add(stimulus, backbone, windows, stems or StemCache())

    def _add(
        self, stimulus: Stimulus, backbone: Backbone, windows: TuningWindows, stems: StemCache
    ) -> None:
        run = stimulus.run_name
        audio = stimulus.load_audio(backbone.rate)
        begins = stimulus.grid + stimulus.offset - float(stimulus.t_r or 0) / 2
        clips = make_clips(windows, audio.size, backbone.grid, begins, float(stimulus.t_r or 0))
        # all clips are encoded, whoever heard them: everybody's tuning then finds one file
        spans = list(dict.fromkeys(span for clip in clips for span in clip.windows))
        frames = stems.frames(backbone, stimulus, audio, spans)
        place = {span: number for number, span in enumerate(spans)}
        heard = np.any(self.targets.runs[run].weights, axis=(0, 2))
        n_outputs = backbone.grid.stem.n_outputs
        for clip in clips:
            if heard[clip.rows].any():
                self.runs.append(run)
                self.clips.append(clip)
                self.n_frames.append(sum(n_outputs(stop - start) for start, stop in clip.windows))
                self._stems.append((frames, [place[span] for span in clip.windows]))

    def __len__(self) -> int:
        return len(self.clips)

    def frames(self, index: int) -> Tensor:
        """Return the frozen part's frames (n_windows, n_channels, n_frames), in the dtype kept."""
        stem, places = self._stems[index]
        return torch.stack([stem.clip(place) for place in places])

    def parts(self, index: int) -> NDArray[np.intp]:
        """Return, for each row of a clip, which of four equal parts of its run it is in."""
        n_rows = self.targets.runs[self.runs[index]].values.shape[1]
        parts: NDArray[np.intp] = self.clips[index].rows * N_PARTS // n_rows
        return parts

    def digest(self) -> str:
        """Return the sha256 of the fMRI and of the clips; their frames follow from the audio."""
        fmri = {
            f"{run} {name}": torch.from_numpy(getattr(targets, name))
            for run, targets in self.targets.runs.items()
            for name in ("values", "weights", "spread")
        }
        cuts = {
            f"{number} {run} {clip.windows}": torch.from_numpy(clip.pooling_weights)
            for number, (run, clip) in enumerate(zip(self.runs, self.clips, strict=True))
        }
        return hash_tensors(fmri | cuts)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return clips of one length as tensors; rows that a clip has less than others weigh 0.

        ``frames`` (clip x window, channel, frame), ``pooling_weights`` (clip, row, window x frame),
        ``true`` and ``mask`` (participant, clip, row, target), ``spread`` (clip, row).
        """
        n_rows = max(self.clips[i].rows.size for i in indices)
        n_windows = len(self.clips[indices[0]].windows)
        frames = torch.cat([self.frames(i) for i in indices])
        pooling_weights = np.zeros((len(indices), n_rows, n_windows * frames.shape[-1]), np.float32)
        by_window = pooling_weights.reshape(len(indices), n_rows, n_windows, -1)  # a view
        first = self.targets.runs[self.runs[indices[0]]].values
        true = np.zeros((first.shape[0], len(indices), n_rows, first.shape[2]), np.float32)
        mask, spread = np.zeros_like(true), np.zeros((len(indices), n_rows))
        for place, i in enumerate(indices):
            rows, run = self.clips[i].rows, self.targets.runs[self.runs[i]]
            mixed = self.clips[i].pooling_weights.reshape(rows.size, n_windows, -1)
            by_window[place, : rows.size, :, : mixed.shape[2]] = mixed
            true[:, place, : rows.size] = run.values[:, rows]
            mask[:, place, : rows.size] = run.weights[:, rows]
            spread[place, : rows.size] = run.spread[rows]
        arrays = {"pooling_weights": pooling_weights, "true": true, "mask": mask, "spread": spread}
        return {"frames": frames} | {name: torch.from_numpy(a) for name, a in arrays.items()}


class EqualLengthBatches(Sampler[list[int]]):
    """Batches of clips that have one length; their order is drawn anew in every pass.

    A group-normalised stem and unpadded attention allow nothing else.

    Parameters
    ----------
    n_frames : sequence of int
        Length of each clip.
    batch_size : int
    generator : torch.Generator, optional
        Without one, the order of the clips.
    apart : sequence, optional
        Of each clip; clips for which it differs are never in one batch.
    """

    drop_last = False

    def __init__(
        self,
        n_frames: Sequence[int],
        batch_size: int,
        generator: torch.Generator | None = None,
        apart: Sequence[Hashable] | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.generator = generator
        self.groups: dict[Hashable, list[int]] = {}
        for index, n in enumerate(n_frames):
            key = (n, apart[index] if apart else None)
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


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch."""
    return {name: tensor.to(device) for name, tensor in batch.items()}
