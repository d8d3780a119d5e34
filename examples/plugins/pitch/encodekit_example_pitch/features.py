"""Pitch: how high the voice is, and how much of the time there is one."""

from pathlib import Path

import numpy as np
import xarray as xr

from encodekit import FeatureExtractor, Lanczos, Stimulus

_RATE = 16_000  # Hz
_HOP = 256  # samples: a frame every 16 ms


class PitchFeatures(FeatureExtractor):
    """Two features: pitch in octaves above ``fmin`` (0 where no voice is), and voicing (0 or 1).

    By probabilistic YIN (Mauch & Dixon 2014), on frames of 64 ms every 16 ms.

    Parameters
    ----------
    fmin, fmax : float
        Hz, the range that is searched.
    history, resample, cache
        As in `encodekit.FeatureExtractor`.
    """

    def __init__(
        self,
        fmin: float = 65.0,
        fmax: float = 400.0,
        *,
        history: float = 16.0,
        resample: str | Lanczos = "mean",
        cache: str | Path | None = None,
    ) -> None:
        self.fmin = fmin
        self.fmax = fmax
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return pitch and voicing (time, 2), a frame at the centre of each window."""
        import librosa

        f0, voiced, _ = librosa.pyin(
            stimulus.load_audio(_RATE),
            sr=_RATE,
            fmin=self.fmin,
            fmax=self.fmax,
            frame_length=1024,
            hop_length=_HOP,
            fill_na=self.fmin,
        )
        octaves = np.where(voiced, np.log2(f0 / self.fmin), 0.0)
        return xr.DataArray(
            np.stack([octaves, voiced], axis=1).astype(np.float32),
            dims=("time", "feature"),
            coords={
                "seconds": ("time", np.arange(f0.size) * _HOP / _RATE),
                "name": ("feature", ["pitch", "voicing"]),
            },
        )
