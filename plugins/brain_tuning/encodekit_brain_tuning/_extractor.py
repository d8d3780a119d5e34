"""BrainTunedFeatures: a feature extractor whose fit fine-tunes a speech model on fMRI."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from sklearn.utils import check_random_state

from encodekit.data import Stimulus
from encodekit.features import Streamed, Windows
from encodekit_brain_tuning._adapt import AdaptedHead
from encodekit_brain_tuning._build import TuningSettings, about, prepare_fmri, tuned_model
from encodekit_brain_tuning._recipes import RECIPES, recipe_parameters
from encodekit_brain_tuning._tuned_features import TunedFeatures
from encodekit_brain_tuning.heads import Head, SharedHead
from encodekit_brain_tuning.saving import say_value
from encodekit_brain_tuning.strategies import Joint, Strategy
from encodekit_brain_tuning.training import Runtime, Training, resolve_keep, tune
from encodekit_brain_tuning.updates import Lora, Update


class BrainTunedFeatures(TunedFeatures):
    """Layers of a speech model fine-tuned on the fMRI of several participants.

    ``fit`` tunes the transformer (its convolutional stem stays frozen and is computed once) and a
    head to predict the participants' fMRI from the audio; ``transform`` gives the tuned model's
    layers on the TR grid, as any extractor.

    Parameters that belong together are objects. Each may be given as the name of one with its
    defaults (``update="lora"``); ``set_params(update__rank=4)`` reaches into them.

    Parameters
    ----------
    backbone : str
        wav2vec2, HuBERT, WavLM or Whisper model (its encoder): a registered name (``"tiny"``), a
        folder, or a hub id.
    targets : None, list of str, or region selector
        Which targets are tuned on: all, these (names of targets, or of regions), or what the
        selector keeps:
        `GlasserSelector`, `AgreementSelector` (where people agree in the tuning runs), or any
        other, fitted on the tuning runs; one that averages areas makes native spaces of several
        people comparable.
    loss : str or callable
        ``"l2"``, ``"correlation"``, ``"temporal_correlation"``, ``"cosine_l2"``,
        ``"huber_cosine"``, ``"hybrid"`` (correlation first, then L2), any registered loss, or a
        callable ``loss(predicted, true, mask)``.
    layer : None, int, list of int, or "all"
        Which layers to give: these (0 is the input of the first block), or all. None is two thirds
        of the way up, as of `encodekit.SpeechFeatures`, or the head's layer if that is lower.
    participants : Strategy or str
        What becomes of several participants: `Joint`, `Sequential` (as published), `ResponseMean`
        or `SharedResponse`.
    head : Head or str
        From hidden states to fMRI: `SharedHead`, `IndividualHead` (targets may be in native
        space), `LowRankHead`, `BottleneckHead`, `MlpHead` or `UnseenHead`.
    update : Update or str
        What of the backbone learns: `Lora`, `AllWeights`, `TopBlocks` or `HeadOnly`.
    windows : Streamed, Exact or str
        How the audio is cut, in tuning and in ``transform``, and how frames are pooled in TRs.
    training : Training
        Epochs, rates, batches, and which weights are kept.
    runtime : Runtime
        Device, precision, checkpoints and caches.
    history : float
        s of features before the first TR.
    random_state : int, RandomState or None
        On a CPU an int fixes the result to the byte.

    Attributes
    ----------
    history_ : DataFrame
        ``epoch``, ``step``, ``train_loss``, ``validation_loss``, ``validation_r``, ``gain``,
        ``gain_se``, ``seconds``, ``kept``. The first row is the untuned model with its ridge head;
        ``gain`` is r minus that row's, ``gain_se`` its standard error (a jackknife over quarters of
        the validation runs).
    reverted_to_pretrained_ : bool
        Whether validation kept the weights before tuning, see `Training`.
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
    tuned_ : TunedModel
        All of these in one.

    Notes
    -----
    Compare with the pretrained model at the same layer: what tuning changed is the difference to
    ``SpeechFeatures(backbone, layer, resample="mean")``, which has the same windows and sampling.

    After Moussa & Toneva (2025), "Brain-tuning Improves Generalizability and Efficiency of Brain
    Alignment in Speech Models", arXiv 2510.21520.

    Examples
    --------
    >>> from encodekit_brain_tuning import AllWeights, Training
    >>> tuned = BrainTunedFeatures("tiny", update=AllWeights(), training=Training(epochs=6))
    >>> tuned.set_params(training__learning_rate=1e-3).training
    Training(epochs=6, learning_rate=0.001)
    """

    def __init__(
        self,
        backbone: str = "facebook/wav2vec2-base",
        *,
        targets: Any = None,
        loss: str | Callable[..., torch.Tensor] = "l2",
        layer: int | Sequence[int] | str | None = None,
        participants: Strategy | str = Joint(),
        head: Head | str = SharedHead(),
        update: Update | str = Lora(),
        windows: Windows | str = Streamed(),
        training: Training = Training(),
        runtime: Runtime = Runtime(),
        history: float = 16.0,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.targets = targets
        self.loss = loss
        self.layer = layer
        self.participants = participants
        self.head = head
        self.update = update
        self.windows = windows
        self.training = training
        self.runtime = runtime
        self.history = history
        self.random_state = random_state

    @classmethod
    def from_recipe(cls, name: str, **overrides: Any) -> Self:
        """Return an extractor with a recipe's parameters, and print every value to stderr.

        Parameters
        ----------
        name : {"moussa2025"}
            See `recipe_parameters`.
        **overrides
            Parameters, which win over the recipe's: whole objects (``update=AllWeights()``) or
            what is within them (``training__batch_size=8``).

        Raises
        ------
        ValueError
            For an unknown recipe or parameter.
        """
        extractor = cls(**recipe_parameters(name)).set_params(**overrides)
        _print_parameters(f"recipe {name}", extractor.get_params())
        return extractor

    @classmethod
    def recipe_names(cls) -> list[str]:
        """Return the names that `from_recipe` knows."""
        return list(RECIPES)

    def settings(self) -> TuningSettings:
        """Return every parameter, names replaced by what they stand for.

        Raises
        ------
        ValueError, TypeError
            If a value is not one of its choices.
        """
        return TuningSettings(
            backbone=self.backbone,
            targets=self.targets,
            loss=self.loss,
            layer=self.layer,
            participants=self.setting("participants"),
            head=self.setting("head"),
            update=self.setting("update"),
            windows=self.setting("windows"),
            training=self.setting("training"),
            runtime=self.setting("runtime"),
            history=self.history,
            random_state=self.random_state,
        )

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
            Held-out stories; only the tuning participants' fMRI is looked at. `Training` says
            which weights are kept by it; without it the weights of the final step are.
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
        RevertedToPretrainedWarning
            If no tuned weights are better on the validation runs, by the rule of ``training.keep``,
            so that the pretrained ones are kept.
        """
        settings = self.settings()
        keep = resolve_keep(settings.training.keep, validated=validation is not None)
        seed = int(check_random_state(settings.random_state).randint(2**31 - 1))
        made = prepare_fmri(settings, X, y, validation, weights, seed)
        prepared = made.prepared
        history = tune(
            prepared.objective, settings.training, settings.runtime, seed,
            about=about(settings, seed, prepared.backbone, made.stimuli),
        )  # fmt: skip
        stimuli = made.runs.stimuli
        self.tuned_ = tuned_model(
            prepared, history, seed, (stimuli, made.held.stimuli if made.held else []),
            objective=say_value(settings.loss), keep=keep,
            settings=settings,
            seconds=float(sum(item.n_trs * float(item.t_r or 0) for item in stimuli)),
            selector_learns=made.selector_learns,
        )  # fmt: skip
        self._say_what_is_kept()
        return self

    def adapt(self, X: Sequence[Stimulus], y: Any) -> AdaptedHead:
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
        return AdaptedHead(self.frozen()).fit(X, y)


def _print_parameters(title: str, parameters: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"{title}:", markup=False)
    for name, value in parameters.items():
        console.print(f"  {name} = {value!r}", markup=False)
