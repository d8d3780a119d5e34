"""Ridge for every target: patterns of missing rows, their plans, blocks of targets."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.data import column_blocks, load_columns, over_blocks
from encodekit.linear._arrays import (
    cast,
    narrowed,
    on_device,
    power_of_two,
    take,
    target_slices,
    to_numpy,
)
from encodekit.linear._blocks import empty_weights, write_weights
from encodekit.linear._choice import choose
from encodekit.linear._criteria import CRITERIA
from encodekit.linear._decomposition import Decomposition, coefficients, decompose
from encodekit.linear._fold import Split, make_fold, make_split
from encodekit.linear._patterns import (
    Pattern,
    Problem,
    find_patterns,
    folds_of_pattern,
    reusable,
)
from encodekit.linear._score_predictor import ScorePredictor
from encodekit.linear._search import BlockScores, Candidates

_BUDGET = 512 * 2**20  # bytes of work arrays for a block of targets
N_PILOT = 256  # targets: several for each of the (at most two per alpha) numbers of a regression
WORTH_A_PILOT = 8 * N_PILOT  # targets, so that the pilot is a small part of the work


@dataclass(frozen=True, eq=False)
class Settings:
    """How to solve it; ``alphas`` in the convention ``||XB - Y||^2 + alpha ||B||^2``."""

    alphas: NDArray[np.float64]
    cv: Any
    purge: int
    scoring: str
    fit_intercept: bool
    single_alpha: bool
    exhaustive: bool
    block_size: int | None
    device: str | None
    coef_store: Any


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights and scores, NaN for degenerate targets; ``chosen`` is -1 there.

    ``scores`` is NaN for alphas that were not tried. ``coef`` is an array, or a zarr array.
    """

    coef: Any
    intercept: NDArray[Any]
    mean: NDArray[np.float64]
    chosen: NDArray[np.intp]
    scores: NDArray[Any]
    degenerate: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Plan:
    """What every block of targets with the same rows shares; sent once to each worker.

    Attributes
    ----------
    rows : array of int
    alpha : position of the one alpha for all targets, or None
    predictor : what spares alphas, or None to try them all
    refit : whether to solve for weights; without, only scores
    """

    rows: NDArray[np.intp]
    candidates: Candidates
    dtype: Any
    device: str | None
    predictor: ScorePredictor | None = None
    alpha: int | None = None
    refit: bool = True


@dataclass(frozen=True, eq=False)
class Block:
    """The solution of one block."""

    coef: NDArray[Any] | None
    intercept: NDArray[Any] | None
    mean: NDArray[np.float64]
    chosen: NDArray[np.intp]
    scores: NDArray[Any] | None


def solve(problem: Problem, settings: Settings) -> Solution:
    """Choose an alpha per target by cross-validation and refit on all rows it has.

    Targets with the same missing rows share one eigendecomposition, over folds too; each block of
    targets is read once (twice for ``single_alpha``, besides the pilot).

    Raises
    ------
    ValueError
        If the folds cannot be made; see `encodekit.linear.RidgeCV`.
    """
    settings = replace(settings, cv=reusable(settings.cv))
    patterns, degenerate = find_patterns(problem)
    solution = _empty(problem, settings, degenerate)
    if settings.single_alpha:
        # The one alpha is known when all patterns are scored, and weights come in a second pass.
        scored = [replace(make_plan(problem, settings, one), refit=False) for one in patterns]
        for plan, pattern in zip(scored, patterns, strict=True):
            _run(problem, settings, plan, pattern, solution)
        alpha = one_alpha(solution.scores, settings.alphas)
        for plan, pattern in zip(scored, patterns, strict=True):
            again = replace(plan, refit=True, alpha=alpha)
            _run(problem, settings, again, pattern, solution)
    else:
        for pattern in patterns:
            plan = make_plan(problem, settings, pattern)
            plan = replace(plan, predictor=_score_predictor(problem, settings, plan, pattern))
            _run(problem, settings, plan, pattern, solution)
    return solution


def _empty(problem: Problem, settings: Settings, degenerate: NDArray[np.bool_]) -> Solution:
    n_features, n_targets = problem.features.shape[1], degenerate.size
    dtype = problem.features.dtype
    coef = empty_weights(
        (n_features, n_targets), dtype, settings.coef_store, block_size(problem, settings)
    )
    return Solution(
        coef,
        np.full(n_targets, np.nan, dtype=dtype),
        np.full(n_targets, np.nan),
        np.full(n_targets, -1, dtype=np.intp),
        np.full((settings.alphas.size, n_targets), np.nan, dtype=dtype),
        degenerate,
    )


def make_plan(problem: Problem, settings: Settings, pattern: Pattern) -> Plan:
    features = problem.features[pattern.rows]
    parts = decompose(features, fit_intercept=settings.fit_intercept, device=settings.device)
    like = on_device(features[:0], settings.device)
    splits = _splits(problem, settings, pattern)
    penalties = parts.penalties(settings.alphas)
    folds = [
        make_fold(
            parts,
            split,
            penalties,
            by_run=CRITERIA[settings.scoring].correlates,
            intercept=settings.fit_intercept,
            like=like,
        )
        for split in splits
    ]
    candidates = Candidates(
        parts, folds, settings.alphas, penalties, settings.scoring, settings.fit_intercept
    )
    return Plan(pattern.rows, candidates, features.dtype, settings.device)


