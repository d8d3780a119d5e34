"""The Huth lab's ridge with held-out chunks as it is described, step by step, in float64.

Written from the description of the algorithm: no intercept; for each draw of held-out chunks, and
each alpha, ridge by a singular value decomposition of the training rows; r of each voxel over the
held-out rows; the mean over draws; the best alpha; weights on all rows.
"""

import random

import numpy as np


def draw(n_rows, chunk_length, n_chunks, seed):
    """Return (train, held-out) rows; the held-out chunks come in the order they were drawn."""
    chunks = [
        list(range(start, start + chunk_length))
        for start in range(0, n_rows - chunk_length + 1, chunk_length)
    ]
    held_out = [row for chunk in random.Random(seed).sample(chunks, n_chunks) for row in chunk]
    return [row for row in range(n_rows) if row not in held_out], held_out


def weights(X, Y, alpha, singcutoff=0.0):
    """Return ``V diag(s / (s^2 + alpha^2)) U' Y``."""
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    kept = s > singcutoff
    return (Vt[kept].T * (s[kept] / (s[kept] ** 2 + alpha**2))) @ (U[:, kept].T @ Y)


def correlations(Y, predicted):
    """Return r of each voxel; 0 where it is not defined."""
    found = np.zeros(Y.shape[1])
    for voxel in range(Y.shape[1]):
        left = Y[:, voxel] - Y[:, voxel].mean()
        right = predicted[:, voxel] - predicted[:, voxel].mean()
        size = np.sqrt((left @ left) * (right @ right))
        found[voxel] = left @ right / size if size > 0 else 0.0
    return found


def search(X, Y, alphas, folds, *, single_alpha=False):
    """Return the alpha of each voxel, the weights, and the mean r (alpha, voxel)."""
    X, Y = np.asarray(X, np.float64), np.asarray(Y, np.float64)
    by_fold = np.array(
        [
            [
                correlations(Y[test], X[test] @ weights(X[train], Y[train], alpha, 1e-10))
                for alpha in alphas
            ]
            for train, test in folds
        ]
    )  # (draw, alpha, voxel)
    mean = by_fold.mean(axis=0)
    best = mean.argmax(axis=0)
    if single_alpha:
        best[:] = mean.mean(axis=1).argmax()
    chosen = np.asarray(alphas)[best]
    found = np.stack(
        [weights(X, Y[:, [voxel]], alpha)[:, 0] for voxel, alpha in enumerate(chosen)], axis=1
    )
    return chosen, found, mean
