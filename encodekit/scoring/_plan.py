"""How much to measure for an effect to be found."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats


def plan(
    effect: float,
    ceiling: float,
    *,
    of_repeats: int = 1,
    repeats: Sequence[int] = (1, 2, 5, 10),
    people: Sequence[int] = (1, 4, 8),
    t_r: float = 2.0,
    autocorrelation: float = 0.5,
    shared: float = 1.0,
    n_tests: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """Return how long the test stories must be, by how often and by how many they are heard.

    For a test over stimulus of the mean r over people (`encodekit.permutation_test`, ``by=``).
    With n repeats the model reaches ``r = effect CCmax(n)``. By chance the mean over P people
    spreads by ``sqrt(v (c + (1 - c) / P) / T)`` with T TRs: ``v = (1 + a^2) / (1 - a^2)`` for
    responses and predictions of autocorrelation a (Bartlett 1935), and ``c = shared CCmax(n)^2``,
    since what people share they also share by chance. ``arctanh r`` is taken for normal.

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
    autocorrelation : float
        From one TR to the next, in [0, 1).
    shared : float
        How much of a person's signal all people share, in [0, 1]; 1 asks for most.
    n_tests : int
        ``alpha`` is divided by it (targets or regions that are tested).
    alpha, power : float

    Returns
    -------
    DataFrame
        One row per design: ``repeats``, ``people``, ``ceiling``, ``r``, ``minutes`` of story,
        ``minutes_per_person`` and ``scan_minutes`` of all people, without pauses. Not the data
        that the model is fitted on, of which `encodekit.learning_curve` speaks.

    Raises
    ------
    ValueError
        If a number is not what it may be; all mistakes in one message.

    Examples
    --------
    >>> table = plan(0.35, 0.7, of_repeats=10, repeats=[1, 10], people=[1])
    >>> table[["repeats", "r", "minutes", "minutes_per_person"]].round(2).values.tolist()
    [[1.0, 0.1, 31.76, 31.76], [10.0, 0.24, 5.49, 54.92]]
    """
    _check(effect, ceiling, of_repeats, repeats, people, autocorrelation, shared, alpha, power)
    share = ceiling**2 / (of_repeats - (of_repeats - 1) * ceiling**2)
    inflation = (1 + autocorrelation**2) / (1 - autocorrelation**2)
    needed = stats.norm.isf(alpha / n_tests) + stats.norm.ppf(power)
    rows = []
    for n, n_people in product(repeats, people):
        squared = n * share / (1 + (n - 1) * share)
        r = effect * np.sqrt(squared)
        common = shared * squared
        n_trs = inflation * (common + (1 - common) / n_people) * (needed / np.arctanh(r)) ** 2
        minutes = n_trs * t_r / 60
        rows.append(
            (n, n_people, np.sqrt(squared), r, minutes, n * minutes, n * n_people * minutes)
        )
    return pd.DataFrame(
        rows,
        columns=[
            "repeats", "people", "ceiling", "r", "minutes", "minutes_per_person", "scan_minutes",
        ],
    )  # fmt: skip


def _check(
    effect: float,
    ceiling: float,
    of_repeats: int,
    repeats: Sequence[int],
    people: Sequence[int],
    autocorrelation: float,
    shared: float,
    alpha: float,
    power: float,
) -> None:
    expected = {
        f"effect={effect}, expected in (0, 1]": 0 < effect <= 1,
        f"ceiling={ceiling}, expected in (0, 1)": 0 < ceiling < 1,
        f"of_repeats={of_repeats}, repeats={list(repeats)} and people={list(people)}, expected "
        "numbers of 1 or more": min(of_repeats, *repeats, *people) >= 1,
        f"autocorrelation={autocorrelation}, expected in [0, 1)": 0 <= autocorrelation < 1,
        f"shared={shared}, expected in [0, 1]": 0 <= shared <= 1,
        f"alpha={alpha} and power={power}, expected in (0, 1)": 0 < alpha < 1 and 0 < power < 1,
    }
    mistakes = [message for message, holds in expected.items() if not holds]
    if mistakes:
        raise ValueError(f"plan: {'; '.join(mistakes)}")
