"""How much data reaches a reference: isotonic learning curves and their bootstrap."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from encodekit.core import unknown_name

Floats = NDArray[np.float64]


class _Curves(NamedTuple):
    """Mean scores (cohort, size) of one model, and the log of the data at each size."""

    log_x: Floats
    scores: Floats


class _Compared(NamedTuple):
    """Of each draw of cohorts: the target, the x that reaches it, the value at full data."""

    target: Floats
    needed: Floats
    full: Floats


def data_to_reach(
    curves: pd.DataFrame,
    reference: str,
    *,
    x: str = "minutes",
    model: str = "model",
    cohort: str = "cohort",
    value: str = "score",
    n_boot: int = 2000,
    level: float = 0.95,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Return how much data brings each model to the reference model's score at full data.

    Curves are isotonic in log x, fitted to the means over subsets and participants of each
    cohort and size. The target is the reference's FITTED value at full data, not its best one;
    between sizes the curve is straight in log x. Cohorts are drawn again with replacement,
    all models and the target together; a curve that stays below the target needs infinitely much.

    Parameters
    ----------
    curves : DataFrame
        Rows as `learning_curve` gives them, with the columns ``model`` and ``cohort`` (or
        whatever is independent: ``cohort="participant"`` where there is one study).
    reference : str
        A value of the column ``model``.
    x : str
        The amount of data: ``"minutes"``, ``"n_participants"``.
    n_boot : int
    level : float
        Of the percentile intervals.
    random_state : int, RandomState or None

    Returns
    -------
    DataFrame
        One row per model: ``target``; ``needed`` (in units of x), ``low``, ``high``;
        ``share`` (needed over full), ``share_low``, ``share_high``; ``full`` (fitted value at
        full data), ``gain`` (full over target - 1), ``gain_low``, ``gain_high``; ``n_cohorts``,
        ``not_reached`` (cohorts whose own curve stays below their own target) and
        ``at_smallest`` (whether the smallest size is enough, so that less was not tried).

    Raises
    ------
    ValueError
        If a column or the reference is unknown, a cohort lacks a size, or ``x`` is not positive.

    Examples
    --------
    >>> table = pd.DataFrame([
    ...     {"model": name, "cohort": k, "minutes": m, "score": 0.1 * np.log2(m) + plus}
    ...     for name, plus in (("pretrained", 0.0), ("tuned", 0.1)) for k in range(3)
    ...     for m in (5, 10, 20)])
    >>> data_to_reach(table, "pretrained").set_index("model").needed.round(3).to_dict()
    {'pretrained': 20.0, 'tuned': 10.0}
    """
    for column in (x, model, cohort, value, "size") if "size" in curves else (x, model, cohort):
        if column not in curves.columns:
            raise ValueError(f"data_to_reach: {unknown_name('column', column, curves.columns)}")
    if not (curves[x] > 0).all():
        raise ValueError(f"data_to_reach: {x} must be positive, got {curves[x].min()}")
    names = list(dict.fromkeys(curves[model]))
    if reference not in names:
        raise ValueError(f"data_to_reach: {unknown_name('model', reference, names)}")
    sizes = "size" if "size" in curves else x
    of = {name: _curves(curves[curves[model] == name], x, sizes, cohort, value) for name in names}
    n_cohorts = _same_cohorts(of)
    random = check_random_state(random_state)
    draws = random.randint(n_cohorts, size=(n_boot, n_cohorts))
    rows = []
    for name in names:
        point, boot, alone = (
            _compared(of[name], of[reference], cohorts)
            for cohorts in (np.arange(n_cohorts)[None], draws, np.arange(n_cohorts)[:, None])
        )
        rows.append(_row(name, of[name], point, boot, alone, level))
    return pd.DataFrame(rows).rename(columns={"model": model})


