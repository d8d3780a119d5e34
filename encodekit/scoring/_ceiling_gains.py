"""Repeats whose gain differs: how many equal ones they are worth, and if it is more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from encodekit.scoring._jackknife import block_starts, counts_without, sums_without

_P = 0.001  # one false alarm in a thousand participants
_LOSS = 0.02  # of CCmax^2, 1 % of CCmax: below it unequal gains do no harm

Floats = NDArray[np.float64]
Measures = dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Gains:
    """How much the standard deviations of a participant's repeats differ.

    Attributes
    ----------
    squared_variation : array (target,)
        Squared coefficient of variation of the SDs over repeats, averaged over runs by their TRs.
    n_repeats, n_trs : tuple of int
        Of each run that was repeated.
    lowest, highest : float
        SD of a repeat over the mean SD of its run, averaged over targets: the extremes.
    loss : float
        By which part CCmax^2 of the raw mean is too low if all of the difference is gain.
    p : float
        How often chance makes variances differ as much.
    """

    squared_variation: Floats
    n_repeats: tuple[int, ...]
    n_trs: tuple[int, ...]
    lowest: float
    highest: float
    loss: float
    p: float

    @property
    def matter(self) -> bool:
        """Whether repeats differ more than chance, and by enough to move the ceiling."""
        return self.p < _P and self.loss > _LOSS

    def worth(self, n: int) -> Floats:
        """Return (target,): as how many equal repeats the mean of ``n`` raw ones counts.

        With gains g, ``(sum g)^2 / sum g^2``: all N of them, or on average n drawn from them.
        """
        most = max(self.n_repeats)
        undrawn = max(most - n, 0) / (most - 1)
        worth: Floats = (n + self.squared_variation * undrawn) / (1 + self.squared_variation)
        return worth


def gains_of_run(values: Floats) -> Measures:
    """Return how the variances of repeats differ in one run of values (repeat, time, target).

    Each is (..., target): ``log_variances`` (repeat, target), the logarithms; ``chance``, their
    mean squared standard error by a jackknife over blocks of time; ``sizes``, N, TRs and the
    number of blocks.
    """
    n, n_trs, n_targets = values.shape
    centred = values - values.mean(axis=1, keepdims=True)
    starts = block_starts(n_trs)
    left = counts_without(n_trs, starts)[:, None, None]
    squares = sums_without(centred**2, starts, axis=1)
    variances = (squares - sums_without(centred, starts, axis=1) ** 2 / left) / (left - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.where(variances > 0, variances, np.nan))
    without = logs[1:] - logs[1:].mean(axis=0)
    chance = (starts.size - 1) * np.square(without).mean(axis=(0, 1))
    sizes = np.repeat([[n], [n_trs], [starts.size]], n_targets, axis=1).astype(np.float64)
    return {"log_variances": logs[0], "chance": chance, "sizes": sizes}


def joined_gains(runs: Sequence[Measures]) -> Gains:
    """Return how the repeats of several runs differ, and if more than chance makes them.

    Chance: the variance of log variances over repeats over their squared standard error, both
    averaged over targets and runs, is an F with as many degrees of freedom as repeats and blocks
    of ONE target have. That is exact for one target or for targets that go together, and on the
    safe side for others.
    """
    logs = [run["log_variances"] for run in runs]
    sizes = np.array([run["sizes"][:, 0] for run in runs]).T.astype(int)  # N, TRs, blocks by run
    weights = sizes[1] / sizes[1].sum()
    found = [_run_spread(run) for run in runs]
    between = float(sum(w * spread for w, (spread, _) in zip(weights, found, strict=True)))
    chance = float(sum(w * error for w, (_, error) in zip(weights, found, strict=True)))
    deviations = [np.exp(log / 2) for log in logs]
    relative = [sd / sd.mean(axis=0) for sd in deviations]
    by_run = [w * sd.var(axis=0) for w, sd in zip(weights, relative, strict=True)]
    squared: Floats = np.sum(by_run, axis=0)
    means = np.concatenate([_mean(sd) for sd in relative])
    # SP misses the variance of gains (over N - 1) / N of their squared mean. By chance SDs vary by
    # half as much as log variances.
    more = squared[np.isfinite(squared)]
    n = float(weights @ sizes[0])
    loss = (more.mean() / (n - 1) if more.size else np.nan) - chance / 4 / n
    p = float(stats.f.sf(between / chance, (sizes[0] - 1).sum(), (sizes[0] * (sizes[2] - 1)).sum()))
    return Gains(
        squared, tuple(sizes[0].tolist()), tuple(sizes[1].tolist()),
        float(means.min()), float(means.max()), float(loss), p,
    )  # fmt: skip


def _run_spread(run: Measures) -> tuple[float, float]:
    """Return the variance of log variances over repeats, and that by chance, mean over targets."""
    defined = np.isfinite(run["chance"]) & (run["chance"] > 0)
    if not defined.any():
        return np.nan, np.nan
    spread = run["log_variances"][:, defined].var(axis=0, ddof=1)
    return float(spread.mean()), float(run["chance"][defined].mean())


def _mean(values: Floats) -> Floats:
    """Return the mean over targets (..., target) that are defined; NaN where none is."""
    defined = np.isfinite(values).all(axis=0)
    return values[:, defined].mean(axis=1) if defined.any() else np.full(len(values), np.nan)
