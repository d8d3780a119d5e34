"""Open sound files so that they are read to their end, and refuse those that were cut short."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.data._flac import state_length
from encodekit.data._mp3 import scan_mp3
from encodekit.data._riff import close_sizes, is_truncated

_SYNC = 0xFFE0  # what a frame of MPEG begins with
_PAGE = 27  # bytes of the header of an Ogg page


def sound_size(path: Path) -> tuple[int, int]:
    """Return (number of samples, sampling rate in Hz) of a sound file.

    Raises
    ------
    ValueError
        Where it cannot be read as sound, or was cut short.
    """
    with open_sound(path) as sound:
        return int(sound.frames), int(sound.samplerate)


def read_sound(path: Path) -> NDArray[np.float32]:
    """Return all samples, float32 (sample, channel).

    Raises
    ------
    ValueError
        As `sound_size`, and where the sound is damaged or shorter than its header states.
    """
    import soundfile

    try:
        with open_sound(path) as sound:
            n_stated = int(sound.frames)
            samples: NDArray[np.float32] = sound.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"audio {str(path)!r} is damaged ({error}): copy it again") from error
    if len(samples) != n_stated:
        raise _truncated(path, f"{n_stated} samples", f"{len(samples)} can be read")
    return samples


@contextmanager
def open_sound(path: Path) -> Iterator[Any]:
    """Yield a `soundfile.SoundFile` whose ``frames`` are those that are there."""
    import soundfile

    with path.open("rb") as file:
        empty = path.stat().st_size == 0
        content = None if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    try:
        source = None if content is None else _mended(path, content)
        try:
            sound = soundfile.SoundFile(str(path) if source is None else source)
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"audio {str(path)!r} cannot be read as sound ({error}): convert it to WAV or FLAC"
            ) from error
        with sound:
            yield sound
    finally:
        if content is not None:
            content.close()


def _mended(path: Path, content: mmap.mmap) -> Any:
    """Return what to open in place of the file, or None where libsndfile reads all of it."""
    size = is_truncated(content)
    if size is not None:
        raise _truncated(path, f"{size.end} bytes", f"{len(content)} are there")
    if content[:4] == b"OggS":
        return _check_ogg(path, content)
    if content[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return content if close_sizes(content) else None
    if content[:4] == b"fLaC":
        return content if state_length(content) else None
    is_mpeg = content[:3] == b"ID3" or int.from_bytes(content[:2], "big") >= _SYNC
    return _mp3(path, bytes(content)) if is_mpeg or path.suffix.lower() == ".mp3" else None


def _mp3(path: Path, content: bytes) -> Any:
    found = scan_mp3(content)
    if found is None:
        return None
    stated, there = found.n_stated, found.n_frames
    if stated is not None and there < stated - 1:
        raise _truncated(path, f"{stated} frames of MPEG", f"{there} are there")
    if stated is not None and there <= stated + 1:
        return None  # the encoder says, too, how many samples of its own to leave out
    if found.is_cut:
        raise ValueError(
            f"audio {str(path)!r} ends within a frame of MPEG, after {there} whole ones: it was "
            "cut short. Copy or download it again, or, if nothing that was heard is lacking, "
            f"convert it by `ffmpeg -i {path.name} {path.stem}.wav`"
        )
    return found.with_tag(content)


def _check_ogg(path: Path, content: mmap.mmap) -> None:
    """Raise where the file ends within a page, or a second sound follows, which is not read."""
    at, began = 0, False
    while content[at : at + 4] == b"OggS":
        sizes = content[at + _PAGE : at + _PAGE + content[at + _PAGE - 1]]
        is_first = bool(content[at + 5] & 2)
        if is_first and began:
            raise ValueError(
                f"audio {str(path)!r} holds several sounds one after another, of which the first "
                f"would be read: convert it by `ffmpeg -i {path.name} {path.stem}.wav`"
            )
        began = began or not is_first
        at += _PAGE + len(sizes) + sum(sizes)
        if at > len(content):
            raise _truncated(path, f"{at} bytes", f"{len(content)} are there")


def _truncated(path: Path, stated: str, there: str) -> ValueError:
    return ValueError(
        f"audio {str(path)!r} is truncated: its header states {stated} but {there}: copy or "
        "download it again"
    )
