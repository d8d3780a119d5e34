"""What the values of a run look like: their units, and targets without a signal."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z_MEAN, _Z_SD = 0.2, (0.5, 2.0)
_RAW = 3.0  # SDs; scanner values lie that far from 0, and changes in percent do not
_AT_ONCE = 4096  # targets


@dataclass(frozen=True)
class Summary:
    """Of one run: medians over targets of their mean and SD, and counts of targets.

    ``nan`` are NaN throughout, ``partly`` NaN in some rows, ``zero`` are 0 throughout,
    ``constant`` another number, ``infinite`` hold infinite values.
    """

    n_rows: int
    n_targets: int
    mean: float
    sd: float
    nan: int
    partly: int
    zero: int
    constant: int
    infinite: int

    @property
    def is_z(self) -> bool:
        """Whether the values can be z-scores; of few rows, their mean is less well known."""
        off = max(_Z_MEAN, 3 / np.sqrt(max(self.n_rows, 1)))
        return abs(self.mean) <= off and _Z_SD[0] <= self.sd <= _Z_SD[1]

    @property
    def units(self) -> str:
        """What the units may be: z, BOLD (values of the scanner), or unknown."""
        if np.isnan(self.sd):
            return "unknown"
        return "z" if self.is_z else ("BOLD" if abs(self.mean) > _RAW * self.sd else "unknown")

    @property
    def said(self) -> str:
        """The mean and the SD in words."""
        return f"mean {self.mean:.3g}, SD {self.sd:.3g}"


def summarise(values: NDArray[Any]) -> Summary:
    """Return what the values (..., time, target) of a run look like."""
    rows = values.reshape(-1, values.shape[-1])
    parts = [
        _of_targets(np.asarray(rows[:, start : start + _AT_ONCE], dtype=np.float64))
        for start in range(0, rows.shape[1], _AT_ONCE)
    ]
    means, sds, counts = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    usable = np.isfinite(means) & (sds > 0)
    mean = float(np.median(means[usable])) if usable.any() else np.nan
    sd = float(np.median(sds[usable])) if usable.any() else np.nan
    n_nan, partly, zero, constant, infinite = (int(row.sum()) for row in counts)
    return Summary(rows.shape[0], rows.shape[1], mean, sd, n_nan, partly, zero, constant, infinite)


def _of_targets(rows: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return mean (target,), SD (target,) and what each target is (kind, target)."""
    missing, infinite = np.isnan(rows), np.isinf(rows).any(axis=0)
    nan, partly = missing.all(axis=0), missing.any(axis=0)
    known = ~partly & ~infinite
    low, high = (np.where(known, f(np.where(known, rows, 0), axis=0), np.nan)
                 for f in (np.min, np.max))  # fmt: skip
    flat = known & (low == high)
    safe = np.where(known, rows, np.nan)
    mean = safe.mean(axis=0)
    sd = np.where(flat, 0.0, safe.std(axis=0))
    kinds = np.stack([nan, partly & ~nan, flat & (low == 0), flat & (low != 0), infinite])
    return mean, sd, kinds


def flags(summary: Summary, units: str) -> Iterator[str]:
    """Yield what is odd in a run whose values are said to be in ``units``."""
    if units == "z" and not np.isnan(summary.sd) and not summary.is_z:
        yield (
            f'units are "z" but the values have {summary.said}, expected about 0 and 1: write '
            f'"units": "{summary.units}" in study.json, or z-score each run'
        )
    for number, what in (
        (summary.nan, "are NaN throughout"),
        (summary.zero, "are 0 throughout"),
        (summary.constant, "are constant"),
    ):
        if number:
            yield f"{number} of {summary.n_targets} targets {what}"


def gaps(summary: Summary) -> str:
    """Return what keeps a run from being read: NaN in some rows, infinite values, no value."""
    if summary.infinite:
        return f"{summary.infinite} targets hold infinite values: mend it"
    if summary.partly:
        return (
            f"{summary.partly} targets are NaN in some TRs: get or preprocess the run again, or "
            "leave it out"
        )
    if summary.nan == summary.n_targets:
        return "is NaN throughout: get or preprocess it again"
    return ""
