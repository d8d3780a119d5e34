"""Banded ridge for every target: ridge on scaled features, for each of the shares in turn.

``min ||sum_b X_b B_b - Y||^2 + sum_b (alpha / gamma_b) ||B_b||^2`` is ridge on the features
``sqrt(gamma_b) X_b``, so that shares are tried by the solver of `encodekit.RidgeCV`: one
decomposition serves all targets, alphas and folds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from encodekit.data import column_blocks, over_blocks
from encodekit.linear._arrays import cast
from encodekit.linear._blocks import empty_weights, write_weights
from encodekit.linear._choice import rounding
from encodekit.linear._decomposition import Decomposition, decompose
from encodekit.linear._patterns import Pattern, Problem, find_patterns, reusable
from encodekit.linear._score_predictor import TOLERANCE
from encodekit.linear._search import Candidates
from encodekit.linear._solve import (
    WORTH_A_PILOT,
    Block,
    Plan,
    Settings,
    block_size,
    make_plan,
    one_alpha,
    pilot_of,
    solve_block,
)

LEAST_SHARE = 1e-12  # of a band, whose logarithm is taken
_KEPT = 768 * 2**20  # bytes of decompositions that are kept for the weights
_PROBES = 8  # shares that all targets try before some may be left out
_MOST_PROBES = 24
_DEVIATIONS = 4  # standard errors, beyond which a normal error is one time in thirty thousand


@dataclass(frozen=True, eq=False)
class BandedSettings:
    """How to solve it.

    Attributes
    ----------
    gammas : array (candidate, band), optional
        The shares to try, instead of draws.
    """

    ridge: Settings
    n_iter: int
    concentration: tuple[float, ...]
    random_state: Any
    gammas: NDArray[np.float64] | None


@dataclass(eq=False)
class BandedSolution:
    """Weights and scores, NaN for degenerate targets; ``alphas`` too.

    Attributes
    ----------
    coef : array (feature, target), or a zarr array
    intercept, mean, best, alphas : array (target,)
        ``best`` is the score of the choice.
    band_means : array (band, target)
        Mean over the training rows of what each band predicts.
    deltas : array (band, target)
    gammas : array (candidate, band)
    scores : array (candidate, target)
        Each with its best alpha; NaN where none was tried.
    """

    coef: Any
    intercept: NDArray[Any]
    mean: NDArray[np.float64]
    best: NDArray[Any]
    alphas: NDArray[np.float64]
    band_means: NDArray[np.float64]
    deltas: NDArray[np.float64]
    gammas: NDArray[np.float64]
    scores: NDArray[Any]


def solve_banded(
    problem: Problem,
    members: Sequence[NDArray[np.intp]],
    names: Sequence[Any],
    settings: BandedSettings,
) -> BandedSolution:
    """Choose the share of each band and an alpha per target, and refit on all rows it has.

    Parameters
    ----------
    members : sequence of arrays of int
        The features of each band.
    names : sequence
        Of the bands.

    Raises
    ------
    ValueError
        If the folds cannot be made, or no target has a value.
    """
    ridge = replace(settings.ridge, cv=reusable(settings.ridge.cv))
    patterns, degenerate = find_patterns(problem)
    gammas = _shares(names, settings) if settings.gammas is None else settings.gammas
    gammas = np.maximum(gammas, LEAST_SHARE)
    solution = _empty(problem, ridge, gammas, degenerate.size)
    scored = []
    for pattern in patterns:
        found = _Pattern(problem, members, ridge, pattern, gammas)
        found.search(solution)
        if ridge.single_alpha:
            scored.append(found)
        else:
            found.refit(solution)
    if scored:
        # The one choice is known when all patterns are scored.
        total = np.sum([one.total for one in scored], axis=0)
        share, alpha = _best_on_average(total, ridge)
        for one in scored:
            one.take(solution, share, alpha)
            one.refit(solution)
    return solution


def refit_banded(
    problem: Problem,
    members: Sequence[NDArray[np.intp]],
    deltas: NDArray[np.float64],
    settings: BandedSettings,
) -> BandedSolution:
    """Fit with the penalties of each target: ``deltas`` (band, target), ``log(gamma / alpha)``.

    Raises
    ------
    ValueError
        If a target that can be fitted has none.
    """
    patterns, degenerate = find_patterns(problem)
    known = np.flatnonzero(~degenerate)
    if n := np.count_nonzero(~np.isfinite(deltas[:, known]).all(axis=0)):
        raise ValueError(f"deltas are NaN for {n} targets that have responses")
    log_alpha = -np.log(np.exp(deltas).sum(axis=0))
    log_gamma = deltas + log_alpha
    # Rounded: the same shares have been added up differently for other targets.
    share_of, first = _distinct(log_gamma[:, known].T)
    alpha_of, some = _distinct(log_alpha[known, None])
    gammas, alphas = np.exp(log_gamma[:, known].T[first]), np.exp(log_alpha[known][some])
    ridge = replace(settings.ridge, alphas=alphas)
    solution = _empty(problem, ridge, gammas, degenerate.size)
    place = np.searchsorted(known, np.arange(degenerate.size))
    for pattern in patterns:
        found = _Pattern(problem, members, ridge, pattern, gammas)
        at = place[pattern.columns]
        found.share, found.alpha = share_of[at], alpha_of[at]
        found.refit(solution)
    return solution


def _distinct(rows: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return, for rows that are the same to nine digits, the number of each and a first one."""
    _, first, number = np.unique(np.round(rows, 9), axis=0, return_index=True, return_inverse=True)
    return number.ravel(), first


