"""Banded ridge for every target, by himalaya's random search: arrays in, arrays out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.data import load_columns
from encodekit.linear._arrays import narrowed, power_of_two
from encodekit.linear._fold_scores import FoldScores
from encodekit.linear._himalaya import himalaya_backend, import_himalaya
from encodekit.linear._patterns import (
    Pair,
    Pattern,
    Problem,
    find_patterns,
    folds_of_pattern,
    reusable,
)

_BUDGET = 256 * 2**20  # bytes of himalaya's work arrays
_LEAST = 1e-12  # share of a band: himalaya divides by its root, and takes its logarithm


@dataclass(frozen=True, eq=False)
class BandedSettings:
    """How to solve it; ``alphas`` in the convention ``||XB - Y||^2 + alpha ||B||^2``."""

    alphas: NDArray[np.float64]
    n_iter: int
    concentration: tuple[float, ...]
    random_state: Any
    cv: Any
    purge: int
    scoring: str
    fit_intercept: bool
    backend: str
    budget: int = _BUDGET


@dataclass(frozen=True, eq=False)
class BandedSolution:
    """Weights and scores, NaN for degenerate targets; ``chosen`` is -1 there.

    Attributes
    ----------
    coef : array (feature, target)
    intercept, mean : array (target,)
    band_means : array (band, target)
        Mean over the training rows of what each band predicts.
    deltas : array (band, target)
    chosen : array (target,) of int
        Position of the alpha.
    gammas : array (candidate, band)
    scores : array (candidate, target)
    degenerate : array (target,) of bool
    """

    coef: NDArray[Any]
    intercept: NDArray[Any]
    mean: NDArray[np.float64]
    band_means: NDArray[np.float64]
    deltas: NDArray[np.float64]
    chosen: NDArray[np.intp]
    gammas: NDArray[np.float64]
    scores: NDArray[np.float64]
    degenerate: NDArray[np.bool_]


def solve_banded(
    problem: Problem, members: Sequence[NDArray[np.intp]], names: Sequence[Any], settings: Any
) -> BandedSolution:
    """Choose the share of each band and an alpha per target, and refit on all rows it has.

    Parameters
    ----------
    problem : Problem
        ``features`` (time, feature), ``targets`` (time, target), ``participants``, ``runs``,
        ``groups``.
    members : sequence of arrays of int
        The features of each band.
    names : sequence
        Of the bands.
    settings : BandedSettings

    Raises
    ------
    MissingExtraError
        If himalaya is not installed.
    ValueError
        If the folds cannot be made, or no target has a value.
    """
    with himalaya_backend(settings.backend) as backend:
        gammas = _candidates(names, settings, backend)
        patterns, degenerate = find_patterns(problem)
        cv = reusable(settings.cv)
        solution = _empty(problem, gammas, degenerate)
        for pattern in patterns:
            folds = folds_of_pattern(
                problem, pattern, cv, purge=settings.purge, scoring=settings.scoring
            )
            _solve_pattern(problem, members, settings, pattern, folds, solution, backend)
    return solution


def _candidates(names: Sequence[Any], settings: BandedSettings, backend: Any) -> NDArray[Any]:
    """Return shares of the bands to try, (candidate, band); the first ones are equal.

    They are drawn for the bands in the order of their names, so that the order of the features
    changes nothing.
    """
    if len(names) == 1:
        return np.ones((1, 1))
    sample = import_himalaya("kernel_ridge").generate_dirichlet_samples
    drawn = sample(
        settings.n_iter,
        len(names),
        concentration=list(settings.concentration),
        random_state=settings.random_state,
    )
    shares = np.asarray(backend.to_numpy(drawn), dtype=np.float64)
    if not np.isfinite(shares).all():
        raise ValueError(
            f"concentration={settings.concentration} is so small that all shares of a draw are 0: "
            "use 0.01 or more"
        )
    gammas = np.maximum(shares, _LEAST)
    gammas[0] = 1 / len(names)  # equal shares are plain ridge, which a search should not miss
    # The rank of each band's name: the column of draws that is its own.
    place: NDArray[np.intp] = np.argsort(np.argsort(np.asarray([str(name) for name in names])))
    return gammas[:, place]


def _empty(problem: Problem, gammas: NDArray[Any], degenerate: NDArray[np.bool_]) -> BandedSolution:
    n_features, n_targets, n_bands = problem.features.shape[1], degenerate.size, gammas.shape[1]
    dtype = problem.features.dtype
    return BandedSolution(
        np.full((n_features, n_targets), np.nan, dtype=dtype),
        np.full(n_targets, np.nan, dtype=dtype),
        np.full(n_targets, np.nan),
        np.full((n_bands, n_targets), np.nan),
        np.full((n_bands, n_targets), np.nan),
        np.full(n_targets, -1, dtype=np.intp),
        gammas,
        np.full((len(gammas), n_targets), np.nan),
        degenerate,
    )


def _solve_pattern(
    problem: Problem,
    members: Sequence[NDArray[np.intp]],
    settings: BandedSettings,
    pattern: Pattern,
    folds: list[Pair],
    solution: BandedSolution,
    backend: Any,
) -> None:
    rows, columns = pattern.rows, pattern.columns
    features = problem.features[rows].astype(np.float64)
    # All at once: the weights, which are kept, are as many numbers per target or more.
    targets = load_columns(problem.targets, columns)[rows]
    features, x_mean, x_scale = _standard(features, settings)
    centred, y_mean, y_scale = _standard(targets, settings, axis=0)
    alphas = settings.alphas * x_scale**2
    batches = _Batches.of(
        features.shape, targets.shape[1], settings.alphas.size, folds, settings.budget
    )
    scores = FoldScores(
        (targets * y_scale).astype(targets.dtype),
        folds,
        None if problem.runs is None else problem.runs[rows],
        scoring=settings.scoring,
        fit_intercept=settings.fit_intercept,
        grid=alphas,
        alphas=_slices(settings.alphas.size, batches.n_alphas),
        columns=_slices(targets.shape[1], batches.n_targets),
        backend=backend,
    )
    deltas, weights, by_candidate = _search(
        [features[:, some] for some in members],
        centred,
        solution.gammas,
        backend,
        alphas=backend.asarray(alphas),
        score_func=scores,
        cv=folds,
        fit_intercept=settings.fit_intercept,
        progress_bar=False,
        **batches.named(),
    )
    # The solver has the features band after band; here they are where they came.
    coef = np.empty((features.shape[1], columns.size))
    coef[np.concatenate(members)] = weights * (x_scale / y_scale)
    deltas = deltas + 2 * np.log(x_scale)
    _write_weights(solution, columns, members, coef, (x_mean, y_mean), settings.fit_intercept)
    solution.deltas[:, columns] = deltas
    solution.chosen[columns] = _nearest(deltas, settings.alphas)
    solution.scores[:, columns] = np.where(scores.defined, by_candidate, np.nan)


def _standard(values: NDArray[Any], settings: BandedSettings, axis: int | None = None) -> Any:
    """Return values in float64, centred and scaled; their means; their scales, powers of two.

    Other units change no digit of what is solved, and nothing overflows when it is squared.
    """
    mean = values.mean(axis=0, dtype=np.float64)
    centred = values - mean if settings.fit_intercept else values.astype(np.float64)
    scale = power_of_two(np.maximum(centred.max(axis=axis), -centred.min(axis=axis)))
    centred *= scale
    return centred, mean, scale


def _write_weights(
    solution: BandedSolution,
    columns: NDArray[np.intp],
    members: Sequence[NDArray[np.intp]],
    coef: NDArray[np.float64],
    means: tuple[NDArray[np.float64], NDArray[np.float64]],
    fit_intercept: bool,
) -> None:
    """Write ``coef`` (feature, target) of some columns, and what follows from the means."""
    x_mean, y_mean = means
    # What each band predicts for the mean features, (band, target); b0 = y_mean - their sum.
    parts = np.stack([x_mean[some] @ coef[some] for some in members])
    solution.coef[:, columns] = narrowed(coef, solution.coef.dtype)
    solution.intercept[columns] = y_mean - parts.sum(axis=0) if fit_intercept else 0
    solution.mean[columns] = y_mean
    solution.band_means[:, columns] = parts


def _search(
    bands: list[NDArray[np.float64]],
    targets: NDArray[np.float64],
    gammas: NDArray[np.float64],
    backend: Any,
    **keywords: Any,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return deltas (band, target), weights (feature of band after band, target), and scores.

    Over features where there are fewer of them than rows, else over kernels; the weights are the
    same: ``b = g X' (sum_b g_b X_b X_b' + alpha I)^-1 y``.
    """
    n_features = sum(band.shape[1] for band in bands)
    tried = backend.asarray(gammas)
    if n_features <= len(targets):
        solver = import_himalaya("ridge").solve_group_ridge_random_search
        found = solver(bands, targets, n_iter=tried, return_weights=True, warn=False, **keywords)
        deltas, weights, scores = (np.asarray(backend.to_numpy(item)) for item in found[:3])
        return deltas, weights, scores
    solver = import_himalaya("kernel_ridge").solve_multiple_kernel_ridge_random_search
    kernels = backend.asarray(np.stack([band @ band.T for band in bands]))  # (band, time, time)
    found = solver(kernels, targets, n_iter=tried, return_weights="dual", **keywords)
    deltas, dual, scores = (np.asarray(backend.to_numpy(item)) for item in found[:3])
    # himalaya's dual weights w have exp(delta_b) = gamma_b / alpha outside: b_b = exp(delta_b)
    # X_b' w, of (feature, time) @ (time, target).
    by_band = zip(bands, deltas, strict=True)
    weights = np.concatenate([np.exp(delta) * (band.T @ dual) for band, delta in by_band])
    return deltas, weights, scores


