"""Frames at any times, summed block by block into one row per TR."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from encodekit.core import unknown_name
from encodekit.features._lanczos import Lanczos, apply_weights

Floats = NDArray[np.floating[Any]]
KINDS = ("lanczos", "mean", "sum")
_EDGE = 1e-9  # s; rounding of times that lie on the border of two TRs


class TrRows:
    """One row per sample time, from frames that may come in blocks.

    Parameters
    ----------
    how : "lanczos", "mean", "sum" or Lanczos
        ``"sum"`` and ``"mean"`` take the frames of the TR around each sample time, from
        ``t - t_r / 2`` up to but without ``t + t_r / 2``. ``"lanczos"`` is `Lanczos` as
        published for events and for irregular frames; for a signal (regular frames, two or more
        per TR) its weights are multiplied by cutoff x frame spacing, so that a constant keeps its
        value whatever the frame rate. A `Lanczos` object is used as it is.
    times : array (n_rows,)
        Sample times, s.
    t_r : float
        Repetition time, s.
    events : bool
        Whether frames are events, which count one by one, and not samples of a signal.
    """

    def __init__(
        self, how: "str | Lanczos", times: Floats, t_r: float, *, events: bool = False
    ) -> None:
        if not isinstance(how, Lanczos) and how not in KINDS:
            raise ValueError(f"{unknown_name('resample', how, KINDS)} (or a Lanczos object)")
        self.how, self.times, self.t_r, self.events = how, times, t_r, events
        self._total: Floats | None = None
        self._weight = np.zeros(times.size)

    def add(self, seconds: Floats, values: Floats) -> None:
        """Add frames (n_frames, n_features) at their ``seconds``, in order of time."""
        matrix = self._matrix(seconds)
        self._weight += matrix.sum(axis=1)
        rows = apply_weights(matrix, values)
        self._total = rows if self._total is None else self._total + rows

    def rows(self) -> NDArray[np.float32]:
        """Return the rows (n_rows, n_features), float32."""
        if self._total is None:
            raise ValueError("no frames came: yield at least one block")
        if self.how != "mean":
            return self._total.astype(np.float32)
        empty = np.flatnonzero(self._weight == 0)
        if empty.size:
            raise ValueError(
                f"{empty.size} of {self.times.size} TRs hold no frame, the first around "
                f"{self.times[empty[0]]:g} s, so they have no mean: use resample='sum' or "
                "'lanczos', or give frames that cover the run"
            )
        return (self._total / self._weight[:, None]).astype(np.float32)

    def _matrix(self, seconds: Floats) -> sparse.csr_array:
        if isinstance(self.how, Lanczos):
            return self.how.matrix(seconds, self.times, spacing=self.t_r)
        if self.how == "lanczos":
            weights = Lanczos().matrix(seconds, self.times, spacing=self.t_r)
            return weights if self.events else weights * signal_scale(seconds, self.t_r)
        return _inside(seconds, self.times, self.t_r)


def signal_scale(seconds: Floats, t_r: float) -> float:
    """Return frame spacing / TR for the regular frames of a signal, 1 for irregular frames."""
    if seconds.size < 2:
        return 1.0
    steps = np.diff(seconds)
    spacing = float(np.median(steps))
    regular = 0 < spacing <= t_r / 2 and steps.max() <= 2 * spacing + _EDGE
    return spacing / t_r if regular else 1.0


def _inside(seconds: Floats, times: Floats, t_r: float) -> sparse.csr_array:
    first = np.searchsorted(seconds, times - t_r / 2 - _EDGE, side="left")
    stop = np.searchsorted(seconds, times + t_r / 2 - _EDGE, side="left")
    starts = np.concatenate([[0], np.cumsum(stop - first)])
    columns = np.arange(starts[-1]) - np.repeat(starts[:-1] - first, stop - first)
    ones = np.ones(columns.size)
    return sparse.csr_array((ones, columns, starts), shape=(times.size, seconds.size))