def _shares(names: Sequence[Any], settings: BandedSettings) -> NDArray[np.float64]:
    """Return shares (candidate, band) of Dirichlet distributions in turn; the first are equal.

    The draws are those of himalaya's ``generate_dirichlet_samples``, for the bands in the order of
    their names, so that the order of the features changes nothing.

    Raises
    ------
    ValueError
        If a concentration is so small that nothing can be drawn.
    """
    n_bands, kinds = len(names), settings.concentration
    if n_bands == 1:
        return np.ones((1, 1))
    generator, each = check_random_state(settings.random_state), -(-settings.n_iter // len(kinds))
    drawn = np.stack([generator.dirichlet([kind] * n_bands, each) for kind in kinds], axis=1)
    if not np.isfinite(drawn).all():
        raise ValueError(
            f"concentration={kinds} is so small that all shares of a draw are 0: use 0.01 or more"
        )
    gammas = drawn.reshape(-1, n_bands)[: settings.n_iter]
    gammas[0] = 1 / n_bands  # equal shares are plain ridge, which a search should not miss
    # The rank of each band's name: the column of draws that is its own.
    ranks = np.argsort(np.argsort(np.asarray([str(name) for name in names])))
    return np.asarray(gammas[:, ranks])


def _empty(
    problem: Problem, ridge: Settings, gammas: NDArray[Any], n_targets: int
) -> BandedSolution:
    n_features, dtype = problem.features.shape[1], problem.features.dtype
    n_shares, n_bands = gammas.shape
    at_once = block_size(problem, ridge)
    return BandedSolution(
        coef=empty_weights((n_features, n_targets), dtype, ridge.coef_store, at_once),
        intercept=np.full(n_targets, np.nan, dtype=dtype),
        mean=np.full(n_targets, np.nan),
        best=np.full(n_targets, np.nan, dtype=dtype),
        alphas=np.full(n_targets, np.nan),
        band_means=np.full((n_bands, n_targets), np.nan),
        deltas=np.full((n_bands, n_targets), np.nan),
        gammas=gammas,
        scores=np.full((n_shares, n_targets), np.nan, dtype=dtype),
    )


def _best_on_average(total: NDArray[np.float64], ridge: Settings) -> tuple[int, int]:
    """Return the shares and the alpha whose sum of scores (share, alpha) is the highest."""
    alpha = [one_alpha(row[:, None], ridge.alphas) for row in total]
    best = total[np.arange(len(total)), alpha]
    share = int(np.argmax(best))
    return share, alpha[share]


class _Pattern:
    """The targets of one pattern of missing rows: what they chose, and their weights.

    Attributes
    ----------
    share, alpha : array (target,) of int
        Positions of what each target chose.
    total : array (share, alpha)
        Of ``single_alpha``: the sum of the scores of all targets.
    """

    def __init__(
        self, problem: Problem, members: Sequence[NDArray[np.intp]], ridge: Settings,
        pattern: Pattern, gammas: NDArray[np.float64],
    ) -> None:  # fmt: skip
        self._problem, self._members, self._ridge = problem, members, ridge
        self._pattern, self._gammas = pattern, gammas
        self.share = np.zeros(pattern.columns.size, dtype=np.intp)
        self.alpha = np.zeros(pattern.columns.size, dtype=np.intp)
        self.total = np.zeros((len(gammas), ridge.alphas.size))
        self._best = np.full(pattern.columns.size, -np.inf)
        self._parts: dict[int, Decomposition] = {}
        every = ridge.exhaustive or ridge.single_alpha or pattern.columns.size < WORTH_A_PILOT
        self._screen = None if every else _Screen()

    def search(self, solution: BandedSolution) -> None:
        """Try all shares, and choose."""
        columns, left = self._pattern.columns, _KEPT
        for share in range(len(self._gammas)):
            problem = self._scaled(share)
            plan = replace(make_plan(problem, self._ridge, self._pattern), refit=False)
            parts = plan.candidates.parts  # weights need the precision of the targets alone
            parts = replace(parts, rows=cast(parts.rows, parts.basis))
            size = parts.rows.nbytes + parts.basis.nbytes
            if size <= left:
                self._parts[share], left = parts, left - size
            places = np.arange(columns.size)
            if self._screen is not None:
                pilot = pilot_of(problem, plan, self._pattern)
                scores = pilot.all_scores()
                if self._ridge.alphas.size > 2:
                    plan = replace(plan, predictor=pilot.score_predictor(scores))
                tried = solution.scores[:, columns]
                places = self._screen.promising(scores.max(axis=0), tried, self._best)
            for some, block in self._blocks(plan, places):
                self._note(solution, share, some, block)
        solution.best[columns] = np.where(np.isneginf(self._best), np.nan, self._best)

    def _scaled(self, share: int) -> Problem:
        features = self._problem.features
        return replace(self._problem, features=features * self._roots(share).astype(features.dtype))

    def _roots(self, share: int) -> NDArray[np.float64]:
        """Return the root of each feature's share."""
        roots = np.empty(self._problem.features.shape[1])
        for some, gamma in zip(self._members, self._gammas[share], strict=True):
            roots[some] = np.sqrt(gamma)
        return roots

    def _blocks(
        self, plan: Plan, places: NDArray[np.intp], chosen: NDArray[np.intp] | None = None
    ) -> Iterator[tuple[NDArray[np.intp], Block]]:
        """Yield the places of some targets, sorted, and what a block of them gives."""
        columns = self._pattern.columns
        pieces = list(column_blocks(columns[places], block_size(self._problem, self._ridge)))
        given = (
            None if chosen is None else [chosen[np.searchsorted(columns, one)] for one in pieces]
        )
        for one, block in over_blocks(solve_block, plan, self._problem.targets, pieces, given):
            yield np.searchsorted(columns, one), block

    def _note(
        self, solution: BandedSolution, share: int, places: NDArray[np.intp], block: Block
    ) -> None:
        assert block.scores is not None  # without refit, a block is scored
        scores, columns = block.scores, self._pattern.columns[places]
        found = scores[block.chosen, np.arange(places.size)]
        solution.scores[share, columns], solution.mean[columns] = found, block.mean
        if self._ridge.single_alpha:
            usable = scores[:, ~np.isnan(scores).any(axis=0)]
            self.total[share] += usable.sum(axis=1, dtype=np.float64)
        best, alphas = self._best[places], self._ridge.alphas
        step = rounding(np.where(np.isneginf(best), 0, best), scores.dtype)
        smaller = alphas[block.chosen] < alphas[self.alpha[places]]
        # NaN is never better: who has no score at all keeps the first shares.
        better = (found > best + step) | ((found >= best - step) & smaller) | (share == 0)
        taken = places[better]
        self.share[taken], self.alpha[taken] = share, block.chosen[better]
        self._best[places] = np.fmax(best, found)

    def take(self, solution: BandedSolution, share: int, alpha: int) -> None:
        """Choose the same for all targets."""
        self.share[:], self.alpha[:] = share, alpha
        ridge = replace(self._ridge, alphas=self._ridge.alphas[[alpha]])
        plan = replace(make_plan(self._scaled(share), ridge, self._pattern), refit=False)
        for some, block in self._blocks(plan, np.arange(self.share.size)):
            assert block.scores is not None  # without refit, a block is scored
            solution.best[self._pattern.columns[some]] = block.scores[0]

    def refit(self, solution: BandedSolution) -> None:
        """Solve for the weights of what each target chose."""
        columns, ridge = self._pattern.columns, self._ridge
        for share in np.unique(self.share).tolist():
            places = np.flatnonzero(self.share == share)
            plan = self._of_weights(share)
            for some, block in self._blocks(plan, places, self.alpha):
                where = columns[some]
                assert block.coef is not None  # with refit, there are weights
                coef = block.coef * self._roots(share).astype(block.coef.dtype)[:, None]
                write_weights(solution.coef, where, coef)
                solution.intercept[where], solution.mean[where] = block.intercept, block.mean
                solution.band_means[:, where] = self._band_means(coef)
                solution.alphas[where] = ridge.alphas[self.alpha[some]]
                log = np.log(self._gammas[share])[:, None]
                solution.deltas[:, where] = log - np.log(ridge.alphas[self.alpha[some]])

    def _of_weights(self, share: int) -> Plan:
        """Return a plan without folds."""
        ridge, device = self._ridge, self._ridge.device
        features = self._scaled(share).features[self._pattern.rows]
        if share not in self._parts:
            parts = decompose(features, fit_intercept=ridge.fit_intercept, device=device)
        else:
            parts = self._parts[share]
        candidates = Candidates(
            parts, (), ridge.alphas, parts.penalties(ridge.alphas), ridge.scoring,
            ridge.fit_intercept,
        )  # fmt: skip
        return Plan(self._pattern.rows, candidates, features.dtype, device)

    def _band_means(self, coef: NDArray[Any]) -> NDArray[np.float64]:
        mean = self._problem.features[self._pattern.rows].mean(axis=0, dtype=np.float64)
        return np.stack([mean[some] @ coef[some] for some in self._members])


class _Screen:
    """Which shares a target need not try, by the best scores of a pilot that tries all.

    All targets try some shares, the probes. By least squares on the pilot these predict a target's
    score with others. Shares are left out where the predicted score, plus four standard errors of
    a prediction, is no better than the best known one. The errors are those of leaving one target
    of the pilot out, widened for targets that are unlike the pilot.
    """

    def __init__(self) -> None:
        self._pilot: list[NDArray[np.float64]] = []  # of the probes
        self._probes: list[int] = []
        self._n = 0

    def promising(
        self, pilot: NDArray[np.float64], tried: NDArray[Any], best: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        """Return the places of the targets that are to try the next shares.

        Parameters
        ----------
        pilot : array (pilot target,)
            Their best scores with these shares.
        tried : array (share, target)
            The best scores of all targets.
        best : array (target,)
        """
        share, every = self._n, np.arange(best.size)
        self._n += 1
        some = every
        if len(self._probes) >= _PROBES:
            highest = self._highest(pilot, tried[self._probes])
            some = np.flatnonzero(~(highest <= best + TOLERANCE))
        # A probe more, where most would try these shares anyway.
        if len(self._probes) < _PROBES or (
            2 * some.size > every.size and len(self._probes) < _MOST_PROBES
        ):
            self._probes.append(share)
            self._pilot.append(pilot)
            return every
        return some

    def _highest(self, pilot: NDArray[np.float64], probed: NDArray[Any]) -> NDArray[np.float64]:
        """Return scores (target,) that a target hardly exceeds; NaN where that is unknown."""
        have = np.stack(self._pilot)
        known = np.isfinite(have).all(axis=0) & np.isfinite(pilot)
        have, want, n = have[:, known], pilot[known], np.count_nonzero(known)
        centre, middle = have.mean(axis=1, keepdims=True), want.mean()
        have, want = have - centre, want - middle
        covariance = have @ have.T / n
        # A noise of 3e-5, less than the tolerance, keeps the inverse finite.
        covariance[np.diag_indices_from(covariance)] += 1e-9
        inverse = np.linalg.inv(covariance)
        weights = inverse @ (have @ want) / n
        leverage = np.einsum("ij,ij->j", have, inverse @ have) / n
        # The error of a regression without this target is its residual over 1 - leverage.
        left_out = (want - weights @ have) / (1 - np.minimum(leverage, 0.99))
        here = probed - centre
        # The variance of a prediction grows by the squared Mahalanobis distance over n.
        unlike = np.einsum("ij,ij->j", here, inverse @ here) / n
        error = np.sqrt(np.square(left_out).mean() * (1 + unlike))
        return np.asarray(middle + weights @ here + _DEVIATIONS * error)
