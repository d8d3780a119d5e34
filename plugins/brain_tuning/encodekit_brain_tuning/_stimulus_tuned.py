"""StimulusTunedFeatures: the baseline that hears the same audio, and learns from no brain."""

from collections.abc import Sequence
from typing import Any, Self

from sklearn.utils import check_random_state

from encodekit.data import RunList, Stimulus
from encodekit.features import Streamed, Windows
from encodekit_brain_tuning._build import TuningSettings, about, prepare_fmri, tuned_model
from encodekit_brain_tuning._tuned_features import TunedFeatures
from encodekit_brain_tuning.heads import SharedHead
from encodekit_brain_tuning.objectives import (
    Contrastive,
    Prepared,
    Setup,
    StimulusObjective,
    Units,
    with_quantiser,
)
from encodekit_brain_tuning.saving import say_value
from encodekit_brain_tuning.training import (
    Runtime,
    Training,
    private_random,
    resolve_keep,
    tune,
)
from encodekit_brain_tuning.updates import Lora, Update


class StimulusTunedFeatures(TunedFeatures):
    """Layers of a speech model that was tuned on the stimuli alone.

    The backbone goes on with a self-supervised loss of its own kind on the audio, or learns other
    features of the stimuli, by the trainer and with the parameters of `BrainTunedFeatures`, which
    it is a baseline for. There is no r by which weights could be chosen: the weights of the final
    step are kept, unless features of the stimuli are learnt.

    Parameters
    ----------
    backbone : str
        See `BrainTunedFeatures`.
    objective : StimulusObjective, str or None
        `Contrastive` (wav2vec 2.0's), `Units` (HuBERT's), `LanguageModelLayers`, `AcousticBands`,
        or the name of one with its defaults. None is contrastive if the checkpoint holds the
        quantiser that this needs, else units.
    layer, update, windows, training, runtime, history, random_state
        See `BrainTunedFeatures`.

    Attributes
    ----------
    history_, tuned_on_, tuned_, ...
        As of `BrainTunedFeatures`; ``participants_`` is ``("audio",)`` where masked frames are
        learnt, and ``history_`` has no r then.

    Examples
    --------
    >>> StimulusTunedFeatures("tiny", objective=Units(50))
    StimulusTunedFeatures(backbone='tiny', objective=Units(n_units=50))
    """

    _kind, _learnt_from = "stimulus-tuned", "the stimuli alone"
    _on_card = ("update", "windows", "training")

    def __init__(
        self,
        backbone: str = "facebook/wav2vec2-base",
        *,
        objective: StimulusObjective | str | None = None,
        layer: int | Sequence[int] | str | None = None,
        update: Update | str = Lora(),
        windows: Windows | str = Streamed(),
        training: Training = Training(),
        runtime: Runtime = Runtime(),
        history: float = 16.0,
        random_state: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.objective = objective
        self.layer = layer
        self.update = update
        self.windows = windows
        self.training = training
        self.runtime = runtime
        self.history = history
        self.random_state = random_state

    @classmethod
    def like(cls, extractor: Any, objective: StimulusObjective | str | None = None) -> Self:
        """Return the baseline of a `BrainTunedFeatures`: with its parameters, to be fitted.

        Parameters
        ----------
        extractor : BrainTunedFeatures
        objective : StimulusObjective, str or None
        """
        given = extractor.get_params(deep=False)
        names = ("backbone", "layer", "update", "windows", "training", "runtime", "history",
                 "random_state")  # fmt: skip
        return cls(objective=objective, **{name: given[name] for name in names})

    def settings(self) -> TuningSettings:
        """Return every parameter, names replaced by what they stand for."""
        return TuningSettings(
            backbone=self.backbone,
            objective=None if self.objective is None else self.setting("objective"),
            layer=self.layer,
            head=SharedHead(),
            update=self.setting("update"),
            windows=self.setting("windows"),
            training=self.setting("training"),
            runtime=self.setting("runtime"),
            history=self.history,
            random_state=self.random_state,
        )

    def fit(self, X: Sequence[Stimulus], y: Any = None, *, validation: Any = ()) -> Self:
        """Tune the model on the stimuli.

        Parameters
        ----------
        X : list of Stimulus
        y : ignored
        validation : list of Stimulus, Study, or (stimuli, responses), optional
            ``history_`` has the loss on these stimuli; responses are not looked at.

        Raises
        ------
        ValueError
            For an objective that the checkpoint cannot give, a backbone without masked prediction
            (Whisper), a budget that counts participants, or weights that are to be chosen by r
            where there is none.
        """
        settings, stimuli, held = self.settings(), list(X), _stimuli_of(validation)
        if settings.training.budget and settings.training.budget[0] == "pairs":
            raise ValueError(
                f"budget={settings.training.budget}: stimulus-tuning has no participants and "
                "counts in ('steps', n), ('seconds', s), or in epochs="
            )
        seed = int(check_random_state(settings.random_state).randint(2**31 - 1))
        objective = settings.objective or _own_kind(settings.backbone)
        keep = resolve_keep(settings.training.keep, validated=bool(held), has_r=objective.has_r)

        def on_responses(y: RunList, held_y: RunList | None) -> Prepared:
            validated = None if held_y is None else (held, held_y)
            return prepare_fmri(settings, stimuli, y, validated, None, seed).prepared

        with private_random(seed):
            prepared = objective.prepare(
                Setup(
                    settings.backbone,
                    stimuli,
                    held,
                    settings.windows,
                    seed,
                    lambda n_targets: settings.new_model(n_targets, 1),
                    on_responses,
                )
            )
        history = tune(
            prepared.objective, settings.training, settings.runtime, seed,
            about=about(settings, seed, prepared.backbone, [*stimuli, *held]),
        )  # fmt: skip
        self.tuned_ = tuned_model(
            prepared, history, seed, (stimuli, held), objective=say_value(objective), keep=keep,
            settings=settings,
            seconds=float(sum(item.audio_duration or 0.0 for item in stimuli)),
        )  # fmt: skip
        self._say_what_is_kept()
        return self


def _stimuli_of(validation: Any) -> list[Stimulus]:
    """Return the stimuli of a list of them, of a part of a study, or of (stimuli, responses)."""
    if isinstance(validation, tuple) and len(validation) == 2:
        validation = validation[0]
    return list(getattr(validation, "stimuli", validation))


def _own_kind(backbone: str) -> StimulusObjective:
    """Return the objective that the backbone was pretrained by, as far as its checkpoint allows."""
    return Units() if with_quantiser(backbone) is None else Contrastive()
