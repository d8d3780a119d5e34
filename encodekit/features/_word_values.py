"""Values of words, such as surprisal or frequency: one impulse at each onset."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import shown, unknown_name
from encodekit.data import Stimulus
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._lanczos import Lanczos

_MISSING = ("raise", "zero", "mean")


class WordValues(FeatureExtractor):
    """Columns of the words table: an impulse of a word's value at its onset, by `Lanczos`.

    For values that are known word by word: surprisal, log frequency, sound power, syntactic depth.
    Values are taken as they are. A word of value 0 is no impulse, so a column that is far from 0
    goes with `WordRate`: subtract its mean first, or control for word rate.

    Parameters
    ----------
    columns : str or sequence of str
        Of numbers, in the ``words`` of each stimulus.
    missing : {"raise", "zero", "mean"}
        Words without a value (NaN): refused; no impulse; or the mean of the known words of the
        same run.
    history, resample, cache
        As `WordRate`: ``history`` is 32 s, what `CanonicalHRF` needs.

    Raises
    ------
    ValueError
        By ``transform``: if a stimulus has no words or no such column, a column holds no numbers,
        or NaN where that is refused.

    Examples
    --------
    >>> import pandas as pd
    >>> from encodekit.data import Stimulus
    >>> words = pd.DataFrame({"word": ["a", "b"], "onset": [0.5, 3.0], "duration": [0.2, 0.2],
    ...                       "surprisal": [2.0, float("nan")]})
    >>> story = Stimulus("story-1", words=words, t_r=2.0, duration=6.0)
    >>> values = WordValues("surprisal", missing="zero", resample="sum")
    >>> values.transform([story]).values.ravel().tolist()
    [2.0, 0.0, 0.0]
    """

    history = 32.0
    events = True

    def __init__(
        self,
        columns: str | Sequence[str],
        *,
        missing: str = "raise",
        history: float = 32.0,
        resample: str | Lanczos = "lanczos",
        cache: str | Path | None = None,
    ) -> None:
        self.columns = columns
        self.missing = missing
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the values at the onsets (time, column)."""
        if self.missing not in _MISSING:
            raise ValueError(f"WordValues: {unknown_name('missing', self.missing, _MISSING)}")
        where = f"WordValues: run {shown(stimulus.run_name)}"
        words = words_of(stimulus, "WordValues")
        names = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        if not names:
            raise ValueError("WordValues: columns is empty: name columns of words")
        values = [_filled(words, name, self.missing, where) for name in names]
        return xr.DataArray(
            np.stack(values, axis=1),
            dims=("time", "feature"),
            coords={
                "seconds": ("time", words["onset"].to_numpy(dtype=np.float64)),
                "name": ("feature", names),
            },
        )


def words_of(stimulus: Stimulus, who: str) -> pd.DataFrame:
    """Return the words of a run, or raise where it has none."""
    if stimulus.words is None:
        raise ValueError(
            f"{who}: run {shown(stimulus.run_name)} has no words: pass Stimulus(words=) with their "
            "columns"
        )
    return stimulus.words


def _filled(words: pd.DataFrame, name: str, missing: str, where: str) -> NDArray[np.float32]:
    """Return a column (word,) without NaN."""
    if name not in words:
        raise ValueError(f"{where}: {unknown_name('column of words', name, list(words.columns))}")
    if not pd.api.types.is_numeric_dtype(words[name]):
        raise ValueError(
            f"{where}: column {name!r} of words holds {words[name].dtype}, expected numbers"
        )
    values = words[name].to_numpy(dtype=np.float64)
    unknown = ~np.isfinite(values)
    if not unknown.any():
        return values.astype(np.float32)
    if missing == "raise" or (missing == "mean" and unknown.all()):
        first = int(np.flatnonzero(unknown)[0])
        raise ValueError(
            f"{where}: column {name!r} has no value for {int(unknown.sum())} of {values.size} "
            f"words, the first is {shown(str(words['word'].iloc[first]))} at "
            f"{words['onset'].iloc[first]:g} s: pass missing='zero' (no impulse) or missing='mean' "
            "(of the known words of the run), or fill them yourself"
        )
    fill = 0.0 if missing == "zero" else values[~unknown].mean()
    return np.where(unknown, fill, values).astype(np.float32)
