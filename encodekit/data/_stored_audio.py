"""Keep sound on disk without losing a bit: FLAC where it holds the samples, else npy."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def store_audio(samples: NDArray[np.float32], rate: int, path: Path) -> Path:
    """Write float32 samples to ``path`` with the suffix .flac or .npy, and return that path.

    FLAC holds samples that are whole numbers of 16 or 24 bits, as recordings are.
    """
    bits = _bits(samples)
    if bits is None or rate > 655350:
        np.save(path.with_suffix(".npy"), samples, allow_pickle=False)
        return path.with_suffix(".npy")
    import soundfile

    whole = np.rint(samples.astype(np.float64) * 2 ** (bits - 1)).astype(np.int32) << (32 - bits)
    soundfile.write(str(path.with_suffix(".flac")), whole, rate, subtype=f"PCM_{bits}")
    return path.with_suffix(".flac")


def _bits(samples: NDArray[np.float32]) -> int | None:
    for bits in (16, 24):
        scaled = samples.astype(np.float64) * 2 ** (bits - 1)
        if (scaled == np.rint(scaled)).all() and (scaled >= -(2 ** (bits - 1))).all():
            return bits if (scaled < 2 ** (bits - 1)).all() else None
    return None
