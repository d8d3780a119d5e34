"""The mel spectrogram of the audio."""

from pathlib import Path

import numpy as np
import xarray as xr

from encodekit.core import import_extra
from encodekit.data import Stimulus
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._lanczos import Lanczos

_RATE = 16000
_FLOOR = 1e-10  # power of silence


class MelSpectrogram(FeatureExtractor):
    """Log power in mel bands: 25 ms Hann windows every 10 ms of the audio at 16 kHz, in decibels.

    Needs ``encodekit[acoustic]`` (librosa).

    Parameters
    ----------
    n_mels : int
        Number of bands.
    fmin, fmax : float
        Hz.
    history, resample, cache
        As in `FeatureExtractor`.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import Stimulus
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000 * 8) / 16000).astype("float32")
    >>> MelSpectrogram(n_mels=8).transform([Stimulus("tone", tone, 16000, t_r=2.0)]).shape
    (4, 8)
    """

    history = 32.0

    def __init__(
        self,
        n_mels: int = 32,
        *,
        fmin: float = 0.0,
        fmax: float = 8000.0,
        history: float = 32.0,
        resample: str | Lanczos = "lanczos",
        cache: str | Path | None = None,
    ) -> None:
        self.n_mels = n_mels
        self.fmin = fmin
        self.fmax = fmax
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the log-mel spectrogram (time, n_mels), a frame at the centre of each window."""
        librosa = import_extra("librosa", extra="acoustic", purpose="MelSpectrogram")
        power = librosa.feature.melspectrogram(
            y=stimulus.load_audio(_RATE),
            sr=_RATE,
            n_fft=400,
            hop_length=160,
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.fmax,
        )
        decibels = 10 * np.log10(np.maximum(power, _FLOOR)).T
        return xr.DataArray(
            decibels.astype(np.float32),
            dims=("time", "feature"),
            coords={
                "seconds": ("time", np.arange(decibels.shape[0]) * 160 / _RATE),
                "name": ("feature", [f"mel.{i:02d}" for i in range(self.n_mels)]),
            },
        )
