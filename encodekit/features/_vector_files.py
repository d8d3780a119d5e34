"""Vectors of words in files of GloVe, fastText and word2vec, of which the wanted ones are kept."""

import hashlib
import mmap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encodekit.core import present_file, shown
from encodekit.features._array_files import ARCHIVES, array_names, read_arrays

_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".7z")
_FASTTEXT = (793712314).to_bytes(4, "little")  # what fastText's own models begin with
_WORDS, _VECTORS = ("words", "vocab"), ("vectors", "data")
_SAMPLE = 1 << 18  # bytes from which the width of a file without a header is found
_LONGEST = 4096  # bytes of a word; without a space by then it is no such file
_FEW = 0.001  # of all words that may be in another encoding: some files have a few broken ones


@dataclass(eq=False)
class WordTable:
    """What was found of the wanted words.

    Attributes
    ----------
    vectors : dict of word to array (width,)
    width : int
    repeated : list of str
        Wanted words that come again in the file; the first counts.
    undecoded : int
        Words that are not text in the encoding of the file.
    """

    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    width: int = 0
    repeated: list[str] = field(default_factory=list)
    undecoded: int = 0


def read_vectors(path: str | Path, wanted: Iterable[str], encoding: str = "utf-8") -> WordTable:
    """Return the vectors of the wanted words; the rest of the file is passed over.

    Raises
    ------
    FileNotFoundError
        Where there is no file.
    ValueError
        For a format that is not read, a damaged or short file, or text in another encoding.
    """
    file = present_file(path)
    if file.suffix.lower() in ARCHIVES:
        return _archive(file, set(wanted), encoding)
    with file.open("rb") as opened:
        head = opened.read(_SAMPLE)
    _refuse_other_formats(file, head)
    header = _header(head)
    width = _width(head, file) if header is None else header[1]
    gathered = _Gathered(wanted, width, file, encoding)
    if header is None or _is_text(head, width):
        return _text(file, gathered, header)
    return _binary(file, gathered, header)


