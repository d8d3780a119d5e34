"""scikit-learn's ``set_output`` for transformers that take arrays and labelled rows."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import xarray as xr
from sklearn.base import TransformerMixin


class LabelledOrArray(TransformerMixin, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """A transformer of which ``set_output`` concerns arrays: labelled rows keep their labels.

    NumPy in, the container of ``set_output`` out (``"pandas"``, ``"polars"``, or the array), with
    the columns of ``get_feature_names_out``. DataArrays in, DataArrays out, whatever is set: a
    table would lose run, tr and target.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        own = {name: vars(cls).get(name) for name in ("transform", "fit_transform")}
        super().__init_subclass__(**keywords)  # scikit-learn wraps these methods
        for name, bare in own.items():
            if bare is not None:
                setattr(cls, name, _by_input(bare, vars(cls)[name]))

    def fit_transform(self, X: Any, y: Any = None, runs: Any = None) -> Any:
        """Return ``fit(X, y).transform(X, runs)``; without ``runs`` where there are none."""
        fitted = cast("Any", self).fit(X, y)
        return fitted.transform(X) if runs is None else fitted.transform(X, runs=runs)


def _by_input(bare: Callable[..., Any], wrapped: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(bare)
    def method(self: Any, X: Any, *args: Any, **keywords: Any) -> Any:
        return (bare if is_labelled_rows(X) else wrapped)(self, X, *args, **keywords)

    return method


def is_labelled_rows(X: Any) -> bool:
    """Whether ``X`` is a DataArray, or a list of them (one per run)."""
    if isinstance(X, xr.DataArray):
        return True
    return isinstance(X, list) and bool(X) and all(isinstance(run, xr.DataArray) for run in X)
