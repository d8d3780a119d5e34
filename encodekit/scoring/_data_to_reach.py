"""How much data reaches a reference: isotonic learning curves and Fieller's intervals."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from encodekit.core import unknown_name

FEWEST_COHORTS = 8  # below, nobody can see whether scores are as normal as a t interval wants
_ROUNDING = 1e-12  # of means of scores: what differs by less is equal

Floats = NDArray[np.float64]


class _Curves(NamedTuple):
    """Mean scores (cohort, size) of one model, and the log of the data at each size."""

    log_x: Floats
    scores: Floats
    cohorts: list[Any]


class _Interval(NamedTuple):
    low: float
    high: float


_UNKNOWN = _Interval(np.nan, np.nan)


def data_to_reach(
    curves: pd.DataFrame,
    reference: str,
    *,
    x: str = "minutes",
    model: str = "model",
    cohort: str = "cohort",
    value: str = "score",
    intervals: bool = True,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return how much data brings each model to the reference model's score at full data.

    Curves are isotonic in log x, fitted to the means over subsets and participants of each
    cohort and size. The target is the reference's FITTED value at full data, not its best one;
    between sizes the curve is straight in log x. A curve that stays below the target needs
    infinitely much.

    Intervals invert a t test over cohorts (Fieller [1]_): ``needed`` is every x where the
    cohorts' curves less their own targets have a mean that does not differ from 0, and ``gain``
    every ratio of full to target that does not. So ``high`` is infinite where a model may stay
    below the target for all that its cohorts say. Cohorts are independent and their scores near
    normal; sizes that the isotonic curve pools are pooled in every cohort. In simulations of 8 to
    40 cohorts, intervals of level .95 hold the truth in .93 to .96 of sets.

    Parameters
    ----------
    curves : DataFrame
        Rows as `learning_curve` gives them, with the columns ``model`` and ``cohort`` (or
        whatever is independent: ``cohort="participant"`` where there is one study).
    reference : str
        A value of the column ``model``.
    x : str
        The amount of data: ``"minutes"``, ``"n_participants"``.
    intervals : bool
        False gives the points alone, from one cohort on; the ends of intervals are then NaN.
    level : float
        Of the intervals, in (0, 1).

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
        If a column or the reference is unknown, a cohort lacks a size or a model, ``x`` is not
        positive, ``level`` is not in (0, 1), or intervals are asked of fewer than eight cohorts.

    References
    ----------
    .. [1] Fieller (1954), Some problems in interval estimation, J. R. Stat. Soc. B 16:175-185.

    Examples
    --------
    >>> table = pd.DataFrame([
    ...     {"model": name, "cohort": k, "minutes": m, "score": 0.1 * np.log2(m) + plus}
    ...     for name, plus in (("pretrained", 0.0), ("tuned", 0.1)) for k in range(3)
    ...     for m in (5, 10, 20)])
    >>> found = data_to_reach(table, "pretrained", intervals=False)
    >>> found.set_index("model").needed.round(3).to_dict()
    {'pretrained': 20.0, 'tuned': 10.0}
    """
    _check(curves, x, model, cohort, value, level)
    names = list(dict.fromkeys(curves[model]))
    if reference not in names:
        raise ValueError(f"data_to_reach: {unknown_name('model', reference, names)}")
    sizes = "size" if "size" in curves else x
    of = {name: _curves(curves[curves[model] == name], x, sizes, cohort, value) for name in names}
    n_cohorts = _same_cohorts(of, cohort)
    if intervals and n_cohorts < FEWEST_COHORTS:
        raise ValueError(
            f"data_to_reach: intervals of {n_cohorts} {cohort}s, expected {FEWEST_COHORTS} or "
            f"more: add {cohort}s, or take the points alone with intervals=False"
        )
    rows = [_row(name, of[name], of[reference], level if intervals else None) for name in names]
    return pd.DataFrame(rows).rename(columns={"model": model})