@lru_cache(maxsize=16)
def file_hash(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 (the memo's key)
    """Return the sha256 of a file that has this size and time of change (ns)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_other_formats(file: Path, head: bytes) -> None:
    where, again = repr(str(file)), "export the vectors as word2vec text (.vec) or .npz"
    if not head:
        raise ValueError(f"{where} is empty: get it again")
    if file.suffix.lower() in _COMPRESSED or head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"BZh")):
        raise ValueError(f"{where} is compressed: unpack it first")
    if head.startswith(_FASTTEXT):
        raise ValueError(f"{where} is a model of fastText's own format: use its .vec file")
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        raise ValueError(f"{where} is a pickle (as gensim saves), which is never loaded: {again}")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{where} is UTF-16: save it as UTF-8")


def _header(head: bytes) -> tuple[int, int] | None:
    """Return (words, width) of a first line that says them."""
    first = head.split(b"\n", 1)[0].split()
    if len(first) == 2 and all(part.isdigit() for part in first):
        return int(first[0]), int(first[1])
    return None


def _is_text(head: bytes, width: int) -> bool:
    """Whether the line after a header ends in ``width`` numbers."""
    lines = head.split(b"\n", 2)
    return len(lines) < 2 or not lines[1].strip() or _n_numbers(lines[1]) >= width


def _n_numbers(line: bytes) -> int:
    """Return how many numbers a line ends in, without the word that it begins with."""
    fields = line.split()
    most = len(fields) - (not line[:1].isspace())
    count = 0
    for part in reversed(fields):
        try:
            float(part)
        except ValueError:
            break
        count += 1
    return min(count, most)


def _width(head: bytes, file: Path) -> int:
    """Return how many numbers most lines end in: words may hold spaces, and be numbers."""
    whole = head.split(b"\n") if len(head) < _SAMPLE else head.split(b"\n")[:-1]
    counts = Counter(_n_numbers(line) for line in whole if line.strip())
    if not counts or not max(counts):
        raise ValueError(
            f"{str(file)!r} holds no vectors of words: expected a word and its numbers on each line"
        )
    most = max(counts.values())
    return min(width for width, n in counts.items() if n == most and width)


class _Gathered:
    """The wanted words of one file, as they come."""

    def __init__(self, wanted: Iterable[str], width: int, file: Path, encoding: str) -> None:
        self.table = WordTable(width=width)
        self._encoding, self._file = encoding, file
        self._words = {word.encode(encoding, "replace"): word for word in wanted}
        # A line is cut at its spaces only where its first one begins a wanted word: most do not.
        self.begins = {word.split(None, 1)[0] for word in self._words if word.strip()}
        self._n_words = 0

    def count(self, begin: bytes) -> None:
        """Count a word of the file, of which ``begin`` is the text up to its first space."""
        self._n_words += 1
        if not begin.isascii():
            try:
                begin.decode(self._encoding)
            except UnicodeDecodeError:
                self.table.undecoded += 1

    def keep(self, word: bytes, numbers: list[bytes] | bytes, place: str) -> None:
        """Keep the vector of a wanted word, the first time that it comes."""
        name = self._words.get(word)
        if name is None:
            return
        if name in self.table.vectors:
            self.table.repeated.append(name)
            return
        try:
            vector = (
                np.frombuffer(numbers, dtype="<f4").astype(np.float32)
                if isinstance(numbers, bytes)
                else np.asarray([float(number) for number in numbers], dtype=np.float32)
            )
        except ValueError:
            vector = np.full(self.table.width, np.nan, dtype=np.float32)
        if not np.isfinite(vector).all():
            raise ValueError(
                f"{str(self._file)!r}: the vector of {shown(name)} ({place}) holds what is no "
                "number: the file is damaged, get it again"
            )
        self.table.vectors[name] = vector

    def done(self, said: int | None) -> WordTable:
        """Return the table, if the file holds as many words as it says, in its encoding."""
        if said is not None and said != self._n_words:
            raise ValueError(
                f"{str(self._file)!r} says that it has {said} words, but holds {self._n_words}: it "
                "is cut short or damaged, get it again"
            )
        if self.table.undecoded > _FEW * self._n_words:
            raise ValueError(
                f"{str(self._file)!r}: {self.table.undecoded} of {self._n_words} words are not "
                f"{self._encoding}: say what they are, such as encoding='latin-1'"
            )
        return self.table


def _text(file: Path, gathered: _Gathered, header: tuple[int, int] | None) -> WordTable:
    width = gathered.table.width
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            if (number == 1 and header is not None) or not line.strip():
                continue
            text = line.rstrip()
            text = text.removeprefix(b"\xef\xbb\xbf") if number == 1 else text
            if max(text.count(b" "), text.count(b"\t")) < width:
                raise ValueError(
                    f"{str(file)!r}: line {number} has fewer than {width} numbers after its word: "
                    "the file is cut short or damaged, get it again"
                )
            begin = text.split(None, 1)[0]  # of bytes: no-break spaces belong to a word
            gathered.count(begin)
            if begin in gathered.begins:
                word, *numbers = text.rsplit(None, width)
                if len(numbers) == width:  # fewer: the word itself is a space
                    gathered.keep(word, numbers, f"line {number}")
    return gathered.done(None if header is None else header[0])


def _binary(file: Path, gathered: _Gathered, header: tuple[int, int]) -> WordTable:
    n_bytes = 4 * header[1]
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        at = content.find(b"\n") + 1
        for number in range(1, header[0] + 1):
            space = content.find(b" ", at, at + _LONGEST)
            if space < 0 or space + 1 + n_bytes > len(content):
                break
            word = content[at:space].lstrip(b"\n")
            gathered.count(word)
            if word in gathered.begins:
                gathered.keep(word, content[space + 1 : space + 1 + n_bytes], f"word {number}")
            at = space + 1 + n_bytes
        if content[at : at + 2].strip(b"\n"):
            raise ValueError(
                f"{str(file)!r} says {header[0]} words of {header[1]} numbers, but its binary "
                f"content does not end after them (at byte {at} of {len(content)}): it is cut "
                "short or damaged, or no word2vec file"
            )
    return gathered.done(header[0])


def _archive(file: Path, wanted: Iterable[str], encoding: str) -> WordTable:
    known = array_names(file)
    keys = [next((name for name in names if name in known), None) for names in (_WORDS, _VECTORS)]
    if None in keys:
        raise ValueError(
            f"{str(file)!r} holds the arrays {', '.join(known)}: expected 'words' (word,) and "
            "'vectors' (word, number), or 'vocab' and 'data'"
        )
    words, vectors = read_arrays(file, keys)
    if words.ndim != 1 or vectors.ndim != 2 or words.size not in vectors.shape:
        raise ValueError(
            f"{str(file)!r}: {keys[0]} has the shape {words.shape} and {keys[1]} {vectors.shape}, "
            "expected a vector for each word"
        )
    if vectors.shape[0] == vectors.shape[1]:
        raise ValueError(
            f"{str(file)!r}: {keys[1]} has the shape {vectors.shape}, which does not say on which "
            "axis the words are: pass a mapping, dict(zip(words, vectors))"
        )
    rows = vectors if vectors.shape[0] == words.size else vectors.T
    gathered = _Gathered(wanted, rows.shape[1], file, encoding)
    for number, (item, row) in enumerate(zip(words.tolist(), rows, strict=True)):
        word = item if isinstance(item, bytes) else str(item).encode(encoding, "replace")
        gathered.count(word)
        gathered.keep(word, np.asarray(row, dtype="<f4").tobytes(), f"word {number}")
    return gathered.done(None)
