"""What is trained: a backbone, the pooling of its frames into TRs, and a head."""

import torch
from torch import Tensor, nn

from encodekit_brain_tuning.backbones import Backbone, trained_state
from encodekit_brain_tuning.heads import HeadModule


class TuningModel(nn.Module):
    """From the frozen part's frames of clips to the fMRI of their TRs.

    Parameters
    ----------
    backbone : Backbone
    head : HeadModule
    """

    def __init__(self, backbone: Backbone, head: HeadModule) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def pool(self, frames: Tensor, pooling_weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows (n_clips, n_rows, n_features) and the sum of their weights (..., 1).

        The windows of a clip are encoded apart and their frames joined.
        """
        # a CPU maps large buffers anew each time, which costs more than a small batch
        at_once = len(frames) if frames.is_cuda else len(pooling_weights)
        encoded = torch.cat([self.backbone(some) for some in torch.split(frames, at_once)])
        rows = torch.bmm(
            pooling_weights, encoded.reshape(len(pooling_weights), -1, encoded.shape[-1])
        )
        return rows, pooling_weights.sum(dim=-1, keepdim=True)

    def forward(
        self, frames: Tensor, pooling_weights: Tensor, people: Tensor | None = None
    ) -> Tensor:
        """Return the predicted fMRI (participant, n_clips, n_rows, n_targets), see `Head`."""
        predicted: Tensor = self.head(*self.pool(frames, pooling_weights), people)
        return predicted


def learnt(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of all that a tuning changes: what learns, and the statistics of heads.

    Those of a backbone's batch norms never change, see `Backbone.train`.
    """
    statistics = {
        name: value.detach().to("cpu", copy=True)
        for name, value in model.named_buffers()
        if ".head." in f".{name}"
    }
    return trained_state(model) | statistics
