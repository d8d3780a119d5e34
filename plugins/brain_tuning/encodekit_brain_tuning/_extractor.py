"""BrainTunedFeatures: a feature extractor whose fit fine-tunes a speech model on fMRI."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
import xarray as xr
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from encodekit import FeatureExtractor
from encodekit.data import Stimulus
from encodekit.plugins import unknown_name
from encodekit_brain_tuning._backbone import (
    LORA_MODULES,
    Backbone,
    hash_tensors,
    load_backbone,
    make_trainable,
    trained_state,
)
from encodekit_brain_tuning._clips import TuningClips, WindowSettings
from encodekit_brain_tuning._encoding import (
    as_frames,
    chosen_layers,
    exact_blocks,
    streamed_blocks,
)
from encodekit_brain_tuning._heads import SharedLinearHead
from encodekit_brain_tuning._losses import joint_equals_mean, resolve_loss
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._participants import SharedTargets, align
from encodekit_brain_tuning._ridge_start import start_head
from encodekit_brain_tuning._tuned_on import tuned_runs, warn_of
from encodekit_brain_tuning._tuning_data import Runs, match_runs, validation_runs
from encodekit_brain_tuning._windows import SUPPORT

_TRAINING = (  # what the tuned weights already say
    "backbone", "loss", "targets", "epochs", "learning_rate", "batch_size", "warmup",
    "weight_decay", "patience", "validate_every", "z_score", "device", "random_state", "dropout",
)  # fmt: skip
_CHOICES = {
    "windows": ("streamed", "exact"),
    "trainable": ("lora", "all", "head"),
    "lora_targets": tuple(LORA_MODULES),
}


class BrainTunedFeatures(FeatureExtractor):
    """Layers of a speech model fine-tuned on the fMRI of several participants.

    ``fit`` tunes the transformer (its convolutional stem stays frozen and is computed once) and a
    linear head shared by all participants to predict their fMRI from the audio; ``transform``
    gives the tuned model's layers on the TR grid, as any extractor.

    Parameters
    ----------
    backbone : str
        wav2vec2 or HuBERT model: a registered name (``"tiny"``), a folder, or a hub id.
    loss : str or callable
        ``"l2"``, ``"correlation"``, ``"cosine_l2"``, any registered loss, or a callable
        ``loss(predicted, true, mask)``. With ``"l2"`` all participants are tuned on at the cost
        of one: the gradient is that of their mean, each value weighted by how many have it.
    targets : None, str, list of str, or region selector
        Which targets are tuned on: all, those of these regions, or what the selector keeps.
    epochs : int
        Passes over the tuning stories, at most.
    trainable : {"lora", "all", "head"}
        Adapters on the transformer's linear maps, all its weights, or the head alone.
    lora_targets : {"attention", "attention+feed_forward"}
    lora_rank : int
    lora_alpha : float, optional
        4 x rank if not given.
    dropout : float, optional
        Of the backbone and the adapters; the backbone's own if not given.
    windows : {"streamed", "exact"}
        ``"streamed"``: ``chunk`` s encoded at once, frames averaged per TR, fixed haemodynamic
        weights over 0-8 s after the encoder. ``"exact"``: the 10 s that end with each TR, mean
        over time. ``transform`` uses the same windows, without the haemodynamic weights.
    chunk, overlap : float
        s, of streamed windows.
    learning_rate : float
        Its peak: it rises linearly over the first ``warmup`` share of the steps, then falls to 0.
        1e-4 suits base-size models; the backbone "tiny" needs 1e-3 ("all").
    head_learning_rate : float, optional
        The head's; a tenth of ``learning_rate`` if not given. The head begins at a ridge solution,
        from which the backbone's rate would throw it.
    batch_size : int
        Clips per optimizer step.
    warmup, weight_decay : float
    patience : int, optional
        Validations without a new best before tuning stops; None never stops early.
    validate_every : int, optional
        Optimizer steps between validations; once per epoch if not given.
    layer : None, int, list of int, or "all"
        Which layers to give: the last, these (0 is the input of the first block), or all.
    z_score : bool
        Whether each target's fMRI is scaled within its run before tuning.
    history : float
        s of features before the first TR.
    cache : None, "auto" or path
        Where features are kept, see `encodekit.FeatureExtractor`.
    device : {None, "cpu", "cuda"}
        None takes a GPU if there is one.
    random_state : int, RandomState or None
        On a CPU an int fixes the result to the byte.

    Attributes
    ----------
    history_ : DataFrame
        ``epoch``, ``step``, ``train_loss``, ``validation_loss``, ``validation_r``, ``seconds``; the
        weights of the highest ``validation_r`` are kept, and the first row is
        the untuned model with its ridge head.
    participants_ : tuple of str
    targets_ : tuple of str
        Keys of the shared targets, such as ``left/00123``.
    tuned_on_ : dict of str to str
        Audio hash to run name of every tuning run.
    head_alpha_ : float
        Penalty of the ridge solution that the head began at.
    seed_ : int

    Notes
    -----
    After Moussa & Toneva (2025), "Brain-tuning Improves Generalizability and Efficiency of Brain
    Alignment in Speech Models", arXiv 2510.21520.

    Examples
    --------
    >>> tuned = BrainTunedFeatures("tiny", trainable="all", learning_rate=1e-3, epochs=6)
    >>> tuned.get_params()["loss"]
    'l2'
    """

    resample = "mean"
    _same_result = ("cache", "history", *_TRAINING)

    def __init__(
        self,
        backbone: str = "facebook/wav2vec2-base",
        *,
        loss: str | Callable[..., torch.Tensor] = "l2",
        targets: Any = None,
        epochs: int = 30,
        trainable: str = "lora",
        lora_targets: str = "attention",
        lora_rank: int = 8,
        lora_alpha: float | None = None,
        dropout: float | None = None,
        windows: str = "streamed",
        chunk: float = 30.0,
        overlap: float = 8.0,
        learning_rate: float = 1e-4,
        head_learning_rate: float | None = None,
        batch_size: int = 8,
        warmup: float = 0.1,
        weight_decay: float = 0.0,
        patience: int | None = 5,
        validate_every: int | None = None,
        layer: int | Sequence[int] | str | None = None,
        z_score: bool = True,
        history: float = 16.0,
        cache: str | Path | None = "auto",
        device: str | None = None,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.loss = loss
        self.targets = targets
        self.epochs = epochs
        self.trainable = trainable
        self.lora_targets = lora_targets
        self.lora_rank = lora_rank
        self.lora_alpha = lora_alpha
        self.dropout = dropout
        self.windows = windows
        self.chunk = chunk
        self.overlap = overlap
        self.learning_rate = learning_rate
        self.head_learning_rate = head_learning_rate
        self.batch_size = batch_size
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.patience = patience
        self.validate_every = validate_every
        self.layer = layer
        self.z_score = z_score
        self.history = history
        self.cache = cache
        self.device = device
        self.random_state = random_state

    def fit(self, X: Sequence[Stimulus], y: Any = None, *, validation: Any = None) -> Self:
        """Tune the model on the responses ``y`` to the stimuli ``X``.

        Parameters
        ----------
        X : list of Stimulus
        y : RunList, list of DataArray or DataArray (time, target)
            Over any number of participants; what somebody lacks is NaN or absent.
        validation : Study, or (stimuli, responses), optional
            Held-out stories; only the tuning participants' fMRI is looked at. With it tuning
            stops early and the best weights are kept; without it the last are.

        Raises
        ------
        ValueError
            If runs and stimuli do not match, a tuning story is validated on, or a parameter is
            not one of its choices.
        """
        from encodekit_brain_tuning._trainer import Plan, private_random, tune

        self._check_parameters()
        runs = match_runs(X, y, self.targets, "tuning")
        loss = resolve_loss(self.loss)
        reduce = joint_equals_mean(loss)
        shared = align(runs.responses, runs.n_trs, z_score=self.z_score, reduce=reduce)
        held = validation_runs(validation, shared.participants, self.targets, runs)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        with private_random(self.seed_):
            model = self._new_model(len(shared.keys))
        clips = TuningClips(runs.stimuli, shared, model.backbone, self._window_settings())
        watched = self._validation_clips(held, shared, model.backbone, reduce)
        self.head_alpha_ = start_head(model, clips, self.batch_size)
        plan = Plan(
            epochs=self.epochs, learning_rate=self.learning_rate,
            head_learning_rate=self.head_learning_rate, batch_size=self.batch_size,
            warmup=self.warmup, weight_decay=self.weight_decay, patience=self.patience,
            validate_every=self.validate_every, seed=self.seed_, device=self.device,
        )  # fmt: skip
        self.history_ = tune(model, clips, watched, loss, plan)
        self.participants_, self.targets_ = shared.participants, shared.keys
        self.tuned_on_ = {item.audio_hash: item.run_name for item in runs.stimuli}
        self.tuned_seconds_ = float(sum(item.n_trs * float(item.t_r or 0) for item in runs.stimuli))
        watching = held.stimuli if held else []
        self.validated_on_ = {item.audio_hash: item.run_name for item in watching}
        self._finish(model)
        return self

    def frame_blocks(self, stimulus: Stimulus) -> Iterator[xr.DataArray]:
        """Yield the frames (time, feature) of one window, or some clips, after the other."""
        backbone = self._fitted_model().backbone
        audio = stimulus.load_audio(backbone.rate)
        layers = chosen_layers(self.layer, backbone.n_layers)
        if self.windows == "exact":
            _, onsets = stimulus.history_grid(self.history)
            times, t_r = onsets + stimulus.offset, float(stimulus.t_r or 0)
            blocks = exact_blocks(backbone, audio, times, t_r, layers, self.batch_size)
        else:
            blocks = streamed_blocks(backbone, audio, layers, self.chunk, self.overlap)
        for seconds, values in blocks:
            yield as_frames(seconds, values, layers)

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the frames (time, feature): coordinates ``seconds``, ``name`` and ``layer``."""
        joined: xr.DataArray = xr.concat(list(self.frame_blocks(stimulus)), "time")
        return joined

    def transform(self, X: Sequence[Stimulus]) -> xr.DataArray:
        """Return the tuned layers of all runs, (time, feature), on the TR grid.

        Warns
        -----
        TunedOnWarning
            If a run was tuned on. The result's attrs say which (``tuned_on_runs``) and hold the
            hashes of all tuning runs (``tuned_on``).
        """
        self._fitted_model()
        features: xr.DataArray = super().transform(X)
        again = self.warn_if_tuned_on(X)
        features.attrs |= {
            "tuned_on": sorted(self.tuned_on_),
            "tuned_on_runs": again,
            "tuned_participants": list(self.participants_),
        }
        return features

    def warn_if_tuned_on(self, X: Sequence[Stimulus]) -> list[str]:
        """Warn of the runs in ``X`` that the model was tuned on, and return their names."""
        self._fitted_model()
        again = tuned_runs(X, self.tuned_on_)
        warn_of(again, self.participants_)
        return again

    def weights_hash(self) -> str | None:
        """Return the sha256 of the tuned weights and their backbone; None before `fit`."""
        return getattr(self, "weights_hash_", None)

    def frozen(self) -> FrozenEstimator:
        """Return the fitted extractor so that a pipeline's ``fit`` and ``clone`` leave it as it is.

        Raises
        ------
        NotFittedError
            If it has not been tuned.
        """
        self._fitted_model()
        return FrozenEstimator(self)

    def save(self, path: str | Path) -> None:
        """Write a folder: safetensors, JSON, a model card, and a manifest of sha256 last."""
        from encodekit_brain_tuning._artifact import save

        self._fitted_model()
        save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, backbone: str | None = None) -> Self:
        """Return the extractor saved in a folder, verified against its manifest.

        Parameters
        ----------
        path : path
        backbone : str, optional
            Where the pretrained weights are now, if they moved; they must be the same weights.
        """
        from encodekit_brain_tuning._artifact import load

        return load(cls, Path(path), backbone)

    def _save_state(self, folder: Path) -> dict[str, Any]:
        from encodekit_brain_tuning._artifact import save_state

        self._fitted_model()
        return save_state(self, folder)

    def _load_state(self, folder: Path, state: Mapping[str, Any]) -> None:
        from encodekit_brain_tuning._artifact import load_state

        load_state(self, folder, state)

    def _new_model(self, n_targets: int) -> TuningModel:
        """A pretrained backbone, prepared for what is trainable, with an empty head."""
        backbone = load_backbone(self.backbone, dropout=self.dropout)
        self.backbone_hash_ = backbone.pretrained_hash
        make_trainable(
            backbone, self.trainable, modules=self.lora_targets,  # type: ignore[arg-type]
            rank=self.lora_rank, alpha=self.lora_alpha,
        )  # fmt: skip
        model = TuningModel(backbone, SharedLinearHead(backbone.n_features, n_targets))
        return model.to(_device(self.device))

    def _finish(self, model: TuningModel) -> None:
        self.model_ = model.eval()
        self.weights_hash_ = hash_tensors(
            {**trained_state(model.backbone), "backbone." + self.backbone_hash_: torch.zeros(0)}
        )

    def _fitted_model(self) -> TuningModel:
        if not hasattr(self, "model_"):
            raise NotFittedError(
                "this BrainTunedFeatures is not tuned yet: call fit(stimuli, responses), or "
                "BrainTunedFeatures.load(path)"
            )
        return self.model_

    def _check_parameters(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(unknown_name(name, getattr(self, name), choices))
        if self.windows == "streamed" and self.overlap < SUPPORT:
            raise ValueError(
                f"overlap={self.overlap:g} s is shorter than the {SUPPORT:g} s of haemodynamic "
                f"history, so TRs would be lost between windows: pass at least {SUPPORT:g}"
            )
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"epochs={self.epochs} and batch_size={self.batch_size}: both must be at least 1"
            )

    def _window_settings(self) -> WindowSettings:
        return WindowSettings(self.windows, self.chunk, self.overlap)  # type: ignore[arg-type]

    def _validation_clips(
        self, held: Runs | None, shared: SharedTargets, backbone: Backbone, reduce: bool
    ) -> TuningClips | None:
        if held is None:
            return None
        targets = align(
            held.responses, held.n_trs, z_score=self.z_score, reduce=reduce, like=shared
        )
        return TuningClips(held.stimuli, targets, backbone, self._window_settings())


def _device(asked: str | None) -> torch.device:
    return torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))
