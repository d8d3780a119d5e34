"""How much of a response could be predicted at all, from repeats of the same stimulus."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from encodekit.core import unknown_name
from encodekit.data import (
    as_floats,
    by_stimulus,
    concat_runs,
    is_labelled,
    one_array,
    participants_of,
    target_coords,
)
from encodekit.scoring._ceiling_groups import with_groups
from encodekit.scoring._ceiling_spread import folded, share_limits, squared_pieces
from encodekit.scoring._intersubject import IntersubjectCorrelation, intersubject_correlation
from encodekit.scoring._repeats import Share, share_from_halves, share_from_powers

_METHODS = {"repeats": share_from_powers, "split-half": share_from_halves}
_PEOPLE, _GROUPS = "people", "groups"
_OTHERS, _THIS = _INTERVALS = ("other stories", "this story")
_GAINS = ("equal", "unequal")

Floats = NDArray[np.float64]


def noise_ceiling(
    repeats: Any,
    n: int | None = None,
    *,
    runs: ArrayLike | None = None,
    method: str = "repeats",
    standardise: bool = False,
    gains: str = "equal",
    interval: str | None = None,
    scored: Sequence[Any] | None = None,
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
    people who heard the same share. ``CCmax^2 = rho``, the mean r of pairs of people, each over
    the TRs that both have, within runs and weighted by TRs.

    ``method="groups"``: what the mean response of one group of people can say of another's,
    which is scored. A perfect model of the mean of n scored people reaches
    ``CCmax^2 = n rho / (1 + (n - 1) rho)`` [3]_, with rho over the pairs of all people. The mean
    of m others as the model reaches ``sqrt(CCmax^2 m rho / (1 + (m - 1) rho))`` on average.

    Parameters
    ----------
    repeats : DataArray (repeat, time, target), a list of them (one per run), or an array
        With NaN where a participant has fewer repeats, lacks a run, or has fewer TRs of it. For
        ``"people"`` and ``"groups"``: responses (time, target) with the coordinate
        ``participant``, and ``vertex`` (and ``hemisphere``), ``voxel`` or ``region`` to say which
        targets are of the same place.
    n : int, optional
        Of how many repeats (for ``"groups"``: scored people) the response to be scored is the
        mean; all of them if not given.
    runs : array (time,), optional
        For a NumPy array: the run of each row.
    method : {"repeats", "split-half", "people", "groups"}
    standardise : bool
        Divide each repeat by its SD within the run first: the ceiling is for responses that are
        the mean of z-scored repeats. People are always z-scored.
    gains : {"equal", "unequal"}
        What repeats whose variances differ have in common. ``"equal"``: the signal; they differ
        in noise. ``"unequal"`` (for ``"repeats"``): the share; signal and noise are scaled alike,
        as by another scanner or session. The mean of raw repeats with SDs g is then worth
        ``(sum g)^2 / sum g^2`` equal ones, not N.
    interval : {"this story", "other stories"}, optional
        What an interval covers. ``"this story"`` (for ``"repeats"``, and the default there): the
        ceiling of the very story that was heard, as a score on it is divided by; only noise varies,
        by Bartlett's formula for Gaussian noise. ``"other stories"``: the ceiling over stories of
        the same length, from a jackknife over blocks of 20 TRs (signal and noise vary), wider where
        repeats remember longer than a block, as an AR(1) would.
    scored : sequence, optional
        For ``"groups"``: the participants whose mean is scored; all others are the model.

    Returns
    -------
    Dataset over target
        ``signal_share``: share of the variance of ONE repeat that is signal, signed; for
        ``"people"`` of the response as it is, and of a place. ``ceiling_squared``: CCmax^2 of the
        mean of n, signed. ``ceiling``: its root, 0 where it is negative; a clipped root is biased,
        so average ``ceiling_squared``. ``signal_share_low``, ``signal_share_high``,
        ``ceiling_low``, ``ceiling_high``: ends of 95 % intervals. ``ceiling_squared_pieces``
        (piece, target): deviations of ``ceiling_squared`` in stretches of time, whose squares sum
        to its variance, and whose means over targets do for a region (`encodekit.by_region`).
        ``n_repeats``: n.
        All NaN for targets that are constant, have a stray NaN, or were not repeated; runs of
        fewer than four TRs that all repeats have are left out.

        For ``"people"`` and ``"groups"`` also ``n_people`` that a place's share is from, and
        ``n_left_out``, people who are constant, NaN or without a TR in common with others there.
        For ``"people"``: ``lower`` and ``upper``, r with the mean of the others and with the mean
        of all who are there; ``upper_floor``, what ``upper`` is where nothing is shared (it never
        divides a score). For ``"groups"``: ``n_scored``, ``n_model`` (people); ``between``, r of
        the two means as measured, and ``between_expected``, ``one_expected``: r on average of the
        model group's mean with the mean of the scored, and with one new person.

    Raises
    ------
    ValueError
        If ``repeats`` has no dimension ``repeat``, a participant's runs have other numbers of
        repeats and ``n`` is not given, repeats cannot be halved, it is not known which targets
        are of the same place, no two people have a TR in common, or an option is unknown or has
        no meaning for the method.

    Warns
    -----
    UserWarning
        If variances of a participant's repeats differ more than chance (p < .001, an F test of
        log variances against their jackknife errors), and by so much that ``ceiling_squared``
        may be 2 % too low. If people are left out at a place, with their names.

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
    if interval is None:
        interval = _THIS if method == "repeats" else _OTHERS
    _check_options(n, method, standardise, gains, interval, scored)
    if method == _PEOPLE:
        return _from_people(_heard_alike(repeats))
    if method == _GROUPS:
        return _from_groups(_heard_alike(repeats), n, scored)
    rows = _rows(repeats, runs)
    participants = participants_of(rows.coords, rows.sizes["target"])
    ceiling = _Ceiling(rows.sizes["target"])
    for who in dict.fromkeys(participants.tolist()):
        columns = np.flatnonzero(participants == who)
        share = _METHODS[method](
            rows,
            columns,
            # Repeats of unequal gain and an equal share are alike but for their scale.
            standardise=standardise or gains == "unequal",
            this_story=interval == _THIS,
        )
        # Halves of other numbers of repeats are refused whatever n.
        known = n if n is not None and method == "repeats" else _n_of_mean(share.n_repeats, who)
        number = known if n is None else n
        if gains == "equal" and not standardise:
            _warn_of_gains(share, who)
        worth = (
            share.gains.worth(number)
            if gains == "unequal" and share.gains is not None
            else np.full(columns.size, float(number))
        )
        ceiling.add(columns, share.estimates, max(share.n_repeats.values()), worth, number, share)
    return ceiling.dataset(rows, method=method, standardise=standardise, interval=interval)


def _check_options(
    n: int | None, method: str, standardise: bool, gains: str, interval: str, scored: Any
) -> None:
    for what, value, known in (
        ("method", method, [*_METHODS, _PEOPLE, _GROUPS]),
        ("gains", gains, _GAINS),
        ("interval", interval, _INTERVALS),
    ):
        if value not in known:
            raise ValueError(f"noise_ceiling: {unknown_name(what, value, known)}")
    if n is not None and (n < 1 or n != int(n)):
        raise ValueError(f"noise_ceiling: n={n}, expected the number of repeats, 1 or more")
    if method == _PEOPLE and n is not None:
        raise ValueError(
            f"noise_ceiling: n={n} has no meaning for method='people': the ceiling is that of the "
            "responses as they are"
        )
    if (scored is None) == (method == _GROUPS):
        raise ValueError(
            f"noise_ceiling: method={method!r} with scored={scored!r}: give scored=, the "
            "participants whose mean is scored, with method='groups' and with no other"
        )
    if standardise and method in (_PEOPLE, _GROUPS):
        raise ValueError(
            f"noise_ceiling: standardise=True has no meaning for method={method!r}, which "
            "z-scores everybody: leave it out"
        )
    if method != "repeats" and (gains, interval) != (_GAINS[0], _OTHERS):
        raise ValueError(
            f"noise_ceiling: gains={gains!r}, interval={interval!r} with method={method!r}: "
            "'unequal' and 'this story' are for method='repeats' alone"
        )
    if standardise and gains == "unequal":
        raise ValueError(
            "noise_ceiling: gains='unequal' is for the mean of raw repeats and standardise=True "
            "for that of z-scored ones: choose the one that your responses are"
        )


def _warn_of_gains(share: Share, who: object) -> None:
    found = share.gains
    if found is None or not found.matter:
        return
    # The root of a square that is off by `loss`.
    percent = 100 * (1 - np.sqrt(1 - min(found.loss, 1.0)))
    warnings.warn(
        f"noise_ceiling: the repeats of participant {who!r} have SDs from {found.lowest:.2f} to "
        f"{found.highest:.2f} of their mean, more than chance makes (p = {found.p:.1g}). If only "
        f"noise differs, the ceiling is right; if gain does, that of their raw mean is about "
        f"{percent:.0f} % too low: z-score each repeat within its run before you average and "
        "pass standardise=True, or, if noise is scaled as the signal is, gains='unequal'",
        stacklevel=3,
    )


def _heard_alike(responses: Any) -> xr.DataArray:
    """Return responses with the rows of one story together, whatever run somebody heard it in."""
    rows = one_array(responses, "responses")
    merged = by_stimulus(rows, "noise_ceiling")
    return rows if len(merged) == np.unique(rows.coords["run"].values).size else concat_runs(merged)


def _from_people(rows: xr.DataArray) -> xr.Dataset:
    found = intersubject_correlation(rows)
    ceiling = _of_places(found, np.ones(found.n_people.size), 1, rows, _PEOPLE)
    if "n_repeats" in rows.coords:
        ceiling["n_repeats"] = ("target", rows.coords["n_repeats"].values)
    return ceiling.assign(
        lower=("target", found.with_others),
        upper=("target", found.with_all),
        upper_floor=("target", found.floor),
    )


def _from_groups(rows: xr.DataArray, n: int | None, scored: Any) -> xr.Dataset:
    found, groups = with_groups(rows, scored)
    number = groups.n_scored if n is None else np.full(groups.n_scored.size, n)
    # A place without anybody scored has no response that a ceiling could be for.
    worth = np.where(groups.n_scored > 0, number, np.nan)
    ceiling = _of_places(found, worth, number, rows, _GROUPS)
    places = found.groups.codes
    beside = groups.measures(found.share[0])
    return ceiling.assign({name: ("target", values[places]) for name, values in beside.items()})


def _of_places(
    found: IntersubjectCorrelation, worth: Floats, number: Any, rows: xr.DataArray, method: str
) -> xr.Dataset:
    """Return what is known of places, for each target that a place's share is from."""
    ceiling = _Ceiling(found.n_people.size)
    every = np.arange(found.n_people.size)
    ceiling.add(every, found.share, np.maximum(found.n_people, 2), worth, number)
    places = found.groups.codes
    by_target = ceiling.at(places, found.used)
    return by_target.dataset(rows, method=method).assign(
        n_people=("target", found.n_people[places]),
        n_left_out=("target", found.n_left_out[places]),
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
    floats: xr.DataArray = as_floats(rows, "noise_ceiling: repeats")
    return floats.transpose("repeat", "time", "target")


def _n_of_mean(n_repeats: dict[Any, int], participant: object) -> int:
    numbers = {number for number in n_repeats.values() if number}
    if len(numbers) <= 1:
        return numbers.pop() if numbers else 0
    said = ", ".join(f"{number} of run {run!r}" for run, number in n_repeats.items())
    raise ValueError(
        f"noise_ceiling: participant {participant!r} has other numbers of repeats in other runs "
        f"({said}): take the runs one by one, or pass n= for a mean of n repeats"
    )


class _Ceiling:
    """The parts of the dataset, filled in participant by participant (or for all places)."""

    def __init__(self, n_targets: int) -> None:
        self.values: dict[str, Floats] = {}
        self.number = np.zeros(n_targets, int)
        self.pieces = np.empty((0, n_targets))

    def add(
        self,
        columns: NDArray[np.intp],
        estimates: Floats,
        n: Any,
        worth: Floats,
        number: Any,
        share_of: Share | None = None,
    ) -> None:
        """Put in estimates (1 + block, column) for the mean of ``number``, worth ``worth``."""
        spread = (None, 1.0) if share_of is None else (share_of.noise, share_of.stretch)
        limits = share_limits(estimates, n, *spread)
        for end, share in zip(("", "_low", "_high"), limits, strict=True):
            squared = _squared(share, worth)
            self._put(f"signal_share{end}", columns, share)
            # A negative share is an estimate of 0 or a little more; NaN stays NaN.
            self._put(f"ceiling{end}", columns, np.sqrt(np.where(squared < 0, 0.0, squared)))
            if not end:
                self._put("ceiling_squared", columns, squared)
        self.number[columns] = number
        pieces = folded(squared_pieces(estimates, n, worth, *spread))
        lacking = len(pieces) - len(self.pieces)
        if lacking > 0:
            nothing = np.full((lacking, self.number.size), np.nan)
            self.pieces = np.concatenate([self.pieces, nothing])
        self.pieces[: len(pieces), columns] = pieces

    def _put(self, name: str, columns: NDArray[np.intp], values: Floats) -> None:
        whole = self.values.setdefault(name, np.full(self.number.size, np.nan))
        whole[columns] = values

    def at(self, places: NDArray[np.intp], defined: NDArray[np.bool_]) -> "_Ceiling":
        """Return targets that are of these places; NaN where not defined."""
        other = _Ceiling(places.size)
        other.values = {
            name: np.where(defined, values[places], np.nan) for name, values in self.values.items()
        }
        other.number = self.number[places]
        other.pieces = np.where(defined, self.pieces[:, places], np.nan)
        return other

    def dataset(self, rows: xr.DataArray, **attrs: Any) -> xr.Dataset:
        found: dict[str, Any] = {name: ("target", values) for name, values in self.values.items()}
        found["ceiling_squared_pieces"] = (("piece", "target"), self.pieces)
        found["n_repeats"] = ("target", self.number)
        names = [str(run) for run in dict.fromkeys(rows.coords["run"].values.tolist())]
        # Saved as text or a number: netCDF has no booleans among its attributes.
        plain = {name: int(v) if isinstance(v, bool) else v for name, v in attrs.items()}
        coords = target_coords(rows, drop=("n_repeats",))
        return xr.Dataset(found, coords=coords, attrs={**plain, "runs": names})


def _squared(share: Floats, number: Floats) -> Floats:
    """Return ``n share / (1 + (n - 1) share)``, Spearman-Brown's share of the mean of n."""
    with np.errstate(divide="ignore", invalid="ignore"):
        under = 1 + (number - 1) * share
        # A share so negative that the variance of the mean would be none has no ceiling.
        squared: Floats = np.where(under > 0, number * share / under, np.nan)
    return squared
