"""wav2vec 2.0's objective: tell the quantised frame under a mask from others of the clip."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encodekit.features import read_pretrained, resolve_backbone
from encodekit_brain_tuning.objectives._base import Prepared, Setup, StimulusObjective
from encodekit_brain_tuning.objectives._masked import MaskedObjective, MaskedPrediction

_N_NEGATIVES = 100
_TEMPERATURE = 0.5  # of the Gumbel softmax, where pretraining of the base model ended


class ContrastivePrediction(MaskedPrediction):
    """wav2vec 2.0's contrastive and diversity losses (arXiv 2006.11477), per masked frame.

    The head of the tuned model is the projection of hidden states into the codebook's space.
    """

    def take(self, pretraining: Any) -> None:
        """Compute the losses by a `Wav2Vec2ForPreTraining` around the model that is tuned."""
        pretraining.wav2vec2 = self.inner
        pretraining.project_hid = self.model.head.linear
        pretraining.set_gumbel_temperature(_TEMPERATURE)
        self.pretraining = pretraining

    def forward(self, frames: Tensor) -> Tensor:
        """Return the loss per masked frame."""
        from transformers.models.wav2vec2.modeling_wav2vec2 import _sample_negative_indices

        masked = self.mask(frames)
        shape = (len(frames), frames.shape[-1])
        negatives = _sample_negative_indices(shape, _N_NEGATIVES, masked.cpu().numpy())
        result = self.pretraining(
            frames,
            mask_time_indices=masked,
            sampled_negative_indices=torch.from_numpy(negatives).to(frames.device),
        )
        loss: Tensor = result.loss / masked.sum()
        return loss


class Contrastive(StimulusObjective):
    """Tell the quantised frame under a mask from those elsewhere in the clip, as wav2vec 2.0.

    With diversity of the codebook, as `transformers.Wav2Vec2ForPreTraining` computes it; for
    checkpoints that hold the quantiser (``facebook/wav2vec2-base``).
    """

    def prepare(self, setup: Setup) -> Prepared:
        """Return the objective, its head the checkpoint's projection."""
        pretraining = with_quantiser(setup.backbone)
        if pretraining is None:
            raise ValueError(
                f"the checkpoint {setup.backbone!r} holds no quantiser, which the contrastive loss "
                "of wav2vec 2.0 needs: use objective='units'"
            )
        n_targets = int(pretraining.config.proj_codevector_dim)
        module = ContrastivePrediction(setup.new_model(n_targets))
        head: Any = module.model.head
        head.linear.load_state_dict(pretraining.project_hid.state_dict())
        module.take(pretraining.to(module.model.backbone.device))
        objective = MaskedObjective(
            module, setup.stimuli, setup.validation, setup.streamed, setup.seed
        )
        keys = tuple(f"contrastive/{number:03d}" for number in range(n_targets))
        backbone = module.model.backbone
        return Prepared(objective, module.release, ("audio",), keys, n_targets, backbone)


def with_quantiser(name: str | Path) -> Any:
    """Return the checkpoint as `Wav2Vec2ForPreTraining`, or None if it lacks parts of it."""
    from transformers import AutoConfig, Wav2Vec2ForPreTraining

    where = resolve_backbone(name)
    if read_pretrained(AutoConfig, where).model_type != "wav2vec2":
        return None
    model, info = read_pretrained(
        Wav2Vec2ForPreTraining, where, output_loading_info=True, dtype=torch.float32
    )
    own = ("quantizer.", "project_q.", "project_hid.")
    return None if any(key.startswith(own) for key in info["missing_keys"]) else model
