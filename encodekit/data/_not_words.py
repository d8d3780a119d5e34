"""Labels of aligners and transcribers that are no words: pauses, noises, marks of punctuation."""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

import pandas as pd

# P2FA and the Huth lab, HTK, Kaldi, MFA, Julius, Festival and NLTK, CHAT, BIDS
_CODES = frozenset({
    "sp", "sil", "spn", "nsn", "ns", "lg", "br", "ls", "sl", "cg", "pau", "xxx", "n/a", "!sil",
    "!null", "!enter", "!exit", "silb", "sile", "sentence_start", "sentence_end", "p:", "_p:",
    "h#",
})  # fmt: skip
_PHONE_CODES = frozenset({  # Buckeye, TIMIT
    "epi", "noise", "vocnoise", "iver", "laugh", "laughter", "unknown",
})  # fmt: skip
_NOISES = frozenset({
    "noise", "noises", "vocnoise", "laugh", "laughs", "laughter", "laughing", "breath",
    "breaths", "breathing", "inhale", "inhales", "exhale", "exhales", "cough", "coughs",
    "coughing", "sigh", "sighs", "sniff", "sniffs", "sneeze", "click", "clicks", "smack",
    "lipsmack", "swallow", "music", "applause", "silence", "pause", "inaudible",
    "chuckle", "chuckles", "giggle", "giggles", "gasp", "gasps", "groan", "groans", "yawn",
    "yawns", "throat", "beep", "indistinct", "unintelligible", "unclear",
    "crosstalk", "background", "b_trans", "e_trans",
})  # fmt: skip
_BRACKETS = {"<": ">", "{": "}", "[": "]", "(": ")", "*": "*"}
_UNKNOWN = frozenset({"unk", "unknown", "oov"})  # a word was said that the aligner did not know
_WHILE = re.compile(r"(?:laugh|laughter|cutoff|ext|hes)-[^\W\d_]")  # a word said in some way
_SPOKEN = frozenset("&%+=@$£€°")  # signs that are read aloud
_BETWEEN_PHONES = frozenset("#.,-_–—…:;|")  # no letters of SAMPA, as ? and @ and { are


@dataclass(frozen=True)
class Silence:
    """The labels that are no words; ``label in SILENCE`` tells one, whatever its case.

    - nothing, or punctuation alone (``.``, ``--``, ``#``), but for signs that are read aloud (&);
    - codes of aligners: ``sp``, ``sil``, ``spn``, ``ns``, ``lg``, ``br``, ``ls``, ``sl``, ``cg``,
      ``pau``, ``xxx``, ``n/a``, ``sentence_start``, ``sentence_end`` and their like;
    - what stands in brackets: all in ``<...>`` and ``[...]`` (``<p:>``, ``<eps>``, ``[noise]``);
      codes and noises in ``{...}``, ``(...)`` and ``*...*`` (``{CG}``, ``(laughs)``).

    ``<unk>``, ``<unknown>`` and ``<oov>`` are words: one was said that the aligner did not know; so
    are ``[laughter-yes]``, a word said while laughing, and ``noise`` or ``laughter`` without
    brackets. Of phones, ``?``, ``@`` or ``{`` alone are sounds of SAMPA and stay.

    ``SILENCE | {"uh", "um"}`` adds labels; a plain collection in its place is all that counts.

    Examples
    --------
    >>> ["{NS}" in SILENCE, "sp" in SILENCE, "..." in SILENCE, "<unk>" in SILENCE]
    [True, True, True, False]
    >>> "um" in SILENCE | {"um"}
    True
    """

    more: frozenset[str] = frozenset()
    phones: bool = False

    def __contains__(self, label: object) -> bool:
        plain = str(label).strip().casefold()
        if plain in self.more or plain in _CODES or (self.phones and plain in _PHONE_CODES):
            return True
        if not any(sign.isalnum() for sign in plain):
            return self._is_punctuation(plain)
        if plain.startswith(("&=", "++")):  # CHAT, Sphinx
            return True
        return _is_bracketed_mark(plain)

    def _is_punctuation(self, plain: str) -> bool:
        signs = set(plain) - set(" ")
        return signs <= _BETWEEN_PHONES if self.phones else not signs & _SPOKEN

    def __or__(self, labels: Iterable[str]) -> "Silence":
        return Silence(self.more | _plain(labels), self.phones)


SILENCE = Silence()
PHONE_SILENCE = Silence(phones=True)


def _is_bracketed_mark(plain: str) -> bool:
    inside = plain[1:-1].strip(" /!")
    if len(plain) < 3 or _BRACKETS.get(plain[0]) != plain[-1]:
        return False
    if inside in _UNKNOWN:
        return False
    if inside in _CODES or inside in _NOISES or _is_bracketed_mark(inside):
        return True
    if plain[0] in "<[":
        return not _WHILE.match(inside)
    words = re.split(r"[\s_-]+", inside)  # (clears throat), {breath noise}
    return not _NOISES.isdisjoint(words) or not any(sign.isalpha() for sign in inside)


def looks_like_mark(label: str) -> bool:
    """Return whether a label that was kept may be none: a mark, in brackets, or a noise's name."""
    plain = label.strip().casefold()
    if plain in SILENCE or plain in _UNKNOWN or plain in _NOISES:
        return True
    return len(plain) > 1 and _BRACKETS.get(plain[0]) == plain[-1]


def drop_marks(
    table: pd.DataFrame, kind: str, silence: Container[str] | None = None
) -> pd.DataFrame:
    """Return a table without the rows whose label is no word (phone).

    Parameters
    ----------
    table : DataFrame
        With the text column ``kind``.
    kind : "word" or "phone"
    silence : collection of str, optional
        Labels that are left out, whatever their case, in place of `SILENCE`; ``SILENCE | {...}``
        adds to it; ``()`` keeps every label that is not empty.

    Returns
    -------
    DataFrame
        Numbered anew; ``attrs["left_out"]`` counts what was left out, label by label, beside what
        it counted before.
    """
    marks = marks_of(kind, silence)
    plain = table[kind].astype(str).str.strip().str.casefold()
    is_mark = [not label or label in marks for label in plain]
    left_out = dict(table.attrs.get("left_out", {}))
    for label in table[kind][is_mark]:
        left_out[label] = left_out.get(label, 0) + 1
    kept = table[[not item for item in is_mark]].reset_index(drop=True)
    kept.attrs["left_out"] = left_out
    return kept


def marks_of(kind: str, silence: Container[str] | None) -> Container[str]:
    """Return what tells the labels that are left out: those given, or `SILENCE` of the kind."""
    if silence is None:
        return PHONE_SILENCE if kind == "phone" else SILENCE
    if isinstance(silence, Silence) or not isinstance(silence, Iterable):
        return silence
    return _plain([silence] if isinstance(silence, str) else silence)


def _plain(labels: Iterable[str]) -> frozenset[str]:
    return frozenset(str(label).strip().casefold() for label in labels)