def _splits(problem: Problem, settings: Settings, pattern: Pattern) -> list[Split]:
    pairs = folds_of_pattern(
        problem, pattern, settings.cv, purge=settings.purge, scoring=settings.scoring
    )
    # A score by fold takes the held-out rows of all runs as one stretch.
    by_fold = CRITERIA[settings.scoring].by_fold
    runs = None if by_fold or problem.runs is None else problem.runs[pattern.rows]
    return [make_split(train, held_out, runs, pattern.rows.size) for train, held_out in pairs]


def _score_predictor(
    problem: Problem, settings: Settings, plan: Plan, pattern: Pattern
) -> ScorePredictor | None:
    """Return what spares alphas, where there are many more targets than a pilot has."""
    if settings.exhaustive or pattern.columns.size < WORTH_A_PILOT or settings.alphas.size < 3:
        return None
    return pilot_of(problem, plan, pattern).score_predictor()


def pilot_of(problem: Problem, plan: Plan, pattern: Pattern) -> BlockScores:
    """Return what scores a few targets of a pattern, evenly spread."""
    # Evenly: neighbours are alike, and participants come one after the other.
    places = np.linspace(0, pattern.columns.size - 1, N_PILOT).astype(np.intp)
    values = load_columns(problem.targets, pattern.columns[places])
    targets, raw, _, _ = _rows_of(plan, values)
    return BlockScores(plan.candidates, targets, raw)


def _rows_of(
    plan: Plan, values: NDArray[Any]
) -> tuple[Any, NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Return targets as rows, centred and scaled, on the device; as they came; means; scales.

    Responses in other units are scaled to the same rows, whose squares float32 can hold.
    """
    raw = take(values, plan.rows)
    mean = raw.mean(axis=0, dtype=np.float64)
    shift, scale = (mean if plan.candidates.fit_intercept else 0 * mean), np.ones_like(mean)
    # Targets as rows: few of them are a stretch of memory, and are transposed while in the cache.
    centred = np.empty(raw.shape[::-1], dtype=plan.dtype)
    for some in target_slices(mean.size, raw):
        part = raw[:, some] - shift[some]  # in float64, as the means are
        scale[some] = power_of_two(abs(part).max(axis=0))
        centred[some] = (part * scale[some]).T
    return on_device(centred, plan.device), raw, mean, scale


def solve_block(plan: Plan, values: NDArray[Any], chosen: NDArray[np.intp] | None = None) -> Block:
    """Solve for the targets ``values`` (time, target), at the alphas ``chosen`` where given."""
    targets, raw, mean, scale = _rows_of(plan, values)
    scores, alphas = None, plan.candidates.alphas
    if plan.alpha is not None:
        chosen = np.full(len(targets), plan.alpha)
    if chosen is None:
        predictor = plan.predictor
        block = BlockScores(plan.candidates, targets, raw)
        scores = block.some_scores(predictor) if predictor else block.all_scores()
        chosen, total = choose(scores, alphas, plan.dtype), block.total
        scores = scores.astype(plan.dtype)
    else:
        total = targets @ cast(plan.candidates.parts.rows, targets)
    if not plan.refit:
        return Block(None, None, mean, chosen, scores)
    coef, intercept = _refit(plan, total, chosen, mean, scale)
    return Block(coef, intercept, mean, chosen, scores)


def _refit(
    plan: Plan,
    total: Any,
    chosen: NDArray[np.intp],
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> tuple[NDArray[Any], NDArray[Any]]:
    parts: Decomposition = plan.candidates.parts
    penalties = on_device(plan.candidates.penalties, plan.device)
    # From weights of scaled features for scaled targets to those of what was given.
    factor = parts.shrinkage(plan.candidates.alphas)[chosen] * (parts.scale / scale)
    coef = np.empty((parts.basis.shape[0], mean.size), dtype=plan.dtype)
    intercept, x_mean = mean.copy(), to_numpy(parts.mean)
    for some in target_slices(mean.size, total):
        its = on_device(chosen[some], plan.device)
        scaled = to_numpy(coefficients(parts, total[some], penalties, its))
        coef[:, some] = narrowed(scaled * factor[some], plan.dtype)
        intercept[some] -= x_mean @ coef[:, some]  # in float64, as the means are
    if not plan.candidates.fit_intercept:
        intercept = np.zeros_like(intercept)
    return coef, intercept.astype(plan.dtype)


def _run(
    problem: Problem, settings: Settings, plan: Plan, pattern: Pattern, solution: Solution
) -> None:
    """Solve every block of a pattern, and put what it gives into the solution."""
    pieces = list(column_blocks(pattern.columns, block_size(problem, settings)))
    for columns, block in over_blocks(solve_block, plan, problem.targets, pieces):
        solution.mean[columns] = block.mean
        solution.chosen[columns] = block.chosen
        if block.scores is not None:
            solution.scores[:, columns] = block.scores
        if block.coef is not None:
            write_weights(solution.coef, columns, block.coef)
        if block.intercept is not None:
            solution.intercept[columns] = block.intercept


def one_alpha(scores: NDArray[Any], alphas: NDArray[np.float64]) -> int:
    usable = ~np.isnan(scores).any(axis=0)
    if not usable.any():
        return int(np.argmax(alphas))
    mean = scores[:, usable].mean(axis=1, keepdims=True, dtype=np.float64)
    return int(choose(mean, alphas, scores.dtype)[0])


def block_size(problem: Problem, settings: Settings) -> int:
    if settings.block_size is not None:
        return settings.block_size
    n_rows, n_features = problem.features.shape
    # Of time: targets, as they came and centred, held-out truths, a fold's predictions. Of
    # components: the projections by fold and in all.
    per_target = problem.features.dtype.itemsize * (4 * n_rows + 8 * min(n_rows, n_features))
    return int(max(64, _BUDGET // per_target))
