"""What a tuning ends in: one value, which a fitted extractor holds and a folder keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import pandas as pd
import torch

from encodekit.core import Settings
from encodekit_brain_tuning.backbones import hash_tensors, trained_state
from encodekit_brain_tuning.training import TuningModel


@dataclass(frozen=True)
class Facts:
    """What is known of a tuning beside its weights and its history.

    Attributes
    ----------
    seed : int
    participants, targets : tuple of str
    n_targets : int
        How many values the head predicts per TR (of each participant, if heads are individual).
    tuned_on, validated_on : dict of str to str
        `Stimulus.heard_hash` to run name.
    tuned_seconds : float
        Length of the tuning runs together.
    backbone_hash, weights_hash : str
        sha256 of the weights before tuning, and of these with what tuning changed.
    configuration : dict of str to str
        What the backbone was told beside its weights, see `Backbone.configuration`; nothing in
        models that were saved before it was kept.
    head_alpha : float or None
        Penalty of the ridge solution that the head began at.
    objective : str
        The loss, or what was learnt in the place of fMRI.
    keep : {"last", "best", "two_se"}
        The rule by which weights were kept, see `Training`.
    fitted_with : dict of str to str
        What decided the weights, see `TuningSettings.deciding`; `set_params` may have changed the
        extractor since.
    selector_learns : bool
        Whether the tuning runs decided which targets were kept.
    """

    seed: int
    participants: tuple[str, ...]
    targets: tuple[str, ...]
    n_targets: int
    tuned_on: Mapping[str, str]
    validated_on: Mapping[str, str]
    tuned_seconds: float
    backbone_hash: str
    configuration: Mapping[str, str]
    weights_hash: str
    head_alpha: float | None
    objective: str
    keep: str
    fitted_with: Mapping[str, str]
    selector_learns: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return what `to_json` gave."""
        given = {"configuration": {}, **stored}
        known: dict[str, Any] = {field.name: given[field.name] for field in fields(cls)}
        for name in ("participants", "targets"):
            known[name] = tuple(known[name])
        return cls(**known)


@dataclass(frozen=True)
class TunedModel:
    """A tuned model with its facts and its history; see `Facts` and `tune`."""

    facts: Facts
    model: TuningModel
    history: pd.DataFrame


def say_value(value: Any) -> str:
    """Return settings with every value, also those left at their defaults; functions by name."""
    if isinstance(value, Settings):
        parts = value.get_params(deep=False).items()
        inner = ", ".join(f"{name}={_function_or_repr(part)}" for name, part in parts)
        return f"{type(value).__name__}({inner})"
    return value if isinstance(value, str) else _function_or_repr(value)


def _function_or_repr(value: Any) -> str:
    return str(getattr(value, "__name__", repr(value)))


def hash_of_tuned(model: TuningModel, backbone_hash: str) -> str:
    """Return the sha256 of what tuning changed in the backbone, and of what it began with."""
    begun = {"backbone." + backbone_hash: torch.zeros(0)}
    return hash_tensors({**trained_state(model.backbone), **begun})
