"""What a speech model can be tuned on without a brain: the settings that say so."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from encodekit.core import Settings
from encodekit.data import RunList, Stimulus
from encodekit.features import Streamed
from encodekit_brain_tuning.backbones import Backbone
from encodekit_brain_tuning.training import Objective, TuningModel


@dataclass(frozen=True)
class Prepared:
    """An objective, what its head predicts, and how the tuned model is taken out of it.

    Attributes
    ----------
    objective : Objective
    release : callable -> TuningModel
    participants : tuple of str
        Whose targets they are; one name of ours where there is no brain.
    keys : tuple of str
        Names of the targets.
    n_targets : int
        How many values the head predicts per TR, or per frame.
    backbone : Backbone
        Of the model that is tuned.
    head_alpha : float or None
        Penalty of the ridge solution that the head began at.
    """

    objective: Objective
    release: Callable[[], TuningModel]
    participants: tuple[str, ...]
    keys: tuple[str, ...]
    n_targets: int
    backbone: Backbone
    head_alpha: float | None = None


@dataclass(frozen=True)
class Setup:
    """What an objective on stimuli alone is made from.

    Attributes
    ----------
    backbone : str
    stimuli, validation : list of Stimulus
    windows : Streamed or Exact
    seed : int
    new_model : callable (n_targets) -> TuningModel
        A pretrained backbone, prepared for what learns, with one linear head.
    on_responses : callable (responses, validation responses or None) -> Prepared
        Learns them as if they were fMRI.
    """

    backbone: str
    stimuli: Sequence[Stimulus]
    validation: Sequence[Stimulus]
    windows: Any
    seed: int
    new_model: Callable[[int], TuningModel]
    on_responses: Callable[[RunList, RunList | None], Prepared]

    @property
    def streamed(self) -> Streamed:
        """The windows, where only long ones will do."""
        if not isinstance(self.windows, Streamed):
            raise ValueError(
                f"windows={self.windows!r}: frames are masked in long windows: pass Streamed(...)"
            )
        return self.windows


class StimulusObjective(Settings):
    """What is learnt from stimuli alone; a subclass makes the objective in ``prepare``."""

    choices: ClassVar[Mapping[str, Any]] = {}
    has_r: ClassVar[bool] = False  # whether validation measures r

    @abstractmethod
    def prepare(self, setup: Setup) -> Prepared:
        """Return the objective.

        Raises
        ------
        ValueError
            If the backbone cannot be tuned so.
        """
