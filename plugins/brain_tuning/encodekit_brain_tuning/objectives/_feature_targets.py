"""Other features of the stimuli, learnt as if somebody's fMRI followed them."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from encodekit.data import RunList, Stimulus
from encodekit_brain_tuning.baselines import acoustic_targets, language_model_targets
from encodekit_brain_tuning.objectives._base import Prepared, Setup, StimulusObjective


class FeatureTargets(StimulusObjective):
    """Features on the TRs, delayed as the haemodynamic response; a subclass computes them."""

    has_r = True

    @abstractmethod
    def responses(self, stimuli: Sequence[Stimulus]) -> RunList:
        """Return one response per run."""

    def prepare(self, setup: Setup) -> Prepared:
        """Return the objective of predicting them."""
        held = self.responses(setup.validation) if len(setup.validation) else None
        return setup.on_responses(self.responses(setup.stimuli), held)


class LanguageModelLayers(FeatureTargets):
    """Layers of a causal language model that reads the words that are spoken.

    The LLM-tuned baseline of Moussa & Toneva (2025).

    Parameters
    ----------
    model : str or path
        A folder, or a hub id.
    layer : None, int or list of int
        18/32 to 24/32 of the depth if not given: layers 18 to 24 of Llama2-7B, as published.
    lookback : int
        Words that each word's representation sees at least, see `encodekit.TextFeatures`.
    """

    model: str | Path = "gpt2"
    layer: int | Sequence[int] | None = None
    lookback: int = 100

    def responses(self, stimuli: Sequence[Stimulus]) -> RunList:
        """Return one response per run."""
        layer: Any = self.layer
        return language_model_targets(stimuli, self.model, layer, lookback=self.lookback)


class AcousticBands(FeatureTargets):
    """Mel bands of the sound: tuning that can learn nothing but acoustics.

    Parameters
    ----------
    n_mels : int
    """

    n_mels: int = 32

    def responses(self, stimuli: Sequence[Stimulus]) -> RunList:
        """Return one response per run."""
        return acoustic_targets(stimuli, self.n_mels)
