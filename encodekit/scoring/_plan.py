"""How much to measure for an effect to be found."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

_LONGEST = 4096  # TRs whose spectra are computed; of more, all sums grow in proportion
_SHORTEST = 8  # TRs, below which nothing here is near normal

Floats = NDArray[np.float64]


class _Design(NamedTuple):
    """What is to be found, and what it is found in: shares of the variance of a mean response."""

    r: float
    signal: float  # what repeats share: CCmax squared
    shared: float  # of the signal, what people share
    n_people: int
    noise: float  # autocorrelation of what repeats do not share
    prediction: float  # autocorrelation of signal and prediction
    alpha: float


class _Chance(NamedTuple):
    """Of a test of some length."""

    effect: float  # r over its standard deviation by chance
    n_effective: float  # independent TRs that would say as much
    inflation: float  # of the variance, over that of white series


def plan(
    effect: float,
    ceiling: float,
    *,
    of_repeats: int = 1,
    repeats: Sequence[int] = (1, 2, 5, 10),
    people: Sequence[int] = (1, 4, 8),
    t_r: float = 2.0,
    autocorrelation: float | tuple[float, float] = (0.5, 0.8),
    shared: float = 1.0,
    n_tests: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """Return how long the test stories must be, by how often and by how many they are heard.

    For a test over stimulus of the mean r over people (`encodekit.permutation_test`, ``by=``).
    With n repeats the model reaches ``r = effect CCmax(n)``, with the same prediction for all P
    people. What its mean over them reaches by chance has two parts, ``S = CCmax(n)^2`` of signal
    that it does not explain, as smooth as the prediction, and noise, which is not:

    ``V = (c + (S - r^2 - c) / P) (1 + b^2) / (1 - b^2) + (1 - S) / P (1 + a b) / (1 - a b)``

    is its variance times T, the number of TRs, for autocorrelations a of noise and b of signal and
    prediction (Bartlett 1935); of the unexplained signal ``S - r^2`` people share
    ``c = shared S - r^2`` (0 at least). V is ``v`` times what it is in white series (a = b = 0).
    Power is that of a t test: ``P(t(d) > t_alpha)`` with ``d = r sqrt(T / V)`` and as many degrees
    of freedom as there are independent TRs, ``T / v - 1``. In stories of few TRs the mean is
    estimated too: all of it is taken from the T - 1 cosine coefficients of AR(1) series. Simulated
    power differs from the column ``power`` by less than .03 from 80 TRs on.

    Parameters
    ----------
    effect : float
        Of the model: r over the ceiling, in (0, 1].
    ceiling : float
        CCmax of the mean of ``of_repeats`` repeats, in (0, 1).
    of_repeats : int
    repeats, people : sequence of int
        Designs to compare.
    t_r : float
        s.
    autocorrelation : float or (float, float)
        From one TR to the next, in [0, 1): of noise (what a model leaves of single responses), and
        of signal and prediction; one number is both. The defaults are those of real fMRI at a TR
        of 2 s, and of speech features after the haemodynamic response (Alice [1]_: .50 of noise,
        .78 of what people share, .76 of word rate).
    shared : float
        How much of a person's signal all people share, in [0, 1]; 1 asks for most.
    n_tests : int
        ``alpha`` is divided by it (targets or regions that are tested).
    alpha, power : float

    Returns
    -------
    DataFrame
        One row per design: ``repeats``, ``people``, ``ceiling``, ``r``, ``inflation`` (v),
        ``n_trs`` of story, ``minutes`` of it, ``minutes_per_person`` and ``scan_minutes`` of all
        people, without pauses, and the ``power`` of so many TRs. Not the data that the model is
        fitted on, of which `encodekit.learning_curve` speaks.

    Raises
    ------
    ValueError
        If a number is not what it may be; all mistakes in one message.

    References
    ----------
    .. [1] Brennan et al. (2016), Brain and Language 157-158:81-94.

    Examples
    --------
    >>> table = plan(0.35, 0.7, of_repeats=10, repeats=[1, 10], people=[1])
    >>> table[["repeats", "r", "n_trs", "minutes", "power"]].round(2).values.tolist()
    [[1.0, 0.1, 1435.0, 47.83, 0.8], [10.0, 0.24, 328.0, 10.93, 0.8]]
    """
    _check(effect, ceiling, of_repeats, repeats, people, autocorrelation, shared, alpha, power)
    _check_numbers(t_r, n_tests, repeats, people)
    noise, prediction = np.broadcast_to(autocorrelation, 2).tolist()
    share = ceiling**2 / (of_repeats - (of_repeats - 1) * ceiling**2)
    rows = []
    for n, n_people in product(repeats, people):
        signal = n * share / (1 + (n - 1) * share)
        r = effect * np.sqrt(signal)
        design = _Design(r, signal, shared, n_people, noise, prediction, alpha / n_tests)
        n_trs = _fewest_trs(design, power)
        rows.append(
            {
                "repeats": n,
                "people": n_people,
                "ceiling": np.sqrt(signal),
                "r": r,
                "inflation": _chance(design, n_trs).inflation,
                "n_trs": n_trs,
                "minutes": n_trs * t_r / 60,
                "minutes_per_person": n * n_trs * t_r / 60,
                "scan_minutes": n * n_people * n_trs * t_r / 60,
                "power": _power(design, n_trs),
            }
        )
    return pd.DataFrame(rows)


def _fewest_trs(design: _Design, power: float) -> int:
    """Return the smallest number of TRs with the power."""
    enough = _SHORTEST
    while _power(design, enough) < power:
        enough *= 2
    too_few = enough // 2 if enough > _SHORTEST else enough - 1
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _power(design, middle) >= power:
            enough = middle
        else:
            too_few = middle
    return enough


def _power(design: _Design, n_trs: int) -> float:
    chance = _chance(design, n_trs)
    # The null flips signs of products of coefficients, whose sum of squares is as uncertain as a
    # variance from so many values: at few TRs that is a t test, not one of the normal distribution.
    freedom = chance.n_effective - 1
    critical = stats.t.isf(design.alpha, freedom)
    return float(stats.nct.sf(critical, freedom, chance.effect))


def _chance(design: _Design, n_trs: int) -> _Chance:
    signal, r, n_people = design.signal, design.r, design.n_people
    some = min(n_trs, _LONGEST)
    predicted = ar_spectrum(some, design.prediction)  # (coefficient,)
    noise = ar_spectrum(some, design.noise)
    common = max(design.shared * signal, r**2)  # predictions are common, and explain r^2
    own = (signal - common) / n_people
    left = (common - r**2 + own) * predicted + (1 - signal) / n_people * noise
    variance = predicted @ left
    more = n_trs / some
    return _Chance(
        effect=r * predicted.sum() * np.sqrt(more / variance),
        n_effective=more * predicted.sum() * left.sum() / variance,
        inflation=len(predicted) * variance / (predicted.sum() * left.sum()),
    )


def ar_spectrum(n_trs: int, phi: float) -> Floats:
    """Return the variances of the cosine coefficients 1 .. T - 1 of AR(1) series of variance 1.

    Of T TRs, without the coefficient of the mean. The inverse covariance of AR(1), tridiagonal, is
    what the cosine transform (DCT-II) diagonalises but for its two corners (Ahmed, Natarajan & Rao
    1974, IEEE Trans. Comput. C-23:90-93), which Woodbury's identity puts right.
    """
    k = np.arange(n_trs)
    eigenvalues = 1 - 2 * phi * np.cos(np.pi * k / n_trs) + phi**2
    # The first and the last row of the transform: (coefficient, corner).
    first = np.where(k == 0, np.sqrt(1 / n_trs), np.sqrt(2 / n_trs) * np.cos(np.pi * k / 2 / n_trs))
    corners = np.stack([first, first * (-1.0) ** k], axis=1)
    solved = corners / eigenvalues[:, None]
    corner = phi * (1 - phi)
    inner = np.linalg.inv(np.eye(2) + corner * (corners.T @ solved))
    correction = corner * np.einsum("ki,ij,kj->k", solved, inner, solved)
    return np.asarray((1 - phi**2) * (1 / eigenvalues - correction))[1:]


def _check(
    effect: float,
    ceiling: float,
    of_repeats: int,
    repeats: Sequence[int],
    people: Sequence[int],
    autocorrelation: float | tuple[float, float],
    shared: float,
    alpha: float,
    power: float,
) -> None:
    given = np.atleast_1d(autocorrelation).tolist()
    expected = {
        f"effect={effect}, expected in (0, 1]": 0 < effect <= 1,
        f"ceiling={ceiling}, expected in (0, 1)": 0 < ceiling < 1,
        f"of_repeats={of_repeats}, repeats={list(repeats)} and people={list(people)}, expected "
        "numbers of 1 or more": min([of_repeats, *repeats, *people]) >= 1,
        f"autocorrelation={autocorrelation}, expected one number in [0, 1), or two: of noise, and "
        "of signal and prediction": 1 <= len(given) <= 2 and min(given) >= 0 and max(given) < 1,
        f"shared={shared}, expected in [0, 1]": 0 <= shared <= 1,
        f"alpha={alpha} and power={power}, expected in (0, 1)": 0 < alpha < 1 and 0 < power < 1,
    }
    mistakes = [message for message, holds in expected.items() if not holds]
    if mistakes:
        raise ValueError(f"plan: {'; '.join(mistakes)}")


def _check_numbers(t_r: float, n_tests: int, repeats: Sequence[int], people: Sequence[int]) -> None:
    if not t_r > 0 or n_tests < 1 or not len(repeats) or not len(people):
        raise ValueError(
            f"plan: t_r={t_r}, n_tests={n_tests}, repeats={list(repeats)}, people={list(people)}: "
            "expected seconds above 0, a number of 1 or more, and at least one design"
        )
