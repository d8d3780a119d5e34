"""One eigendecomposition of the features that every target, alpha and fold shares."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encodekit.linear._arrays import cast, namespace, on_device, power_of_two, to_float64, to_numpy

# Of the largest eigenvalue: penalties beyond it shrink all components alike, to 1e-12.
_LARGEST_PENALTY = 2.0**40
# A penalty below it changes no component but those that hold rounding alone, which it blows up.
_SMALLEST_PENALTY = 2.0**-90


@dataclass(frozen=True, eq=False)
class Decomposition:
    """``scale (features - mean) = rows @ basis.T``, ``rows.T @ rows = diag(eigenvalues)``.

    The ridge of rotated features is the rotated ridge, so that folds and scores work on ``rows``
    whichever of features and TRs there are more of.

    Attributes
    ----------
    mean : array (feature,), float64
        Mean of the rows; zeros where no intercept is fitted.
    basis : array (feature, component)
        Orthonormal columns; in the precision of the features.
    rows : array (time, component), float64
    eigenvalues : array (component,), float64
        Ascending.
    scale : float
        A power of two: features in other units have the same rows, so that none is too large or
        too small for the products of float32.
    """

    mean: Any
    basis: Any
    rows: Any
    eigenvalues: Any
    scale: float

    def penalties(self, alphas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``scale^2 alphas``, which penalise the weights of ``rows``, within bounds.

        Beyond these a penalty would leave float32; `shrinkage` is what the upper one leaves out.
        """
        top = self._top()
        return np.clip(alphas * self.scale**2, _SMALLEST_PENALTY * top, _LARGEST_PENALTY * top)

    def shrinkage(self, alphas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the weights of ``penalties(alphas)`` are to be multiplied by."""
        with np.errstate(over="ignore"):  # beyond the range of float64 all weights are 0
            return np.minimum(1.0, _LARGEST_PENALTY * self._top() / (alphas * self.scale**2))

    def _top(self) -> float:
        eigenvalues = to_numpy(self.eigenvalues)
        return float(eigenvalues[-1]) or 1.0 if eigenvalues.size else 1.0


def decompose(
    features: NDArray[Any], *, fit_intercept: bool, device: str | None = None
) -> Decomposition:
    """Decompose ``X' X`` (primal) or ``X X'`` (dual), whichever is smaller, in float64.

    With ``X = U S V'`` (of centred X), ``basis = V``, ``rows = U S`` and ``eigenvalues = S^2``.

    Parameters
    ----------
    features : array (time, feature), float32 or float64
    fit_intercept : bool
        Whether to remove the mean of each feature first.
    device : str, optional
        Where torch is to do it; None: NumPy.
    """
    given = on_device(features, device)
    xp = namespace(given)
    # Products of X with itself have the square of its condition number, for which float32 has no
    # digits.
    centred = to_float64(given)
    mean = centred.mean(axis=0) if fit_intercept else 0 * centred[0]
    centred = centred - mean
    scale = float(power_of_two(float(abs(centred).max())))
    centred = centred * scale
    n_rows, n_features = features.shape
    if n_features <= n_rows:
        eigenvalues, basis = xp.linalg.eigh(centred.T @ centred)
        rows = centred @ basis  # (time, component)
    else:
        eigenvalues, vectors = xp.linalg.eigh(centred @ centred.T)
        # Centred rows are one short of full rank, and a component of no size has no direction.
        some = eigenvalues > eigenvalues[-1] * n_rows * np.finfo(np.float64).eps
        eigenvalues, vectors = eigenvalues[some], vectors[:, some]
        # X' u = s v: from the vectors of the rows to those of the features.
        size = xp.sqrt(eigenvalues)
        basis, rows = (centred.T @ vectors) / size, vectors * size
    return Decomposition(mean, cast(basis, given), rows, xp.clip(eigenvalues, 0, None), scale)


def coefficients(parts: Decomposition, projected: Any, penalties: Any, chosen: Any) -> Any:
    """Return the weights (feature, target) of scaled features, a penalty per target, at once.

    Parameters
    ----------
    projected : array (target, component)
        ``Y' rows``.
    penalties : array (alpha,), float64
    chosen : array (target,) of int
        Position of its penalty.
    """
    # B = V diag(1 / (eigenvalue + penalty)) rows' Y, with a row of filters for each target.
    filters = cast(1 / (parts.eigenvalues[None, :] + penalties[:, None]), projected)
    return parts.basis @ (projected * filters[chosen]).T
