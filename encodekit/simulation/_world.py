"""What all simulated participants share: stimuli, latents, places, maps."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from encodekit.data import Stimulus
from encodekit.simulation._brain import Latents, follows_under, smoothing_maps
from encodekit.simulation._design import Design
from encodekit.simulation._places import Places

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class World:
    """What all participants share.

    Attributes
    ----------
    kinds : ndarray of str, (vertex,)
        Whose parts of the latents each target follows.
    null : str, optional
        ``"nothing"`` or ``"unrelated"``.
    fields : ndarray, (field, vertex)
        The shared maps: those of the parts' features, then of the signal's strength.
    smoothing : ndarray, (part, vertex)
        Over how many seconds each target gathers each part.
    heard : list of ndarray, (step, latent)
        One per run.
    """

    design: Design
    places: Places
    latents: Latents
    kinds: NDArray[np.str_]
    null: str | None
    fields: Floats
    smoothing: Floats
    stimuli: list[Stimulus]
    heard: list[Floats]

    @cached_property
    def times(self) -> list[Floats]:
        """The middle of each TR within the audio, s, for each run."""
        return [stimulus.grid + stimulus.offset for stimulus in self.stimuli]

    @property
    def follows(self) -> NDArray[np.str_]:
        """What each target follows: its kind, unrelated or nothing."""
        return follows_under(self.kinds, self.null)


def shared_maps(design: Design, places: Places, latents: Latents) -> tuple[Floats, Floats]:
    """Draw the maps that people share, and over how many seconds each target gathers."""
    rng = design.rng("shared map")
    fields = places.smooth_fields(rng, latents.n_fields)
    return fields, smoothing_maps(latents, places, rng)
