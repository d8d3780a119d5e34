"""Which alphas need not be tried: a target's scores predicted from those already known."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-4  # of a score: what a target may lose by not trying an alpha
N_DEVIATIONS = 5  # standard errors, beyond which a normal error is one time in three million


class ScorePredictor:
    """Scores of untried alphas, by least squares on a pilot of targets whose scores are all known.

    A target is described by its approximate scores of every alpha and the scores of those it has
    tried; the pilot says how well these predict the others. An alpha is left out where its
    predicted score, plus five standard errors of a prediction, is no better than the best known
    one. The errors are those of leaving one target of the pilot out, widened for targets that are
    unlike the pilot.

    Parameters
    ----------
    approximate, scores : arrays (alpha, target)
        Of the pilot.
    candidates : array of int, optional
        Positions of the alphas that may be tried, if not all.
    """

    def __init__(
        self,
        approximate: NDArray[np.float64],
        scores: NDArray[np.float64],
        candidates: NDArray[np.intp] | None = None,
    ) -> None:
        self._candidates = np.arange(len(scores)) if candidates is None else candidates
        self._n_approximate = len(approximate)
        known = np.isfinite(scores).all(axis=0)
        # What describes a target: (approximate score of each alpha + score of each candidate).
        pilot = np.concatenate([approximate, scores[self._candidates]])[:, known]
        self.n_pilot = int(np.count_nonzero(known))
        self._mean = pilot.mean(axis=1, keepdims=True)
        self._pilot = pilot - self._mean
        self._rules: dict[bytes, Any] = {}  # by the set of alphas that are known

    def next_alphas(
        self, approximate: NDArray[np.float64], scores: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        """Return the position of the alpha that each target should try next, -1 for none.

        Parameters
        ----------
        approximate : array (alpha, target)
        scores : array (alpha, target)
            NaN where an alpha has not been tried.
        """
        scores = scores[self._candidates]
        wanted = np.full(scores.shape[1], -1, dtype=np.intp)
        tried = ~np.isnan(scores)
        # Targets that have tried the same alphas share a regression; eight alphas to a byte, so
        # that there is less to sort.
        codes = np.packbits(tried, axis=0)
        patterns, members = np.unique(codes, axis=1, return_inverse=True)
        order = np.argsort(members.ravel(), kind="stable")
        edges = np.searchsorted(members.ravel()[order], np.arange(patterns.shape[1] + 1))
        for first, last in pairwise(edges):
            columns = order[first:last]
            known = tried[:, columns[0]]
            if not known.all():
                wanted[columns] = self._next(known, approximate[:, columns], scores[:, columns])
        return np.where(wanted < 0, -1, self._candidates[wanted])

    def _next(
        self,
        known: NDArray[np.bool_],
        approximate: NDArray[np.float64],
        scores: NDArray[np.float64],
    ) -> NDArray[np.intp]:
        given, unknown = self._given(known), np.flatnonzero(~known)
        weights, inverse, errors = self._rule(known)
        # (known numbers, target), around the mean of the pilot.
        here = np.concatenate([approximate, scores])[given] - self._mean[given]
        predicted = self._mean[self._n_approximate + unknown] + weights.T @ here
        # The variance of a prediction grows by the squared Mahalanobis distance over n.
        unlike = np.einsum("ij,ij->j", here, inverse @ here) / self.n_pilot
        highest = predicted + N_DEVIATIONS * errors[:, None] * np.sqrt(1 + unlike)
        # Without a score to beat, the most likely winner comes first: a good score known early
        # excludes most of the others.
        if not known.any():
            return np.asarray(unknown[np.argmax(predicted, axis=0)])
        gain = highest - scores[known].max(axis=0)
        place = np.argmax(gain, axis=0)
        promising = gain[place, np.arange(place.size)] > TOLERANCE
        return np.where(promising, unknown[place], -1)

    def _given(self, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.concatenate([np.ones(self._n_approximate, dtype=bool), known])

    def _rule(self, known: NDArray[np.bool_]) -> Any:
        """Return the regression on the pilot: weights, inverse covariance, errors by alpha."""
        key = known.tobytes()
        if key not in self._rules:
            have = self._pilot[self._given(known)]  # (known numbers, pilot)
            want = self._pilot[self._n_approximate :][~known]  # (untried alpha, pilot)
            covariance = have @ have.T / self.n_pilot
            # Scores of neighbouring alphas are almost the same numbers. The ridge is a noise
            # of 3e-5, less than the tolerance, and keeps the inverse finite.
            covariance[np.diag_indices_from(covariance)] += 1e-9
            inverse = np.linalg.inv(covariance)
            weights = inverse @ (have @ want.T) / self.n_pilot
            leverage = np.einsum("ij,ij->j", have, inverse @ have) / self.n_pilot
            # The error of a regression without this target is its residual over 1 - leverage. A
            # target that the fit follows exactly has 0 / 0: .99 bounds what it can say.
            left_out = (want - weights.T @ have) / (1 - np.minimum(leverage, 0.99))
            errors = np.sqrt(np.square(left_out).mean(axis=1))
            self._rules[key] = weights, inverse, errors
        return self._rules[key]
