"""Where a head begins: the ridge solution on what the pretrained backbone already knows."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encodekit_brain_tuning.training._clips import EqualLengthBatches, TuningClips, to_device
from encodekit_brain_tuning.training._model import TuningModel

Wide = NDArray[np.float64]
ALPHAS = np.logspace(-2, 4, 13)  # per row of the standardised features


@dataclass(frozen=True)
class Rows:
    """Features of TRs and their fMRI.

    ``pooled`` (n_rows, n_features), ``coverage`` (n_rows, 1), ``true`` and ``weights``
    (participant, n_rows, n_targets), and the ``run`` of each row.
    """

    pooled: Tensor
    coverage: Tensor
    true: Wide
    weights: Wide
    run: NDArray[np.str_]


@torch.no_grad()
def start_head(model: TuningModel, clips: TuningClips, batch_size: int) -> float:
    """Set the head's statistics and ridge solution; return the penalty that was chosen.

    The targets of a head that begins with one map are the participants' mean, each value weighted
    by how many have it. The penalty is the one with the least error on runs left out (at most five
    folds), one for all targets and participants.
    """
    head = model.head
    apart = head.own_targets
    rows = collect_rows(model, clips, batch_size, apart=apart)
    device = model.backbone.device
    pooled, coverage = rows.pooled.to(device), rows.coverage.to(device)
    head.set_statistics(pooled, coverage)
    x = head.standardise(pooled, coverage).double().cpu().numpy()
    alpha = best_alpha(x, rows)
    found = [
        weighted_ridge(x, true, weights, [alpha])[0]
        for true, weights in zip(rows.true, rows.weights, strict=True)
    ]
    coefficients, intercept = (
        torch.from_numpy(np.stack(part)) for part in zip(*found, strict=True)
    )
    if not apart:
        coefficients, intercept = coefficients[0], intercept[0]
    head.start_from(coefficients, intercept, torch.from_numpy(x))
    return alpha


@torch.no_grad()
def collect_rows(
    model: TuningModel, clips: TuningClips, batch_size: int, *, apart: bool = False
) -> Rows:
    """Pool every clip with the model as it is, dropout off; the participants' mean or ``apart``."""
    model.eval()
    pooled, coverage, true, weights, runs = [], [], [], [], []
    for indices in EqualLengthBatches(clips.n_frames, batch_size):
        batch = to_device(clips.batch(indices), model.backbone.device)
        values, covered = model.pool(batch["frames"], batch["pooling_weights"])
        mask, fmri = batch["mask"], batch["true"]
        if not apart:
            total = mask.sum(0, keepdim=True)
            fmri = (mask * fmri).sum(0, keepdim=True) / torch.where(total > 0, total, 1.0)
            mask = total
        used = (mask > 0).any(-1).any(0)
        pooled.append(values[used].cpu())
        coverage.append(covered[used].cpu())
        true.append(fmri[:, used].double().cpu().numpy())
        weights.append(mask[:, used].double().cpu().numpy())
        names = np.array([clips.runs[i] for i in indices])
        runs.append(np.repeat(names, used.sum(1).cpu().numpy()))
    return Rows(
        torch.cat(pooled), torch.cat(coverage),
        np.concatenate(true, axis=1), np.concatenate(weights, axis=1), np.concatenate(runs),
    )  # fmt: skip


def weighted_ridge(x: Wide, y: Wide, weights: Wide, alphas: list[float]) -> list[tuple[Wide, Wide]]:
    """Minimise sum_rows w (x b + c - y)^2 + alpha ||b||^2 for every target and alpha.

    Targets with the same weights share one eigendecomposition.

    Parameters
    ----------
    x : array (n_rows, n_features)
    y, weights : array (n_rows, n_targets)
    alphas : list of float

    Returns
    -------
    list of (coefficients (n_features, n_targets), intercept (n_targets,)), one per alpha
    """
    solutions = [(np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape[1])) for _ in alphas]
    # targets whose rows weigh the same share X'WX; most studies have one pattern per lacking run
    patterns, which = np.unique(weights, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        columns = np.flatnonzero(which.ravel() == number)
        w = patterns[:, number]
        if w.sum() == 0:
            continue
        x_mean, y_mean = w @ x / w.sum(), w @ y[:, columns] / w.sum()
        centred = x - x_mean
        # X'WX = V diag(values) V', so that (X'WX + alpha I)^-1 = V diag(1 / (values + alpha)) V'
        values, vectors = np.linalg.eigh((centred * w[:, None]).T @ centred)
        target = vectors.T @ ((centred * w[:, None]).T @ (y[:, columns] - y_mean))
        for (coefficients, intercept), alpha in zip(solutions, alphas, strict=True):
            found = vectors @ (target / (np.maximum(values, 0) + alpha)[:, None])
            coefficients[:, columns] = found
            intercept[columns] = y_mean - x_mean @ found
    return solutions


def best_alpha(x: Wide, rows: Rows) -> float:
    """Return the penalty of `ALPHAS` with the least error on whole runs left out."""
    folds = np.unique(rows.run, return_inverse=True)[1] % 5
    if folds.max() == 0:
        return float(ALPHAS[len(ALPHAS) // 2])
    errors = np.zeros(len(ALPHAS))
    for true, weights in zip(rows.true, rows.weights, strict=True):
        for fold in range(folds.max() + 1):
            out = folds == fold
            kept = weighted_ridge(x[~out], true[~out], weights[~out], list(ALPHAS))
            for i, (coefficients, intercept) in enumerate(kept):
                left = x[out] @ coefficients + intercept - true[out]
                errors[i] += (weights[out] * left**2).sum()
    return float(ALPHAS[errors.argmin()])
