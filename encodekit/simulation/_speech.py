"""Text to audio with the true times of its words and phones, by espeak-ng."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encodekit.core import import_extra

SAMPLING_RATE = 16_000
WORDS_PER_MINUTE = 205
VOICES = ("en-us", "en-us+f3", "en-us+m3", "en-us+f2", "en-us+m7", "en-us+f4")
HELD_OUT_VOICE = "en-us+f4"

_PUNCTUATION = ".,;:!?"
_REFUSED_VOICE = 3


@dataclass(frozen=True, eq=False)
class Speech:
    """What was said: audio, and tables of words and phones with onset and duration in seconds.

    Attributes
    ----------
    audio : ndarray of float32, (n_samples,)
        Mono, at `SAMPLING_RATE`, full scale 1.
    words : DataFrame
        One row a spoken word: ``word``, ``onset``, ``duration``.
    phones : DataFrame
        One row a phone, in espeak-ng's mnemonics without stress marks: ``phone``, ``onset``,
        ``duration``, and ``word``, the row of the word that it belongs to.
    """

    audio: NDArray[np.float32]
    words: pd.DataFrame
    phones: pd.DataFrame


def speak(text: str, voice: str = "en-us", rate: int = WORDS_PER_MINUTE) -> Speech:
    """Speak ``text``; the same arguments give the same bytes in any process.

    A word's onset is that of its first phone, as espeak-ng's synthesiser reports it: where its
    sound begins. Its duration ends with its last phone, so pauses belong to no word.

    Parameters
    ----------
    text : str
        ASCII words separated by single spaces; punctuation only at the end of a word, and a
        capital after every full stop.
    voice : str
        A name such as those of `VOICES`: language, then a variant after ``+``.
    rate : int
        espeak-ng's words per minute, 80 to 450, pauses not counted.

    Raises
    ------
    ValueError
        For text that is empty or not ASCII, a rate out of range, an unknown voice, and words that
        espeak-ng runs together ("of the"), as their onsets would be unknown.

    Examples
    --------
    >>> said = speak("The dog chases a cat.")
    >>> list(said.words["word"])
    ['the', 'dog', 'chases', 'a', 'cat']
    """
    _check_request(text, rate)
    header, samples = _synthesise({"text": text, "voice": voice, "rate": rate})
    audio = _resample(samples, header["sampling_rate"])
    phones = _phone_table(header, len(samples))
    words = _word_table(text, header, phones)
    return Speech(audio, words, phones.drop(columns="position"))


def _check_request(text: str, rate: int) -> None:
    if not text.isascii() or not text.strip():
        raise ValueError(f"cannot speak {text!r}: give English words in ASCII letters")
    if not 80 <= rate <= 450:
        raise ValueError(f"rate={rate} words per minute: espeak-ng speaks at 80 to 450")


def _synthesise(job: dict[str, Any]) -> tuple[dict[str, Any], NDArray[np.int16]]:
    loader = import_extra("espeakng_loader", extra="simulate", purpose="speaking a story")
    worker = Path(__file__).with_name("_espeak.py")
    command = [sys.executable, "-I", "-S", str(worker)]
    command += [str(loader.get_library_path()), str(loader.get_data_path())]
    answer = subprocess.run(
        command, check=False, input=json.dumps(job).encode(), capture_output=True
    )
    if answer.returncode == _REFUSED_VOICE:
        known = ", ".join(VOICES)
        raise ValueError(f"espeak-ng refuses the voice {job['voice']!r}: take one such as {known}")
    if answer.returncode != 0:
        said = answer.stderr.decode(errors="replace").strip() or "nothing"
        raise RuntimeError(f"espeak-ng ended with code {answer.returncode} and said: {said}")
    line, _, sound = answer.stdout.partition(b"\n")
    return json.loads(line), np.frombuffer(sound, dtype="<i2")


def _resample(samples: NDArray[np.int16], rate: int) -> NDArray[np.float32]:
    """Return the audio at `SAMPLING_RATE`, in steps of 2^-15: a 16-bit file holds it exactly."""
    import soxr

    audio = soxr.resample(samples.astype(np.float32), rate, SAMPLING_RATE)
    steps = np.clip(np.round(audio), -32768, 32767)
    return np.asarray(steps / 32768, dtype=np.float32)


def _phone_table(header: dict[str, Any], n_samples: int) -> pd.DataFrame:
    """Phones with the text position of their word; a pause ends the phone before it."""
    table = pd.DataFrame(header["phones"], columns=["phone", "position", "onset"])
    ends = np.append(table["onset"].to_numpy()[1:], n_samples)
    table["duration"] = (ends - table["onset"]) / header["sampling_rate"]
    table["onset"] = table["onset"] / header["sampling_rate"]
    table["phone"] = table["phone"].str.strip("',%=")
    sounding = ~table["phone"].str.startswith("_") & (table["phone"] != "")
    table = table[sounding].reset_index(drop=True)
    rows = {position: row for row, (position, _) in enumerate(header["words"])}
    table["word"] = table["position"].map(rows)
    return table[["phone", "onset", "duration", "word", "position"]]


def _word_table(text: str, header: dict[str, Any], phones: pd.DataFrame) -> pd.DataFrame:
    written = _words_at(text)
    heard = [position for position, _ in header["words"]]
    silent = sorted(set(written) - (set(heard) & set(phones["position"])))
    if heard != list(written) or silent:
        lost = ", ".join(repr(written[position]) for position in silent[:5]) or "words in order"
        raise ValueError(
            f"espeak-ng gave no onset for {lost}: it runs some words together ('of the'), splits "
            "others (digits, abbreviations), and reads on over a full stop before a lower-case "
            "word: use other words, and begin every sentence with a capital"
        )
    groups = phones.groupby("position", sort=True)
    onsets = groups["onset"].min().to_numpy()
    ends = (phones["onset"] + phones["duration"]).groupby(phones["position"]).max().to_numpy()
    return pd.DataFrame(
        {"word": list(written.values()), "onset": onsets, "duration": ends - onsets}
    )


def _words_at(text: str) -> dict[int, str]:
    """Map the position of a word's first character to the word, lower case, no punctuation."""
    words: dict[int, str] = {}
    position = 0
    for piece in text.split(" "):
        if piece.strip(_PUNCTUATION):
            words[position] = piece.strip(_PUNCTUATION).lower()
        position += len(piece) + 1
    return words
