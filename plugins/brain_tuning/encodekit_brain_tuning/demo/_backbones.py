"""What the demo changes for another backbone, and what its report says of each."""

import json
from pathlib import Path
from typing import Any

TUNED_MODELS = ("single-tuned", "multi-tuned", "shuffled-tuned")
SHIPPED = {
    "tiny": (
        "was pretrained to recognise words of the same small vocabulary in synthetic speech. It is "
        "no self-supervised model."
    ),
    "whisper-tiny.en": (
        "is the encoder of OpenAI's Whisper tiny.en, trained to transcribe recorded speech. It is "
        "no self-supervised model, and these stories are spoken by a synthetic voice."
    ),
}
_PRETRAINED_ON_SPEECH = {  # for a real model, where the file's settings are those of "tiny"
    "update": {"name": "top_blocks", "n": 2},
    "windows": {"name": "streamed", "chunk": 30, "overlap": 8},
    "training": {"learning_rate": 1e-4, "epochs": 2, "batch_size": 1, "keep": "two_se"},
}


def changes_for(backbone: str) -> list[str]:
    """Return the changes of the demo's file, as ``"key=value"``, that make ``backbone`` its own.

    >>> changes_for("tiny")[:2]
    ['title="Brain-tuning the speech model tiny"', 'models.pretrained.features.model="tiny"']
    """
    given: dict[str, Any] = {"title": f"Brain-tuning the speech model {short_name(backbone)}",
                             "models.pretrained.features.model": backbone}  # fmt: skip
    settings: dict[str, Any] = {} if backbone == "tiny" else _PRETRAINED_ON_SPEECH
    for model in TUNED_MODELS:
        of_model = {"backbone": backbone, **settings}
        given |= {f"models.{model}.features.{key}": of_model[key] for key in of_model}
    return [f"{key}={json.dumps(value)}" for key, value in given.items()]


def short_name(backbone: str) -> str:
    """Return what a backbone is called: of a folder its last part.

    >>> short_name("tiny"), short_name("/models/wav2vec2-base")
    ('tiny', 'wav2vec2-base')
    """
    return Path(backbone).name


def said_of(backbone: str) -> str:
    """Return what to know of a backbone when its report is read."""
    return SHIPPED.get(backbone, "is not one that ships: see its own card for what it heard.")