def _check(curves: pd.DataFrame, x: str, model: str, cohort: str, value: str, level: float) -> None:
    for column in (x, model, cohort, value):
        if column not in curves.columns:
            raise ValueError(f"data_to_reach: {unknown_name('column', column, curves.columns)}")
    if not (curves[x] > 0).all():
        raise ValueError(f"data_to_reach: {x} must be positive, got {curves[x].min()}")
    if not 0 < level < 1:
        raise ValueError(f"data_to_reach: level={level}, expected in (0, 1), such as 0.95")


def _curves(table: pd.DataFrame, x: str, sizes: str, cohort: str, value: str) -> _Curves:
    means = table.groupby([cohort, sizes])[[value]].mean()[value].unstack(sizes)
    if means.isna().to_numpy().any():
        lacking = means.index[means.isna().any(axis=1)][0]
        raise ValueError(
            f"data_to_reach: {cohort} {lacking} has no score at some {sizes}: "
            "run every size in each of them"
        )
    log_x = np.log(table.groupby(sizes)[x].mean().to_numpy(dtype=float))
    return _Curves(log_x, means.to_numpy(dtype=float), means.index.tolist())


def _same_cohorts(of: dict[Any, _Curves], cohort: str) -> int:
    """Return how many cohorts there are; models are compared cohort by cohort."""
    cohorts = {name: set(curve.cohorts) for name, curve in of.items()}
    everyone = set().union(*cohorts.values())
    lacking = [
        f"{name!r} lacks {sorted(map(str, everyone - there))}"
        for name, there in cohorts.items()
        if there != everyone
    ]
    if lacking:
        raise ValueError(
            f"data_to_reach: models differ in their {cohort}s: {'; '.join(lacking)}: "
            f"run every model in each {cohort}, or drop those rows"
        )
    return len(everyone)


def _row(name: str, mine: _Curves, reference: _Curves, level: float | None) -> dict[str, Any]:
    own, targets = pooled(mine.scores), pooled(reference.scores)[:, -1]
    target, full = float(targets.mean()), float(own[:, -1].mean())
    needed = float(first_reached(mine.log_x, own.mean(axis=0)[None], np.array([target]))[0])
    alone = first_reached(mine.log_x, isotonic(mine.scores), isotonic(reference.scores)[:, -1])
    most = float(np.exp(mine.log_x[-1]))
    between, gain = _UNKNOWN, _UNKNOWN
    if level is not None:
        t = float(stats.t.ppf((1 + level) / 2, len(own) - 1))
        between = _needed_interval(mine.log_x, own - targets[:, None], t)
        gain = _gain_interval(own[:, -1], targets, t)
    return {
        "model": name,
        "target": target,
        "needed": needed,
        "low": between.low,
        "high": between.high,
        "share": needed / most,
        "share_low": between.low / most,
        "share_high": between.high / most,
        "full": full,
        "gain": full / target - 1,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "n_cohorts": len(own),
        "not_reached": int(np.isinf(alone).sum()),
        "at_smallest": bool(needed <= np.exp(mine.log_x[0])),
    }


def pooled(scores: Floats) -> Floats:
    """Return scores (cohort, size) whose mean over cohorts is the isotonic fit of the mean.

    The fit replaces stretches of the mean by their average; here each cohort's are replaced.
    """
    fit = isotonic(scores.mean(axis=0)[None])[0]
    together = np.abs(fit[:, None] - fit[None]) < _ROUNDING  # (size, size), of one stretch
    return np.asarray(scores @ (together / together.sum(axis=0)))


