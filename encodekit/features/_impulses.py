"""Rates of words and phones: one impulse for each."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import unknown_name
from encodekit.data import Stimulus
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._lanczos import Lanczos

_WHERE = {"onset": 0.0, "middle": 0.5, "end": 1.0}  # of the duration


class WordRate(FeatureExtractor):
    """Words per TR: an impulse of 1 for each word, low-passed by `Lanczos`.

    ``resample="sum"`` counts the words within each TR instead, which loses where in the TR they
    were. Needs ``words`` (columns word, onset, duration) in each stimulus.

    Parameters
    ----------
    at : {"onset", "middle", "end"}
        Where in a word its impulse is. The rate that the Huth lab publishes has it in the middle.
    history : float
        s; 32 is what `CanonicalHRF` needs.
    resample : {"lanczos", "mean", "sum"} or Lanczos
    cache : path, optional

    Raises
    ------
    ValueError
        By ``transform``: if a stimulus has no words; if words have no duration (0 s, which is not
        known) but ``at`` needs it.

    Examples
    --------
    >>> import pandas as pd
    >>> from encodekit.data import Stimulus
    >>> words = pd.DataFrame({"word": ["a", "b"], "onset": [0.5, 3.0], "duration": [0.2, 0.2]})
    >>> story = Stimulus("story-1", words=words, t_r=2.0, duration=6.0)
    >>> WordRate(resample="sum").transform([story]).values.ravel().tolist()
    [1.0, 1.0, 0.0]
    """

    at = "onset"
    history = 32.0
    events = True
    _table = "words"
    _name = "word_rate"

    def __init__(
        self,
        *,
        at: str = "onset",
        history: float = 32.0,
        resample: str | Lanczos = "lanczos",
        cache: str | Path | None = None,
    ) -> None:
        self.at = at
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return ones at the times of the words (time, 1)."""
        if self.at not in _WHERE:
            raise ValueError(f"{type(self).__name__}: {unknown_name('at', self.at, _WHERE)}")
        table: pd.DataFrame | None = getattr(stimulus, self._table)
        if table is None:
            raise ValueError(
                f"{type(self).__name__}: run {stimulus.run_name!r} has no {self._table}: pass "
                f"Stimulus({self._table}=) with the columns {self._table[:-1]}, onset, duration"
            )
        times = self._times(table, stimulus.run_name)
        return xr.DataArray(
            np.ones((times.size, 1), dtype=np.float32),
            dims=("time", "feature"),
            coords={"seconds": ("time", times), "name": ("feature", [self._name])},
        )

    def _times(self, table: pd.DataFrame, run: str) -> NDArray[np.float64]:
        """Return when the impulses are, s, in order; words may overlap."""
        onsets = table["onset"].to_numpy(dtype=np.float64)
        durations = table["duration"].to_numpy(dtype=np.float64)
        unknown = np.flatnonzero(durations == 0)
        if self.at != "onset" and unknown.size:
            first = table.iloc[unknown[0]]
            raise ValueError(
                f"{type(self).__name__}: run {run!r} has {unknown.size} {self._table} without a "
                f"duration, the first is {first[self._table[:-1]]!r} at {first['onset']:g} s: "
                f"at={self.at!r} needs to know when they end; give durations, drop these rows, or "
                "pass at='onset'"
            )
        return np.sort(onsets + _WHERE[self.at] * durations)


class PhoneRate(WordRate):
    """Phones per TR, as `WordRate`; needs ``phones`` in each stimulus."""

    _table = "phones"
    _name = "phone_rate"
