"""How much of a response could be predicted at all, from repeats of the same stimulus."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from encodekit.core import unknown_name
from encodekit.data import concat_runs, is_labelled, one_array, participants_of, target_coords
from encodekit.scoring._intersubject import intersubject_correlation
from encodekit.scoring._jackknife import t_limits
from encodekit.scoring._repeats import share_from_halves, share_from_powers

_METHODS = {"repeats": share_from_powers, "split-half": share_from_halves}
_PEOPLE = "people"

Floats = NDArray[np.float64]


def noise_ceiling(
    repeats: Any, n: int | None = None, *, runs: ArrayLike | None = None, method: str = "repeats"
) -> xr.Dataset:
    """How much of the responses is signal, and the best r that a perfect model could reach.

    ``method="repeats"``: within each run, with N repeats, ``SP = (N Var(mean) - TP) / (N - 1)``,
    where TP is the mean variance of one repeat [1]_ [2]_. Both are summed over runs, weighted by
    TRs. The share ``SP / TP`` is signed and, for white noise, unbiased to .001 with 10 repeats
    (-.004 with 2 repeats of 75 TRs, being a ratio of two estimates); a response that is the mean
    of n repeats has ``CCmax^2 = n share / (1 + (n - 1) share)``.

    ``method="split-half"``: ``CCmax^2 = 2 r / (1 + r)`` for the mean of all repeats, where r is
    between the means of odd and even ones.

    ``method="people"`` needs no repeats, and is for models of a group, not of one person: what
    people who heard the same share. With n people, the mean r of one with the mean of the others
    is ``rho sqrt((n - 1) / (1 + (n - 2) rho))``, and ``CCmax^2 = rho`` [3]_.

    Parameters
    ----------
    repeats : DataArray (repeat, time, target), a list of them (one per run), or an array
        With NaN where a participant has fewer repeats, lacks a run, or has fewer TRs of it. For
        ``"people"``: responses (time, target) with the coordinate ``participant``, and
        ``vertex`` (and ``hemisphere``), ``voxel`` or ``region`` to say which targets are of the
        same place.
    n : int, optional
        Of how many repeats the response to be scored is the mean; all of them if not given.
    runs : array (time,), optional
        For a NumPy array: the run of each row.
    method : {"repeats", "split-half", "people"}

    Returns
    -------
    Dataset over target
        ``signal_share``: share of the variance of ONE repeat that is signal, signed; for
        ``"people"`` of the response as it is, and of a place. ``ceiling_squared``: CCmax^2 of the
        mean of n, signed. ``ceiling``: its root, 0 where it is negative; a clipped root is biased,
        so average ``ceiling_squared``. ``signal_share_low``, ``signal_share_high``,
        ``ceiling_low``, ``ceiling_high``: ends of 95 % intervals, from a jackknife over blocks of
        20 TRs. ``n_repeats``: n. For ``"people"`` also ``lower`` and ``upper``, r with the mean of
        the others and with the mean of all; ``upper_floor``, what ``upper`` is where nothing is
        shared (it never divides a score); and ``n_people``. All NaN for targets that are constant,
        have a stray NaN, or were not repeated.

    Raises
    ------
    ValueError
        If ``repeats`` has no dimension ``repeat``, a participant's runs have other numbers of
        repeats and ``n`` is not given, repeats cannot be halved, or it is not known which targets
        are of the same place.

    References
    ----------
    .. [1] Sahani & Linden (2003), "How linear are auditory cortical responses?", eq. 2.
    .. [2] Schoppe et al. (2016), "Measuring the performance of neural models", eq. 7.
    .. [3] Spearman (1910) and Brown (1910), British Journal of Psychology 3:271-322.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((1, 300, 1))
    >>> ceiling = noise_ceiling(signal + rng.standard_normal((10, 300, 1)))
    >>> float(ceiling.signal_share[0].round(1)), float(ceiling.ceiling[0].round(2))
    (0.5, 0.95)
    """
    if method not in (*_METHODS, _PEOPLE):
        raise ValueError(f"noise_ceiling: {unknown_name('method', method, [*_METHODS, _PEOPLE])}")
    if n is not None and n < 1:
        raise ValueError(f"noise_ceiling: n={n}, expected the number of repeats, 1 or more")
    if method == _PEOPLE:
        return _from_people(repeats, n)
    rows = _rows(repeats, runs)
    estimates: dict[str, Floats] = {}
    number = np.zeros(rows.sizes["target"], int)
    participants = participants_of(rows.coords, number.size)
    for who in dict.fromkeys(participants.tolist()):
        columns = np.flatnonzero(participants == who)
        share = _METHODS[method](rows, columns)
        if n is None or method != "repeats":
            number[columns] = _n_of_mean(share.n_repeats, who)
        for name, values in _with_limits(share.estimates, max(share.n_repeats.values())).items():
            estimates.setdefault(name, np.full(number.size, np.nan))[columns] = values
    return _dataset(estimates, number if n is None else np.full(number.size, n), rows, method)


def _with_limits(share: Floats, n: Any) -> dict[str, Floats]:
    """Return ``share[0]`` and its interval, by a jackknife of ``log(1 + n share / (1 - share))``.

    That is the logarithm of a ratio of variances (for halves, ``2 artanh r``).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        # 1 + n share / (1 - share) is the ratio of the variances with and without signal: its
        # logarithm is more nearly normal than it, and its ends turn back into shares below 1.
        low, high = t_limits(np.log1p(n * share / (1 - share)))
        ends = (np.expm1(end) / (np.expm1(end) + n) for end in (low, high))
    return dict(zip(("", "_low", "_high"), (share[0], *ends), strict=True))


