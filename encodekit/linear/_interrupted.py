"""Refuse to fit on runs whose TRs were shuffled, drawn twice or cut out of the middle."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from encodekit.core import shown

_REMEDY = (
    "What is held out then lies between TRs that are fitted on, shares noise and features with "
    "them, and any score would be too good. Hold out whole runs: ek.cross_val_predict(model, X, y) "
    "or ek.learning_curve, or GroupKFold with groups=X.stimulus.values; cut one long run by "
    "study.segment(run, n, gap='16s'), or with gap=0 and ek.cross_val_predict(..., purge='16s'). "
    "To leave single TRs out of the fit (censored ones), keep their rows and set them to NaN in y"
)


def refuse_interrupted(X: Any, y: Any, who: str) -> None:
    """Refuse labelled rows of which a run lacks TRs between others, or has them out of order.

    Runs may begin late and end early. NaN is no hole: censored and purged TRs keep their rows.

    Parameters
    ----------
    X, y : DataArray with ``run`` and ``tr`` on time, or a list of them
        Rows of history do not count. What has no such coordinates is for others to refuse.
    who : str
        The estimator, for the message.

    Raises
    ------
    ValueError
        Naming the first such run and place, and what to use instead.
    """
    for rows, name in ((X, "X"), (y, "y")):
        found = [(run, told) for run, trs in _trs_by_run(rows) if (told := _what_is_wrong(trs))]
        if found:
            run, told = found[0]
            more = f", and so in {len(found) - 1} more runs" if found[1:] else ""
            raise ValueError(
                f"{who}: the TRs of run {shown(run)} in {name} are shuffled or interrupted: "
                f"{told}{more}. {_REMEDY}"
            )


def _trs_by_run(rows: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    parts = rows if isinstance(rows, list | tuple) else [rows]
    pairs = [
        (part.coords["run"].values, part.coords["tr"].values)
        for part in parts
        if isinstance(part, xr.DataArray)
        and all(coord in part.coords and part.coords[coord].ndim == 1 for coord in ("run", "tr"))
    ]
    if not pairs:
        return
    names, trs = (np.concatenate(coord) for coord in zip(*pairs, strict=True))
    names, trs = names[trs >= 0], trs[trs >= 0]
    for run in dict.fromkeys(names.tolist()):
        yield str(run), trs[names == run]


def _what_is_wrong(trs: NDArray[Any]) -> str | None:
    """Return what is wrong with the order of a run's TRs, the first place where it is."""
    steps = np.diff(trs)
    odd = np.flatnonzero(steps != 1)
    # A second run of the same name begins again from a smaller TR: one_array tells that.
    same_name = np.unique(trs).size < trs.size and (steps[odd] < 0).all()
    if not odd.size or same_name:
        return None
    at = int(odd[0])
    before, after = trs[at].item(), trs[at + 1].item()
    place = f"TR {after} follows TR {before} (row {at + 1} of the run)"
    return f"{place}, {odd.size} such places in {trs.size} rows"
