"""What is trained: a backbone, the pooling of its frames into TRs, and a head."""

import torch
from torch import Tensor, nn

from encodekit_brain_tuning._backbone import Backbone
from encodekit_brain_tuning._heads import Head


class TuningModel(nn.Module):
    """From the stem's frames of clips to the fMRI of their TRs.

    Parameters
    ----------
    backbone : Backbone
    head : Head
    """

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def pool(self, frames: Tensor, mixing: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows (n_clips, n_rows, n_features) and the sum of their weights (..., 1).

        The windows of a clip are encoded apart and their frames joined.
        """
        # a CPU maps large buffers anew each time, which costs more than a small batch
        at_once = len(frames) if frames.is_cuda else len(mixing)
        encoded = torch.cat([self.backbone(some) for some in torch.split(frames, at_once)])
        rows = torch.bmm(mixing, encoded.reshape(len(mixing), -1, encoded.shape[-1]))
        return rows, mixing.sum(dim=-1, keepdim=True)

    def forward(self, frames: Tensor, mixing: Tensor, people: Tensor | None = None) -> Tensor:
        """Return the predicted fMRI (participant, n_clips, n_rows, n_targets), see `Head`."""
        predicted: Tensor = self.head(*self.pool(frames, mixing), people)
        return predicted
