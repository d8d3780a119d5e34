"""A tuned model as a folder: safetensors, JSON, a model card, and a manifest written last."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
import torch

from encodekit.data import atomic_write, check_manifest, whole_folder
from encodekit_brain_tuning._backbone import trained_state
from encodekit_brain_tuning._card import CardNotes, model_card
from encodekit_brain_tuning._selection import from_json, to_json

if TYPE_CHECKING:
    from encodekit_brain_tuning._extractor import BrainTunedFeatures

FORMAT = 1
KIND = "brain-tuned model"
_OPENED = (
    "encodekit_brain_tuning.BrainTunedFeatures.load(path) reads it, as features; what predicts "
    "fMRI is a pipeline, make_pipeline(features.frozen(), ek.Delayer(...), ek.RidgeCV()), fitted "
    "and saved with ek.save"
)
_PACKAGES = ("encodekit", "torch", "transformers", "peft")
_FACTS = ("seed_", "head_alpha_", "tuned_on_", "validated_on_", "tuned_seconds_", "backbone_hash_",
          "weights_hash_", "participants_", "targets_", "n_targets_")  # fmt: skip
Extractor = TypeVar("Extractor", bound="BrainTunedFeatures")


def save(extractor: "BrainTunedFeatures", folder: Path, notes: CardNotes | None = None) -> None:
    """Write a tuned extractor; the folder appears whole or not at all."""
    keys, given = extractor.targets_, extractor.get_params(deep=False)
    parameters = {name: to_json(value, keys) for name, value in given.items()}
    if not isinstance(parameters["random_state"], int):
        parameters["random_state"] = None
    with whole_folder(folder, KIND, opened_by=_OPENED) as part:
        config = {"format": FORMAT, "parameters": parameters, "state": save_state(extractor, part)}
        atomic_write(part / "config.json", json.dumps(config, indent=1, allow_nan=False).encode())
        atomic_write(part / "README.md", model_card(extractor, notes).encode())


def load(cls: type[Extractor], folder: Path, backbone: str | None) -> Extractor:
    """Read a tuned extractor, verified by its manifest; executes nothing.

    Raises
    ------
    ValueError
        If a file is missing or changed, the format is another, or the backbone has other weights.
    """
    check_manifest(folder, KIND)
    config = json.loads((folder / "config.json").read_text())
    if config.get("format") != FORMAT:
        raise ValueError(
            f"{folder} holds a tuned model of format {config.get('format')}, this version reads "
            f"{FORMAT}: load it with the version named in its README.md"
        )
    parameters = {name: from_json(value) for name, value in config["parameters"].items()}
    if backbone is not None:
        parameters["backbone"] = backbone
    extractor = cls(**parameters)
    load_state(extractor, folder, config["state"])
    return extractor


def save_state(extractor: "BrainTunedFeatures", folder: Path) -> dict[str, Any]:
    """Write what was learnt to ``folder/tuned.safetensors`` and return the facts as JSON."""
    from safetensors.torch import save as to_bytes

    tensors = trained_state(extractor.model_)
    head = extractor.model_.head
    tensors |= {"head.mean": head.mean.cpu(), "head.scale": head.scale.cpu()}
    atomic_write(folder / "tuned.safetensors", to_bytes(tensors))
    history = extractor.history_.astype(object).where(extractor.history_.notna(), None)
    return {
        **{name: getattr(extractor, name) for name in _FACTS},
        "history_": history.to_dict("records"),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def load_state(extractor: "BrainTunedFeatures", folder: Path, state: Mapping[str, Any]) -> None:
    """Rebuild the tuned model from its backbone and ``folder/tuned.safetensors``."""
    from safetensors.torch import load_file

    tensors = load_file(folder / "tuned.safetensors")
    for name in _FACTS:
        value = state[name]
        setattr(extractor, name, tuple(value) if isinstance(value, list) else value)
    with torch.random.fork_rng():
        model = extractor._new_model()
    if extractor.backbone_hash_ != state["backbone_hash_"]:
        raise ValueError(
            f"the backbone {extractor.backbone!r} has other weights than the one that was tuned "
            f"({extractor.backbone_hash_[:12]} against {state['backbone_hash_'][:12]}): say where "
            "the original is, by BrainTunedFeatures.load(path, backbone=...), or by "
            "moved={the name it was saved with: where it is now} of ek.load and AdaptedHead.load"
        )
    _check_names(set(tensors), model, folder)
    model.load_state_dict(tensors, strict=False)
    extractor.history_ = (
        pd.DataFrame(state["history_"]).astype(float).astype({"step": int, "kept": bool})
    )
    extractor._finish(model)


def _check_names(names: set[str], model: torch.nn.Module, folder: Path) -> None:
    expected = {name for name, value in model.named_parameters() if value.requires_grad}
    expected |= {"head.mean", "head.scale"}
    if names != expected:
        raise ValueError(
            f"{folder} holds {len(names)} tensors, its parameters expect {len(expected)}; they "
            f"differ in {sorted(names ^ expected)[:4]}: save the model again"
        )
