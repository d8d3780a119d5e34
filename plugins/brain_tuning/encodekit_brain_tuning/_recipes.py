"""Named presets of `BrainTunedFeatures`."""

from typing import Any

from encodekit.core import unknown_name
from encodekit.features import Exact
from encodekit_brain_tuning.heads import SharedHead
from encodekit_brain_tuning.strategies import Sequential
from encodekit_brain_tuning.training import Runtime, Training
from encodekit_brain_tuning.updates import Lora

RECIPES: dict[str, dict[str, Any]] = {
    # Moussa & Toneva (2025), arXiv 2510.21520, as published. Where their public code differs the
    # paper counts: the schedule has as many steps as are made, clips are normalised one by one,
    # dropout is off in validation. The weight decay is AdamW's own; they name none.
    "moussa2025": {
        "loss": "l2",
        "participants": Sequential(),
        "head": SharedHead(start="random"),
        "windows": Exact(),
        "update": Lora(rank=8, modules="attention", alpha=32.0, dropout=0.1),
        "training": Training(
            epochs=30,
            learning_rate=1e-4,
            head_learning_rate=1e-4,
            warmup=0.1,
            weight_decay=0.01,
            batch_size=128,
            keep="best",
            patience=5,
        ),
        "runtime": Runtime(precision="float32"),
    },
}


def recipe_parameters(name: str) -> dict[str, Any]:
    """Return every parameter that a recipe sets.

    Examples
    --------
    >>> recipe_parameters("moussa2025")["training"].batch_size
    128
    """
    if name not in RECIPES:
        raise ValueError(unknown_name("recipe", name, RECIPES))
    return dict(RECIPES[name])
