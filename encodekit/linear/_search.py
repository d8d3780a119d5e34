"""Cross-validated scores of a grid of alphas, for a block of targets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.linear._decomposition import Decomposition, components, decompose
from encodekit.scoring import is_constant


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold, decomposed: what its training rows give, and where to score.

    Attributes
    ----------
    train, held_out : arrays of int
        Rows; the held-out ones sorted by run.
    runs : list of slice
        The stretches of ``held_out`` that belong to one run.
    parts : Decomposition
        Of the training rows, with an empty ``basis``.
    inner : array (held_out, component)
        The held-out features in the components.
    """

    train: NDArray[np.intp]
    held_out: NDArray[np.intp]
    runs: list[slice]
    parts: Decomposition
    inner: NDArray[Any]


def decompose_fold(
    features: NDArray[Any],
    train: NDArray[np.intp],
    held_out: NDArray[np.intp],
    runs: NDArray[Any] | None,
    *,
    fit_intercept: bool,
) -> Fold:
    """Decompose the training rows of a fold and project the held-out ones.

    Parameters
    ----------
    features : array (time, feature)
    train, held_out : arrays of int
    runs : array (time,) or None
        Run of every row of ``features``; None: the held-out rows are one run.
    """
    parts = decompose(features[train], fit_intercept=fit_intercept)
    stretches = [slice(0, held_out.size)]
    if runs is not None:
        held_out = held_out[np.argsort(runs[held_out], kind="stable")]
        borders = np.flatnonzero(runs[held_out][1:] != runs[held_out][:-1]) + 1
        edges = [0, *borders.tolist(), held_out.size]
        stretches = [slice(a, b) for a, b in pairwise(edges)]
    inner = (features[held_out] - parts.mean.astype(features.dtype)) @ parts.basis
    light = Decomposition(parts.mean, parts.basis[:0], parts.projector, parts.eigenvalues)
    return Fold(train, held_out, stretches, light, inner)


def score_alphas(
    folds: Sequence[Fold],
    targets: NDArray[Any],
    alphas: NDArray[np.float64],
    *,
    scoring: str,
    fit_intercept: bool,
) -> NDArray[np.float64]:
    """Return the CV score of each alpha, array (alpha, target).

    ``correlation``: r within each held-out run, then the TR-weighted mean over runs, those left
    out in which it is undefined. ``r2``: one minus the squared error over all held-out rows,
    relative to that of the training means. NaN where no held-out run defines a score.

    Parameters
    ----------
    folds : sequence of Fold
    targets : array (time, target)
    alphas : array (alpha,)
        In the convention ``||XB - Y||^2 + alpha ||B||^2``.
    """
    score = _by_run if scoring == "correlation" else _by_error
    top = np.zeros((alphas.size, targets.shape[1]))
    bottom = np.zeros_like(top)
    for fold in folds:
        projected, mean = components(fold.parts, targets[fold.train], fit_intercept=fit_intercept)
        true = targets[fold.held_out] - mean.astype(targets.dtype)
        more_top, more_bottom = score(fold, projected, true, alphas)
        top += more_top
        bottom += more_bottom
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = top / bottom
    return ratio if scoring == "correlation" else 1 - ratio


def _predictions(
    fold: Fold, inner: NDArray[Any], projected: NDArray[Any], alphas: NDArray[np.float64]
) -> Iterator[NDArray[Any]]:
    for alpha in alphas:
        filters = (1 / (fold.parts.eigenvalues + alpha)).astype(inner.dtype)
        yield (inner * filters) @ projected


def _by_run(
    fold: Fold, projected: NDArray[Any], true: NDArray[Any], alphas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums over runs of n r, and of n where r is defined, both (alpha, target)."""
    # Rows centred within the run give predictions that are centred within the run.
    inner, truth = _centred(fold.inner, fold.runs), _centred(true, fold.runs)
    lengths = np.stack([_norm(truth[run]) for run in fold.runs])
    for place, run in enumerate(fold.runs):
        high, low = true[run].max(axis=0), true[run].min(axis=0)
        lengths[place, is_constant(high, low, true.dtype)] = 0
    top, bottom = np.zeros((2, alphas.size, true.shape[1]))
    for place, predicted in enumerate(_predictions(fold, inner, projected, alphas)):
        for run, length in zip(fold.runs, lengths, strict=True):
            size = _norm(predicted[run]) * length
            product = np.einsum("ij,ij->j", predicted[run], truth[run])
            n_rows = run.stop - run.start
            top[place] += n_rows * np.divide(product, size, out=np.zeros_like(size), where=size > 0)
            bottom[place] += n_rows * (size > 0)
    return top, bottom


def _by_error(
    fold: Fold, projected: NDArray[Any], true: NDArray[Any], alphas: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the squared errors (alpha, target), and those of the training means (1, target)."""
    errors = [
        np.square(_norm(predicted - true))
        for predicted in _predictions(fold, fold.inner, projected, alphas)
    ]
    return np.stack(errors), np.square(_norm(true))[None]


def _centred(values: NDArray[Any], runs: Sequence[slice]) -> NDArray[Any]:
    out = np.empty_like(values)
    for run in runs:
        out[run] = values[run] - values[run].mean(axis=0, dtype=np.float64).astype(values.dtype)
    return out


def _norm(values: NDArray[Any]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("ij,ij->j", values, values).astype(np.float64)
    return np.sqrt(squares)
