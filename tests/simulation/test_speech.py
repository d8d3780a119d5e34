"""Spoken words: their onsets are where their sound begins, and the bytes never change."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from encodekit.simulation import SAMPLING_RATE, VOICES, speak

TEXT = "The tiger sings near a violin. Every nurse coughs behind the lamp. Some dog steers."


def _digest(audio: np.ndarray) -> str:
    return hashlib.sha256(audio.tobytes()).hexdigest()


def _loudness(audio: np.ndarray, hop: float = 0.005) -> np.ndarray:
    n = round(hop * SAMPLING_RATE)
    return np.sqrt(np.mean(audio[: len(audio) // n * n].reshape(-1, n) ** 2, axis=1))


def test_a_sentence_begins_to_sound_at_the_onset_of_its_first_word() -> None:
    said = speak(TEXT)
    loud = _loudness(said.audio) > 0.004
    for word in ("every", "some"):
        onset = said.words.set_index("word").loc[word, "onset"]
        frame = round(onset / 0.005)
        first = frame - 20 + int(np.flatnonzero(loud[frame - 20 : frame + 20])[0])
        assert abs(first * 0.005 - onset) <= 0.010


def test_a_fricative_turns_the_sound_bright_at_the_onset_of_its_word() -> None:
    said = speak("the lion sings near a lion sings near a lion sings near a lion sings.")
    for onset in said.words.loc[said.words["word"] == "sings", "onset"]:
        start = round(onset * SAMPLING_RATE)
        before, after = (_brightness(said.audio[start + shift :][:320]) for shift in (-480, 320))
        assert before < 0.2 < 0.8 < after


def _brightness(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    return float(power[60:].sum() / power.sum())  # above 3 kHz


def test_onsets_do_not_drift_over_two_minutes() -> None:
    said = speak("The lion sings. " * 90)
    loud = _loudness(said.audio) > 0.004
    onset = said.words["onset"].iloc[-3]
    assert onset > 90
    frame = round(onset / 0.005)
    first = frame - 20 + int(np.flatnonzero(loud[frame - 20 : frame + 20])[0])
    assert abs(first * 0.005 - onset) <= 0.010


def test_words_follow_each_other_and_pauses_belong_to_none() -> None:
    words = speak(TEXT).words
    ends = (words["onset"] + words["duration"]).to_numpy()
    assert list(words["word"]) == TEXT.lower().replace(".", "").split()
    assert (words["duration"] > 0).all()
    gaps = words["onset"].to_numpy()[1:] - ends[:-1]
    assert gaps.min() > -1e-9
    assert sorted(np.flatnonzero(gaps > 0.1)) == [5, 11]  # after each full stop


def test_phones_lie_within_their_words() -> None:
    said = speak(TEXT)
    phones = said.phones
    words = said.words.loc[phones["word"]].reset_index(drop=True)
    assert (phones["onset"] >= words["onset"] - 1e-9).all()
    ends = phones["onset"] + phones["duration"]
    assert (ends <= words["onset"] + words["duration"] + 1e-9).all()
    assert not phones["phone"].str.contains("[_']").any()


@pytest.mark.parametrize("voice", VOICES)
def test_the_same_words_give_the_same_bytes_whatever_was_said_before(voice: str) -> None:
    first = speak("A tiger sings.", voice)
    speak("Something else.", "en-us+m3", rate=150)
    again = speak("A tiger sings.", voice)
    assert _digest(again.audio) == _digest(first.audio)
    assert again.words.equals(first.words)


def test_another_process_says_the_same_bytes() -> None:
    code = (
        "import hashlib, encodekit.simulation as s;"
        f"print(hashlib.sha256(s.speak({TEXT!r}).audio.tobytes()).hexdigest())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.decode().strip() == _digest(speak(TEXT).audio)


def test_every_voice_sounds_different() -> None:
    assert len({_digest(speak("A dog sings.", voice).audio) for voice in VOICES}) == len(VOICES)


def test_audio_is_float32_mono_within_full_scale() -> None:
    audio = speak(TEXT).audio
    assert audio.dtype == np.float32
    assert audio.ndim == 1
    assert 0.3 < np.abs(audio).max() <= 1


def test_a_faster_rate_takes_less_time() -> None:
    assert len(speak(TEXT, rate=300).audio) < 0.8 * len(speak(TEXT, rate=180).audio)


def test_words_that_run_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gave no onset for 'the'.*other words"):
        speak("a lamp of the house")


def test_a_sentence_without_a_capital_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gave no onset for 'cat'.*with a capital"):
        speak("A dog. cat. A lion.")


@pytest.mark.parametrize("text", ["", "  ", "café"])
def test_text_that_cannot_be_spoken_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot speak .*ASCII"):
        speak(text)


def test_an_unknown_voice_is_answered_with_known_ones() -> None:
    with pytest.raises(ValueError, match=r"refuses the voice 'en-gb'.*en-us"):
        speak("A dog.", voice="en-gb")


def test_a_rate_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rate=20 .*80 to 450"):
        speak("A dog.", rate=20)


def test_a_synthesiser_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    import espeakng_loader

    monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: "/nowhere/libespeak-ng.so")
    with pytest.raises(RuntimeError, match=r"espeak-ng ended with code 1 and said: (?s:.*)nowhere"):
        speak("A dog.")
