"""Cross-validated scores of alphas for a block of targets: all of them, or those that matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.data import is_constant
from encodekit.linear._arrays import cast, namespace, take, target_slices, to_numpy
from encodekit.linear._choice import without_repeats
from encodekit.linear._criteria import CRITERIA
from encodekit.linear._decomposition import Decomposition
from encodekit.linear._fold import Fold, centred_by_run, take_columns
from encodekit.linear._score_predictor import ScorePredictor


@dataclass(frozen=True, eq=False)
class Candidates:
    """What the alphas of a grid are scored on: a decomposition and its folds.

    Attributes
    ----------
    alphas : array (alpha,)
        In the convention ``||XB - Y||^2 + alpha ||B||^2``.
    penalties : array (alpha,)
        Theirs, for the rows of the decomposition.
    scoring : {"correlation", "correlation_folds", "r2_pooled", "r2_folds"}
        As in `encodekit.RidgeCV`, which has their equations. By run, what is undefined is left out
        of the mean; by fold, it counts as 0.
    """

    parts: Decomposition
    folds: Sequence[Fold]
    alphas: NDArray[np.float64]
    penalties: NDArray[np.float64]
    scoring: str
    fit_intercept: bool


class BlockScores:
    """The scores of a block of targets, one (alpha, target) at a time or all at once.

    Targets are rows in here: a few of them are then a few contiguous stretches of memory.

    Parameters
    ----------
    candidates : Candidates
    targets : array (target, time)
        Centred over all rows where an intercept is fitted; on the device of the candidates.
    raw : array (time, target)
        Before centring, for the test of a constant.
    """

    def __init__(self, candidates: Candidates, targets: Any, raw: NDArray[Any]) -> None:
        self.candidates = candidates
        removed = [fold.removed_product(targets) for fold in candidates.folds]
        self.total = _total(candidates, removed, targets)  # (target, component)
        # (target, component) for each fold, in the memory of the removed products.
        trained = [namespace(part).subtract(self.total, part, out=part) for part in removed]
        self._approximate = partial(_approximate_scores, candidates, trained, self.total, targets)
        self._held_out = [
            _HeldOutTargets(fold, candidates, targets, raw) for fold in candidates.folds
        ]
        self._projected = [
            fold.project(part, targets)
            for fold, part in zip(candidates.folds, trained, strict=True)
        ]
        self._defined = np.any([truth.defined for truth in self._held_out], axis=0)  # (target,)

    def score(self, place: int, columns: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
        """Return the scores of the alpha at ``place``, for some targets or all of them.

        NaN where no held-out run, or fold, defines a score.
        """
        penalty = float(self.candidates.penalties[place])
        every = np.arange(len(self.total)) if columns is None else columns
        top, bottom = np.zeros((2, every.size))  # numerator and denominator, over all folds
        for fold, truth, projected in zip(
            self.candidates.folds, self._held_out, self._projected, strict=True
        ):
            for some in target_slices(every.size, projected):
                predicted = fold.predict(take(projected, every[some]), penalty)
                more_top, more_bottom = truth.compare(predicted, every[some])
                top[some] += more_top
                bottom[some] += more_bottom
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: NDArray[np.float64] = np.asarray(top / bottom)
        ratio[~self._defined[every]] = np.nan
        return ratio if CRITERIA[self.candidates.scoring].correlates else 1 - ratio

    def all_scores(self) -> NDArray[np.float64]:
        """Return the scores of every alpha, (alpha, target)."""
        return np.stack([self.score(place) for place in range(self.candidates.alphas.size)])

    def score_predictor(self, scores: NDArray[np.float64] | None = None) -> ScorePredictor:
        """Return what these targets, as a pilot, say of others; ``scores`` is `all_scores`."""
        scores, alphas = self.all_scores() if scores is None else scores, self.candidates.alphas
        dtype = to_numpy(self.total[:0]).dtype
        return ScorePredictor(self._approximate(), scores, without_repeats(scores, alphas, dtype))

    def some_scores(self, predictor: ScorePredictor) -> NDArray[np.float64]:
        """Return the scores (alpha, target) that may be a target's best; NaN for the others."""
        approximate = self._approximate()
        scores = np.full((self.candidates.alphas.size, len(self.total)), np.nan)
        active = np.arange(scores.shape[1])
        # Each round, a target asks for one alpha more; those that ask for the same are scored
        # together, in one product.
        while active.size:
            wanted = predictor.next_alphas(approximate[:, active], scores[:, active])
            active, wanted = active[wanted >= 0], wanted[wanted >= 0]
            for place in np.unique(wanted):
                columns = active[wanted == place]
                found = self.score(place, columns)
                scores[place, columns] = found
                # A target without any defined score asks no further: -inf is known, and no gain
                # over it is finite.
                scores[:, columns[np.isnan(found)]] = -np.inf
        return np.where(np.isneginf(scores), np.nan, scores)


