"""Ridge for every target: patterns of missing rows, folds, blocks of targets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.linear._decomposition import Decomposition, coefficients, components, decompose
from encodekit.linear._folds import folds_of, resolve_cv
from encodekit.linear._search import Fold, decompose_fold, score_alphas
from encodekit.scoring import group_targets
from encodekit.scoring._missing import blocks, load_columns

_BUDGET = 256 * 2**20  # bytes of work arrays for a block of targets


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
class Settings:
    """How to solve it; ``alphas`` in the convention ``||XB - Y||^2 + alpha ||B||^2``."""

    alphas: NDArray[np.float64]
    cv: Any
    scoring: str
    fit_intercept: bool
    single_alpha: bool
    block_size: int | None


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights and scores, NaN for degenerate targets; ``chosen`` is -1 there."""

    coef: NDArray[Any]
    intercept: NDArray[Any]
    mean: NDArray[np.float64]
    chosen: NDArray[np.intp]
    scores: NDArray[np.float64]
    degenerate: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Pattern:
    """Targets that have the same rows."""

    who: str
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def solve(problem: Problem, settings: Settings) -> Solution:
    """Choose an alpha per target by cross-validation and refit on all rows it has.

    Targets with the same missing rows share the decompositions of every fold; each block of
    targets is read once (twice for ``single_alpha``).

    Raises
    ------
    ValueError
        If the folds cannot be made; see `encodekit.linear.RidgeCV`.
    """
    # An iterator of folds is used up by the first pattern of missing rows.
    folds = list(settings.cv) if isinstance(settings.cv, Iterator) else settings.cv
    settings = replace(settings, cv=folds)
    patterns, degenerate = _patterns(problem)
    solution = _empty(problem, settings, degenerate)
    for pattern in patterns:
        _solve_pattern(problem, settings, pattern, solution)
    if settings.single_alpha:
        _use_one_alpha(problem, settings, patterns, solution)
    return solution


def _patterns(problem: Problem) -> tuple[list[_Pattern], NDArray[np.bool_]]:
    degenerate = np.zeros(problem.targets.shape[1], dtype=bool)
    found: dict[bytes, list[Any]] = {}
    measured = False
    for group in group_targets(problem.targets, problem.participants):
        degenerate[group.columns] = group.degenerate
        if not group.degenerate.all():
            found.setdefault(group.present.tobytes(), []).append(group)
        measured |= bool(group.present.any())
    if not measured:
        raise ValueError("y holds nothing but NaN: no target has a value in any row")
    named = problem.participants.dtype.kind not in "iu"
    patterns = []
    for groups in found.values():
        columns = np.concatenate([group.columns[~group.degenerate] for group in groups])
        who = f"participant {groups[0].name!r}" if named else "the targets"
        patterns.append(_Pattern(who, np.flatnonzero(groups[0].present), np.sort(columns)))
    return patterns, degenerate


def _empty(problem: Problem, settings: Settings, degenerate: NDArray[np.bool_]) -> Solution:
    n_features, n_targets = problem.features.shape[1], degenerate.size
    dtype = problem.features.dtype
    return Solution(
        np.full((n_features, n_targets), np.nan, dtype=dtype),
        np.full(n_targets, np.nan, dtype=dtype),
        np.full(n_targets, np.nan),
        np.full(n_targets, -1, dtype=np.intp),
        np.full((settings.alphas.size, n_targets), np.nan),
        degenerate,
    )


def _solve_pattern(
    problem: Problem, settings: Settings, pattern: _Pattern, solution: Solution
) -> None:
    folds = list(_folds(problem, settings, pattern))
    if settings.scoring == "correlation":
        _check_lengths(folds, settings.cv)
    whole = _whole(problem, settings, pattern)
    for columns in blocks(pattern.columns, _block_size(problem, settings)):
        targets = load_columns(problem.targets, columns).astype(problem.features.dtype, copy=False)
        scores = score_alphas(
            folds,
            targets,
            settings.alphas,
            scoring=settings.scoring,
            fit_intercept=settings.fit_intercept,
        )
        solution.scores[:, columns] = scores
        solution.chosen[columns] = choose(scores, settings.alphas)
        if not settings.single_alpha:
            _refit(whole, settings, targets[pattern.rows], columns, solution)


def _use_one_alpha(
    problem: Problem, settings: Settings, patterns: list[_Pattern], solution: Solution
) -> None:
    usable = ~np.isnan(solution.scores).any(axis=0)
    mean = solution.scores[:, usable].mean(axis=1, keepdims=True) if usable.any() else None
    solution.chosen[solution.chosen >= 0] = (
        np.argmax(settings.alphas) if mean is None else choose(mean, settings.alphas)[0]
    )
    for pattern in patterns:
        whole = _whole(problem, settings, pattern)
        for columns in blocks(pattern.columns, _block_size(problem, settings)):
            targets = load_columns(problem.targets, columns)[pattern.rows]
            targets = targets.astype(problem.features.dtype, copy=False)
            _refit(whole, settings, targets, columns, solution)


def _whole(problem: Problem, settings: Settings, pattern: _Pattern) -> Decomposition:
    return decompose(problem.features[pattern.rows], fit_intercept=settings.fit_intercept)


def _folds(problem: Problem, settings: Settings, pattern: _Pattern) -> Iterator[Fold]:
    some = None if problem.groups is None else problem.groups[pattern.rows]
    cv = resolve_cv(settings.cv, some, pattern.who)
    pairs = folds_of(cv, pattern.rows, problem.groups, pattern.who)
    for train, held_out in pairs:
        yield decompose_fold(
            problem.features,
            train,
            held_out,
            problem.runs,
            fit_intercept=settings.fit_intercept,
        )


def _check_lengths(folds: list[Fold], cv: Any) -> None:
    longest = max(run.stop - run.start for fold in folds for run in fold.runs)
    if longest < 2:
        raise ValueError(
            f"cv={cv!r} holds out one TR of a run at a time, for which a correlation is undefined: "
            "use larger folds, or scoring='r2'"
        )


def _block_size(problem: Problem, settings: Settings) -> int:
    if settings.block_size is not None:
        return settings.block_size
    n_rows, n_features = problem.features.shape
    per_target: int = problem.features.dtype.itemsize * (4 * n_rows + 3 * min(n_rows, n_features))
    return max(64, _BUDGET // per_target)


def choose(scores: NDArray[np.float64], alphas: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the best alpha's position per target; the largest where no score is defined."""
    best: NDArray[np.intp] = np.argmax(np.where(np.isnan(scores), -np.inf, scores), axis=0)
    best[np.isnan(scores).all(axis=0)] = np.argmax(alphas)
    return best


def _refit(
    whole: Decomposition,
    settings: Settings,
    targets: NDArray[Any],
    columns: NDArray[np.intp],
    solution: Solution,
) -> None:
    projected, mean = components(whole, targets, fit_intercept=settings.fit_intercept)
    coef = coefficients(whole, projected, settings.alphas[solution.chosen[columns]])
    solution.coef[:, columns] = coef
    solution.intercept[columns] = mean - whole.mean @ coef if settings.fit_intercept else 0
    solution.mean[columns] = targets.mean(axis=0, dtype=np.float64)
