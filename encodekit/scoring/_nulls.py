"""What chance reaches: predictions whose time is scrambled within runs, as sums of products.

Each null turns the standardised rows of one run into ``(1 + n, target)``: the observed statistic,
then one row per scrambling. All targets of a call share the scramblings of what they heard, and so
all participants, in whatever order they heard it: a response that people share stays shared.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import fft

from encodekit.core import unknown_name
from encodekit.data import moments_heard

Floats = NDArray[np.float32]
_ROUNDING = 1e-6  # TRs


class Null(Protocol):
    """How the time of one run is scrambled."""

    name: str

    def draw(self, rng: np.random.Generator, n_trs: int, n: int) -> NDArray[Any]:
        """Return ``1 + n`` scramblings of ``n_trs`` rows; the first changes nothing."""

    def resize(self, draws: NDArray[Any], n_trs: int, whole: int) -> NDArray[Any]:
        """Return ``draws`` of ``whole`` rows for ``n_trs`` longer ones that last as long."""

    def statistics(self, true: Floats, predicted: Floats, draws: NDArray[Any]) -> Floats:
        """Return (1 + n, target) from columns (time, target) of mean 0 and norm 1."""

    def of_part(self, true: Floats, predicted: Floats, draws: NDArray[Any], part: "Part") -> Floats:
        """Return the statistics of a run that has some of the rows that ``draws`` scramble."""


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of a story that a run has: their ``places`` (time,) among the ``whole``."""

    places: NDArray[np.intp]
    whole: int


class _Mixing(ABC):
    """A null that moves what is in one row to others."""

    def of_part(self, true: Floats, predicted: Floats, draws: NDArray[Any], part: Part) -> Floats:
        """Return the statistics of both sides, 0 in the rows that the run lacks.

        So what a row says goes where it goes in every other run of the story. Of a prediction of
        norm 1 that is spread over all rows, about ``n / whole`` meets the n of the response.
        """
        sides = np.zeros((2, part.whole, true.shape[1]), np.float32)
        sides[:, part.places] = true, predicted
        found = self.statistics(sides[0], sides[1], draws)
        found[1:] *= np.float32(np.sqrt(part.whole / part.places.size))
        return found

    @abstractmethod
    def statistics(self, true: Floats, predicted: Floats, draws: NDArray[Any]) -> Floats:
        """Return (1 + n, target), as `Null.statistics`."""


