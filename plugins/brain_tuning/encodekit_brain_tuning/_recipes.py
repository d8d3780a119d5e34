"""Named presets of `BrainTunedFeatures`."""

from typing import Any

from encodekit.plugins import unknown_name

RECIPES: dict[str, dict[str, Any]] = {
    # Moussa & Toneva (2025), arXiv 2510.21520, as published. Where their public code differs the
    # paper counts: the schedule has as many steps as are made, clips are normalised one by one,
    # dropout is off in validation. The weight decay is AdamW's own; they name none.
    "moussa2025": {
        "loss": "l2",
        "strategy": "sequential",
        "head": "shared",
        "head_start": "random",
        "windows": "exact",
        "trainable": "lora",
        "lora_targets": "attention",
        "lora_rank": 8,
        "lora_alpha": 32.0,
        "dropout": 0.1,
        "learning_rate": 1e-4,
        "head_learning_rate": 1e-4,
        "warmup": 0.1,
        "weight_decay": 0.01,
        "batch_size": 128,
        "epochs": 30,
        "patience": 5,
        "precision": "float32",
    },
}


def recipe_parameters(name: str) -> dict[str, Any]:
    """Return every value that a recipe sets.

    Examples
    --------
    >>> recipe_parameters("moussa2025")["batch_size"]
    128
    """
    if name not in RECIPES:
        raise ValueError(unknown_name("recipe", name, RECIPES))
    return dict(RECIPES[name])
