"""The features that simulated regions really follow: the best that a model can find."""

from pathlib import Path

import numpy as np
import xarray as xr

from encodekit.data import Stimulus
from encodekit.features import FeatureExtractor, Lanczos
from encodekit.simulation._follows import Follows
from encodekit.simulation._latents import SMOOTHING
from encodekit.simulation._steps import STEP


class TrueFeatures(FeatureExtractor):
    """What a region of `simulate_responses` follows, gathered over all of its seconds.

    What a pipeline reaches with these features, with the same delays and the same amount of data,
    is the most that any model can reach with it in that region.

    Parameters
    ----------
    follows : Follows
    history, resample, cache
        As in `FeatureExtractor`.

    Examples
    --------
    >>> import pandas as pd
    >>> words = pd.DataFrame({"word": ["sun"], "onset": [1.0], "duration": [0.3]})
    >>> story = Stimulus("story-1", words=words, t_r=2.0, duration=8.0)
    >>> TrueFeatures(Follows({"sun": [1.0]}, seconds=(2, 4))).transform([story]).values.tolist()
    [[0.5, 0.5], [0.5, 1.0], [0.0, 0.5], [0.0, 0.0]]
    """

    resample = "mean"

    def __init__(
        self,
        follows: Follows,
        *,
        history: float = 16.0,
        resample: str | Lanczos = "mean",
        cache: str | Path | None = None,
    ) -> None:
        self.follows = follows
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the gathered features (time, seconds x feature), ten frames a second."""
        return _frames(self.follows, stimulus)


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
        return _frames(Follows(self.word_vector, seconds=SMOOTHING), stimulus)


def _frames(follows: Follows, stimulus: Stimulus) -> xr.DataArray:
    values = follows.gathered(stimulus)
    n_features = values.shape[1] // len(follows.gathered_over)
    names = [f"{s:g}s.{row:02d}" for s in follows.gathered_over for row in range(n_features)]
    return xr.DataArray(
        values,
        dims=("time", "feature"),
        coords={
            "seconds": ("time", (np.arange(len(values)) + 0.5) * STEP),
            "name": ("feature", names),
        },
    )