class PhaseNull(_Mixing):
    """Fourier phases of the predictions, turned by the same random angles in every target.

    ``r = 2 / T sum_f Re(conj(Y_f) P_f e^(i angle_f))``: spectra stay, and one matrix product of
    cosines and sines with the cross spectrum gives all surrogates (Theiler et al. 1992, Physica D
    58:77-94; the same angles for all: Prichard & Theiler 1994, Phys. Rev. Lett. 73:951).
    """

    name = "phase"

    def draw(self, rng: np.random.Generator, n_trs: int, n: int) -> Floats:
        """Return (1 + n, 2 * frequency): cosines, then minus the sines."""
        n_frequencies = n_trs // 2  # without that of the mean, which is 0
        angles = np.zeros((1 + n, n_frequencies))
        angles[1:] = rng.uniform(0, 2 * np.pi, (n, n_frequencies))
        if n_trs % 2 == 0:
            angles[1:, -1] = np.pi * rng.integers(0, 2, n)  # the highest stays real
        return np.hstack([np.cos(angles), -np.sin(angles)]).astype(np.float32)

    def resize(self, draws: Floats, n_trs: int, whole: int) -> Floats:
        """Return the angles of the lowest frequencies, which are the same of the same duration."""
        cosines, sines = (part[:, : n_trs // 2].copy() for part in np.split(draws, 2, axis=1))
        if n_trs % 2 == 0:
            cosines[:, -1], sines[:, -1] = np.where(cosines[:, -1] < 0, -1, 1), 0
        return np.hstack([cosines, sines])

    def statistics(self, true: Floats, predicted: Floats, draws: Floats) -> Floats:
        """Return r of each surrogate."""
        n_trs = len(true)
        # (frequency, target). Each but the highest of an even length stands for two frequencies,
        # of opposite signs and conjugate values: twice the real part.
        cross = (np.conj(fft.rfft(true, axis=0)) * fft.rfft(predicted, axis=0))[1:]
        cross *= np.float32(2 / n_trs)
        if n_trs % 2 == 0:
            cross[-1] /= 2
        # Re(c e^(i a)) = cos(a) Re c - sin(a) Im c: (1 + n, 2 frequency) @ (2 frequency, target).
        surrogates: Floats = draws @ np.vstack([cross.real, cross.imag])
        return surrogates


class SignNull(_Mixing):
    """Signs of the cosine coefficients of the predictions, flipped alike in every target.

    ``r = sum_k sign_k Y_k P_k`` over the coefficients of the cosine transform (DCT-II), which has
    no seam between the two ends of a run and nearly diagonalises autoregressive noise.
    """

    name = "sign"

    def draw(self, rng: np.random.Generator, n_trs: int, n: int) -> Floats:
        """Return (1 + n, coefficient) of -1 and 1."""
        # One less than TRs: the coefficient of the mean is 0.
        signs = np.ones((1 + n, n_trs - 1), np.float32)
        signs[1:] -= 2 * rng.integers(0, 2, (n, n_trs - 1), dtype=np.int8)
        return signs

    def resize(self, draws: Floats, n_trs: int, whole: int) -> Floats:
        """Return the signs of the lowest coefficients, of the same frequencies."""
        return draws[:, : n_trs - 1]

    def statistics(self, true: Floats, predicted: Floats, draws: Floats) -> Floats:
        """Return r of each surrogate."""
        sides = (fft.dct(side, axis=0, norm="ortho")[1:] for side in (true, predicted))
        # The transform is orthonormal, so that products of coefficients sum to r; a flipped sign
        # of the prediction is one of the product. (1 + n, coefficient) @ (coefficient, target).
        surrogates: Floats = draws @ (next(sides) * next(sides))
        return surrogates


class BlockNull(_Mixing):
    """Blocks of about ``length`` TRs of the predictions, in another order."""

    name = "block"

    def __init__(self, length: int = 20) -> None:
        self.length = length

    def draw(self, rng: np.random.Generator, n_trs: int, n: int) -> NDArray[np.intp]:
        """Return (1 + n, time): the row that comes in each place."""
        # Of nearly equal lengths, so that no short rest of the run stays in one place.
        blocks = np.array_split(np.arange(n_trs), max(round(n_trs / self.length), 1))
        orders = (rng.permutation(len(blocks)) for _ in range(n))
        rows = (np.concatenate([blocks[i] for i in order]) for order in orders)
        return np.stack([np.arange(n_trs), *rows])

    def resize(self, draws: NDArray[np.intp], n_trs: int, whole: int) -> NDArray[np.intp]:
        """Return the orders of the rows that lie where the longer ones do."""
        row = np.full(whole, -1)
        row[np.arange(n_trs) * whole // n_trs] = np.arange(n_trs)
        orders = row[draws]
        return orders[orders >= 0].reshape(len(draws), n_trs)

    def statistics(self, true: Floats, predicted: Floats, draws: NDArray[np.intp]) -> Floats:
        """Return r of each order."""
        return np.stack([np.einsum("ij,ij->j", true, predicted[order]) for order in draws])


class ShiftNull:
    """The overlap after a shift by a lag; ``t = r / se``, with Bartlett's standard error.

    ``se^2 = sum_m (1 - |m| / n) rho_y(m) rho_p(m) / n`` for an overlap of n rows, so that lags with
    less overlap compare. Lags are 0 (nothing shifted) and those of ``shortest`` TRs to half the
    run, in both directions; a single run has no more of them, and p no finer steps.
    """

    name = "shift"

    def __init__(self, shortest: int = 10) -> None:
        self.shortest = shortest

    def draw(self, rng: np.random.Generator, n_trs: int, n: int) -> NDArray[np.intp]:
        """Return (1 + n,) lags in TRs, positive where the predictions are taken from later."""
        lags = np.arange(-(n_trs // 2), n_trs // 2 + 1)
        lags = lags[(np.abs(lags) >= self.shortest) | (lags == 0)]
        return np.concatenate([[0], rng.choice(lags, n)])

    def resize(self, draws: NDArray[np.intp], n_trs: int, whole: int) -> NDArray[np.intp]:
        """Return the lags, counted in the longer rows."""
        lags: NDArray[np.intp] = np.rint(draws * (n_trs / whole)).astype(np.intp)
        return lags

    def of_part(
        self, true: Floats, predicted: Floats, draws: NDArray[np.intp], part: Part
    ) -> Floats:
        """Return t of each lag, which is at most half of the rows that there are."""
        half = len(true) // 2
        return self.statistics(true, predicted, np.clip(draws, -half, half))

    def statistics(self, true: Floats, predicted: Floats, draws: NDArray[np.intp]) -> Floats:
        """Return t of each lag."""
        # Padded with zeros to twice the length, where nothing wraps round: all lags at once.
        size = 2 * len(true)
        left, right = (fft.rfft(side, size, axis=0) for side in (true, predicted))
        products = fft.irfft(np.conj(left) * right, size, axis=0)
        # Autocovariances are autocorrelations, since the columns have norm 1: rho_y rho_p by lag.
        both = fft.irfft(np.abs(left) ** 2, size, axis=0)
        both = (both * fft.irfft(np.abs(right) ** 2, size, axis=0))[: len(true)]
        # A run has fewer lags than there are draws; negative ones count from the end, as the
        # transform has them.
        lags, which = np.unique(draws, return_inverse=True)
        t = [_overlap_t(true, predicted, products[lag], both, int(lag)) for lag in lags]
        return np.stack(t)[which]


def _overlap_t(true: Floats, predicted: Floats, product: Floats, both: Floats, lag: int) -> Floats:
    """Return r over its standard error where the rows of a shift by ``lag`` overlap."""
    n = len(true) - abs(lag)
    left = true[:n] if lag >= 0 else true[-n:]
    right = predicted[-n:] if lag >= 0 else predicted[:n]
    # The columns have mean 0 over the run, not over the rows that overlap.
    covariance = product - left.sum(0) * right.sum(0) / n
    r = covariance / (np.sqrt(left.var(0) * right.var(0)) * n)
    # sum_m over lags of both signs: once for 0, twice for every other.
    weights = np.where(np.arange(n) == 0, 1, 2) * (1 - np.arange(n) / n)
    t: Floats = r / np.sqrt(weights.astype(np.float32) @ both[:n] / n)
    return t


class ProductNull:
    """Signs of the products of response and prediction, flipped by blocks of about ``length`` TRs.

    ``r = sum_b sign_b sum_(t in b) y_t p_t`` with the same signs in every target. Products of
    unrelated signals are as often negative as positive, whatever their variance: the null is as
    wide where both sides are loud at the same time, or share spikes, as chance is (a wild bootstrap
    of block sums; Wu 1986, Annals of Statistics 14:1261-1295; Shao 2010, J. Am. Stat. Assoc.
    105:218-235). It has the fewest draws of all nulls, 2 to the number of blocks.
    """

    name = "product"

    def __init__(self, length: int = 15) -> None:
        self.length = length

    def draw(self, rng: np.random.Generator, n_trs: int, n: int) -> Floats:
        """Return (1 + n, time) of -1 and 1, the same within each block."""
        n_blocks = min(max(round(n_trs / self.length), 4), n_trs)
        signs = np.ones((1 + n, n_blocks), np.float32)
        signs[1:] -= 2 * rng.integers(0, 2, (n, n_blocks))
        return signs[:, np.arange(n_trs) * n_blocks // n_trs]

    def resize(self, draws: Floats, n_trs: int, whole: int) -> Floats:
        """Return the signs at the times of the longer rows."""
        return draws[:, np.arange(n_trs) * whole // n_trs]

    def of_part(self, true: Floats, predicted: Floats, draws: Floats, part: Part) -> Floats:
        """Return r of the signs of these rows."""
        return self.statistics(true, predicted, draws[:, part.places])

    def statistics(self, true: Floats, predicted: Floats, draws: Floats) -> Floats:
        """Return r of each set of signs."""
        # One product over blocks, not over rows: (1 + n, block) @ (block, target).
        starts = np.flatnonzero(np.diff(draws, axis=1, prepend=np.nan).any(axis=0))
        sums = np.add.reduceat(true * predicted, starts, axis=0)
        surrogates: Floats = draws[:, starts] @ sums
        return surrogates


_NULLS = {null.name: null for null in (PhaseNull, SignNull, BlockNull, ShiftNull, ProductNull)}


def make_null(null: str | Null) -> Null:
    """Return the null of that name, or the null that was passed.

    Raises
    ------
    ValueError
        With close matches, where there is none of that name.
    """
    if not isinstance(null, str):
        return null
    if null not in _NULLS:
        raise ValueError(unknown_name("null", null, list(_NULLS)))
    made: Null = _NULLS[null]()
    return made


@dataclass(frozen=True, eq=False)
class Scramblings:
    """The scramblings of what was heard in each run, the same for all targets, drawn when asked.

    Attributes
    ----------
    null : Null
    heard : mapping of run to stimulus
        Runs that heard the same are scrambled alike: people who heard the stories in another order
        share them nevertheless.
    parts : mapping of run to Part
        Which rows of its stimulus it has, counted in its own TRs.
    seed : int
    """

    null: Null
    heard: Mapping[Any, Any]
    parts: Mapping[Any, Part]
    seed: int

    def draw(self, n: int, chunk: int = 0) -> dict[Any, NDArray[Any]]:
        """Return ``1 + n`` scramblings of each run; another ``chunk`` has others."""
        rng = np.random.default_rng([self.seed, chunk])
        most: dict[Any, int] = {}
        for run, stimulus in self.heard.items():
            most[stimulus] = max(most.get(stimulus, 0), self.parts[run].whole)
        # By name, so that another order of the runs draws the same.
        whole = {name: self.null.draw(rng, most[name], n) for name in sorted(most, key=str)}
        return {
            run: self._resized(whole[name], self.parts[run].whole, most[name])
            for run, name in self.heard.items()
        }

    def _resized(self, draws: NDArray[Any], n_trs: int, whole: int) -> NDArray[Any]:
        return draws if n_trs == whole else self.null.resize(draws, n_trs, whole)

    def statistics(
        self, run: Any, true: Floats, predicted: Floats, draws: Mapping[Any, NDArray[Any]]
    ) -> Floats:
        """Return (1 + n, target) of a run, from columns (time, target) of mean 0 and norm 1."""
        part = self.parts[run]
        if part.whole == len(true):
            return self.null.statistics(true, predicted, draws[run])
        return self.null.of_part(true, predicted, draws[run], part)


def scramblings(null: str | Null, rows: xr.DataArray, seed: int) -> Scramblings:
    """Return the scramblings of these ``rows``, which say their ``run``, and what was heard."""
    runs, (heard, seconds, t_r) = rows.coords["run"].values, moments_heard(rows)
    begins = {name: seconds[heard == name].min() for name in dict.fromkeys(heard.tolist())}
    lasts = {name: (seconds + t_r)[heard == name].max() - begin for name, begin in begins.items()}
    stimulus: dict[Any, Any] = {}
    places: dict[Any, NDArray[np.intp]] = {}
    whole: dict[Any, int] = {}  # of a stimulus in TRs of one length
    for run in dict.fromkeys(runs.tolist()):
        here = np.flatnonzero(runs == run)
        name, step = heard[here[0]], float(t_r[here[0]])
        stimulus[run] = name
        places[run] = nearest_place(seconds[here] - begins[name], step)
        longest = max(round(lasts[name] / step), int(places[run].max()) + 1)
        whole[name, step] = max(whole.get((name, step), 0), longest)
    steps = dict(zip(runs.tolist(), t_r.tolist(), strict=True))
    parts = {run: Part(at, whole[stimulus[run], steps[run]]) for run, at in places.items()}
    return Scramblings(make_null(null), stimulus, parts, seed)


def nearest_place(seconds: NDArray[np.float64], step: float) -> NDArray[np.intp]:
    """Return the TR of ``step`` that each second lies nearest to; of half a TR, the later one.

    The rest that is added keeps rounding of halves the same in all rows of a run.
    """
    return np.floor(seconds / step + 0.5 + _ROUNDING).astype(np.intp)
