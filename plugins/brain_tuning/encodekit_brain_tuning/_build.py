"""What the settings of a tuning make: its model, its objective, and what tells it from others."""

import hashlib
import inspect
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from encodekit.core import Settings, warn_caller
from encodekit.data import Stimulus
from encodekit.plugins import registry
from encodekit_brain_tuning.backbones import (
    Backbone,
    StemCache,
    TuningWindows,
    check_tuning_windows,
    chosen_layers,
    load_backbone,
    say_short_windows,
)
from encodekit_brain_tuning.heads import Head
from encodekit_brain_tuning.losses import resolve_loss
from encodekit_brain_tuning.objectives import FmriObjective, Prepared
from encodekit_brain_tuning.saving import Facts, TunedModel, hash_of_tuned
from encodekit_brain_tuning.strategies import Joint, Strategy, TargetMaker
from encodekit_brain_tuning.targets import (
    Runs,
    SharedTargets,
    fitted_selector,
    has_learnt,
    match_runs,
    target_weights,
    validation_runs,
)
from encodekit_brain_tuning.training import (
    Runtime,
    Training,
    TuningClips,
    TuningModel,
    private_random,
    start_head,
)
from encodekit_brain_tuning.updates import Update


@dataclass(frozen=True)
class TuningSettings:
    """The parameters of a tuned extractor, each by name replaced by what it stands for."""

    backbone: str
    layer: Any
    head: Head
    update: Update
    windows: TuningWindows
    training: Training
    runtime: Runtime
    history: float
    random_state: Any
    targets: Any = None
    loss: Any = "l2"
    participants: Strategy = field(default_factory=Joint)
    objective: Any = None

    def __post_init__(self) -> None:
        mistakes = list(check_tuning_windows(self.windows))
        if mistakes:
            raise ValueError("; ".join(mistakes))

    @property
    def stems(self) -> StemCache:
        """Where the frozen part's output is kept."""
        runtime = self.runtime
        return StemCache(runtime.stem_cache, dtype=runtime.stem_dtype, limit=runtime.stem_cache_gb)

    def new_model(self, n_targets: int, n_participants: int) -> TuningModel:
        """Return a pretrained backbone, prepared for what learns, with a head to be fitted."""
        backbone = load_backbone(
            self.backbone, dropout=self.update.dropout, pooled_layer=self.head.layer
        )
        if self.runtime.recompute:
            backbone.recompute_in_backward()
        self.update.prepare(backbone)
        head = self.head.build(backbone.n_features, n_targets, n_participants)
        return TuningModel(backbone, head).to(_device(self.runtime.device))

    def clips(
        self, stimuli: Sequence[Stimulus], targets: SharedTargets, model: TuningModel
    ) -> TuningClips:
        """Return the clips of runs."""
        return TuningClips(stimuli, targets, model.backbone, self.windows, self.stems)

    def deciding(self) -> dict[str, str]:
        """Return what decides the tuned weights beside the data and the machine, as text.

        `Runtime` is left out, and what only says how the tuned model is read.
        """
        left_out = ("backbone", "layer", "runtime", "history", "random_state", "targets")
        given = {name: value for name, value in vars(self).items() if name not in left_out}
        found = {}
        for name, value in given.items():
            found[f"settings.{name}"] = _said(value)
            if isinstance(value, Settings):
                inner = value.get_params().items()
                found |= {f"settings.{name}.{key}": _said(part) for key, part in inner}
        return found


@dataclass(frozen=True)
class FmriTuning:
    """The runs of a brain-tuning, and what is made of them."""

    runs: Runs
    held: Runs | None
    prepared: Prepared
    selector_learns: bool

    @property
    def stimuli(self) -> list[Stimulus]:
        """All that is heard, tuning first."""
        return [*self.runs.stimuli, *(self.held.stimuli if self.held else [])]


