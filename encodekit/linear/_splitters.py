"""Splitters by which published searches held out TRs: for comparisons with them."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, KFold
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

_SHARE = 0.2  # "about 20 percent", say the Huth lab's notes on bootstrap_ridge
_Rows = NDArray[np.intp]


@dataclass(frozen=True)
class RandomChunks(BaseCrossValidator):
    """``n_splits`` draws of random chunks of neighbouring TRs, held out together.

    The Huth lab's ``bootstrap_ridge`` holds TRs out so. The rows, in their order and over all runs,
    are cut into chunks of ``chunk_length``; each draw holds out some of them, without replacement
    within a draw and afresh for the next. Rows after the last whole chunk are always trained on.

    **It leaks**: a held-out chunk lies between chunks that are trained on, so that its first and
    last TRs share noise, delayed features and haemodynamic responses with training TRs, as a story
    shares its voice and topic. Scores are too good and alphas too small. Use it to compare with
    work that did so, and ``cv=None``, which leaves stimuli out, for results of your own. The
    ``purge`` of `encodekit.RidgeCV` drops the nearest training TRs, which the published search does
    not.

    Parameters
    ----------
    n_splits : int
        Draws: ``nboots`` there, where 15 to 30 are advised.
    chunk_length : int
        TRs: ``chunklen`` there.
    share : float, optional
        Of the rows to hold out, to the nearest whole chunk and at least one; 0.2 if neither this
        nor ``n_chunks`` is given.
    n_chunks : int, optional
        Chunks to hold out, in place of a share: ``nchunks`` there.
    random_state : int, RandomState or None
        None draws anew at each split; a number makes the same draws for the same number of rows.

    Raises
    ------
    ValueError
        If a parameter is not what it may be; by ``split``, if the rows have fewer whole chunks
        than are to be held out, or none would be left to train on.

    Notes
    -----
    Chunks go over the borders of runs, as there. A participant who lacks rows has chunks of the
    rows that are there.

    Source: ``encoding/ridge_utils/ridge.py`` of https://github.com/HuthLab/deep-fMRI-dataset.

    Examples
    --------
    >>> import numpy as np
    >>> cv = RandomChunks(2, chunk_length=3, n_chunks=2, random_state=1)
    >>> for train, test in cv.split(np.zeros((13, 1))):
    ...     print(train.tolist(), test.tolist())
    [0, 1, 2, 3, 4, 5, 12] [6, 7, 8, 9, 10, 11]
    [3, 4, 5, 9, 10, 11, 12] [0, 1, 2, 6, 7, 8]
    """

    n_splits: int = 15
    _: KW_ONLY
    chunk_length: int = 40
    share: float | None = None
    n_chunks: int | None = None
    random_state: Any = 0

    def __post_init__(self) -> None:
        mistakes = _number_mistakes("n_splits", self.n_splits, 1, "draws")
        mistakes += _number_mistakes("chunk_length", self.chunk_length, 1, "TRs")
        if self.n_chunks is not None:
            mistakes += _number_mistakes("n_chunks", self.n_chunks, 1, "chunks")
        is_number = isinstance(self.share, int | float | np.number)
        if self.share is not None and not (is_number and 0 < self.share < 1):
            mistakes.append(f"share must lie between 0 and 1, got {self.share!r}")
        if self.share is not None and self.n_chunks is not None:
            mistakes.append(
                f"share={self.share!r} and n_chunks={self.n_chunks!r} both say how much is held "
                "out: give one of them"
            )
        mistakes += _seed_mistakes(self.random_state)
        _refuse(self, mistakes)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return how many draws there are."""
        return int(self.n_splits)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[_Rows, _Rows]]:
        """Yield (train, held-out) positions of the rows of X, each sorted; y and groups are unused.

        Raises
        ------
        ValueError
            If X has too few rows.
        """
        n_rows = _num_samples(X)
        n_whole, n_held_out = n_rows // self.chunk_length, self._n_held_out(n_rows)
        if n_held_out > n_whole or n_held_out * self.chunk_length >= n_rows:
            raise ValueError(
                f"{n_rows} rows make {n_whole} whole chunks of {self.chunk_length} TRs, and "
                f"{n_held_out} of them are to be held out, which leaves too little: make "
                "chunk_length shorter, or lower n_chunks (or share)"
            )
        draws = check_random_state(self.random_state)
        starts = np.arange(n_whole) * self.chunk_length
        for _ in range(self.n_splits):
            held_out = np.zeros(n_rows, dtype=bool)
            chosen = starts[draws.permutation(n_whole)[:n_held_out]]
            held_out[chosen[:, None] + np.arange(self.chunk_length)] = True  # (chunk, TR in it)
            yield np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def _n_held_out(self, n_rows: int) -> int:
        if self.n_chunks is not None:
            return self.n_chunks
        share = _SHARE if self.share is None else self.share
        return max(1, round(share * n_rows / self.chunk_length))


