"""How well predictions follow the fMRI, batch after batch: r over time, within each run."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ROWS, _P, _T, _PP, _TT, _PT = range(6)


@dataclass
class RunningAlignment:
    """Sums from which r follows: per run and target, over the rows that a target has.

    Examples
    --------
    >>> import torch
    >>> rows = torch.tensor([[[1.0], [2.0], [4.0]]])
    >>> seen = RunningAlignment()
    >>> seen.add(["story-1"], rows[None], 3 * rows[None] - 1, torch.ones(1, 1, 3, 1))
    >>> round(seen.mean(), 6)
    1.0
    """

    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def add(self, runs: Sequence[str], predicted: Tensor, true: Tensor, mask: Tensor) -> None:
        """Add clips of ``runs``.

        Parameters
        ----------
        runs : sequence of str
            The run of each clip.
        predicted : Tensor (1 or participant, clip, row, target)
        true, mask : Tensor (participant, clip, row, target)
            Predictions for each participant are compared with theirs, one prediction for all with
            the participants' mean, each value weighted by how many have it.
        """
        if len(predicted) > 1:
            predicted, true, mask = (_side_by_side(x) for x in (predicted, true, mask))
        weight = mask.sum(0)
        mean = ((mask * true).sum(0) / torch.where(weight > 0, weight, 1.0)).double()
        there, p = (weight > 0).double(), predicted[0].double()
        parts = torch.stack(
            [there, there * p, there * mean, there * p**2, there * mean**2, there * p * mean]
        ).sum(dim=2)
        for place, run in enumerate(runs):
            self.sums[run] = self.sums.get(run, 0.0) + parts[:, place].cpu().numpy()

    def mean(self) -> float:
        """Return r within each run, its row-weighted mean over runs, and the mean over targets."""
        r = np.array([_correlations(sums) for sums in self.sums.values()])
        rows = np.array([sums[_ROWS] for sums in self.sums.values()])
        weight = np.where(np.isfinite(r), rows, 0.0)
        total = weight.sum(axis=0)
        defined = total > 0
        if not defined.any():
            return float("nan")
        return float((np.nansum(r * weight, axis=0)[defined] / total[defined]).mean())


def _correlations(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return r (target,) from the sums of one run; NaN where one side does not vary."""
    n = np.maximum(sums[_ROWS], 1)
    spread_p = sums[_PP] / n - (sums[_P] / n) ** 2
    spread_t = sums[_TT] / n - (sums[_T] / n) ** 2
    usable = (spread_p > 1e-12) & (spread_t > 1e-12)
    size = np.sqrt(np.where(usable, spread_p * spread_t, 1.0))
    return np.where(usable, (sums[_PT] / n - sums[_P] * sums[_T] / n**2) / size, np.nan)


def _side_by_side(tensor: Tensor) -> Tensor:
    """(participant, clip, row, target) to (1, clip, row, participant * target)."""
    return tensor.permute(1, 2, 0, 3).flatten(2)[None]
