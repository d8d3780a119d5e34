"""The length of a FLAC whose header does not state it, as one that was written into a pipe."""

from typing import Any

_INFO = 18  # where 20 bits of rate, 3 of channels, 5 of depth and 36 of length begin
_LENGTH = (1 << 36) - 1
_SIZES = {1: 192, **{n: 144 << n for n in range(2, 6)}, **{n: 1 << n for n in range(8, 16)}}


def state_length(content: Any) -> bool:
    """Write the number of samples into the header where it states none.

    It is where the last frame begins and ends. ``content`` is a private copy.
    """
    info = int.from_bytes(content[_INFO : _INFO + 8], "big")
    if content[4] & 127 or info & _LENGTH:
        return False
    block = int.from_bytes(content[10:12], "big")  # the largest; of all but the last, where fixed
    at = len(content)
    while (at := content.rfind(b"\xff", 0, at)) > 0:
        n_samples = _end_of_frame(bytes(content[at : at + 16]), block)
        if n_samples:
            content[_INFO : _INFO + 8] = (info | n_samples).to_bytes(8, "big")
            return True
    return False


def _end_of_frame(head: bytes, block: int) -> int:
    """Return the sample at which a frame ends, by its header; 0 where it is none."""
    if len(head) < 6 or head[1] & 0xFE != 0xF8:
        return 0
    ones = 8 - (head[4] ^ 0xFF).bit_length()  # of the first byte: how many say the number
    end = 4 + max(ones, 1)
    number = head[4] & (0x7F >> ones)
    for byte in head[5:end]:
        number = number << 6 | byte & 0x3F
    size, more = head[2] >> 4, {6: 1, 7: 2}.get(head[2] >> 4, 0)
    n_samples = int.from_bytes(head[end : end + more], "big") + 1 if more else _SIZES.get(size, 0)
    end += more + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if not n_samples or _crc8(head[: end + 1]):
        return 0
    return (number if head[1] & 1 else number * block) + n_samples


def _crc8(content: bytes) -> int:
    """Return the checksum of a frame's header: 0 where its own follows it."""
    rest = 0
    for byte in content:
        rest ^= byte
        for _ in range(8):
            rest = (rest << 1 ^ 0x07 if rest & 0x80 else rest << 1) & 0xFF
    return rest
