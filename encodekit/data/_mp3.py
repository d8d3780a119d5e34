"""How much sound an mp3 holds, counted frame by frame, and a stream that says so to its decoder."""

import io
from dataclasses import dataclass

_V1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # kbit/s, by index
_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz
_SAME = 0xFFFE0C00  # bits that all frames of a stream share: sync, version, layer, rate
_NO_CRC = 0x00010000
_LONGEST_TAG = 120  # bytes from the start of a frame to the end of a Xing tag without its table
_VBRI = 36  # bytes from the start of a frame to the tag of Fraunhofer's encoder


@dataclass(frozen=True)
class Mp3:
    """The frames of an mp3: how many, where the first of sound is, and what its tag states.

    ``n_stated`` is None where no tag in the first frame counts them; then decoders guess.
    ``is_cut`` where the file ends within a frame.
    """

    head: int
    start: int
    n_frames: int
    n_stated: int | None
    is_cut: bool

    def with_tag(self, content: bytes) -> io.BytesIO:
        """Return the stream behind a first frame that states how many frames there are."""
        return io.BytesIO(_info_frame(self.head, self.n_frames) + content[self.start :])


def scan_mp3(content: bytes) -> Mp3 | None:
    """Return what an mp3 holds, or None where it is no layer III stream of known bit rates."""
    at = _first_frame(content, _skip_id3(content))
    if at is None:
        return None
    head = _head(content, at)
    tag, n_stated = _tag(content, at, head)
    if tag:
        at += _length(head)
    start, n_frames, size = at, 0, len(content)
    while at + 4 <= size:
        length = _length(_head(content, at))
        if (_head(content, at) ^ head) & _SAME or not length:
            found = _first_frame(content, at, head)
            if found is None:
                break
            at = found
            continue
        if at + length > size + 1:  # a byte of padding may lack
            return Mp3(head, start, n_frames, n_stated, is_cut=True)
        n_frames, at = n_frames + 1, at + length
    return Mp3(head, start, n_frames, n_stated, is_cut=False)


def _skip_id3(content: bytes) -> int:
    """Return where the ID3v2 tags in front of the sound end."""
    at = 0
    while content[at : at + 3] == b"ID3":
        size = sum((byte & 127) << (7 * k) for k, byte in enumerate(content[at + 9 : at + 5 : -1]))
        at += 10 + size + (10 if content[at + 5] & 16 else 0)
    return at


def _first_frame(content: bytes, at: int, like: int | None = None) -> int | None:
    """Return where the next frame begins: one that another of its kind, or the end, follows."""
    while (at := content.find(b"\xff", at)) >= 0 and at + 4 <= len(content):
        head = _head(content, at)
        length = _length(head)
        if length and not (like is not None and (head ^ like) & _SAME):
            after = at + length
            rest = content[after : after + 4]
            follows = len(rest) == 4 and not (_head(content, after) ^ head) & _SAME
            if follows or after == len(content) or rest[:3] == b"TAG":
                return at
        at += 1
    return None


def _head(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")


def _length(head: int) -> int:
    """Return the bytes of a frame; 0 where the header is none of layer III."""
    version, layer = (head >> 19) & 3, (head >> 17) & 3
    kind, rate = (head >> 12) & 15, (head >> 10) & 3
    if head >> 21 != 0x7FF or version == 1 or layer != 1 or kind in (0, 15) or rate == 3:
        return 0
    bits, factor = (_V1, 144) if version == 3 else (_V2, 72)
    return factor * bits[kind] * 1000 // _RATES[version][rate] + ((head >> 9) & 1)


def _side(head: int) -> int:
    """Return where the tag of a frame begins: after its header and side information."""
    is_mono, is_v1 = (head >> 6) & 3 == 3, (head >> 19) & 3 == 3
    return 4 + ((17 if is_mono else 32) if is_v1 else (9 if is_mono else 17))


def _tag(content: bytes, at: int, head: int) -> tuple[bool, int | None]:
    """Return (whether the frame is a tag and no sound, the number of frames that it states)."""
    place = at + _side(head)
    if content[place : place + 4] in (b"Xing", b"Info"):
        counts = _head(content, place + 4) & 1
        return True, _head(content, place + 8) if counts else None
    # libsndfile does not read the tag of Fraunhofer's, so that its count is of no use here
    return content[at + _VBRI : at + _VBRI + 4] == b"VBRI", None


def _info_frame(head: int, n_frames: int) -> bytes:
    """Return a frame without sound whose tag states the number of frames after it."""
    plain = (head | _NO_CRC) & ~0x0000F200  # without bit rate and padding
    heads = (plain | kind << 12 for kind in range(1, 15))
    fitting = next(item for item in heads if _length(item) >= _LONGEST_TAG)
    tag = b"Info" + (1).to_bytes(4, "big") + n_frames.to_bytes(4, "big")
    frame = fitting.to_bytes(4, "big") + bytes(_side(head) - 4) + tag
    return frame.ljust(_length(fitting), b"\0")
