"""What a test over stimulus cannot know by itself, and warns of: onsets, and shared loudness."""

import warnings

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import shown
from encodekit.data import NEARLY, ONSET
from encodekit.scoring._null_statistics import Piece, each_run

_PARTS = 8  # of a run, in which loudness is compared
# More than what stationary signals show in one of twenty data sets of n targets; at an inflation of
# 1.25 a test at .05 finds .07 to .09.
_SPIKES, _SLOW, _PER_ROOT_TARGET = 1.2, 1.1, 0.4
_MORE = 1.3  # parts of a run that are loud inflate what single TRs show, too

Floats = NDArray[np.float64]


OUT_OF_FOLD = "out_of_fold"  # the attribute by which cross-validated predictions say what they are


# In a cross-validation run s is predicted by weights of run q, and q by weights of s. Where nothing
# is to be found, both hold the same chance product of s and q, y_s' X_s M X_q' y_q: each pair of
# runs counts twice in the mean r, and its variance is twice that of predictions which do not depend
# on the responses that they meet.
BOTH_WAYS = float(np.sqrt(2))


def chance_spread(*guesses: xr.DataArray) -> float:
    """Return by how much chance spreads more than a null of fixed predictions."""
    return BOTH_WAYS if any(one.attrs.get(OUT_OF_FOLD) for one in guesses) else 1.0


def refuse_disorder(truth: xr.DataArray, who: str) -> None:
    """Refuse rows of a run that are not in the order of time, which blocks and nulls go by."""
    if "tr" not in truth.coords:
        return
    runs, trs = truth.coords["run"].values, truth.coords["tr"].values
    for run in dict.fromkeys(runs.tolist()):
        of_run = trs[runs == run]
        back = np.flatnonzero(np.diff(of_run) <= 0)
        if back.size:
            raise ValueError(
                f"{who}: TR {of_run[back[0] + 1]} of run {run!r} comes after TR {of_run[back[0]]}: "
                "tests over stimulus go by the order of time, sort the rows by (run, tr)"
            )


def warn_of_onsets(truth: xr.DataArray, who: str) -> None:
    """Warn where a run is scored from less than 20 s after its sound begins."""
    if "seconds" not in truth.coords:
        return
    after = truth.coords["seconds"].values - (
        truth.coords["sound_onset"].values if "sound_onset" in truth.coords else 0.0
    )
    runs = truth.coords["run"].values
    early = list(dict.fromkeys(runs[after < ONSET - NEARLY].tolist()))
    if early:
        names = ", ".join(shown(str(run)) for run in early[:3])
        more = f" and {len(early) - 3} more" if early[3:] else ""
        warnings.warn(
            f"{who}: {len(early)} of {len(set(runs.tolist()))} runs ({names}{more}) are scored "
            f"from {max(after.min(), 0):.3g} s after their sound begins. Brains and features both "
            "respond to the beginning of speech, whatever is said, and no scrambling within a run "
            "knows it: score study.trim(start='20s'), or use ek.wrong_stimulus_test",
            stacklevel=3,
        )


class Loudness:
    """Whether responses and predictions are loud at the same times, beyond what r says.

    ``inflation = mean(y^2 p^2) / (mean(y^2) mean(p^2)) - 2 r^2``, the mean over targets: 1 where
    either side is stationary (the moments of normal variables that correlate by r), and else by how
    much chance varies more than nulls reach that scramble the time of a run. The same of mean
    squares over eighths of a run says of slow changes what TRs say of spikes.
    """

    def __init__(self) -> None:
        self._sums = np.zeros(2)
        self._weight = 0.0
        self._n_targets = 0

    def add(self, piece: Piece) -> None:
        """Add some targets."""
        self._n_targets += piece.columns.size
        for rows in each_run(piece):
            # Rows that somebody lacks are 0 on both sides, and would be taken for quiet ones.
            sides = (rows.true[rows.there], rows.predicted[rows.there])
            y, p = (side.astype(np.float64) for side in sides)
            r = (y * p).sum(axis=0) / np.sqrt((y**2).sum(axis=0) * (p**2).sum(axis=0))
            of_trs = np.stack([y**2, p**2])
            parts = [part.mean(axis=1) for part in np.array_split(of_trs, min(_PARTS, len(y)), 1)]
            found = [_ratio(side) - 2 * r**2 for side in (of_trs, np.stack(parts, axis=1))]
            weight = len(y) * y.shape[1]
            self._sums += weight * np.asarray(found).mean(axis=1)
            self._weight += weight

    def inflations(self) -> tuple[float, float]:
        """Return the mean inflation over runs and targets, by spikes and by parts of a run."""
        spikes, parts = (self._sums / max(self._weight, 1)).tolist()
        return spikes, parts

    def warn(self, null: str, who: str, stacklevel: int = 3) -> None:
        """Warn where both sides are loud at the same times, unless the null keeps it."""
        spikes, parts = self.inflations()
        noise = _PER_ROOT_TARGET / np.sqrt(max(self._n_targets, 1))
        if null == "product" or not (spikes > _SPIKES + noise or parts > _SLOW + noise):
            return
        what = (
            "share spikes: both are large in the same single TRs"
            if spikes > _MORE * parts
            else "vary alike: both are large in the same parts of a run"
        )
        warnings.warn(
            f"{who}: responses and predictions {what}, so that chance varies "
            f"{max(spikes, parts):.1f} times as much as null={null!r} assumes, and p is too small: "
            "clean the responses (ek.ConfoundRemover, sample_mask), trim the runs, or use "
            "null='product', which keeps what is loud in its place",
            stacklevel=stacklevel,
        )


def _ratio(squares: Floats) -> Floats:
    """Return (target,) how much the mean product exceeds the product of means (2, time, target)."""
    ratio: Floats = squares.prod(axis=0).mean(axis=0) / squares.mean(axis=1).prod(axis=0)
    return ratio
