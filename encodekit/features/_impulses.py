"""Rates of words and phones: one impulse at each onset."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.data import Stimulus
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._lanczos import Lanczos


class WordRate(FeatureExtractor):
    """Words per TR: an impulse of 1 at the onset of each word, low-passed by `Lanczos`.

    ``resample="sum"`` counts the words within each TR instead, which loses where in the TR they
    began. Needs ``words`` (columns word, onset, duration) in each stimulus. ``history`` is 32 s,
    what `CanonicalHRF` needs.

    Examples
    --------
    >>> import pandas as pd
    >>> from encodekit.data import Stimulus
    >>> words = pd.DataFrame({"word": ["a", "b"], "onset": [0.5, 3.0], "duration": [0.2, 0.2]})
    >>> story = Stimulus("story-1", words=words, t_r=2.0, duration=6.0)
    >>> WordRate(resample="sum").transform([story]).values.ravel().tolist()
    [1.0, 1.0, 0.0]
    """

    history = 32.0
    events = True
    _table = "words"
    _name = "word_rate"

    def __init__(
        self,
        *,
        history: float = 32.0,
        resample: str | Lanczos = "lanczos",
        cache: str | Path | None = None,
    ) -> None:
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return ones at the onsets (time, 1)."""
        table: pd.DataFrame | None = getattr(stimulus, self._table)
        if table is None:
            raise ValueError(
                f"{type(self).__name__}: run {stimulus.run_name!r} has no {self._table}: pass "
                f"Stimulus({self._table}=) with the columns {self._table[:-1]}, onset, duration"
            )
        onsets = table["onset"].to_numpy(dtype=np.float64)
        return xr.DataArray(
            np.ones((onsets.size, 1), dtype=np.float32),
            dims=("time", "feature"),
            coords={"seconds": ("time", onsets), "name": ("feature", [self._name])},
        )


class PhoneRate(WordRate):
    """Phones per TR, as `WordRate`; needs ``phones`` in each stimulus."""

    _table = "phones"
    _name = "phone_rate"
