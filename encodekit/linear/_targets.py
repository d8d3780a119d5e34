"""Which targets an estimator fits: `targets=`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from encodekit._errors import unknown_name


def select_targets(responses: Any, targets: Any) -> Any:
    """Return the targets that ``targets`` names of ``responses`` (a DataArray or an array).

    Parameters
    ----------
    responses : DataArray (time, target) or array (time, target)
    targets : None, list, selector or callable
        None for all; names of targets (positions for an array); anything with
        ``transform(responses)`` such as a region selector; or a function of the responses.

    Raises
    ------
    ValueError
        For an unknown name, with close matches.
    TypeError
        For anything else.
    """
    if targets is None:
        return responses
    if hasattr(targets, "transform"):
        return targets.transform(responses)
    if callable(targets):
        return targets(responses)
    if isinstance(targets, str) or not isinstance(targets, Sequence | np.ndarray):
        raise TypeError(
            f"targets is {targets!r}, expected a list of names, a selector with transform(), or a "
            "function of the responses"
        )
    if not isinstance(responses, xr.DataArray):
        return responses[:, np.asarray(targets)]
    return responses.isel(target=_positions(responses.coords["target"].values, targets))


def _positions(names: Any, wanted: Any) -> list[int]:
    places = {name: place for place, name in enumerate(names.tolist())}
    unknown = [name for name in wanted if str(name) not in places]
    if unknown:
        said = "; ".join(unknown_name("target", name, list(places)) for name in unknown[:3])
        more = f" (and {len(unknown) - 3} more)" if len(unknown) > 3 else ""
        raise ValueError(f"targets=: {said}{more}")
    return [places[str(name)] for name in wanted]
