"""Real numbers, whatever their type: whole numbers are counted in floats, and nothing else is."""

from typing import Any

import numpy as np


def as_floats(values: Any, name: str) -> Any:
    """Return values as floats: floats as they are, whole numbers and bools as float64.

    NIfTI stores BOLD in int16, in which sums and squares overflow.

    Parameters
    ----------
    values : array, dask array or DataArray
        A lazy one stays lazy.
    name : str
        For the message.

    Raises
    ------
    TypeError
        For complex numbers, text, dates and objects.
    """
    if values.dtype.kind == "f":
        return values
    if values.dtype.kind not in "iub":
        raise TypeError(
            f"{name}: values are {values.dtype}, expected real numbers (floats, whole numbers or "
            f"bools): {_advice(values.dtype.kind)}"
        )
    return values.astype(np.float64)


def _advice(kind: str) -> str:
    if kind == "c":
        return "pass their .real, or np.abs() of them"
    return "convert them, say by .astype('float64')"