def _needed_interval(log_x: Floats, above: Floats, t: float) -> _Interval:
    """Return from where to where the mean of ``above`` (cohort, size) may be 0."""
    mean = above.mean(axis=0)
    half = t * above.std(axis=0, ddof=1) / np.sqrt(len(above))
    open_ends = np.abs(mean) <= half + _ROUNDING
    crossings = [log_x[k] + at * (log_x[k + 1] - log_x[k]) for k, at in _crossings(above, t)]
    inside = [*crossings, *log_x[open_ends]]
    # The reference is its own target at full data, in every cohort: it reaches it there.
    is_target = np.abs(above[:, -1]).max() < _ROUNDING
    if (open_ends[-1] and not is_target) or mean[-1] < -_ROUNDING:
        return _Interval(float(np.exp(min(inside, default=np.inf))), np.inf)
    # Nothing inside: the target is passed at the smallest size, and less was not tried.
    low, high = min(inside, default=log_x[0]), max(inside, default=log_x[0])
    return _Interval(float(np.exp(low)), float(np.exp(high)))


def _crossings(above: Floats, t: float) -> list[tuple[int, float]]:
    """Return segments and the shares of them, in [0, 1], at which ``|mean| = t se``."""
    found = []
    for k in range(above.shape[1] - 1):
        start, step = above[:, k], above[:, k + 1] - above[:, k]
        # start + share step = 0: the ratio is minus the share.
        roots = _fieller(start, step, t)
        found += [(k, -root) for root in roots if 0 <= -root <= 1]
    return found


def _gain_interval(full: Floats, target: Floats, t: float) -> _Interval:
    """Return between which values ``mean(full) / mean(target) - 1`` may lie."""
    ratios = _fieller(full, target, t)
    if not ratios or abs(target.mean()) <= t * target.std(ddof=1) / np.sqrt(len(target)):
        return _Interval(-np.inf, np.inf)  # the target may be 0, and a ratio to it anything
    return _Interval(min(ratios) - 1, max(ratios) - 1)


def _fieller(upper: Floats, lower: Floats, t: float) -> list[float]:
    """Return the ratios q at which ``|mean(upper - q lower)| = t se``, none or two."""
    u, v = upper.mean(), lower.mean()
    (uu, uv), (_, vv) = np.cov(upper, lower) * t**2 / len(upper)
    # (u - q v)^2 = t^2 se^2 = uu - 2 q uv + q^2 vv
    a, b, c = v**2 - vv, u * v - uv, u**2 - uu  # a q^2 - 2 b q + c = 0
    disc = b**2 - a * c
    # Of the reference with itself both roots are 1, and the rounding of disc is above 0 or below.
    if disc < -_ROUNDING * b**2 or a == 0:
        return []
    spread = np.sqrt(max(disc, 0.0))
    return [float((b - spread) / a), float((b + spread) / a)]


def isotonic(scores: Floats) -> Floats:
    """Return ``max_{i <= k} min_{j >= k} mean(scores_i .. scores_j)``: rising curves (curve, size).

    The least-squares fit that rises, written so that all of them are fitted at once.
    """
    n = scores.shape[-1]
    sums = np.concatenate([np.zeros((len(scores), 1)), np.cumsum(scores, axis=1)], axis=1)
    first, last = np.arange(n)[:, None], np.arange(n)[None]
    counts = np.where(last >= first, last - first + 1, 1)
    means = (sums[:, None, 1:] - sums[:, :-1, None]) / counts  # (curve, first, last)
    # Where last < first the means are of nothing; i <= k <= j never takes these.
    curve = np.empty_like(scores)
    for k in range(n):
        curve[:, k] = means[:, : k + 1, k:].min(axis=2).max(axis=1)
    return curve


def first_reached(log_x: Floats, curves: Floats, target: Floats) -> Floats:
    """Return the x at which rising curves (curve, size), straight in log x, meet their targets."""
    # The reference meets its own target at full data, but for the rounding of its mean.
    reached = curves >= target[:, None] - _ROUNDING
    rows, k = np.arange(len(curves)), reached.argmax(axis=1)
    before = np.maximum(k - 1, 0)
    low, high = curves[rows, before], curves[rows, k]
    rise = np.where(high > low, high - low, 1.0)
    share = np.where(high > low, np.clip((target - low) / rise, 0.0, 1.0), 1.0)
    at = log_x[before] + share * (log_x[k] - log_x[before])
    return np.where(reached.any(axis=1), np.exp(at), np.inf)
