"""Folds that keep a stimulus whole."""

import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

N_FOLDS = 5
_SCATTER = (
    "ShuffleSplit",
    "StratifiedShuffleSplit",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
)
_SCATTERED = (
    "neighbouring TRs share noise and features, so held-out TRs would lie between training TRs and "
    "any score would be too good. Use cv=None (leave stimuli out), GroupKFold, or "
    "KFold(shuffle=False). To compare with published searches that hold out random chunks of TRs: "
    "ek.RandomChunks"
)
_Pair = tuple[NDArray[np.intp], NDArray[np.intp]]
_KEEP_GROUPS = ("GroupKFold", "GroupShuffleSplit", "StratifiedGroupKFold")


def expand(values: Any, name: str, runs: NDArray[Any] | None, n_rows: int) -> NDArray[Any] | None:
    """Return one value per row, from one per row or one per run (in order of appearance).

    Raises
    ------
    ValueError
        If there are neither as many values as rows nor as many as runs.
    """
    if values is None:
        return None
    given = np.asarray(values)
    if given.shape == (n_rows,):
        return given
    known = [] if runs is None else list(dict.fromkeys(runs.tolist()))
    if given.shape == (len(known),):
        by_run = dict(zip(known, given.tolist(), strict=True))
        return np.asarray([by_run[run] for run in runs.tolist()])  # type: ignore[union-attr]
    raise ValueError(
        f"{name} has {given.size} values, expected one for each of {len(known)} runs or of "
        f"{n_rows} TRs" + ("" if known else " (runs= would mark the runs)")
    )


def leave_stimuli_out(groups: NDArray[Any], who: str) -> LeaveOneGroupOut | GroupKFold:
    """Return the default splitter: each stimulus once held out, in at most five folds.

    Raises
    ------
    ValueError
        If there is one stimulus only.
    """
    n_groups = np.unique(groups).size
    if n_groups < 2:
        raise ValueError(
            f"{who}: only one stimulus ({str(groups[0])!r}) to cross-validate over: cut it with "
            "study.segment(run, n, gap='16s'), or pass an unshuffled cv= such as KFold(3) to the "
            "estimator, RidgeCV(cv=KFold(3), purge=8), which chooses its penalty by it; or leave "
            "out who heard no more, study.select(participants=...)"
        )
    return LeaveOneGroupOut() if n_groups <= N_FOLDS else GroupKFold(N_FOLDS)


def resolve_cv(cv: Any, groups: NDArray[Any] | None, who: str) -> Any:
    """Return a splitter, or a list of (train, test) rows, for the user's ``cv``.

    ``who`` has these groups; it is for messages.

    Raises
    ------
    ValueError
        If ``cv`` is None or a number and no groups are known.
    TypeError
        If ``cv`` is nothing that splits.
    """
    if cv is None or (isinstance(cv, int | np.integer) and not isinstance(cv, bool)):
        if groups is None:
            raise ValueError(
                f"cv={cv} leaves stimuli out, but neither runs nor groups are known: pass runs= "
                "or groups= to fit (one value per TR), DataArrays that carry `run`, or an "
                "explicit unshuffled splitter such as cv=KFold(3)"
            )
        return leave_stimuli_out(groups, who) if cv is None else GroupKFold(int(cv))
    # A string has a method split of its own.
    if isinstance(cv, str) or not (hasattr(cv, "split") or isinstance(cv, Iterable)):
        raise TypeError(
            f"cv is {cv!r}, expected None, a number of folds, an unshuffled scikit-learn splitter, "
            "or an iterable of (train, test) rows"
        )
    return cv


def refuse_shuffled(cv: Any) -> None:
    """Refuse a splitter over TRs that scatters single ones."""
    kind = type(cv).__name__
    # A splitter that keeps groups whole may shuffle these: it scatters no single TR.
    shuffled = bool(getattr(cv, "shuffle", False)) and kind not in _KEEP_GROUPS
    if shuffled or kind in _SCATTER:
        raise ValueError(f"cv={cv!r} shuffles single TRs: {_SCATTERED}")


