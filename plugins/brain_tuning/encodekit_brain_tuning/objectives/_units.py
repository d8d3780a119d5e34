"""HuBERT's objective: tell which unit lies under a mask."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from encodekit_brain_tuning.objectives._base import Prepared, Setup, StimulusObjective
from encodekit_brain_tuning.objectives._masked import (
    Clip,
    MaskedObjective,
    MaskedPrediction,
    audio_clips,
)
from encodekit_brain_tuning.training import TuningModel


class UnitPrediction(MaskedPrediction):
    """Cross-entropy over the k-means units of masked frames (HuBERT, arXiv 2106.07447)."""

    centres: Tensor

    def __init__(self, model: TuningModel) -> None:
        super().__init__(model)
        self.register_buffer("centres", torch.zeros(0, 0))

    def learn_units(self, clips: Sequence[Clip], n_units: int, seed: int) -> None:
        """Cluster the frames of the middle layer, z-scored, of the model as it is."""
        from sklearn.cluster import MiniBatchKMeans

        rows = [self.middle(clip["frames"]) for clip in clips]
        joined = torch.cat(rows).cpu().numpy()
        found = MiniBatchKMeans(n_units, random_state=seed, n_init=3).fit(joined)
        self.centres = torch.from_numpy(found.cluster_centers_.astype(np.float32))

    @torch.no_grad()
    def middle(self, frames: Tensor) -> Tensor:
        """Return the middle layer (frame, feature) of one clip."""
        backbone = self.model.backbone
        layer = max(1, backbone.n_layers // 2)
        return backbone.layers(frames[None].to(backbone.device), [layer])[0][0]

    def answers(self, frames: Tensor) -> dict[str, Tensor]:
        """Return the unit of every frame, by the model before tuning."""
        if not self.centres.numel():
            return {}
        rows = self.middle(frames)
        return {"units": torch.cdist(rows, self.centres.to(rows.device)).argmin(dim=1).cpu()}

    def forward(self, frames: Tensor, units: Tensor) -> Tensor:
        """Return the mean cross-entropy over masked frames."""
        masked = self.mask(frames)
        hidden = self.inner(frames, mask_time_indices=masked).last_hidden_state
        rows = hidden[masked]
        logits = self.model.head(rows, rows.new_ones(len(rows), 1))[0]
        loss: Tensor = nn.functional.cross_entropy(logits, units[masked])
        return loss


class Units(StimulusObjective):
    """Tell which k-means unit lies under a mask, as HuBERT was pretrained.

    The units are those of the middle layer of the model before tuning: HuBERT and WavLM come
    without their own, and the checkpoint of ``tiny`` holds no quantiser.

    Parameters
    ----------
    n_units : int
        Of k-means.
    """

    n_units: int = 100

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.n_units < 2:
            yield f"n_units={self.n_units}: expected at least 2"

    def prepare(self, setup: Setup) -> Prepared:
        """Learn the units, and return the objective."""
        module = UnitPrediction(setup.new_model(self.n_units))
        clips = audio_clips(module, setup.stimuli, setup.streamed)
        module.learn_units(clips, self.n_units, setup.seed)
        objective = MaskedObjective(
            module, setup.stimuli, setup.validation, setup.streamed, setup.seed
        )
        keys = tuple(f"units/{number:03d}" for number in range(self.n_units))
        backbone = module.model.backbone
        return Prepared(objective, module.release, ("audio",), keys, self.n_units, backbone)
