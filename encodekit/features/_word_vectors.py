"""Static vectors of words, such as GloVe: one impulse of a word's vector at its onset."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import present_file, shown, unknown_name, warn_caller
from encodekit.data import Stimulus
from encodekit.features._cache import make_key
from encodekit.features._extractor import FeatureExtractor, check_stimuli
from encodekit.features._lanczos import Lanczos
from encodekit.features._vector_files import WordTable, file_hash, read_vectors
from encodekit.features._word_values import words_of

_MISSING = ("raise", "zero", "ignore", "mean")
_WHAT = {
    "zero": "are zeros",
    "ignore": "are left out",
    "mean": "take the mean of the known words of their run",
}
_OUTER = re.compile(r"^[\W_]+|[\W_]+$")
_INNER = re.compile(r"[\s\-\u2010-\u2015/_]+")


class WordVectors(FeatureExtractor):
    """Static vectors of words: an impulse of a word's vector at its onset, by `Lanczos`.

    A word is looked up as it stands, then with composed accents and a straight apostrophe, then
    without the punctuation around it. A compound such as ``mother-in-law`` that is not there takes
    the mean of its parts, if all of them are. Only the words of the stimuli are kept in memory.

    Parameters
    ----------
    vectors : path, mapping of word to array, or DataFrame
        A file of GloVe (text), of fastText or word2vec (text with a first line of counts, or
        binary), or an archive (``.npz``, HDF5) with ``words`` (word,) and ``vectors``
        (word, number), or ``vocab`` and ``data`` as the Huth lab's ``english1000sm.hf5``. A
        DataFrame has the words as its index. Of a word that a file has twice, the first counts,
        which is told.
    missing : {"raise", "zero", "ignore", "mean"}
        Words without a vector: refused; zeros, which add nothing; left out, which differs from
        zeros for ``resample="mean"``; or the mean of the known words of the same run. How many
        these are is told, by the error or a warning.
    lower : bool
        Whether words are looked up in lower case, as the vectors of uncased texts need.
    encoding : str
        Of the words in a file.
    history, resample, cache
        As `WordRate`; the cache is on, since large files take long to read.

    Raises
    ------
    ValueError, FileNotFoundError
        By ``fit`` and ``transform``: if a run has no words, or none with a vector; a word has none
        where that is refused; the file is damaged or of another format.

    Warns
    -----
    UserWarning
        Where words have no vector and that is not refused, or several; when rows are computed, not
        when they are read from the cache.

    Notes
    -----
    `encodekit.save` writes a mapping into the model's folder, and of a file the path and the
    sha256: another file in its place is refused, by the fitted extractor and by the loaded one.

    Examples
    --------
    >>> import pandas as pd
    >>> from encodekit.data import Stimulus
    >>> words = pd.DataFrame({"word": ["the", "fox"], "onset": [0.5, 3.0], "duration": [0.2, 0.2]})
    >>> story = Stimulus("story-1", words=words, t_r=2.0, duration=6.0)
    >>> vectors = WordVectors({"the": [1.0, 0.0], "fox": [0.0, 2.0]}, resample="sum", cache=None)
    >>> vectors.transform([story]).values.tolist()
    [[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]
    """

    history = 32.0
    events = True

    def __init__(
        self,
        vectors: Any,
        *,
        missing: str = "raise",
        lower: bool = False,
        encoding: str = "utf-8",
        history: float = 32.0,
        resample: str | Lanczos = "lanczos",
        cache: str | Path | None = "auto",
    ) -> None:
        self.vectors = vectors
        self.missing = missing
        self.lower = lower
        self.encoding = encoding
        self.history = history
        self.resample = resample
        self.cache = cache

    def fit(self, X: Sequence[Stimulus], y: Any = None) -> Self:
        """Note what the file holds; nothing is learnt."""
        self._noted = self._file_hash() if isinstance(self.vectors, str | Path) else None
        return self

    def _save_state(self, folder: Path) -> dict[str, str | None]:
        return {"sha256": getattr(self, "_noted", None)}

    def _load_state(self, folder: Any, state: dict[str, str | None]) -> None:
        self._noted = state["sha256"]

    def transform(self, X: Sequence[Stimulus]) -> xr.DataArray:
        """Return the features of all runs, as `FeatureExtractor.transform`."""
        stimuli = check_stimuli(X, "WordVectors")
        if self.missing not in _MISSING:
            raise ValueError(f"WordVectors: {unknown_name('missing', self.missing, _MISSING)}")
        noted = getattr(self, "_noted", None)
        if noted is not None and noted != self._file_hash():
            raise ValueError(
                f"WordVectors: {str(self.vectors)!r} is another file than when the model was "
                "fitted: put it back, or fit again"
            )
        tables = [item.words for item in stimuli if item.words is not None]
        self._kept: dict[str, Any] = {"wanted": {word for one in tables for word in one["word"]}}
        try:
            rows = super().transform(stimuli)
            self._tell()
        finally:
            del self._kept
        return rows

    def frames(self, stimulus: Stimulus) -> xr.DataArray:
        """Return the vectors at the onsets (time, number)."""
        table = words_of(stimulus, "WordVectors")
        words = table["word"].tolist()
        known = self._known(words)
        vectors = [self._vector(known, word) for word in words]
        there = np.array([vector is not None for vector in vectors], dtype=bool)
        lacking = [word for word, known_ in zip(words, there, strict=True) if not known_]
        if lacking:
            self._check_missing(stimulus, lacking, len(words), known)
        values = np.zeros((len(words), known.width), dtype=np.float32)
        for row, vector in zip(values, vectors, strict=True):
            row[:] = 0.0 if vector is None else vector
        if self.missing == "mean" and lacking:
            values[~there] = values[there].mean(axis=0, dtype=np.float64)
        kept = there if self.missing == "ignore" else np.ones(len(words), dtype=bool)
        return xr.DataArray(
            values[kept],
            dims=("time", "feature"),
            coords={
                "seconds": ("time", table["onset"].to_numpy(dtype=np.float64)[kept]),
                "name": ("feature", [f"vector{i:03d}" for i in range(known.width)]),
            },
        )

    def weights_hash(self) -> str:
        """Return the sha256 of the vectors."""
        if isinstance(self.vectors, str | Path):
            return self._file_hash()
        kept = getattr(self, "_kept", {})
        if "hash" not in kept:
            kept["hash"] = _hash_of(_mapping(self.vectors))
        found: str = kept["hash"]
        return found

    def _described(self) -> dict[str, Any]:
        """Return the parameters; of the vectors only where they are, for they are hashed."""
        is_path = isinstance(self.vectors, str | Path)
        return super()._described() | {"vectors": str(self.vectors) if is_path else "a mapping"}

    def _file_hash(self) -> str:
        file = present_file(self.vectors)
        status = file.stat()
        return file_hash(file.resolve(), status.st_size, status.st_mtime_ns)

    def _known(self, words: Iterable[str]) -> WordTable:
        """Return the table of all words of the runs that are transformed, read once."""
        kept = getattr(self, "_kept", {"wanted": set(words)})
        if "table" not in kept:
            # In both cases, so that an error can say what lower= would find.
            wanted = {
                form for word in kept["wanted"] for lower in (True, False)
                for form in _all_forms(word, lower)
            }  # fmt: skip
            kept["table"] = (
                read_vectors(self.vectors, wanted, self.encoding)
                if isinstance(self.vectors, str | Path)
                else _chosen(_mapping(self.vectors), wanted)
            )
        table: WordTable = kept["table"]
        return table

    def _vector(
        self, known: WordTable, word: str, *, lower: bool | None = None
    ) -> NDArray[np.floating[Any]] | None:
        lower = self.lower if lower is None else lower
        for form in _forms(word, lower):
            if form in known.vectors:
                return known.vectors[form]
        parts = _parts(word, lower)
        if parts and all(part in known.vectors for part in parts):
            mean: NDArray[np.floating[Any]] = np.mean([known.vectors[p] for p in parts], axis=0)
            return mean
        return None

    def _check_missing(
        self, stimulus: Stimulus, lacking: list[str], n_words: int, known: WordTable
    ) -> None:
        """Refuse words without a vector, or count them for the warning."""
        if self.missing != "raise" and len(lacking) < n_words:
            getattr(self, "_kept", {}).setdefault("missing", Counter()).update(lacking)
            return
        others = [w for w in lacking if self._vector(known, w, lower=not self.lower) is not None]
        hint = f"lower={not self.lower} finds {len(others)} of them; " if others else ""
        broken = f"{known.undecoded} words of the file are not {self.encoding}; "
        hint += broken if known.undecoded else ""
        raise ValueError(
            f"WordVectors: {len(lacking)} of {n_words} words of run {shown(stimulus.run_name)} "
            f"have no vector, {_examples(Counter(lacking))}: {hint}pass missing='zero' (no "
            "impulse), 'ignore' (left out) or 'mean' (of the known words of the run), where some "
            "words are known"
        )

    def _tell(self) -> None:
        """Warn of what was done with words, once for all runs."""
        missing: Counter[str] = self._kept.get("missing", Counter())
        repeated = self._kept["table"].repeated if "table" in self._kept else []
        if repeated:
            warn_caller(
                f"WordVectors: {str(self.vectors)!r} has {len(set(repeated))} of the words more "
                f"than once, and the first counts: {_examples(Counter(repeated))}",
                UserWarning,
            )
        if missing:
            warn_caller(
                f"WordVectors: {missing.total()} words ({len(missing)} different ones) have no "
                f"vector and {_WHAT[self.missing]}: {_examples(missing)}",
                UserWarning,
            )


def _forms(word: str, lower: bool) -> Iterator[str]:
    """Yield how a word may stand in a table of vectors, the likeliest first."""
    first = word.lower() if lower else word
    composed = unicodedata.normalize("NFC", first.strip()).replace("\u2019", "'")
    yield from dict.fromkeys([first, composed, _OUTER.sub("", composed)])


def _parts(word: str, lower: bool) -> list[str]:
    """Return the parts of a compound; none where it is one word."""
    *_, bare = _forms(word, lower)
    parts = [part for part in _INNER.split(bare) if part]
    return parts if len(parts) > 1 else []


def _all_forms(word: str, lower: bool) -> Iterator[str]:
    yield from _forms(word, lower)
    yield from _parts(word, lower)


def _examples(missing: Counter[str]) -> str:
    told = [f"{shown(word)} ({n} times)" for word, n in missing.most_common(5)]
    return "such as " + ", ".join(told)


def _mapping(vectors: Any) -> Mapping[str, Any]:
    if isinstance(vectors, pd.DataFrame):
        twice = vectors.index[vectors.index.duplicated()]
        if len(twice):
            raise ValueError(
                f"WordVectors: the table has {len(twice)} words twice, the first is "
                f"{shown(str(twice[0]))}: keep one row of each, "
                "vectors[~vectors.index.duplicated()]"
            )
        return dict(zip(vectors.index.tolist(), vectors.to_numpy(), strict=True))
    if not isinstance(vectors, Mapping):
        raise TypeError(
            f"WordVectors: vectors is a {type(vectors).__name__}, expected a path, a mapping of "
            "word to array, or a DataFrame with the words as its index"
        )
    return vectors


def _chosen(vectors: Mapping[str, Any], wanted: set[str]) -> WordTable:
    """Return the table of the wanted words of a mapping."""
    found = {word: np.asarray(vectors[word]) for word in wanted if word in vectors}
    shapes = Counter(vector.shape for vector in found.values())
    first = np.asarray(next(iter(vectors.values()))).shape if vectors else ()
    usual = shapes.most_common(1)[0][0] if shapes else first
    for word, vector in found.items():
        if vector.ndim != 1 or vector.shape != usual or vector.dtype.kind not in "fiu":
            raise ValueError(
                f"WordVectors: the vector of {shown(word)} is {vector.dtype} of the shape "
                f"{vector.shape}, expected as many numbers as others have, {usual}"
            )
        if not np.isfinite(vector).all():
            raise ValueError(f"WordVectors: the vector of {shown(word)} is NaN or infinite")
    floats = {word: vector.astype(np.float32) for word, vector in found.items()}
    return WordTable(floats, width=usual[0] if usual else 0)


def _hash_of(vectors: Mapping[str, Any]) -> str:
    words = sorted(vectors)
    return make_key("\x1f".join(words), *(np.asarray(vectors[word]) for word in words))
