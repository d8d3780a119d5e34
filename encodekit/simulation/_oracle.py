"""The features that the simulated language areas really follow: the best that a model can find."""

from pathlib import Path

import numpy as np
import xarray as xr

from encodekit.data import Stimulus
from encodekit.features import FeatureExtractor, Lanczos
from encodekit.simulation._latents import SMOOTHING, STEP, gather, word_impulses


class TrueMeaning(FeatureExtractor):
    """The true word vectors of a simulated study, gathered over 2, 4 and 8 s.

    What a pipeline reaches with these features, with the same delays and the same amount of data,
    is the most that any speech model can reach with it in the language areas.

    Parameters
    ----------
    word_vector : DataArray (word, dimension)
        ``study.truth["word_vector"]``.
    history, resample, cache
        As in `FeatureExtractor`.

    Examples
    --------
    >>> from encodekit.simulation import simulate_study
    >>> study = simulate_study(1, 2, minutes=0.5, n_test=1, vertices=20, cache=False)
    >>> TrueMeaning(study.truth["word_vector"]).transform(study.stimuli).shape
    (30, 36)
    """

    resample = "mean"

    def __init__(
        self,
        word_vector: xr.DataArray,
        *,
        history: float = 16.0,
        resample: str | Lanczos = "mean",
        cache: str | Path | None = None,
    ) -> None:
        self.word_vector = word_vector
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the gathered vectors (time, 3 * dimensions), ten frames a second."""
        if stimulus.words is None or stimulus.audio_duration is None:
            raise ValueError(
                f"stimulus {stimulus.name!r} has no words or no audio: TrueMeaning needs the "
                "stimuli of a simulated study"
            )
        n_steps = int(np.ceil(stimulus.audio_duration / STEP - 1e-9))
        words = self.word_vector.coords["word"].values.tolist()
        vectors = dict(zip(words, self.word_vector.values, strict=True))
        impulses = word_impulses(stimulus.words, vectors, n_steps)
        values = np.hstack([gather(impulses, seconds) for seconds in SMOOTHING])
        n_dimensions = impulses.shape[1]
        names = [f"{seconds:g}s.{row:02d}" for seconds in SMOOTHING for row in range(n_dimensions)]
        return xr.DataArray(
            values,
            dims=("time", "feature"),
            coords={
                "seconds": ("time", (np.arange(n_steps) + 0.5) * STEP),
                "name": ("feature", names),
            },
        )
