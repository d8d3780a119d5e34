"""Ridge as it is written down: one solve per target, alpha and fold, in float64."""

import numpy as np


def fit(X, y, alpha):
    """Return weights and intercept of ``||X b + c - y||^2 + alpha ||b||^2`` for one target."""
    X, y = np.asarray(X, np.float64), np.asarray(y, np.float64)
    x_mean, y_mean = X.mean(axis=0), y.mean()
    gram = (X - x_mean).T @ (X - x_mean) + alpha * np.eye(X.shape[1])
    weights = np.linalg.solve(gram, (X - x_mean).T @ (y - y_mean))
    return weights, y_mean - x_mean @ weights


def correlation_by_run(true, predicted, runs):
    """Return the mean over runs of r, weighted by their rows."""
    total = 0.0
    for run in np.unique(runs):
        rows = runs == run
        total += rows.sum() * np.corrcoef(true[rows], predicted[rows])[0, 1]
    return total / len(runs)


def r2(true, predicted, means):
    """Return R2 against the training mean of each row's fold."""
    return 1 - ((true - predicted) ** 2).sum() / ((true - means) ** 2).sum()


def fold_score(true, predicted, scoring):
    """Return r, or R2 against the mean of these rows, of the held-out rows of one fold."""
    if scoring == "r2_folds":
        return r2(true, predicted, true.mean())
    return np.corrcoef(true, predicted)[0, 1]


def cv_score(X, y, alpha, splits, runs, scoring):
    """Return the score of one alpha over the held-out rows of all folds."""
    held_out = np.concatenate([test for _, test in splits])
    predicted, means = np.full(len(y), np.nan), np.full(len(y), np.nan)
    for train, test in splits:
        weights, intercept = fit(X[train], y[train], alpha)
        predicted[test] = X[test] @ weights + intercept
        means[test] = y[train].mean()
    if scoring.endswith("_folds"):
        return np.mean([fold_score(y[test], predicted[test], scoring) for _, test in splits])
    if scoring == "r2_pooled":
        return r2(y[held_out], predicted[held_out], means[held_out])
    return correlation_by_run(y[held_out], predicted[held_out], runs[held_out])


def choose(X, y, alphas, splits, runs, scoring="correlation"):
    """Return the best alpha for one target, and the scores of all."""
    scores = [cv_score(X, y, alpha, splits, runs, scoring) for alpha in alphas]
    return alphas[int(np.argmax(scores))], np.array(scores)
