"""Run espeak-ng once, in a process of its own, and write what it said to standard output.

Started by `encodekit.simulation.speak` as ``python -I -S _espeak.py LIBRARY DATA``, with a JSON
job (text, voice, rate) on standard input; it therefore imports the standard library alone. The
library keeps state between utterances (the phase of its vibrato, its noise), which nothing in its
interface resets: only a fresh process says the same bytes every time. The answer is a line of
JSON (sampling rate, words, phones; positions in samples) followed by the samples as int16.
"""

import ctypes
import json
import sys
from typing import Any

_RETRIEVAL, _PHONEME_EVENTS, _ASCII_TO_UTF8 = 1, 1, 1
_POSITION_CHARACTER, _RATE = 1, 1
_WORD, _PHONEME, _END_OF_LIST = 1, 7, 0


class _Identifier(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


def speak(library: str, data: str, job: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the header (rate, words, phones, in samples from the start) and the int16 bytes.

    ``events[i].sample`` counts from the start of the utterance and text positions count
    characters from 1.
    """
    espeak = ctypes.CDLL(library)
    sounds: list[bytes] = []
    words: list[tuple[int, int]] = []
    phones: list[tuple[str, int, int]] = []

    def receive(samples: int | None, n_samples: int, events: Any) -> int:
        if samples and n_samples > 0:
            sounds.append(ctypes.string_at(samples, 2 * n_samples))
        place = 0
        while events[place].type != _END_OF_LIST:
            event = events[place]
            if event.type == _WORD:
                words.append((event.text_position - 1, event.sample))
            elif event.type == _PHONEME:
                name = event.id.string.decode("utf-8", "replace")
                phones.append((name, event.text_position - 1, event.sample))
            place += 1
        return 0

    callback = _CALLBACK(receive)
    rate = espeak.espeak_Initialize(_RETRIEVAL, 0, data.encode(), _PHONEME_EVENTS)
    if rate <= 0:
        raise RuntimeError(f"espeak-ng did not start from its data folder {data}")
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(1))  # else seeded by the process id: breath noise
    espeak.espeak_SetSynthCallback(callback)
    if espeak.espeak_SetVoiceByName(job["voice"].encode()) != 0:
        raise LookupError("voice")
    espeak.espeak_SetParameter(_RATE, int(job["rate"]), 0)
    text = job["text"].encode("ascii")
    flags = (_POSITION_CHARACTER, 0, _ASCII_TO_UTF8, None, None)
    espeak.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, *flags)
    espeak.espeak_Synchronize()
    return {"sampling_rate": rate, "words": words, "phones": phones}, b"".join(sounds)


def _main() -> int:
    try:
        header, sound = speak(sys.argv[1], sys.argv[2], json.load(sys.stdin))
    except LookupError:
        return 3
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + sound)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
