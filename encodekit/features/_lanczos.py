"""The Lanczos kernel of the Huth lab, as a sparse matrix from frames to TRs."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator

Floats = NDArray[np.floating[Any]]


class Lanczos(BaseEstimator):
    """Low-pass and resample frames at any times to the times of TRs.

    ``y(t) = sum_i k((t - t_i) f) x_i``, with the cutoff ``f = cutoff_mult / mean spacing of the
    new times`` and ``k(u) = window sin(pi u) sin(pi u / window) / (pi u)^2`` for
    ``|u| <= window`` (``k(0) = 1``), 0 beyond: the ``lanczosinterp2D`` that encoding models of the
    Huth lab use (LeBel et al. 2023, doi 10.1038/s41597-023-02437-z).

    The weights are not normalised: a constant feature comes out multiplied by about
    (frame rate / f), so the amplitude depends on the frame rate, and it sinks towards the ends of
    the frames. For events (words at their onsets) that is what is wanted: the rate of events.

    Parameters
    ----------
    window : int
        Lobes of the kernel on each side.
    cutoff_mult : float
        Multiplies the cutoff frequency.
    normalise : bool
        Divide each row of weights by its sum, so that a constant keeps its value. Only for frames
        that are dense around every new time.

    Examples
    --------
    >>> import numpy as np
    >>> frame_times = np.arange(0, 20, 0.02)
    >>> rows = Lanczos(normalise=True).resample(np.ones((1000, 3)), frame_times, [5.0, 7.0, 9.0])
    >>> rows.shape, bool(np.allclose(rows, 1))
    ((3, 3), True)
    """

    def __init__(self, window: int = 3, cutoff_mult: float = 1.0, normalise: bool = False) -> None:
        self.window = window
        self.cutoff_mult = cutoff_mult
        self.normalise = normalise

    def cutoff(self, new_times: ArrayLike, spacing: float | None = None) -> float:
        """Return the cutoff in Hz for these new times (or a stated ``spacing`` in s)."""
        if not (self.window > 0 and self.cutoff_mult > 0):
            raise ValueError(
                f"Lanczos(window={self.window}, cutoff_mult={self.cutoff_mult}): both must be "
                "above 0"
            )
        times = np.asarray(new_times, dtype=np.float64)
        if spacing is None and times.size < 2:
            raise ValueError("one new time has no spacing: pass spacing= (the TR, in s)")
        step = float(np.mean(np.diff(times))) if spacing is None else spacing
        return self.cutoff_mult / step

    def matrix(
        self, old_times: ArrayLike, new_times: ArrayLike, *, spacing: float | None = None
    ) -> sparse.csr_array:
        """Return the weights (n_new, n_old), float64, in CSR.

        Parameters
        ----------
        old_times : array (n_old,)
            Times of the frames, s, not decreasing; they need not be regular.
        new_times : array (n_new,)
            Times of the rows, s.
        spacing : float, optional
            Spacing of the new times, s; their mean spacing if not given.

        Raises
        ------
        ValueError
            If a time is not finite or ``old_times`` decrease; with ``normalise`` if the weights
            of a row cancel.
        """
        old, new = _times("old_times", old_times), _times("new_times", new_times)
        if (np.diff(old) < 0).any():
            at = int(np.flatnonzero(np.diff(old) < 0)[0])
            raise ValueError(
                f"old_times decrease after frame {at} ({old[at]:g} s): sort the frames"
            )
        cutoff = self.cutoff(new, spacing)
        reach = self.window / cutoff
        first = np.searchsorted(old, new - reach, side="left")
        counts = np.searchsorted(old, new + reach, side="right") - first
        starts = np.concatenate([[0], np.cumsum(counts)])
        columns = np.arange(starts[-1]) - np.repeat(starts[:-1] - first, counts)
        weights = self._kernel((np.repeat(new, counts) - old[columns]) * cutoff)
        matrix = sparse.csr_array((weights, columns, starts), shape=(new.size, old.size))
        return self._normalised(matrix, new) if self.normalise else matrix

    def resample(
        self,
        values: ArrayLike,
        old_times: ArrayLike,
        new_times: ArrayLike,
        *,
        spacing: float | None = None,
    ) -> Floats:
        """Return values (n_old, n_features) at the new times, (n_new, n_features)."""
        frames = np.asarray(values)
        matrix = self.matrix(old_times, new_times, spacing=spacing)
        if frames.shape[:1] != matrix.shape[1:]:
            raise ValueError(
                f"values has shape {frames.shape} but old_times has {matrix.shape[1]} entries: "
                "give one time per frame"
            )
        return apply_weights(matrix, frames)

    def _kernel(self, u: Floats) -> Floats:
        inside = np.abs(u) <= self.window
        return np.where(inside, np.sinc(u) * np.sinc(u / self.window), 0.0)

    def _normalised(self, matrix: sparse.csr_array, new: Floats) -> sparse.csr_array:
        sums, sizes = matrix.sum(axis=1), abs(matrix).sum(axis=1)
        bad = np.flatnonzero((sizes > 0) & (sums < 0.1 * sizes))
        if bad.size:
            raise ValueError(
                f"the weights of {bad.size} of {new.size} rows cancel, the first at "
                f"{new[bad[0]]:g} s: normalise=True is for frames that are dense around every "
                "row; use normalise=False for events"
            )
        scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sizes > 0)
        return sparse.csr_array(sparse.diags_array(scale) @ matrix)


def apply_weights(matrix: sparse.csr_array, values: NDArray[Any]) -> Floats:
    """Return ``matrix @ values`` in the precision of floating ``values`` (else float64)."""
    if values.dtype == np.float32:
        matrix = matrix.astype(np.float32)
    rows: Floats = matrix @ np.ascontiguousarray(values)
    return rows


def _times(name: str, times: ArrayLike) -> Floats:
    array = np.asarray(times, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite seconds, one per entry; got shape {array.shape}")
    return array
