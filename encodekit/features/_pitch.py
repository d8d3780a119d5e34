"""The voice's pitch: a nuisance that speech models must beat."""

from pathlib import Path

import numpy as np
import xarray as xr

from encodekit.core import import_extra
from encodekit.data import Stimulus
from encodekit.features._extractor import FeatureExtractor
from encodekit.features._lanczos import Lanczos

_RATE = 16000
_FRAME, _HOP = 1024, 256  # samples: 64 ms, every 16 ms


class Pitch(FeatureExtractor):
    """Fundamental frequency by pYIN: octaves from the run's median, and whether there is voice.

    ``pitch`` is ``log2(f0 / median f0)``, 0 (the median) in frames without voice; ``voiced`` is
    the probability of voice. A frame of 64 ms every 16 ms. Needs ``encodekit[acoustic]`` (librosa).

    Parameters
    ----------
    fmin, fmax : float
        Hz; where the voice's pitch is looked for.
    history, resample, cache
        As in `FeatureExtractor`.

    Examples
    --------
    >>> import numpy as np
    >>> from encodekit.data import Stimulus
    >>> t = np.arange(16000 * 4) / 16000
    >>> voice = np.sign(np.sin(2 * np.pi * np.where(t < 2, 100, 200) * t)).astype("float32")
    >>> rows = Pitch(resample="mean").transform([Stimulus("a", voice / 2, 16000, t_r=2.0)])
    >>> bool(0.8 < rows.values[1, 0] - rows.values[0, 0] < 1.1)
    True
    """

    history = 16.0
    resample = "lanczos"

    def __init__(
        self,
        *,
        fmin: float = 60.0,
        fmax: float = 400.0,
        history: float = 16.0,
        resample: str | Lanczos = "lanczos",
        cache: str | Path | None = "auto",
    ) -> None:
        self.fmin = fmin
        self.fmax = fmax
        self.history = history
        self.resample = resample
        self.cache = cache

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return pitch and voice (time, 2), a frame at the centre of each window."""
        librosa = import_extra("librosa", extra="acoustic", purpose="Pitch")
        f0, _, voiced = librosa.pyin(
            stimulus.load_audio(_RATE),
            fmin=self.fmin,
            fmax=self.fmax,
            sr=_RATE,
            frame_length=_FRAME,
            hop_length=_HOP,
        )
        heard = np.isfinite(f0)
        middle = np.median(f0[heard]) if heard.any() else 1.0
        octaves = np.log2(np.where(heard, f0, middle) / middle)
        return xr.DataArray(
            np.stack([octaves, voiced], axis=1).astype(np.float32),
            dims=("time", "feature"),
            coords={
                "seconds": ("time", np.arange(f0.size) * _HOP / _RATE),
                "name": ("feature", ["pitch", "voiced"]),
            },
        )
