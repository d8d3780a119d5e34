"""Decode, check and hash sound."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.core import present_file, refuse

Samples = NDArray[np.float32]

_LOUDEST = 1000.0  # decoding overshoots 1; more is the scale of integers


def describe_file(path: Path, stated: int | None) -> tuple[int, int]:
    """Return (number of samples, sampling rate in Hz) of a sound file, from its header alone.

    An .npy file holds mono float samples and does not know its rate: the ``stated`` one counts.
    """
    present_file(path)
    if path.suffix == ".npy":
        if stated is None:
            raise ValueError(f"audio {str(path)!r} does not say its rate: pass sampling_rate=")
        return int(np.load(path, mmap_mode="r", allow_pickle=False).size), int(stated)
    import soundfile

    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"audio {str(path)!r} cannot be read as sound ({error}): convert it to WAV or FLAC"
        ) from error
    _refuse_truncated_wav(path)
    return int(info.frames), int(info.samplerate)


def _refuse_truncated_wav(path: Path) -> None:
    """Raise where a RIFF file is shorter than its header states; libsndfile reads what is left."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return
    stated, there = int.from_bytes(head[4:8], "little") + 8, path.stat().st_size
    if stated - there > 1 and stated != 0xFFFFFFFF + 8:  # a pad byte may lack; -1: a stream
        raise ValueError(
            f"audio {str(path)!r} is truncated: its header states {stated} bytes but {there} are "
            "there: copy or download it again"
        )


def decode_file(path: Path) -> Samples:
    """Return the samples of a sound file, float32 (sample,); several channels are averaged."""
    if path.suffix == ".npy":
        stored = np.load(path, allow_pickle=False)
        refuse(f"audio {path.name!r}", array_mistakes(stored))
        return np.ascontiguousarray(stored, dtype=np.float32)
    import soundfile

    n_stated, _ = describe_file(path, None)
    try:
        samples, _ = soundfile.read(str(path), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"audio {str(path)!r} is damaged ({error}): copy it again") from error
    if len(samples) != n_stated:
        raise ValueError(
            f"audio {str(path)!r} is truncated: its header states {n_stated} samples but "
            f"{len(samples)} can be read: copy or download it again"
        )
    mono: Samples = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    return np.ascontiguousarray(mono, dtype=np.float32)


def array_mistakes(audio: NDArray[Any]) -> list[str]:
    """Return what is wrong with an array of samples."""
    if audio.ndim != 1:
        return [f"audio has shape {audio.shape}, expected (n_samples,): average its channels"]
    if not np.issubdtype(audio.dtype, np.floating):
        return [
            f"audio is {audio.dtype}, expected float in -1..1: divide by the largest number "
            "the integers can hold (int16: audio / 32768)"
        ]
    if audio.size == 0:
        return ["audio is empty (0 samples): leave audio=None where there is none"]
    mistakes = finite_mistakes(audio)
    loudest = 0.0 if mistakes else float(max(audio.max(), -audio.min()))
    if loudest > _LOUDEST:
        mistakes.append(
            f"audio reaches {loudest:g}, expected float in -1..1: divide by the largest number of "
            "the integers that it was read as (int16: audio / 32768)"
        )
    return mistakes


def finite_mistakes(audio: NDArray[Any]) -> list[str]:
    """Return where the samples are NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(audio))
    if bad.size == 0:
        return []
    return [
        f"audio has {bad.size} of {audio.size} samples that are NaN or infinite, the first "
        f"at sample {bad[0]}: mend or cut the recording"
    ]


def resample(samples: Samples, old: int, new: int) -> Samples:
    """Return the samples at another rate (soxr, very high quality)."""
    if old == new:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, old, new, quality="VHQ"), dtype=np.float32)


def checked(samples: Samples, subject: str) -> Samples:
    """Return the samples, or raise where they are empty, NaN or infinite."""
    refuse(subject, ["audio is empty (0 samples)"] if samples.size == 0 else [])
    refuse(subject, finite_mistakes(samples))
    return samples


def hash_samples(samples: Samples, rate: int) -> str:
    """Return the sha256 of the samples (little-endian float32) and their rate.

    A zero has no sign: files of whole numbers, such as FLAC, do not keep it.
    """
    digest = hashlib.sha256(f"audio {rate} Hz ".encode())
    digest.update((np.ascontiguousarray(samples, dtype="<f4") + np.float32(0)).data)
    return digest.hexdigest()