def _curves(table: pd.DataFrame, x: str, sizes: str, cohort: str, value: str) -> _Curves:
    means = table.groupby([cohort, sizes])[[value]].mean()[value].unstack(sizes)
    if means.isna().to_numpy().any():
        lacking = means.index[means.isna().any(axis=1)][0]
        raise ValueError(
            f"data_to_reach: {cohort} {lacking} has no score at some {sizes}: "
            "run every size in each of them"
        )
    log_x = np.log(table.groupby(sizes)[x].mean().to_numpy(dtype=float))
    return _Curves(log_x, means.to_numpy(dtype=float))


def _same_cohorts(of: dict[Any, _Curves]) -> int:
    counts = {name: len(curve.scores) for name, curve in of.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"data_to_reach: models have other numbers of cohorts: {counts}")
    return next(iter(counts.values()))


def _compared(mine: _Curves, reference: _Curves, cohorts: NDArray[np.intp]) -> _Compared:
    """Compare the curves of each set of cohorts (draw, member)."""
    target = isotonic(reference.scores[cohorts].mean(axis=1))[:, -1]
    curve = isotonic(mine.scores[cohorts].mean(axis=1))
    return _Compared(target, first_reached(mine.log_x, curve, target), curve[:, -1])


def isotonic(scores: Floats) -> Floats:
    """Return ``max_{i <= k} min_{j >= k} mean(scores_i .. scores_j)``: rising curves (draw, size).

    The least-squares fit that rises, written so that all draws are fitted at once.
    """
    n = scores.shape[-1]
    sums = np.concatenate([np.zeros((len(scores), 1)), np.cumsum(scores, axis=1)], axis=1)
    first, last = np.arange(n)[:, None], np.arange(n)[None]
    counts = np.where(last >= first, last - first + 1, 1)
    means = (sums[:, None, 1:] - sums[:, :-1, None]) / counts  # (draw, first, last)
    # Where last < first the means are of nothing; i <= k <= j never takes these.
    curve = np.empty_like(scores)
    for k in range(n):
        curve[:, k] = means[:, : k + 1, k:].min(axis=2).max(axis=1)
    return curve


def first_reached(log_x: Floats, curves: Floats, target: Floats) -> Floats:
    """Return the x at which rising curves (draw, size), straight in log x, meet their targets."""
    # The reference meets its own target at full data, but for the rounding of its mean.
    reached = curves >= target[:, None] - 1e-12
    rows, k = np.arange(len(curves)), reached.argmax(axis=1)
    before = np.maximum(k - 1, 0)
    low, high = curves[rows, before], curves[rows, k]
    rise = np.where(high > low, high - low, 1.0)
    share = np.where(high > low, np.clip((target - low) / rise, 0.0, 1.0), 1.0)
    at = log_x[before] + share * (log_x[k] - log_x[before])
    return np.where(reached.any(axis=1), np.exp(at), np.inf)


def _row(
    name: str,
    curve: _Curves,
    point: _Compared,
    boot: _Compared,
    alone: _Compared,
    level: float,
) -> dict[str, Any]:
    target, needed, full = (float(values[0]) for values in point)
    tails = [(1 - level) / 2, (1 + level) / 2]
    most = float(np.exp(curve.log_x[-1]))
    # inverted_cdf takes values as they are: infinite ones stay infinite
    low, high = np.quantile(boot.needed, tails, method="inverted_cdf")
    gain_low, gain_high = np.quantile(boot.full / boot.target - 1, tails)
    return {
        "model": name,
        "target": target,
        "needed": needed,
        "low": low,
        "high": high,
        "share": needed / most,
        "share_low": low / most,
        "share_high": high / most,
        "full": full,
        "gain": full / target - 1,
        "gain_low": gain_low,
        "gain_high": gain_high,
        "n_cohorts": len(curve.scores),
        "not_reached": int(np.isinf(alone.needed).sum()),
        "at_smallest": bool(needed <= np.exp(curve.log_x[0])),
    }