def refuse_scattered(pairs: Iterable[_Pair], runs: NDArray[Any] | None, cv: Any) -> None:
    """Refuse folds over TRs most of whose held-out stretches are one TR between training TRs."""
    for train, test in pairs:
        held_out = np.sort(test)
        begins = np.diff(held_out, prepend=-2) > 1
        n_stretches = int(begins.sum())
        alone = held_out[begins & np.append(begins[1:], True)]
        near = alone[np.isin(alone - 1, train) & np.isin(alone + 1, train)]
        if runs is not None:
            near = near[(runs[near - 1] == runs[near]) & (runs[near + 1] == runs[near])]
        if n_stretches > 1 and 2 * near.size > n_stretches:
            raise ValueError(
                f"cv={reprlib.repr(cv)} holds out {near.size} single TRs between training TRs, the "
                f"first in row {near[0]}: {_SCATTERED}"
            )


def folds_of(
    cv: Any,
    rows: NDArray[np.intp],
    groups: NDArray[Any] | None,
    who: str,
    *,
    runs: NDArray[Any] | None = None,
    purge: int = 0,
) -> list[_Pair]:
    """Return (train, held-out) positions within all rows, for those ``rows`` that are present.

    A splitter splits the present rows alone, so that what one participant lacks never changes the
    fit of another. Explicit (train, test) rows are cut down to the present ones.

    Parameters
    ----------
    rows : array of int
        Those present.
    groups, runs : array (time,) or None
        Of all rows; without ``runs``, all rows are one run.
    purge : int
        Training rows so many TRs or fewer from a held-out row of their run are dropped.

    Raises
    ------
    ValueError
        If no fold has both training and held-out rows, or a row is in both.
    """
    if hasattr(cv, "split"):
        # Splitters ask for X and y only to count their rows.
        some = groups[rows] if groups is not None and _takes_groups(cv) else None
        blank = np.zeros((rows.size, 1))
        pairs = [(rows[train], rows[test]) for train, test in cv.split(blank, blank[:, 0], some)]
    else:
        pairs = [(_rows(train, rows), _rows(test, rows)) for train, test in cv]
    if any(np.intersect1d(train, test).size for train, test in pairs):
        raise ValueError(
            f"{who}: cv={reprlib.repr(cv)} trains on rows that it holds out: make the two disjoint"
        )
    pairs = [(_purged(train, test, runs, purge), test) for train, test in pairs]
    pairs = [(train, test) for train, test in pairs if train.size and test.size]
    if not pairs:
        purged = f" after purging {purge} TRs" if purge else ""
        raise ValueError(
            f"{who}: no fold of cv={reprlib.repr(cv)} has both training and held-out rows{purged}"
        )
    return pairs


def purge_mistakes(purge: Any) -> list[str]:
    """Return what is wrong with a user's ``purge``."""
    if isinstance(purge, int) and not isinstance(purge, bool) and purge >= 0:
        return []
    return [f"purge must be a number of TRs, got {purge!r}"]


def _purged(
    train: NDArray[np.intp], test: NDArray[np.intp], runs: NDArray[Any] | None, purge: int
) -> NDArray[np.intp]:
    """Return ``train`` without rows at most ``purge`` TRs from a held-out row of their run."""
    if not purge or not test.size:
        return train
    held_out = np.sort(test)
    # The nearest held-out rows are the ones before and after each row's place among them.
    places = np.searchsorted(held_out, train)
    near = np.zeros(train.size, dtype=bool)
    for neighbour in (places - 1, places):
        other = held_out[np.clip(neighbour, 0, held_out.size - 1)]
        same = True if runs is None else runs[other] == runs[train]
        near |= (np.abs(train - other) <= purge) & same
    return train[~near]


def _takes_groups(cv: Any) -> bool:
    """Whether a splitter uses groups; scikit-learn's others warn when they get them."""
    if not hasattr(cv, "get_metadata_routing"):
        return True
    return bool(cv.get_metadata_routing().split.requests.get("groups"))


def _rows(chosen: Any, present: NDArray[np.intp]) -> NDArray[np.intp]:
    rows = np.asarray(chosen)
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp)
    return rows[np.isin(rows, present)]