def _total(candidates: Candidates, removed: list[Any], targets: Any) -> Any:
    """Return ``Y' rows`` of all rows: the sum over folds where each row is removed once."""
    rows, folds = candidates.parts.rows, candidates.folds
    places = np.concatenate([fold.split.removed for fold in folds])
    # Folds that overlap, or leave rows out, as a purge makes them, do not sum to the whole.
    if not places.size == rows.shape[0] == np.unique(places).size:
        return targets @ cast(rows, targets)
    xp = namespace(targets)
    sums = [take_columns(targets, fold.split.removed).sum(axis=1) for fold in folds]
    means = [cast(fold.mean, targets) for fold in folds]
    # Y' rows = sum_fold (Y_r' (rows_r - m) + (Y_r' 1) m'): the first part is known already, which
    # spares a product as large as all of them together.
    total = xp.stack(sums, 1) @ xp.stack(means)  # (target, fold) @ (fold, component)
    for part in removed:
        total += part
    return total


def _approximate_scores(
    candidates: Candidates, trained: list[Any], total: Any, targets: Any
) -> NDArray[np.float64]:
    """Return approximate scores: products of predictions with the truth and with themselves.

    In the components of the whole, both the training and the removed rows have nearly uncorrelated
    columns, so that sums over components stand for the products of matrices. With the filters
    ``f = 1 / ((1 - share) eigenvalue + penalty)`` of the training rows, ``p' y`` is nearly
    ``sum_c f_c t_c r_c`` and ``p' p`` nearly ``sum_c (f_c t_c)^2 e_c``, for the products t of
    training and r of removed rows with the target, and the energy e of the removed rows.
    """
    xp, rows = namespace(targets), candidates.parts.rows
    criterion = CRITERIA[candidates.scoring]
    penalties = candidates.penalties[:, None]
    eigenvalues = to_numpy(candidates.parts.eigenvalues)[None, :]
    n_rows = rows.shape[0]
    scores = np.zeros((candidates.alphas.size, targets.shape[0]))
    for fold, part in zip(candidates.folds, trained, strict=True):
        places = fold.split.removed
        share = places.size / n_rows
        true, inner = take_columns(targets, places), take(rows, places)
        size = to_numpy(xp.einsum("ij,ij->i", true, true)).astype(np.float64)  # (target,)
        energy = to_numpy(xp.einsum("ij,ij->j", inner, inner))  # (component,)
        filters = 1 / ((1 - share) * eigenvalues + penalties)  # (alpha, component)
        product, power = np.empty((2, *scores.shape))
        for some in target_slices(len(targets), targets):
            # total - part is the product of the removed rows.
            product[:, some] = _sums(filters, part[some] * (total[some] - part[some]))
            power[:, some] = _sums(filters**2 * energy, part[some] ** 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            if criterion.correlates:
                score = product / np.sqrt(power * size)
            else:
                # |y - p|^2 = y'y - 2 p'y + p'p, relative to the deviations from the mean.
                around = _spread_of(true) if criterion.by_fold else size
                score = 1 - (size - 2 * product + power) / around
        weight = 1 / len(candidates.folds) if criterion.by_fold else share
        # What is undefined says nothing about an alpha; predictors must be finite.
        scores += weight * np.nan_to_num(score, nan=0.0, posinf=0.0, neginf=0.0)
    return scores


def _sums(filters: NDArray[np.float64], values: Any) -> NDArray[np.float64]:
    """Return ``filters @ values.T``, (alpha, target), in the precision of the values."""
    xp = namespace(values)
    # Scaled to one, lest the squares of large features leave the range of float32.
    scale = np.abs(filters).max() or 1.0
    weights = filters / scale
    weights = weights.astype(values.dtype) if xp is np else xp.as_tensor(weights).to(values)
    return to_numpy(weights @ values.T).astype(np.float64) * scale


class _HeldOutTargets:
    """The held-out targets of one fold, in the form in which a score compares them."""

    def __init__(self, fold: Fold, candidates: Candidates, targets: Any, raw: NDArray[Any]) -> None:
        self._runs = fold.split.runs
        self._criterion = CRITERIA[candidates.scoring]
        self.defined = np.ones(len(targets), dtype=bool)  # whether a fold by itself has a score
        true = take_columns(targets, fold.split.held_out)
        values = take(raw, fold.split.held_out)
        if self._criterion.by_fold:
            self.defined = ~is_constant(values.max(axis=0), values.min(axis=0), values.dtype)
        if self._criterion.correlates:
            self._true = centred_by_run(true, self._runs, axis=1)
            self._lengths = np.stack([_norm(self._true[:, run]) for run in self._runs])
            # A run in which the target is constant has no r: length 0, as of a prediction.
            for place, run in enumerate(self._runs):
                high, low = values[run].max(axis=0), values[run].min(axis=0)
                self._lengths[place, is_constant(high, low, values.dtype)] = 0
        else:
            # Targets are centred over all rows: less the training mean, they are higher by the
            # sum of the removed rows over the number of training rows.
            shift = take_columns(targets, fold.split.removed).sum(axis=1) / fold.split.train.size
            self._true = true + shift[:, None] if candidates.fit_intercept else true
            by_fold = self._criterion.by_fold
            self._power = _spread_of(true) if by_fold else np.square(_norm(self._true))

    def compare(
        self, predicted: Any, columns: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what is summed above and below the fraction of a score."""
        true = take(self._true, columns)
        every_fold = np.ones(true.shape[0])  # by fold, each counts once, undefined ones as 0
        if not self._criterion.correlates:
            error, power = np.square(_norm(predicted - true)), self._power[columns]
            if not self._criterion.by_fold:
                return error, power
            known = self.defined[columns]
            return np.divide(error, power, out=every_fold.copy(), where=known), every_fold
        top, bottom = np.zeros((2, true.shape[0]))
        for run, lengths in zip(self._runs, self._lengths, strict=True):
            size = _norm(predicted[:, run]) * lengths[columns]
            product = _dots(predicted[:, run], true[:, run])
            r = np.divide(product, size, out=np.zeros_like(size), where=size > 0)
            if self._criterion.by_fold:  # whose held-out rows are one stretch, of any runs
                return r, every_fold
            n_rows = run.stop - run.start
            # A run without r counts neither above nor below: the mean is over the others.
            top += n_rows * r
            bottom += n_rows * (size > 0)
        return top, bottom


def _dots(left: Any, right: Any) -> NDArray[np.float64]:
    return to_numpy(namespace(left).einsum("ij,ij->i", left, right)).astype(np.float64)


def _spread_of(values: Any) -> NDArray[np.float64]:
    """Return the squared deviations of each row of ``values`` from its own mean."""
    return np.square(_norm(values - values.mean(1)[:, None]))


def _norm(values: Any) -> NDArray[np.float64]:
    return np.sqrt(_dots(values, values))
