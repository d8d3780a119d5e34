"""One eigendecomposition of the features that every target and every alpha shares."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Decomposition:
    """``coef = basis @ ((projector.T @ Y) / (eigenvalues + alpha))``, for rows of one training set.

    Attributes
    ----------
    mean : array (feature,), float64
        Mean of the training rows; zeros where no intercept is fitted.
    basis : array (feature, component)
    projector : array (time, component)
    eigenvalues : array (component,), float64
    """

    mean: NDArray[np.float64]
    basis: NDArray[Any]
    projector: NDArray[Any]
    eigenvalues: NDArray[np.float64]


def decompose(features: NDArray[Any], *, fit_intercept: bool) -> Decomposition:
    """Decompose ``X' X`` (primal) or ``X X'`` (dual), whichever is smaller.

    Products and eigenvectors are in float64, whatever the features are; the result is in the
    features' own precision, which the products with targets use.

    Parameters
    ----------
    features : array (time, feature), float32 or float64
    fit_intercept : bool
        Whether to remove the mean of each feature first.
    """
    n_rows, n_features = features.shape
    wide = features.astype(np.float64)
    mean = wide.mean(axis=0) if fit_intercept else np.zeros(n_features)
    wide -= mean
    if n_features <= n_rows:
        eigenvalues, basis = np.linalg.eigh(wide.T @ wide)
        projector = wide @ basis
    else:
        eigenvalues, projector = np.linalg.eigh(wide @ wide.T)
        basis = wide.T @ projector
    return Decomposition(
        mean,
        basis.astype(features.dtype, copy=False),
        projector.astype(features.dtype, copy=False),
        np.maximum(eigenvalues, 0),
    )


def components(
    parts: Decomposition, targets: NDArray[Any], *, fit_intercept: bool
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the centred targets in the decomposition's components, and their means.

    Parameters
    ----------
    parts : Decomposition
        Of the same rows.
    targets : array (time, target)
        In the precision of the decomposition.
    """
    n_targets = targets.shape[1]
    mean = targets.mean(axis=0, dtype=np.float64) if fit_intercept else np.zeros(n_targets)
    centred = targets - mean.astype(targets.dtype)
    return parts.projector.T @ centred, mean


def coefficients(
    parts: Decomposition, projected: NDArray[Any], alphas: NDArray[np.float64]
) -> NDArray[Any]:
    """Return the weights (feature, target) for one alpha per target, in one product."""
    filters = parts.eigenvalues[:, None] + alphas[None, :]
    weights: NDArray[Any] = parts.basis @ (projected / filters).astype(projected.dtype, copy=False)
    return weights
