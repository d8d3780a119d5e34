"""What extractors of a tuned model share: reading it, saving it, and saying what it heard."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import xarray as xr
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

from encodekit import FeatureExtractor
from encodekit.core import SealedFolder, read_sealed, tell, warn_caller
from encodekit.data import Stimulus, runs_heard_in
from encodekit.features import Exact
from encodekit.saving import unpack_parameters
from encodekit_brain_tuning._build import TuningSettings
from encodekit_brain_tuning.backbones import (
    as_frames,
    chosen_layers,
    exact_blocks,
    streamed_blocks,
)
from encodekit_brain_tuning.saving import (
    KIND,
    CardFacts,
    CardNotes,
    TunedModel,
    model_card,
    push,
    read_config,
    read_tuned,
    warn_of,
    write_folder,
    write_merged,
    write_tuned,
)
from encodekit_brain_tuning.targets import KeySelector, saved_selector
from encodekit_brain_tuning.training import (
    RevertedToPretrainedWarning,
    Runtime,
    TuningModel,
    reverted,
    say_gain,
    say_kept,
    say_reverted,
)

_FACTS = (
    "seed_", "head_alpha_", "tuned_on_", "validated_on_", "tuned_seconds_", "backbone_hash_",
    "weights_hash_", "participants_", "targets_", "n_targets_",
)  # fmt: skip
_LABELS = {"participants": "participants combined by"}  # the card lists who they are, too
_FITTED = (*_FACTS, "model_", "history_", "reverted_to_pretrained_")


class TunedFeatures(FeatureExtractor):
    """The base of extractors whose ``fit`` tunes a speech model and leaves it in ``tuned_``.

    Attributes
    ----------
    tuned_ : TunedModel
        All that tuning found; the other attributes are read from it.
    """

    resample = "mean"
    tuned_: TunedModel
    _kind, _learnt_from = "brain-tuned", "fMRI"  # what a model card says
    _on_card: tuple[str, ...] = ("participants", "head", "update", "windows", "training")

    def settings(self) -> TuningSettings:
        """Return every parameter, names replaced by what they stand for.

        Raises
        ------
        ValueError, TypeError
            If a value is not one of its choices.
        """
        raise NotImplementedError

    @property
    def cache(self) -> str | Path | None:  # type: ignore[override]
        """Where features are kept."""
        return self.settings().runtime.cache

    def __getattr__(self, name: str) -> Any:
        if name in _FITTED:
            return self._read(name)
        return super().__getattr__(name)

    def _read(self, name: str) -> Any:
        tuned = self._tuned()
        if name == "model_":
            return tuned.model
        if name == "history_":
            return tuned.history
        if name == "reverted_to_pretrained_":
            return reverted(tuned.history)
        return getattr(tuned.facts, name[:-1])

    def _tuned(self) -> TunedModel:
        if "tuned_" not in vars(self):
            name = type(self).__name__
            raise NotFittedError(
                f"this {name} is not tuned yet: call fit(stimuli, responses), or {name}.load(path)"
            )
        return self.tuned_

    def _say_what_is_kept(self) -> None:
        """Warn where the weights are the pretrained ones; else tell what validation found."""
        history = self._tuned().history
        if reverted(history):
            warn_caller(say_reverted(history), RevertedToPretrainedWarning)
        elif history["validation_r"].notna().any():
            tell(f"{type(self).__name__}: on the validation runs {say_kept(history)}")

    @property
    def objective_(self) -> str:
        """The loss, or what was learnt in the place of fMRI."""
        return self._tuned().facts.objective

    @property
    def kept_by_(self) -> tuple[str, str, bool]:
        """Which weights are kept, by what rule, and whether validation chose them."""
        tuned = self._tuned()
        history, keep = tuned.history, tuned.facts.keep
        epoch = f"{history.loc[history['kept'], 'epoch'].iloc[0]:g}"
        if keep == "last":
            return epoch, "the final step", False
        value = "the pretrained weights" if reverted(history) else epoch
        return value, f"keep={keep!r} on the validation runs: {say_gain(history)}", True

    def _fitted_model(self) -> TuningModel:
        return self._tuned().model

    def frame_blocks(self, stimulus: Stimulus) -> Iterator[xr.DataArray]:
        """Yield the frames (time, feature) of one window, or some clips, after the other."""
        backbone = self._fitted_model().backbone
        audio = stimulus.load_audio(backbone.rate)
        settings = self.settings()
        layers, windows = chosen_layers(settings.layer, backbone), settings.windows
        if isinstance(windows, Exact):
            _, onsets = stimulus.history_grid(settings.history)
            times, t_r = onsets + stimulus.offset, float(stimulus.t_r or 0)
            batch_size = settings.training.batch_size
            blocks = exact_blocks(backbone, audio, times, t_r, layers, batch_size, windows.pooling)
        else:
            blocks = streamed_blocks(backbone, audio, layers, windows.chunk, windows.overlap)
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
        facts = self._tuned().facts
        features: xr.DataArray = super().transform(X)
        again = self.warn_if_tuned_on(X)
        features.attrs |= {
            "tuned_on": sorted(facts.tuned_on),
            "tuned_on_runs": again,
            "tuned_participants": list(facts.participants),
        }
        return features

    def warn_if_tuned_on(self, X: Sequence[Stimulus]) -> list[str]:
        """Warn of the runs in ``X`` that the model was tuned on, and return their names."""
        facts = self._tuned().facts
        again = runs_heard_in(X, facts.tuned_on)
        warn_of(again, facts.participants)
        return again

    def _described(self) -> dict[str, Any]:
        """Return what of the parameters decides a tuned model's features, beside its weights."""
        settings, backbone = self.settings(), self._fitted_model().backbone
        return {
            "layer": chosen_layers(settings.layer, backbone),
            "windows": settings.windows.reading(),
            "configuration": backbone.configuration_hash,
        }

    def weights_hash(self) -> str | None:
        """Return the sha256 of the tuned weights and their backbone; None before `fit`."""
        return self.tuned_.facts.weights_hash if "tuned_" in vars(self) else None

    def frozen(self) -> FrozenEstimator:
        """Return the fitted extractor so that a pipeline's ``fit`` and ``clone`` leave it as it is.

        Raises
        ------
        NotFittedError
            If it has not been tuned.
        """
        self._tuned()
        return FrozenEstimator(self)

    def save(self, path: str | Path, *, notes: CardNotes | None = None) -> None:
        """Write a folder: safetensors, JSON, a model card, and a manifest of sha256 last.

        Heads, strategies, updates and losses that nobody registered are written by the name of
        their class, and `load` asks for it.

        Parameters
        ----------
        path : path
        notes : CardNotes, optional
            What the card says beside what the tuning knows: scores, licence of the data.
        """
        self._check_unchanged()
        tuned, parameters = self._tuned(), self.get_params(deep=False)
        if "targets" in parameters:
            parameters["targets"] = saved_selector(parameters["targets"], tuned.facts.targets)
        write_folder(Path(path), parameters, tuned, self._card(notes), type(self).__name__)

    def merge(self, path: str | Path, *, notes: CardNotes | None = None) -> None:
        """Write the tuned backbone as a plain transformers model, adapters merged, without head.

        `transformers.AutoModel` loads it, and so do `encodekit.SpeechFeatures` and this class. Of
        Whisper it is the whole model, with the pretrained decoder.
        """
        model, backbone = self._fitted_model(), self.settings().backbone
        write_merged(Path(path), model, backbone, self._card(notes))

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
        facts = self._tuned().facts
        write = self.merge if merged else self.save
        message = f"Brain-tuned {self.settings().backbone}, {facts.weights_hash[:12]}"
        return push(
            lambda folder: write(folder, notes=notes), repo_id, private=private, message=message,
            api=api,
        )  # fmt: skip

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        backbone: str | None = None,
        runtime: Runtime | None = None,
        classes: Sequence[Any] = (),
    ) -> Self:
        """Return the extractor saved in a folder, verified against its manifest.

        Parameters
        ----------
        path : path
        backbone : str, optional
            Where the pretrained weights are now, if they moved; they must be the same weights.
        runtime : Runtime, optional
            What it is to be computed on here; as it was saved if not given.
        classes : sequence of classes and functions, optional
            Heads, strategies, updates and losses of your own that it was tuned with.
        """

        def parse(folder: SealedFolder) -> Any:
            config = read_config(folder, cls.__name__)
            parameters = unpack_parameters(
                cls, config["parameters"], folder, classes=[KeySelector, *classes]
            )
            if backbone is not None:
                parameters["backbone"] = backbone
            if runtime is not None:
                parameters["runtime"] = runtime
            extractor = cls(**parameters)
            extractor._load_state(folder, config["state"])
            return extractor

        loaded: Self = read_sealed(path, KIND, parse)
        return loaded

    def _card(self, notes: CardNotes | None) -> str:
        settings = self.settings()
        learnt = {"loss": self._tuned().facts.objective}
        shown = {_LABELS.get(name, name): getattr(settings, name) for name in self._on_card}
        return model_card(
            CardFacts(
                backbone=settings.backbone,
                maker=type(self).__name__,
                kind=self._kind,
                learnt_from=self._learnt_from,
                settings=learnt | shown,
                random_state=settings.random_state,
                tuned=self._tuned(),
                notes=notes or CardNotes(),
            )
        )

    def _check_unchanged(self) -> None:
        """Refuse to save parameters that are not those of the fit; how it is read may change."""
        was, now = self._tuned().facts.fitted_with, self.settings().deciding()
        shapes = ("head", "update", "participants", "training")
        changed = sorted(
            name.removeprefix("settings.")
            for name in was
            # of classes the name alone: one's own may have another module in another program
            if name.split(".")[1] in shapes
            and _class_or_value(name, was[name]) != _class_or_value(name, now.get(name, ""))
        )
        if changed:
            raise ValueError(
                f"{', '.join(changed)} changed by set_params since this was tuned, so that the "
                "saved parameters would not be those of its weights: set them back, or clone it "
                "and fit again"
            )

    def _save_state(self, folder: Path) -> dict[str, Any]:
        self._check_unchanged()
        return write_tuned(folder, self._tuned())

    def _load_state(self, folder: SealedFolder, state: Mapping[str, Any]) -> None:
        settings = self.settings()
        self.tuned_ = read_tuned(folder, state, settings.backbone, settings.new_model)


def _class_or_value(name: str, text: str) -> str:
    """Return the class's own name where ``name`` is of settings, the value of a parameter."""
    return text.rpartition(".")[2] if name.count(".") == 1 else text
