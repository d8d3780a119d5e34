"""BrainTunedFeatures: a feature extractor whose fit fine-tunes a speech model on fMRI."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
import xarray as xr
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from encodekit.data import Stimulus, runs_heard_in, warn_caller
from encodekit_brain_tuning._backbone import hash_tensors, trained_state
from encodekit_brain_tuning._card import CardNotes
from encodekit_brain_tuning._clips import TuningClips
from encodekit_brain_tuning._encoding import (
    as_frames,
    chosen_layers,
    exact_blocks,
    streamed_blocks,
)
from encodekit_brain_tuning._ingredients import (
    identifying,
    new_model,
    stem_cache,
    target_maker,
    window_settings,
)
from encodekit_brain_tuning._kept import (
    PretrainedKeptWarning,
    kept_pretrained,
    say_kept_pretrained,
)
from encodekit_brain_tuning._losses import resolve_loss
from encodekit_brain_tuning._model import TuningModel
from encodekit_brain_tuning._parameters import TuningParameters, show_settings
from encodekit_brain_tuning._ridge_start import start_head
from encodekit_brain_tuning._selection import fitted_selector
from encodekit_brain_tuning._tuned_on import warn_of
from encodekit_brain_tuning._tuning_data import match_runs, target_weights, validation_runs
from encodekit_brain_tuning._windows import POOLING

if TYPE_CHECKING:
    from encodekit_brain_tuning._adapt import AdaptedHead

_TRAINING = (  # what the tuned weights already say
    "backbone", "loss", "targets", "strategy", "reduction", "n_components", "head", "head_rank",
    "head_start", "epochs", "budget", "learning_rate", "head_learning_rate", "batch_size",
    "accumulate", "warmup", "weight_decay", "patience", "validate_every", "precision",
    "n_workers", "checkpoint", "checkpoint_every", "tensorboard", "z_score", "device",
    "random_state", "dropout", "pooled_layer", "gradient_checkpointing", "stem_cache",
    "stem_dtype", "stem_cache_gb", "stretch",
)  # fmt: skip


class BrainTunedFeatures(TuningParameters):
    """Layers of a speech model fine-tuned on the fMRI of several participants.

    ``fit`` tunes the transformer (its convolutional stem stays frozen and is computed once) and a
    linear head shared by all participants to predict their fMRI from the audio; ``transform``
    gives the tuned model's layers on the TR grid, as any extractor.

    Parameters
    ----------
    backbone : str
        wav2vec2, HuBERT, WavLM or Whisper model (its encoder): a registered name (``"tiny"``), a
        folder, or a hub id.
    recipe : {None, "moussa2025"}
        A preset for all parameters that are left at their defaults, see `recipe_parameters`;
        `settings` says what comes out, and `fit` prints it.
    loss : str or callable
        ``"l2"``, ``"correlation"``, ``"temporal_correlation"``, ``"cosine_l2"``,
        ``"huber_cosine"``, ``"hybrid"`` (correlation first, then L2), any registered loss, or a
        callable ``loss(predicted, true, mask)``.
    targets : None, str, list of str, or region selector
        Which targets are tuned on: all, those of these regions, or what the selector keeps:
        `GlasserSelector`, `AgreementSelector` (where people agree in the tuning runs), or any
        other; one that averages areas makes native spaces of several people comparable.
    strategy : {"joint", "sequential", "response_mean", "srm"}
        ``"joint"``: each step has all who heard its clips, who lacks one is masked out.
        ``"sequential"``: a step for each participant, as published. ``"response_mean"``: tuned on
        their mean. ``"srm"``: on ``n_components`` shared responses, fitted on the tuning runs.
        Joint tuning by ``"l2"`` with a shared head has the gradient of their mean, each value
        weighted by how many have it: then that is done, at the cost of one participant.
    reduction : {"pairs", "participants"}
        Of joint tuning: the loss is a mean over (TR, participant) pairs, or over the
        participants' own losses, so that who heard less counts as much.
    n_components : int
        Of the shared responses.
    head : str or callable
        ``"shared"``: one linear map for all. ``"individual"``: one for each participant, whose
        targets may be in native space. ``"shared+low_rank"``: a shared map and a deviation of rank
        ``head_rank`` (8) for each. ``"bottleneck"``: linear, through ``head_rank`` (100)
        dimensions. ``"mlp"``: ``head_rank`` (128) hidden units beside the shared map.
        ``"unseen"``: a bottleneck with a layer for each participant and one for anybody else,
        trained by leaving participants' own out. Or a callable with the signature of `Head`.
    head_rank : int, optional
    head_start : {"ridge", "random"}
        Whether the head begins at a ridge solution on the standardised pretrained features, or at
        random weights on the features as they are.
    epochs : int
        Passes over the tuning stories, at most.
    budget : (unit, amount), optional
        Tunes until so many ``"steps"`` of the optimizer are made, (clip, participant) ``"pairs"``
        are seen or ``"seconds"`` of audio are encoded, instead of ``epochs``.
    trainable : {"lora", "all", "head"}
        Adapters on the transformer's linear maps, all its weights, or the head alone.
    lora_targets : str or list of str
        Linear maps that get adapters: ``"attention"`` (q, k, v and out),
        ``"attention+feed_forward"``, or names of the backbone's own, such as ``["q_proj"]``.
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
        s, of streamed windows. Whisper encodes 30 s at a time, whatever the clip.
    stretch : float, optional
        s of audio, at most, whose windows are joined in tuning before their frames are weighed:
        the 8 s of history are then held once a stretch, and windows may overlap by less, such as
        ``chunk=10, overlap=1, stretch=118``. The joined windows are one clip of ``batch_size``,
        which is then better small, as memory grows with the windows of a batch. If not given each
        window is a clip, and overlaps by at least 8 s.
    pooled_layer : int, optional
        Layer that the head reads; the last if not given. No block above it is computed or tuned.
    pooling : {"haemodynamic", "mean", "last"}, optional
        How a TR's row is made of frames: means of the TRs of the last 8 s with fixed haemodynamic
        weights (streamed windows, if not given), the mean of the last 10 s (exact windows), or
        the TR's last frame.
    gradient_checkpointing : bool
        Less memory for a third more computing.
    stem_cache : None, "auto" or path
        Folder that keeps the stem's output for later epochs, participants and programs; None
        keeps it in memory.
    stem_dtype : {"float16", "float32"}
        In which it is kept.
    stem_cache_gb : float
        How large the folder may grow; what was used longest ago goes first.
    learning_rate : float
        Its peak: it rises linearly over the first ``warmup`` share of the steps, then falls to 0.
        1e-4 suits base-size models; the backbone "tiny" needs 1e-3 ("all").
    head_learning_rate : float, optional
        The head's; a tenth of ``learning_rate`` if not given: it begins at a ridge solution, from
        which the backbone's rate would throw it.
    batch_size : int
        Clips per optimizer step.
    accumulate : int
        Forward passes that one step is split into, for less memory; the gradient is the same,
        except by ``"temporal_correlation"``, which compares the TRs of one pass.
    warmup, weight_decay : float
    patience : int, optional
        Validations without a new best before tuning stops; None never stops early.
    validate_every : int, optional
        Optimizer steps between validations; once per epoch if not given.
    precision : {"auto", "float32", "bfloat16"}
        Of the forward and backward pass; ``"auto"`` is bfloat16 on a GPU that has it.
    n_workers : int
        Processes that prepare batches beside the training.
    checkpoint : path, optional
        A folder for the newest checkpoint of this tuning. A `fit` that was killed goes on from
        there: on a CPU to the same bytes, or it refuses and says what is different (data,
        settings, versions, number of processes or threads). A finished one is not repeated.
    checkpoint_every : int, optional
        Optimizer steps between checkpoints, beside those at the end of every epoch.
    tensorboard : path, optional
        A folder for TensorBoard's curves, ``pip install 'encodekit-brain-tuning[tensorboard]'``.
    layer : None, int, list of int, or "all"
        Which layers to give: these (0 is the input of the first block), or all. None is two thirds
        of the way up, as of `encodekit.SpeechFeatures`, or the pooled layer if that is lower.
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
        ``epoch``, ``step``, ``train_loss``, ``validation_loss``, ``validation_r``, ``seconds``,
        ``kept``. The first row is the untuned model with its ridge head. It is kept unless
        ``validation_r`` rises by more than two standard errors of the difference (a jackknife
        over quarters of the validation runs); the weights of the highest are then.
    kept_pretrained_ : bool
        Whether they were kept: the features are those of the pretrained model.
    participants_ : tuple of str
    targets_ : tuple of str
        Keys of the targets: ``left/00123`` if they are shared, ``P1/left/00123`` if each
        participant has their own, ``srm/000`` for shared responses.
    n_targets_ : int
        How many values the head predicts per TR (of each participant, if heads are individual).
    tuned_on_, validated_on_ : dict of str to str
        `Stimulus.heard_hash` to run name of every run of tuning, and of validation.
    tuned_seconds_ : float
        Length of the tuning runs together, each heard once.
    model_ : torch.nn.Module
        The tuned backbone with its head.
    backbone_hash_, weights_hash_ : str
        sha256 of the weights before tuning, and of these with what tuning changed.
    head_alpha_ : float or None
        Penalty of the ridge solution that the head began at; None if it began at random.
    seed_ : int

    Notes
    -----
    Compare with the pretrained model at the same layer: what tuning changed is the difference to
    ``SpeechFeatures(backbone, layer, resample="mean")``, which has the same windows and sampling.

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

    def fit(
        self, X: Sequence[Stimulus], y: Any = None, *, validation: Any = None, weights: Any = None
    ) -> Self:
        """Tune the model on the responses ``y`` to the stimuli ``X``.

        Parameters
        ----------
        X : list of Stimulus
        y : RunList, list of DataArray or DataArray (time, target)
            Over any number of participants; what somebody lacks is NaN or absent.
        validation : Study, or (stimuli, responses), optional
            Held-out stories; only the tuning participants' fMRI is looked at. With it tuning
            stops early and the best weights are kept; without it the last are.
        weights : DataArray (target,), optional
            How much each target of each participant counts in the loss, 0 or more, such as a noise
            ceiling; from other data than the score.

        Raises
        ------
        ValueError
            If runs and stimuli do not match, a tuning story is validated on, a target lacks its
            weight, the backbone lacks the layer, or a parameter is not one of its choices.

        Warns
        -----
        PretrainedKeptWarning
            If no tuned weights are better on the validation runs by more than two standard errors,
            so that the pretrained ones are kept.
        """
        from encodekit_brain_tuning._trainer import make_plan, private_random, tune

        settings = self.settings()
        if settings.recipe is not None:
            show_settings(settings)
        chosen = settings.targets if y is None else fitted_selector(settings.targets, y)
        runs = match_runs(X, y, chosen, "tuning")
        weighed = target_weights(weights, runs)
        loss = resolve_loss(settings.loss)
        maker = target_maker(settings, loss)
        shared = maker.tuning(runs, weighed)
        held = validation_runs(validation, shared.participants, chosen, runs)
        self.seed_ = int(check_random_state(settings.random_state).randint(2**31 - 1))
        self.participants_, self.n_targets_ = shared.participants, maker.strategy.n_targets(shared)
        with private_random(self.seed_):
            model = self._new_model()
        chosen_layers(settings.layer, model.backbone)  # refused now, not after hours of tuning
        cut, stems = window_settings(settings), stem_cache(settings)
        clips = TuningClips(runs.stimuli, shared, model.backbone, cut, stems)
        watched = None
        if held is not None:
            aligned = maker.validation(held, shared, weighed)
            watched = TuningClips(held.stimuli, aligned, model.backbone, cut, stems)
        from_ridge = settings.head_start == "ridge"
        self.head_alpha_ = start_head(model, clips, settings.batch_size) if from_ridge else None
        plan = make_plan(settings, self.seed_, one_by_one=maker.strategy.one_by_one)
        stimuli = [*runs.stimuli, *(held.stimuli if held else [])]
        about = identifying(settings, self.seed_, self.backbone_hash_, shared.keys, stimuli)
        self.history_ = tune(model, clips, watched, loss, plan, about=about)
        self.targets_ = maker.strategy.keys(shared)
        self.tuned_on_ = {item.heard_hash: item.run_name for item in runs.stimuli}
        self.tuned_seconds_ = float(sum(item.n_trs * float(item.t_r or 0) for item in runs.stimuli))
        watching = held.stimuli if held else []
        self.validated_on_ = {item.heard_hash: item.run_name for item in watching}
        self._finish(model)
        if self.kept_pretrained_:
            warn_caller(say_kept_pretrained(self.history_), PretrainedKeptWarning)
        return self

    @property
    def kept_pretrained_(self) -> bool:
        """Whether validation kept the weights before tuning."""
        self._fitted_model()
        return kept_pretrained(self.history_)

    def adapt(self, X: Sequence[Stimulus], y: Any) -> "AdaptedHead":
        """Return heads for new participants, the tuned backbone left as it is.

        Parameters
        ----------
        X : list of Stimulus
        y : RunList, list of DataArray or DataArray (time, target)
            fMRI of one or more participants, in any space; an hour or less will do.

        Returns
        -------
        AdaptedHead
            ``predict(stimuli)`` gives their fMRI; ``save(path)`` writes it with this model.
        """
        from encodekit_brain_tuning._adapt import AdaptedHead

        return AdaptedHead(self.frozen()).fit(X, y)

    def frame_blocks(self, stimulus: Stimulus) -> Iterator[xr.DataArray]:
        """Yield the frames (time, feature) of one window, or some clips, after the other."""
        backbone = self._fitted_model().backbone
        audio = stimulus.load_audio(backbone.rate)
        settings = self.settings()
        layers = chosen_layers(settings.layer, backbone)
        if settings.windows == "exact":
            _, onsets = stimulus.history_grid(settings.history)
            times, t_r = onsets + stimulus.offset, float(stimulus.t_r or 0)
            pooling = settings.pooling or POOLING["exact"]
            blocks = exact_blocks(backbone, audio, times, t_r, layers, settings.batch_size, pooling)
        else:
            blocks = streamed_blocks(backbone, audio, layers, settings.chunk, settings.overlap)
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
        again = runs_heard_in(X, self.tuned_on_)
        warn_of(again, self.participants_)
        return again

    def _described(self) -> dict[str, Any]:
        layers = chosen_layers(self.layer, self._fitted_model().backbone)
        return super()._described() | {"layer": layers}

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

    def save(self, path: str | Path, *, notes: CardNotes | None = None) -> None:
        """Write a folder: safetensors, JSON, a model card, and a manifest of sha256 last.

        Parameters
        ----------
        path : path
        notes : CardNotes, optional
            What the card says beside what the tuning knows: scores, licence of the data.
        """
        from encodekit_brain_tuning._artifact import save

        self._fitted_model()
        save(self, Path(path), notes)

    def merge(self, path: str | Path, *, notes: CardNotes | None = None) -> None:
        """Write the tuned backbone as a plain transformers model, adapters merged, without head.

        `transformers.AutoModel` loads it, and so do `encodekit.SpeechFeatures` and this class. Of
        Whisper it is the whole model, with the pretrained decoder.
        """
        from encodekit_brain_tuning._sharing import merge

        self._fitted_model()
        merge(self, Path(path), notes)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        merged: bool = False,
        private: bool = True,
        notes: CardNotes | None = None,
        api: Any = None,
    ) -> Any:
        """Upload what `save` writes, or `merge` if ``merged``, to the Hugging Face hub.

        Parameters
        ----------
        repo_id : str
            ``"name/model"``; made if it is not there.
        merged, private : bool
        notes : CardNotes, optional
        api : huggingface_hub.HfApi, optional
            With your token; one that finds the token you logged in with, if not given.

        Returns
        -------
        huggingface_hub.CommitInfo
        """
        from encodekit_brain_tuning._sharing import push

        self._fitted_model()
        return push(self, repo_id, merged=merged, private=private, notes=notes, api=api)

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

    def _new_model(self) -> TuningModel:
        """A pretrained backbone, prepared for what is trainable, with a head to be fitted."""
        model = new_model(self.settings(), self.n_targets_, len(self.participants_))
        self.backbone_hash_ = model.backbone.pretrained_hash
        return model

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