@dataclass(frozen=True)
class TrimmedKFold(BaseCrossValidator):
    """``n_splits`` contiguous folds that score no TR within ``trim`` of an end of their fold.

    LITcoder's ``kfold_trimmed``: the rows, in their order and over all runs, are cut into folds of
    equal length as by ``KFold``; a fold is predicted from all others, and its first and last
    ``trim`` TRs are neither scored nor trained on.

    **It leaks less than chunks, and still may**: with the published five TRs, TRs at the border of
    a fold share slow noise and delayed features with training TRs that are six TRs away; a fold
    that ends within a run is predicted from the rest of the same story. Make ``trim`` at least the
    longest delay plus the haemodynamic response. Use it to compare with published work, and
    ``cv=None``, which leaves stimuli out, for results of your own.

    Parameters
    ----------
    n_splits : int
        Folds, two or more.
    trim : int
        TRs at each end of each fold, those at the ends of the recording included.

    Raises
    ------
    ValueError
        If a parameter is not what it may be; by ``split``, if a fold has nothing left between its
        trimmed ends. LITcoder then scores that fold untrimmed.

    Notes
    -----
    Nothing is drawn, so that there is no ``random_state``. The ``purge`` of `encodekit.RidgeCV`
    is the same border taken from the training rows, so that all rows are scored.

    Source: ``encoding/models/folding.py`` of https://github.com/GT-LIT-Lab/litcoder_core.

    Examples
    --------
    >>> import numpy as np
    >>> for train, test in TrimmedKFold(2, trim=1).split(np.zeros((8, 1))):
    ...     print(train.tolist(), test.tolist())
    [4, 5, 6, 7] [1, 2]
    [0, 1, 2, 3] [5, 6]
    """

    n_splits: int = 5
    _: KW_ONLY
    trim: int = 5

    def __post_init__(self) -> None:
        mistakes = _number_mistakes("n_splits", self.n_splits, 2, "folds")
        _refuse(self, mistakes + _number_mistakes("trim", self.trim, 0, "TRs"))

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return how many folds there are."""
        return int(self.n_splits)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[_Rows, _Rows]]:
        """Yield (train, held-out) positions of the rows of X, each sorted; y and groups are unused.

        Raises
        ------
        ValueError
            If X has too few rows.
        """
        n_rows = _num_samples(X)
        shortest = n_rows // self.n_splits
        if shortest <= 2 * self.trim:
            raise ValueError(
                f"{n_rows} rows make folds of {shortest} TRs, of which trim={self.trim} leaves "
                "none: use fewer folds, or a smaller trim"
            )
        for train, fold in KFold(self.n_splits).split(np.zeros((n_rows, 1))):
            yield train, fold[self.trim : fold.size - self.trim]


def _number_mistakes(name: str, value: Any, least: int, what: str) -> list[str]:
    known = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if known and value >= least:
        return []
    return [f"{name} must be a number of {what}, {least} or more, got {value!r}"]


def _seed_mistakes(random_state: Any) -> list[str]:
    try:
        check_random_state(random_state)
    except ValueError:
        return [f"random_state must be a whole number, a RandomState or None, got {random_state!r}"]
    return []


def _refuse(splitter: Any, mistakes: list[str]) -> None:
    if mistakes:
        raise ValueError(f"{type(splitter).__name__}: {'; '.join(mistakes)}")