def prepare_fmri(
    settings: TuningSettings,
    X: Iterable[Stimulus],
    y: Any,
    validation: Any,
    weights: Any,
    seed: int,
) -> FmriTuning:
    """Return the objective of predicting ``y``, its head at its start.

    Parameters are those of `BrainTunedFeatures.fit`, and errors too. Warns of windows that are
    shorter than what the backbone encodes at once whatever it is given (Whisper's 30 s).
    """
    loss = resolve_loss(settings.loss)
    chosen = settings.targets if y is None else fitted_selector(settings.targets, y)
    runs = match_runs(X, y, chosen, "tuning")
    maker = TargetMaker(settings.participants, loss, settings.head, target_weights(weights, runs))
    shared, found = maker.tuning(runs)
    held = validation_runs(validation, shared.participants, chosen, runs)
    n_targets = len(found.keys) if found.keys else shared.n_slots
    with private_random(seed):
        model = settings.new_model(n_targets, len(shared.participants))
    chosen_layers(settings.layer, model.backbone)  # refused now, not after hours of tuning
    short = say_short_windows(settings.windows, model.backbone.grid, settings.backbone)
    if short:
        warn_caller(short, UserWarning)
    clips = settings.clips(runs.stimuli, shared, model)
    watched = None
    if held is not None:
        watched = settings.clips(held.stimuli, maker.placed(held, shared, found), model)
    batch_size = settings.training.batch_size
    from_ridge = settings.head.start == "ridge"
    head_alpha = start_head(model, clips, batch_size) if from_ridge else None
    objective = FmriObjective(
        model, clips, watched, loss, batch_size=batch_size,
        reduction=settings.participants.reduction,
        per_participant_steps=settings.participants.per_participant_steps,
    )  # fmt: skip
    keys = found.keys or shared.keys
    prepared = Prepared(
        objective, lambda: model, shared.participants, keys, n_targets,
        model.backbone, head_alpha,
    )  # fmt: skip
    return FmriTuning(runs, held, prepared, has_learnt(chosen))


def about(
    settings: TuningSettings, seed: int, backbone: Backbone, stimuli: Iterable[Stimulus]
) -> dict[str, Any]:
    """Return what decides a tuning's result beside its data and its machine, see `identify`."""
    told = backbone.configuration_in_training
    audio = [stimulus.audio_hash for stimulus in stimuli]
    plugins = sorted(plugin.title for plugin in registry().plugins if plugin.status == "loaded")
    return {
        **settings.deciding(),
        "seed": seed,
        "backbone": backbone.pretrained_hash,
        **{f"backbone.{name}": value for name, value in told.items()},
        "audio": audio,
        "version.plugins": ", ".join(plugins),
    }


def tuned_model(
    prepared: Prepared,
    history: pd.DataFrame,
    seed: int,
    heard: tuple[Sequence[Stimulus], Sequence[Stimulus]],
    *,
    settings: TuningSettings,
    objective: str,
    keep: str,
    seconds: float,
    selector_learns: bool = False,
) -> TunedModel:
    """Return what a tuning ends in.

    Parameters
    ----------
    prepared : Prepared
    history : DataFrame
    seed : int
    heard : (stimuli that tuned, stimuli that validated)
    settings : TuningSettings
    objective, keep : str
        What was learnt, and the rule by which weights were kept.
    seconds : float
        Length of the stimuli that tuned.
    selector_learns : bool
    """
    model = prepared.release().eval()
    tuned_on, validated_on = (
        {item.heard_hash: item.run_name for item in stimuli} for stimuli in heard
    )
    backbone_hash = model.backbone.pretrained_hash
    facts = Facts(
        seed=seed,
        participants=prepared.participants,
        targets=prepared.keys,
        n_targets=prepared.n_targets,
        tuned_on=tuned_on,
        validated_on=validated_on,
        tuned_seconds=seconds,
        backbone_hash=backbone_hash,
        configuration=model.backbone.configuration,
        weights_hash=hash_of_tuned(model, backbone_hash),
        head_alpha=prepared.head_alpha,
        objective=objective,
        keep=keep,
        fitted_with=settings.deciding(),
        selector_learns=selector_learns,
    )
    return TunedModel(facts, model, history)


def _said(value: Any) -> str:
    """Return a value as text that is the same in every process, and another for another value."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_said, value))}]"
    if isinstance(value, np.ndarray):
        return f"array {value.shape} {_short_hash(value.tobytes())}"
    if isinstance(value, type):
        return _class_name(value)
    if inspect.isfunction(value):
        # the code, and what it closes over: two functions of one name may be two losses
        closed = [_said(cell.cell_contents) for cell in value.__closure__ or ()]
        parts = (value.__code__.co_code, value.__code__.co_consts, value.__defaults__, closed)
        return f"{value.__module__}.{value.__qualname__} {_short_hash(repr(parts).encode())}"
    inner = {name: _said(part) for name, part in getattr(value, "__dict__", {}).items()}
    own = "" if isinstance(value, Settings) or not inner else f" {inner}"  # theirs follow by name
    return f"{_class_name(type(value))}{own}"


def _short_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _class_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _device(asked: str | None) -> torch.device:
    """Return the device of this process; `accelerate launch` numbers its processes' GPUs."""
    there = torch.cuda.is_available()
    if asked and asked.startswith("cuda") and not there:
        raise ValueError(
            f"runtime: device={asked!r}, and torch finds no GPU: set_params(runtime__device=None), "
            "BrainTunedFeatures.load(path, runtime=Runtime()), or ek.load(path, "
            f"moved={{{asked!r}: 'cpu'}})"
        )
    kind = asked or ("cuda" if there else "cpu")
    rank = os.environ.get("LOCAL_RANK")
    return torch.device(f"cuda:{rank}" if kind == "cuda" and rank else kind)
