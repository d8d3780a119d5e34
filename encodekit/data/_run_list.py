"""The list of runs that responses come in."""

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from encodekit.data._lossy_tools import lossy_tool


class RunList(list[xr.DataArray]):
    """A list with one response per run, which never turns into an array by accident.

    scikit-learn's splitters cut it by run. What would flatten it into one array loses the runs,
    so ``np.asarray`` raises and names the way that keeps them.

    Examples
    --------
    >>> np.asarray(RunList())
    Traceback (most recent call last):
    ...
    TypeError: a list of runs does not become one array: ...
    """

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        lost = "a list of runs does not become one array: its runs would be lost"
        found = lossy_tool()
        if found is not None:
            raise TypeError(f"{lost}. In place of scikit-learn's {found[0]}: {found[1]}")
        raise TypeError(
            f"{lost}. Use ek.cross_val_predict for cross_val_predict, ek.FeatureSpaces for "
            "FeatureUnion, ek.StackedRidge or ek.LayerSelector for StackingRegressor, "
            "ek.correlation_scorer or ek.r2_scorer for scoring=, and encodekit.data.concat_runs to "
            "join the runs with their coordinates"
        )

    @property
    def iloc(self) -> "_Rows":
        """Select runs by position; scikit-learn's way to cut what is not an array."""
        return _Rows(self)

    def take(self, indices: ArrayLike, axis: int = 0) -> "RunList":
        """Return the runs at ``indices``, still a `RunList`."""
        if axis != 0:
            raise ValueError(f"a list of runs has one axis, got axis={axis}")
        return RunList(self[int(index)] for index in np.asarray(indices))

    def __repr__(self) -> str:
        names = [str(run.coords["run"].values[0]) for run in self if run.sizes.get("time")]
        return f"RunList of {len(self)}: {', '.join(names)}"


class _Rows:
    def __init__(self, runs: RunList) -> None:
        self._runs = runs

    def __getitem__(self, key: slice | Iterable[Any]) -> RunList:
        if isinstance(key, slice):
            return RunList(self._runs[key])
        wanted = np.asarray(key)
        return self._runs.take(np.flatnonzero(wanted) if wanted.dtype == bool else wanted)
