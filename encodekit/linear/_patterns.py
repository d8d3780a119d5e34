"""Targets that have the same rows, and the folds of these rows: shared by every ridge."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.data import group_targets
from encodekit.linear._criteria import CRITERIA
from encodekit.linear._folds import folds_of, refuse_scattered, refuse_shuffled, resolve_cv

Pair = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be solved, in arrays.

    Attributes
    ----------
    features : array (time, feature)
    targets : array (time, target)
        NumPy or dask.
    participants : array (target,)
    runs, groups : array (time,) or None
    """

    features: NDArray[Any]
    targets: Any
    participants: NDArray[Any]
    runs: NDArray[Any] | None
    groups: NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class Pattern:
    """Targets that have the same rows; ``who`` they are, for messages."""

    who: str
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def find_patterns(problem: Problem) -> tuple[list[Pattern], NDArray[np.bool_]]:
    """Return the patterns of missing rows, and which targets are degenerate.

    Raises
    ------
    ValueError
        If no target has a value in any row.
    """
    degenerate = np.zeros(problem.targets.shape[1], dtype=bool)
    found: dict[bytes, list[Any]] = {}
    groups = group_targets(problem.targets, problem.participants)
    if not any(group.present.any() for group in groups):
        raise ValueError("y holds nothing but NaN: no target has a value in any row")
    for group in groups:
        degenerate[group.columns] = group.degenerate
        if not group.degenerate.all():
            # Participants who have the same rows are one pattern: more targets for one solution.
            found.setdefault(group.present.tobytes(), []).append(group)
    named = problem.participants.dtype.kind not in "iu"
    patterns = []
    for same in found.values():
        # Sorted: a stretch of neighbours is read as a view, and from few chunks of a store.
        columns = np.sort(np.concatenate([group.columns[~group.degenerate] for group in same]))
        who = f"participant {same[0].name!r}" if named else "the targets"
        patterns.append(Pattern(who, np.flatnonzero(same[0].present), columns))
    return patterns, degenerate


def reusable(cv: Any) -> Any:
    """Return ``cv`` as a list if it is an iterator, which the first pattern would use up."""
    return list(cv) if isinstance(cv, Iterator) else cv


def folds_of_pattern(
    problem: Problem, pattern: Pattern, cv: Any, *, purge: int, scoring: str
) -> list[Pair]:
    """Return (train, held-out) positions within the rows of the pattern.

    Raises
    ------
    ValueError
        If the folds cannot be made, scatter single TRs, or hold out too little for the score.
    """
    rows, runs = pattern.rows, problem.runs
    some = None if problem.groups is None else problem.groups[rows]
    refuse_shuffled(cv)
    splits = resolve_cv(cv, some, pattern.who)
    pairs = folds_of(splits, rows, problem.groups, pattern.who, runs=runs, purge=purge)
    refuse_scattered(pairs, runs, cv)
    criterion = CRITERIA[scoring]
    if criterion.correlates or criterion.by_fold:
        within = None if criterion.by_fold else runs
        _check_lengths([held_out for _, held_out in pairs], within, cv, scoring)
    # From positions among all rows to positions among the pattern's, which are sorted.
    return [
        (np.searchsorted(rows, train), np.searchsorted(rows, held_out)) for train, held_out in pairs
    ]


def _check_lengths(
    held_out: list[NDArray[np.intp]], runs: NDArray[Any] | None, cv: Any, scoring: str
) -> None:
    # One long stretch is enough: runs without r are left out of the mean.
    longest = max(
        int(rows.size if runs is None else np.unique(runs[rows], return_counts=True)[1].max())
        for rows in held_out
    )
    if longest < 2:
        raise ValueError(
            f"cv={cv!r} holds out one TR of a run at a time, for which scoring={scoring!r} is "
            "undefined: use larger folds, or scoring='r2_pooled'"
        )
