"""One fold of a cross-validation: from the decomposition of all rows to held-out predictions.

The training rows are all rows less the removed ones, ``G_train = L - W' W`` in the components of
the whole, with ``W`` the removed rows and, where an intercept is fitted, the training mean. By
Woodbury's identity, with ``D = (L + alpha)^-1`` and ``A = I - W D W'``,

    ``(G_train + alpha)^-1 W' = D W' A^-1``

so that a small matrix per fold and alpha replaces an eigendecomposition per fold. The held-out rows
are among the removed ones, and their predictions are rows of ``A^-1 W D (rows' Y)_train``.

``A`` has eigenvalues between 0 and 1. An error of size e in it is one of ``|A^-1| e`` relative to
the predictions, so that the precision of the targets is enough where ``|A^-1|`` is small.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.linear._arrays import cast, namespace, take
from encodekit.linear._decomposition import Decomposition

# A held-out row on which the training rows say this little loses digits of float32 products.
_MAX_LEVERAGE = 300.0
_MAX_NORM = 100.0  # of an inverse in float32: times its rounding step, 6e-8, that is below 1e-5
_LEAF = 64  # rows below which halving a matrix is no faster than LAPACK's inverse
_KEPT_BYTES = 128 * 2**20  # of maps that a fold keeps, for blocks of targets still to come
_EIGEN_COST = 10  # an eigendecomposition, in products of square matrices of its size


@dataclass(frozen=True, eq=False)
class Split:
    """Which rows a fold trains on and scores, as positions among the rows of a decomposition.

    Attributes
    ----------
    train, held_out, removed : arrays of int
        ``held_out`` is sorted by run; ``removed`` is all that is not in ``train``: the held-out
        rows first, in their order, then those that a purge drops.
    runs : list of slice
        The stretches of ``held_out`` that belong to one run.
    """

    train: NDArray[np.intp]
    held_out: NDArray[np.intp]
    removed: NDArray[np.intp]
    runs: list[slice]


def make_split(
    train: NDArray[np.intp], held_out: NDArray[np.intp], runs: NDArray[Any] | None, n_rows: int
) -> Split:
    """Sort the held-out rows by run; without ``runs`` (time,) they are one run."""
    stretches = [slice(0, held_out.size)]
    if runs is not None:
        # Each run in one piece, so that scores take views of it; stable: its TRs stay in order.
        held_out = held_out[np.argsort(runs[held_out], kind="stable")]
        borders = np.flatnonzero(runs[held_out][1:] != runs[held_out][:-1]) + 1
        edges = [0, *borders.tolist(), held_out.size]
        stretches = [slice(a, b) for a, b in pairwise(edges)]
    purged = np.setdiff1d(np.arange(n_rows), np.union1d(train, held_out))
    return Split(train, held_out, np.concatenate([held_out, purged]), stretches)


def centred_by_run(values: Any, runs: list[slice], axis: int = 0) -> Any:
    """Return ``values`` less their mean in each run, along ``axis`` of (held-out rows)."""
    xp = namespace(values)
    parts = [values[run] if axis == 0 else values[:, run] for run in runs]
    return xp.concatenate([part - part.mean(axis, keepdims=True) for part in parts], axis)


class Fold:
    """A fold in the components of the whole; `predict` takes a projection to held-out rows.

    Parameters
    ----------
    parts : Decomposition
        Of all rows.
    split : Split
    by_run : bool
        Whether predictions are wanted without their mean in each run, as a correlation takes them.
    like : array
        Of the precision of the products with targets.
    """

    def __init__(
        self, parts: Decomposition, split: Split, *, by_run: bool, intercept: bool, like: Any
    ) -> None:
        self.split = split
        self._parts, self._by_run, self._like = parts, by_run, like
        self._intercept = intercept
        removed = take(parts.rows, split.removed)  # (removed, component), float64
        n_train = split.train.size
        # Of the training rows: all rows sum to zero, so these sum to minus the removed ones.
        self.mean = -removed.sum(axis=0) / n_train if intercept else 0 * removed[0]
        xp = namespace(removed)
        # Centring the training rows takes n m m' from their G: one more row of W, sqrt(n) m.
        rows = (removed, (n_train**0.5 * self.mean)[None, :]) if intercept else (removed,)
        self._removed = xp.concatenate(rows)  # W, (removed + 1, component)
        self._rough = cast(self._removed, like)
        self._rows = cast(removed - self.mean, like)
        self._small: dict[float, Any] = {}  # by alpha: (held_out, removed + 1), rows of A^-1
        self._maps: dict[float, Any] = {}  # by alpha: (held_out, component)
        self._asked: dict[float, int] = {}  # by alpha: targets that were predicted

    # What a fold keeps for later blocks is as large as the fold: workers make their own.
    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_small": {}, "_maps": {}, "_asked": {}}

    def removed_product(self, targets: Any) -> Any:
        """Return ``Y' rows`` of the removed rows, less the training mean: (target, component).

        The same of all rows less this is that of the training rows, `project`.

        Parameters
        ----------
        targets : array (target, time)
            Centred over all rows where an intercept is fitted.
        """
        # Of all, training and removed rows: Y' X - Y_r' (X_r - m) = Y_t' X_t + (Y_r' 1) m'. Y sums
        # to zero over all rows, so that Y_r' 1 = -Y_t' 1, and this is Y_t' (X_t - m).
        return take_columns(targets, self.split.removed) @ self._rows

    def project(self, trained: Any, targets: Any) -> Any:
        """Return what `predict` takes, (target, component).

        Parameters
        ----------
        trained : array (target, component)
            ``Y' rows`` of the training rows.
        targets : array (target, time)
        """
        return trained

    def predict(self, projected: Any, alpha: float) -> Any:
        """Return predictions (target, held_out).

        A map from components to held-out rows costs about as much as it saves for as many targets
        as there are components: it is made where that many have asked.
        """
        self._asked[alpha] = self._asked.get(alpha, 0) + len(projected)
        if alpha in self._maps:
            return projected @ self._maps[alpha].T
        small, filters = self._chosen(alpha), cast(self._filters(alpha), self._like)
        if self._asked[alpha] < self._rough.shape[1]:
            # From the left: (target, component), (target, removed + 1), (target, held_out).
            return ((projected * filters) @ self._rough.T) @ small.T
        made = small @ (self._rough * filters)  # (held_out, component)
        self._small.pop(alpha, None)  # the map holds all that it says, and the budget is shared
        return projected @ self._keep(self._maps, alpha, made).T

    def leverage(self, alpha: float) -> float:
        """Return the largest ``x' (G_train + alpha)^-1 x`` of a removed row."""
        xp = namespace(self._removed)
        # A^-1 = I + W (G_train + alpha)^-1 W', whose diagonal is one plus the leverages.
        try:
            inverse = _inverse_of_positive(self._matrix(alpha, self._removed))
        except xp.linalg.LinAlgError:
            return float("inf")
        return float(xp.diagonal(inverse).max()) - 1

    def _filters(self, alpha: float) -> Any:
        return 1 / (self._parts.eigenvalues + alpha)

    def _keep(self, kept: dict[float, Any], alpha: float, made: Any) -> Any:
        others = (*self._small.values(), *self._maps.values())
        if sum(one.nbytes for one in (made, *others)) <= _KEPT_BYTES:
            kept[alpha] = made
        return made

    def _matrix(self, alpha: float, removed: Any) -> Any:
        """Return ``A``."""
        # W D W' as a product with its own transpose: symmetric to the last digit.
        half = removed * cast(namespace(removed).sqrt(self._filters(alpha)), removed)
        small = -(half @ half.T)
        small.reshape(-1)[:: small.shape[0] + 1] += 1  # the diagonal, of NumPy's and torch's alike
        return small

    def _inverse(self, alpha: float) -> Any:
        """Return ``A^-1``, in the precision of the targets if that keeps the digits."""
        inverse = _inverse_of_positive(self._matrix(alpha, self._rough))
        # The largest column sum bounds the largest eigenvalue; NaN, too, goes on to float64.
        if float(abs(inverse).sum(axis=0).max()) < _MAX_NORM:
            return inverse
        return _inverse_of_positive(self._matrix(alpha, self._removed))

    def _chosen(self, alpha: float) -> Any:
        """Return the rows of ``A^-1`` that give predictions for held-out rows."""
        if alpha in self._small:
            return self._small[alpha]
        inverse = self._inverse(alpha)
        chosen = inverse[: self.split.held_out.size]
        if self._by_run:
            # Predictions are linear in these rows: centred here once, not for every target.
            # What is the same for a whole run, as the intercept, falls away with its mean.
            chosen = centred_by_run(chosen, self.split.runs)
        elif self._intercept:
            # Rows less the training mean: the last row of W is sqrt(n) times that mean.
            chosen = chosen - inverse[-1:] / self.split.train.size**0.5
        return self._keep(self._small, alpha, cast(chosen, self._like))