def _from_people(responses: Any, n: int | None) -> xr.Dataset:
    if n is not None:
        raise ValueError(
            f"noise_ceiling: n={n} has no meaning for method='people': the ceiling is that of the "
            "responses as they are"
        )
    rows = one_array(responses, "responses")
    found = intersubject_correlation(rows)
    places = found.groups.codes
    limits = _with_limits(found.share, np.maximum(found.n_people, 2))
    estimates = {name: values[places] for name, values in limits.items()}
    ceiling = _dataset(estimates, np.ones(places.size, int), rows, _PEOPLE)
    if "n_repeats" in rows.coords:
        ceiling["n_repeats"] = ("target", rows.coords["n_repeats"].values)
    n_people = found.n_people[places]
    return ceiling.assign(
        lower=("target", found.with_others),
        upper=("target", found.with_all),
        upper_floor=("target", 1 / np.sqrt(n_people)),
        n_people=("target", n_people),
    )


def _rows(repeats: Any, runs: ArrayLike | None) -> xr.DataArray:
    if is_labelled(repeats):
        parts: Sequence[xr.DataArray] = (
            [repeats] if isinstance(repeats, xr.DataArray) else list(repeats)
        )
        rows = parts[0] if len(parts) == 1 else concat_runs(parts)
    else:
        values = np.asarray(repeats)
        if values.ndim != 3:
            raise ValueError(
                f"noise_ceiling: repeats has shape {values.shape}, expected (repeat, time, target)"
            )
        names = np.zeros(values.shape[1], int) if runs is None else np.asarray(runs)
        rows = xr.DataArray(
            values, dims=("repeat", "time", "target"), coords={"run": ("time", names)}
        )
    if "repeat" not in rows.dims:
        raise ValueError(
            f"noise_ceiling: repeats has dims {rows.dims}, expected (repeat, time, target): the "
            "mean over repeats has no ceiling, pass study.repeats()"
        )
    return rows.transpose("repeat", "time", "target")


def _n_of_mean(n_repeats: dict[Any, int], participant: object) -> int:
    numbers = {number for number in n_repeats.values() if number}
    if len(numbers) <= 1:
        return numbers.pop() if numbers else 0
    said = ", ".join(f"{number} of run {run!r}" for run, number in n_repeats.items())
    raise ValueError(
        f"noise_ceiling: participant {participant!r} has other numbers of repeats in other runs "
        f"({said}): take the runs one by one, or pass n= for a mean of n repeats"
    )


def _dataset(
    shares: dict[str, Floats], number: NDArray[Any], rows: xr.DataArray, method: str
) -> xr.Dataset:
    found = {}
    for end, share in shares.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            # n share / (1 + (n - 1) share), Spearman-Brown's share of the mean of n; a share so
            # negative that the variance of the mean would be none has no ceiling.
            under = 1 + (number - 1) * share
            squared = np.where(under > 0, number * share / under, np.nan)
        found[f"signal_share{end}"] = share
        # A negative share is an estimate of 0 or a little more; NaN stays NaN.
        found[f"ceiling{end}"] = np.sqrt(np.where(squared < 0, 0.0, squared))
        if not end:
            found["ceiling_squared"] = squared
    found["n_repeats"] = number
    return xr.Dataset(
        {name: ("target", values) for name, values in found.items()},
        coords=target_coords(rows, drop=("n_repeats",)),
        attrs={
            "method": method,
            "runs": [str(run) for run in dict.fromkeys(rows.coords["run"].values.tolist())],
        },
    )