@dataclass(frozen=True)
class _Batches:
    """How many alphas and targets at a time, so that himalaya's arrays stay within the budget."""

    n_alphas: int
    n_targets: int
    n_refit: int

    def named(self) -> dict[str, int]:
        """Return the sizes under the names of himalaya's parameters."""
        return {
            "n_alphas_batch": self.n_alphas,
            "n_targets_batch": self.n_targets,
            "n_targets_batch_refit": self.n_refit,
        }

    @classmethod
    def of(
        cls, shape: tuple[int, ...], n_targets: int, n_alphas: int, folds: list[Pair], budget: int
    ) -> "_Batches":
        n_rows, n_features = shape
        number = np.dtype(np.float64).itemsize
        smaller = min(n_rows, n_features)
        # A matrix from targets to weights at each alpha, (alpha, feature or time, time).
        alphas = min(n_alphas, max(1, budget // (number * n_rows * smaller)))
        held_out = max(test.size for _, test in folds)
        # Predictions, and three arrays of their size while they are scored.
        targets = max(1, budget // (4 * number * alphas * held_out))
        # Weights at each alpha that some target chose, (alpha, feature or time, target).
        refit = max(1, budget // (number * alphas * smaller))
        return cls(alphas, min(n_targets, targets), min(n_targets, refit))


def _slices(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _nearest(deltas: NDArray[Any], alphas: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the alphas' positions: ``exp(delta) = gamma / alpha``, and the gammas sum to one."""
    # log alpha, up to rounding and to gammas that were raised to the least share.
    found = -np.log(np.exp(deltas).sum(axis=0))
    positions: NDArray[np.intp] = np.argmin(np.abs(np.log(alphas)[:, None] - found), axis=0)
    return positions
