"""Decode, check and hash sound."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import present_file, refuse
from encodekit.data._sound_files import read_sound, sound_size

Samples = NDArray[np.float32]

_LOUDEST = 30.0  # decoding and mixing overshoot 1, not by 30 dB; more is the scale of integers
_WHOLE = 8.0  # from here on, nothing but whole numbers is the scale of integers too


def describe_file(path: Path, stated: int | None) -> tuple[int, int]:
    """Return (number of samples, sampling rate in Hz) of a sound file, mostly from its header.

    An .npy file holds mono float samples and does not know its rate: the ``stated`` one counts.
    """
    present_file(path)
    if path.suffix != ".npy":
        return sound_size(path)
    if stated is None:
        raise ValueError(f"audio {str(path)!r} does not say its rate: pass sampling_rate=")
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    refuse(f"audio {path.name!r}", kind_mistakes(stored))
    return int(stored.size), int(stated)


def decode_file(path: Path) -> Samples:
    """Return the samples of a sound file, float32 (sample,); several channels are averaged."""
    present_file(path)
    if path.suffix == ".npy":
        stored = np.load(path, allow_pickle=False)
        refuse(f"audio {path.name!r}", kind_mistakes(stored))
        return np.ascontiguousarray(stored, dtype=np.float32)
    samples = read_sound(path)
    mono: Samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    return np.ascontiguousarray(mono, dtype=np.float32)


def array_mistakes(audio: NDArray[Any]) -> list[str]:
    """Return what is wrong with an array of samples."""
    return kind_mistakes(audio) or sample_mistakes(audio)


def kind_mistakes(audio: NDArray[Any]) -> list[str]:
    """Return what is wrong with the shape and the type of an array of samples."""
    if audio.ndim != 1:
        return [f"audio has shape {audio.shape}, expected (n_samples,): average its channels"]
    if not np.issubdtype(audio.dtype, np.floating):
        return [
            f"audio is {audio.dtype}, expected float in -1..1: divide by the largest number "
            "the integers can hold (int16: audio / 32768)"
        ]
    return []


def sample_mistakes(audio: NDArray[Any]) -> list[str]:
    """Return what is wrong with samples: none at all, NaN or infinite ones, units of integers."""
    if audio.size == 0:
        return ["audio is empty (0 samples): leave audio=None where there is none"]
    bad = np.flatnonzero(~np.isfinite(audio))
    if bad.size:
        return [
            f"audio has {bad.size} of {audio.size} samples that are NaN or infinite, the first "
            f"at sample {bad[0]}: mend or cut the recording"
        ]
    loudest = float(max(audio.max(), -audio.min()))
    whole = loudest >= _WHOLE and bool((audio == np.rint(audio)).all())
    if not (whole or loudest > _LOUDEST):
        return []
    return [
        f"audio reaches {loudest:g}, expected float in -1..1: divide by the largest number of "
        "the integers that it was read as (int16: audio / 32768)"
    ]


def resample(samples: Samples, old: int, new: int) -> Samples:
    """Return the samples at another rate (soxr, very high quality)."""
    if old == new:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, old, new, quality="VHQ"), dtype=np.float32)


def checked(samples: Samples, subject: str) -> Samples:
    """Return the samples, or raise where `sample_mistakes` finds one."""
    refuse(subject, sample_mistakes(samples))
    return samples


def hash_samples(samples: Samples, rate: int) -> str:
    """Return the sha256 of the samples (little-endian float32) and their rate.

    A zero has no sign: files of whole numbers, such as FLAC, do not keep it.
    """
    digest = hashlib.sha256(f"audio {rate} Hz ".encode())
    digest.update((np.ascontiguousarray(samples, dtype="<f4") + np.float32(0)).data)
    return digest.hexdigest()
