"""A tuned model as a folder: safetensors, JSON, a model card, and a manifest written last."""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from encodekit.core import SealedFolder, whole_folder
from encodekit.saving import pack_parameters
from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.saving._tuned import Facts, TunedModel
from encodekit_brain_tuning.targets import KeySelector
from encodekit_brain_tuning.training import TuningModel, learnt

FORMAT = 2
KIND = "brain-tuned model"
_WEIGHTS = "tuned.safetensors"
_OPENED = (
    "encodekit_brain_tuning.{maker}.load(path) reads it, as features; what predicts "
    "fMRI is a pipeline, make_pipeline(features.frozen(), ek.Delayer(...), ek.RidgeCV()), fitted "
    "and saved with ek.save"
)
_PACKAGES = ("encodekit", "torch", "transformers", "peft")


def write_folder(
    folder: Path, parameters: Mapping[str, Any], tuned: TunedModel, card: str, maker: str
) -> None:
    """Write a tuned model and the parameters of its extractor; the folder appears whole or not.

    Parameters
    ----------
    folder : Path
    parameters : dict
        Of the extractor; a generator of random numbers becomes None.
    tuned : TunedModel
    card : str
        README.md.
    maker : str
        Name of the extractor's class.
    """
    kept = dict(parameters)
    state = kept["random_state"]
    kept["random_state"] = int(state) if isinstance(state, Integral) else None
    with whole_folder(folder, KIND, opened_by=_OPENED.format(maker=maker)) as part:
        config = {
            "format": FORMAT,
            "class": maker,
            "parameters": pack_parameters(kept, part, classes=[KeySelector]),
            "state": write_tuned(part, tuned),
        }
        (part / "config.json").write_bytes(json.dumps(config, indent=1, allow_nan=False).encode())
        (part / "README.md").write_bytes(card.encode())


def read_config(folder: SealedFolder, maker: str) -> dict[str, Any]:
    """Return what `write_folder` wrote as JSON, once every file is verified; executes nothing.

    The weights are verified by `read_tuned`, which reads them.

    Raises
    ------
    ValueError
        If a file is missing or changed, the format is another, or another class wrote it.
    """
    folder.verify(but=[_WEIGHTS])
    config: dict[str, Any] = folder.read_json("config.json")
    if config.get("format") != FORMAT:
        raise ValueError(
            f"{folder.root} holds a tuned model of format {config.get('format')}, this version "
            f"reads {FORMAT}: load it with the version named in its README.md"
        )
    if config["class"] != maker:
        raise ValueError(
            f"{folder.root} holds a {config['class']}, expected a {maker}: "
            f"{config['class']}.load reads it"
        )
    return config


def write_tuned(folder: Path, tuned: TunedModel) -> dict[str, Any]:
    """Write what was learnt to ``folder/tuned.safetensors`` and return the rest as JSON.

    The backbone's licence files are written beside it.
    """
    from safetensors.torch import save as to_bytes

    (folder / _WEIGHTS).write_bytes(to_bytes(learnt(tuned.model)))
    write_licences(folder, tuned.model)
    history = tuned.history.astype(object).where(tuned.history.notna(), None)
    return {
        "facts": tuned.facts.to_json(),
        "history": history.to_dict("records"),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def write_licences(folder: Path, model: TuningModel) -> None:
    """Write the licence files that came with the backbone's weights."""
    for name, content in model.backbone.licences.items():
        (folder / name).write_bytes(content)


def read_tuned(
    folder: SealedFolder,
    state: Mapping[str, Any],
    backbone: str,
    new_model: Callable[[int, int], TuningModel],
) -> TunedModel:
    """Rebuild a tuned model from its backbone and ``folder/tuned.safetensors``.

    Parameters
    ----------
    folder : SealedFolder
    state : dict
        What `write_tuned` returned.
    backbone : str
        Its name, for messages.
    new_model : callable (n_targets, n_participants) -> TuningModel
        Gives the untuned model, of any weights.
    """
    from safetensors.torch import load as from_bytes

    tensors = from_bytes(folder.read(_WEIGHTS))
    facts = Facts.from_json(state["facts"])
    with torch.random.fork_rng():
        model = new_model(facts.n_targets, len(facts.participants))
    _check_backbone(model.backbone, facts, backbone)
    _check_names(tensors.keys(), learnt(model).keys(), folder.root)
    model.load_state_dict(tensors, strict=False)
    history = pd.DataFrame(state["history"]).astype(float).astype({"step": int, "kept": bool})
    return TunedModel(facts, model.eval(), history)


def _check_backbone(found: Backbone, facts: Facts, name: str) -> None:
    """Raise ValueError unless it has the weights and the settings of the one that was tuned."""
    what = []
    if found.pretrained_hash != facts.backbone_hash:
        what = [f"weights ({found.pretrained_hash[:12]} against {facts.backbone_hash[:12]})"]
    now = found.configuration
    what += [
        f"{setting} ({now[setting]} against {was})"
        for setting, was in facts.configuration.items()
        # another version of transformers may know more settings, or fewer
        if setting in now and now[setting] != was
    ]
    if what:
        raise ValueError(
            f"the backbone {name!r} has other {', '.join(what)} than the one that was tuned: say "
            "where the original is, by BrainTunedFeatures.load(path, backbone=...), or by "
            "moved={the name it was saved with: where it is now} of ek.load and AdaptedHead.load"
        )


def _check_names(names: Any, expected: Any, root: Path) -> None:
    differ: Sequence[str] = sorted(set(names) ^ set(expected))
    if differ:
        raise ValueError(
            f"{root} holds {len(names)} tensors, its parameters expect {len(expected)}; they "
            f"differ in {differ[:4]}: save the model again"
        )
