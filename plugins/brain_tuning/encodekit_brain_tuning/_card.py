"""The model card of a tuned model, filled from what happened."""

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from encodekit_brain_tuning._extractor import BrainTunedFeatures

_PACKAGES = ("encodekit", "encodekit-brain-tuning", "torch", "transformers", "peft")


def model_card(extractor: "BrainTunedFeatures") -> str:
    """Return the README.md of a tuned model's folder."""
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"""# {extractor.backbone}, brain-tuned

A speech model fine-tuned on fMRI with encodekit (BrainTunedFeatures).

| | |
|---|---|
| backbone | {extractor.backbone}, sha256 {extractor.backbone_hash_[:16]} |
| participants | {", ".join(extractor.participants_)} |
| tuning runs | {", ".join(extractor.tuned_on_.values())} |
| minutes of audio tuned on | {extractor.tuned_seconds_ / 60:.1f} |
| validation runs | {", ".join(extractor.validated_on_.values()) or "none"} |
| targets | {len(extractor.targets_)}, shared by all participants |
| loss | {getattr(extractor.loss, "__name__", extractor.loss)} |
| trainable | {_trainable(extractor)} |
| windows | {_windows(extractor)} |
| learning rate | {extractor.learning_rate:g}, warm-up {extractor.warmup:g}, then linear to 0 |
| seed | {extractor.seed_} |
| made with | {versions} |

## Loss

{_loss_table(extractor)}

Row 0 is the pretrained backbone with a ridge solution as its head.{_kept(extractor)}

## Use

```python
from encodekit_brain_tuning import BrainTunedFeatures

features = BrainTunedFeatures.load("this-folder").transform(stimuli)
```

Do not fit a ridge or score on the tuning runs: their noise would be used twice.
The licences of the backbone and of the fMRI apply to these weights too.
"""


def _trainable(extractor: "BrainTunedFeatures") -> str:
    if extractor.trainable != "lora":
        return extractor.trainable
    return f"LoRA, rank {extractor.lora_rank}, on {extractor.lora_targets}"


def _windows(extractor: "BrainTunedFeatures") -> str:
    if extractor.windows == "exact":
        return "exact, 10 s per TR"
    return f"streamed, {extractor.chunk:g} s with {extractor.overlap:g} s of overlap"


def _loss_table(extractor: "BrainTunedFeatures") -> str:
    lines = ["| epoch | step | training | validation |", "|---|---|---|---|"]
    lines += [
        f"| {row.epoch:g} | {row.step} | {row.train_loss:.5f} | {row.validation_loss:.5f} |"
        for row in extractor.history_.itertuples()
    ]
    return "\n".join(lines).replace("nan", "-")


def _kept(extractor: "BrainTunedFeatures") -> str:
    aligned = extractor.history_["validation_r"]
    if aligned.isna().all():
        return " The last weights were kept."
    step = extractor.history_["step"].iloc[int(np.nanargmax(aligned.to_numpy()))]
    return f" The weights of step {step} were kept."