def _inverse_of_positive(matrix: Any) -> Any:
    """Return the inverse of a positive definite matrix, by halves: products for the most part.

    ``[P Q'; Q S]`` has the inverse ``[P^-1 + K' Z K, -K' Z; -Z K, Z]`` with ``K = Q P^-1`` and
    ``Z = (S - K Q')^-1``; both halves are positive definite, so that nothing is pivoted.
    """
    xp, half = namespace(matrix), matrix.shape[0] // 2
    # From 256 rows on, 5 to 8 times as fast as LAPACK's general inverse on one core.
    if matrix.shape[0] <= _LEAF:
        return xp.linalg.inv(matrix)
    first = _inverse_of_positive(matrix[:half, :half])
    across = matrix[half:, :half] @ first
    last = _inverse_of_positive(matrix[half:, half:] - across @ matrix[:half, half:])
    corner = last @ across
    inverse = xp.empty_like(matrix)
    inverse[:half, :half] = first + across.T @ corner
    inverse[half:, :half], inverse[:half, half:] = -corner, -corner.T
    inverse[half:, half:] = last
    return inverse


class EigenFold(Fold):
    """A fold with an eigendecomposition of its own, for one that removes much of the rows.

    It costs more than Woodbury's matrices where few rows are held out, and less where many are;
    and it keeps its digits where a held-out row is far outside of the training rows.
    """

    def __init__(
        self, parts: Decomposition, split: Split, *, by_run: bool, intercept: bool, like: Any
    ) -> None:
        super().__init__(parts, split, by_run=by_run, intercept=intercept, like=like)
        xp = namespace(self._removed)
        train = take(parts.rows, split.train) - self.mean
        held_out = take(parts.rows, split.held_out) - self.mean
        if by_run:
            held_out = centred_by_run(held_out, split.runs)
        # Components beyond the rank hold rounding alone, which 1 / alpha would blow up.
        rank = min(train.shape[0] - int(intercept), train.shape[1])
        eigenvalues, basis = xp.linalg.eigh(train.T @ train)  # ascending: the last ones count
        basis = basis[:, eigenvalues.shape[0] - rank :]
        self._eigenvalues = xp.clip(eigenvalues[eigenvalues.shape[0] - rank :], 0, None)
        self._projector = cast(train @ basis, like)  # (train, own component)
        self._inner = cast(held_out @ basis, like)  # (held_out, own component)

    def project(self, trained: Any, targets: Any) -> Any:
        """Return the training targets in the fold's own components, (target, component)."""
        return take_columns(targets, self.split.train) @ self._projector

    def predict(self, projected: Any, alpha: float) -> Any:
        """Return predictions (target, held_out)."""
        filtered = self._inner * cast(1 / (self._eigenvalues + alpha), self._like)
        return projected @ filtered.T


def make_fold(
    parts: Decomposition, split: Split, alphas: NDArray[np.float64], **keywords: Any
) -> Fold:
    """Return the fold in the form that is cheaper, if that keeps the digits."""
    n_components, n_removed = parts.eigenvalues.shape[0], split.removed.size
    small = n_removed**2 * (n_components + n_removed)  # most of it in float32
    if alphas.size * small < _EIGEN_COST * n_components**3:
        fold = Fold(parts, split, **keywords)
        # The smallest alpha has the highest leverage; below 0, or NaN, rounding has won.
        if 0 <= fold.leverage(float(alphas.min())) < _MAX_LEVERAGE:
            return fold
    return EigenFold(parts, split, **keywords)


def take_columns(values: Any, columns: NDArray[np.intp]) -> Any:
    """Return ``values[:, columns]``; a contiguous stretch is a view."""
    if columns.size and np.all(np.diff(columns) == 1):
        return values[:, int(columns[0]) : int(columns[-1]) + 1]
    return values[:, columns]
