"""How well predictions follow the fMRI, batch after batch: r over time, within each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ROWS, _P, _T, _PP, _TT, _PT = range(6)
Sums = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Alignment:
    """Mean r over targets, and what it is without each part of the runs.

    Attributes
    ----------
    r : float
    without : tuple of float
        One for each part that was left out; the jackknife's, for the error of a difference.
    """

    r: float
    without: tuple[float, ...]

    def gain_over(self, other: "Alignment") -> tuple[float, float]:
        """Return by how much r is higher, and the standard error of that (0 for one part).

        The two are of the same rows, part by part, so what they share cancels. Parts rather than
        rows, as neighbouring rows are alike; parts rather than targets, as targets share noise.
        """
        n = len(self.without)
        if n < 2:
            return self.r - other.r, 0.0
        left = np.subtract(self.without, other.without)
        return self.r - other.r, float(np.sqrt((n - 1) * left.var()))


@dataclass
class RunningAlignment:
    """Sums from which r follows: per part of a run and target, over the rows that a target has.

    Examples
    --------
    >>> import torch
    >>> rows = torch.tensor([[[1.0], [2.0], [4.0]]])
    >>> seen = RunningAlignment()
    >>> parts = [np.zeros(3, int)]
    >>> seen.add(["story-1"], parts, rows[None], 3 * rows[None] - 1, torch.ones(1, 1, 3, 1))
    >>> round(seen.found().r, 6)
    1.0
    """

    sums: dict[str, dict[int, NDArray[np.float64]]] = field(default_factory=dict)

    def add(
        self,
        runs: Sequence[str],
        parts: Sequence[NDArray[np.intp]],
        predicted: Tensor,
        true: Tensor,
        mask: Tensor,
    ) -> None:
        """Add clips of ``runs``.

        Parameters
        ----------
        runs : sequence of str
            The run of each clip.
        parts : sequence of array (row,)
            Of each clip, the part of the run that its rows belong to; rows after them are padding.
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
        products = torch.stack(
            [there, there * p, there * mean, there * p**2, there * mean**2, there * p * mean]
        )
        for place, (run, of_rows) in enumerate(zip(runs, parts, strict=True)):
            seen = self.sums.setdefault(run, {})
            for part in np.unique(of_rows).tolist():
                rows = torch.from_numpy(np.flatnonzero(of_rows == part)).to(products.device)
                seen[part] = seen.get(part, 0.0) + products[:, place, rows].sum(1).cpu().numpy()

    def found(self) -> Alignment:
        """Return r within each run, its row-weighted mean over runs, and the mean over targets."""
        whole = {run: np.sum(list(parts.values()), axis=0) for run, parts in self.sums.items()}
        r = {run: _correlations(sums) for run, sums in whole.items()}
        rows = {run: sums[_ROWS] for run, sums in whole.items()}
        without = []
        for run, parts in self.sums.items():
            for sums in parts.values():
                rest = whole[run] - sums
                without.append(_mean({**r, run: _correlations(rest)}, {**rows, run: rest[_ROWS]}))
        return Alignment(_mean(r, rows), tuple(without))


def _mean(r: Sums, rows: Sums) -> float:
    """Return the mean over targets of the row-weighted mean over runs of r."""
    values = np.array(list(r.values()))
    weight = np.where(np.isfinite(values), np.array(list(rows.values())), 0.0)
    total = weight.sum(axis=0)
    defined = total > 0
    if not defined.any():
        return float("nan")
    return float((np.nansum(values * weight, axis=0)[defined] / total[defined]).mean())


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
