"""Sizes that the header of a sound file states, held against the bytes that are there.

Programs that write into a pipe cannot go back to the header: they leave 0 or the largest size
there. Such a file is whole, and its sound goes on to its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

_W64 = bytes.fromhex("2e91cf11a5d628db04c10000")  # after "riff"
_RIFF_LIKE = (b"RIFF", b"RIFX", b"RF64", b"FORM")
_PAD = 1  # bytes that may lack at the end
_FULL = 0xFFFFFFFF


@dataclass(frozen=True)
class Size:
    """A number in a header: ``end`` is where what it counts ends; ``at`` and ``width`` are its own.

    ``bytes_before`` is what lies before the first byte that it counts.
    """

    at: int
    width: int
    order: Literal["little", "big"]
    value: int
    bytes_before: int

    @property
    def end(self) -> int:
        """Where what is counted ends, in bytes of the file."""
        return self.bytes_before + self.value

    @property
    def is_open(self) -> bool:
        """Whether it stands for a size that was not known when the header was written."""
        if self.width == 8:
            return self.value == 0 or self.value >= 1 << 62
        near = (0x7F000000, 0x7FFFF000, 0x80000000)  # sox for AIFF; sox; arecord
        return (
            self.value == 0
            or self.value >= _FULL - 0xFFFF
            or any(place - 0x400 <= self.value <= place + 0x1000 for place in near)
        )

    def write(self, content: Any, end: int) -> None:
        """Let it state that what it counts goes on to ``end``."""
        value = min(end - self.bytes_before, (1 << 8 * self.width) - 2)
        content[self.at : self.at + self.width] = value.to_bytes(self.width, self.order)


def is_truncated(content: Any) -> Size | None:
    """Return the size that says that bytes are lacking at the end; None where nothing lacks."""
    whole, sound = _sizes(content)
    stated = sound if whole is None or whole.is_open else whole
    if stated is None or stated.is_open or stated.end <= len(content) + _PAD:
        return None
    return stated


def close_sizes(content: Any) -> bool:
    """Write the true sizes where a WAV states 0 bytes of sound but holds some.

    libsndfile reads to the end behind every other open size. ``content`` is a private copy.
    """
    whole, sound = _sizes(content)
    if sound is None or bytes(content[:4]) == b"FORM" or _is_w64(content):
        return False
    is_rf64 = bytes(content[:4]) == b"RF64"
    if not (sound.value == 0 or (is_rf64 and sound.is_open)):
        return False
    left = len(content) - sound.bytes_before
    stated = whole is not None and not whole.is_open and whole.end <= len(content) + _PAD
    if left <= 0 or (stated and _are_chunks(content, sound)):
        return False
    for size in (whole, sound):
        if size is not None:
            size.write(content, len(content))
    if is_rf64:
        content[36:44] = bytes(8)  # the number of samples, which follows from the size
    return True


def _sizes(content: Any) -> tuple[Size | None, Size | None]:
    """Return the sizes of the whole file and of its sound; None where they are not known."""
    head = bytes(content[:16])
    if _is_w64(content):
        return Size(16, 8, "little", _number(content, 16, 8, "little"), 0), None
    if head[:4] == b".snd":
        place = _number(content, 4, 4, "big")
        return None, Size(8, 4, "big", _number(content, 8, 4, "big"), place)
    if head[:4] not in _RIFF_LIKE or head[8:12] not in (b"WAVE", b"AIFF", b"AIFC"):
        return None, None
    order: Literal["little", "big"] = "big" if head[:4] in (b"RIFX", b"FORM") else "little"
    sound = next(
        (size for name, size in _chunks(content, 12, order) if name in (b"data", b"SSND")), None
    )
    if head[:4] != b"RF64" or head[12:16] != b"ds64":
        return Size(4, 4, order, _number(content, 4, 4, order), 8), sound
    whole = Size(20, 8, order, _number(content, 20, 8, order), 8)
    if sound is not None and sound.value == _FULL:
        sound = Size(28, 8, order, _number(content, 28, 8, order), sound.bytes_before)
    return whole, sound


def _is_w64(content: Any) -> bool:
    return bytes(content[:16]) == b"riff" + _W64


def _number(content: Any, at: int, width: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(content[at : at + width], order)


def _chunks(content: Any, at: int, order: Literal["little", "big"]) -> Iterator[tuple[bytes, Size]]:
    while at + 8 <= len(content):
        size = Size(at + 4, 4, order, _number(content, at + 4, 4, order), at + 8)
        yield bytes(content[at : at + 4]), size
        at = size.end + size.value % 2


def _are_chunks(content: Any, sound: Size) -> bool:
    """Return whether more chunks, and nothing else, follow a chunk of sound that is empty."""
    end = sound.end
    for name, size in _chunks(content, sound.end, sound.order):
        if not name.isascii() or not name.decode("ascii").isprintable():
            return False
        end = size.end + size.value % 2
    return len(content) <= end <= len(content) + _PAD
