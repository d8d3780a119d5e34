"""What chance reaches: predictions whose time is scrambled within runs, as sums of products.

Each null turns the standardised rows of one run into ``(1 + n, target)``: the observed statistic,
then one row per scrambling. All targets of a call share the scramblings of what they heard, and so
all participants, in whatever order they heard it: a response that people share stays shared.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import fft

from encodekit.core import unknown_name
from encodekit.data import places_heard

Floats = NDArray[np.float32]


class Null(Protocol):
    """How the time of one run is scrambled."""

    name: str

    def draw(self, rng: np.random.Generator, n_trs: int, n: int) -> NDArray[Any]:
        """Return ``1 + n`` scramblings of ``n_trs`` rows; the first changes nothing."""

    def cut(self, draws: NDArray[Any], start: int, n_trs: int) -> NDArray[Any]:
        """Return ``draws`` of a story for a run that has ``n_trs`` of its rows, from ``start``."""

    def statistics(self, true: Floats, predicted: Floats, draws: NDArray[Any]) -> Floats:
        """Return (1 + n, target) from columns (time, target) of mean 0 and norm 1."""


class PhaseNull:
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

    def cut(self, draws: Floats, start: int, n_trs: int) -> Floats:
        """Return the angles of the lowest frequencies."""
        # Lengths differ by a few TRs, so that the k-th frequencies of both are nearly the same.
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


class SignNull:
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

    def cut(self, draws: Floats, start: int, n_trs: int) -> Floats:
        """Return the signs of the lowest coefficients."""
        return draws[:, : n_trs - 1]

    def statistics(self, true: Floats, predicted: Floats, draws: Floats) -> Floats:
        """Return r of each surrogate."""
        sides = (fft.dct(side, axis=0, norm="ortho")[1:] for side in (true, predicted))
        # The transform is orthonormal, so that products of coefficients sum to r; a flipped sign
        # of the prediction is one of the product. (1 + n, coefficient) @ (coefficient, target).
        surrogates: Floats = draws @ (next(sides) * next(sides))
        return surrogates


class BlockNull:
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

    def cut(self, draws: NDArray[np.intp], start: int, n_trs: int) -> NDArray[np.intp]:
        """Return the orders without the rows that are lacking."""
        kept = [order[(order >= start) & (order < start + n_trs)] for order in draws]
        return np.stack(kept) - start

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

    def cut(self, draws: NDArray[np.intp], start: int, n_trs: int) -> NDArray[np.intp]:
        """Return the lags, at most half of ``n_trs``."""
        return np.clip(draws, -(n_trs // 2), n_trs // 2)

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

    def cut(self, draws: Floats, start: int, n_trs: int) -> Floats:
        """Return the signs of these rows."""
        return draws[:, start : start + n_trs]

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
    starts : mapping of run to the row of the stimulus that is its first
    lengths : mapping of run to number of rows
    seed : int
    """

    null: Null
    heard: Mapping[Any, Any]
    starts: Mapping[Any, int]
    lengths: Mapping[Any, int]
    seed: int

    def draw(self, n: int, chunk: int = 0) -> dict[Any, NDArray[Any]]:
        """Return ``1 + n`` scramblings of each run; another ``chunk`` has others."""
        rng = np.random.default_rng([self.seed, chunk])
        longest: dict[Any, int] = {}
        for run, stimulus in self.heard.items():
            longest[stimulus] = max(longest.get(stimulus, 0), self.starts[run] + self.lengths[run])
        # By name, so that another order of the runs draws the same.
        whole = {name: self.null.draw(rng, longest[name], n) for name in sorted(longest, key=str)}
        return {run: self._of_run(run, whole[heard], longest) for run, heard in self.heard.items()}

    def _of_run(self, run: Any, draws: NDArray[Any], longest: Mapping[Any, int]) -> NDArray[Any]:
        n_trs = self.lengths[run]
        if n_trs == longest[self.heard[run]]:
            return draws
        return self.null.cut(draws, self.starts[run], n_trs)


def scramblings(null: str | Null, rows: xr.DataArray, seed: int) -> Scramblings:
    """Return the scramblings of these ``rows``, which say their ``run``, and what was heard."""
    runs = rows.coords["run"].values.tolist()
    heard = rows.coords["stimulus"].values.tolist() if "stimulus" in rows.coords else runs
    story, place = places_heard(rows)
    first = np.full(story.max(initial=-1) + 1, np.iinfo(np.intp).max)
    np.minimum.at(first, story, place)
    starts: dict[Any, int] = {}
    for run, row in zip(runs, (place - first[story]).tolist(), strict=True):
        starts[run] = min(row, starts.get(run, row))
    return Scramblings(
        make_null(null), dict(zip(runs, heard, strict=True)), starts, dict(Counter(runs)), seed
    )
