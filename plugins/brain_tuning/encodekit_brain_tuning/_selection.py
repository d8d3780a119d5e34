"""Targets chosen by their keys; and how a choice of targets is written as JSON."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator, TransformerMixin

from encodekit_brain_tuning._participants import target_keys


class KeySelector(TransformerMixin, BaseEstimator):
    """Keep the targets of responses whose keys (``left/00123``) are listed.

    What a saved model's region selector becomes if no plugin registers its class.

    Parameters
    ----------
    keys : sequence of str
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys

    def fit(self, responses: Any = None, y: Any = None) -> Self:
        """Return self."""
        return self

    def transform(self, responses: xr.DataArray) -> xr.DataArray:
        """Return the targets with the listed keys, in their old order."""
        kept = [key in set(self.keys) for _, key in target_keys(responses)]
        return responses.isel(target=np.flatnonzero(kept))


def to_json(value: Any, keys: Sequence[str]) -> Any:
    """Return a parameter as JSON; a selector by its registered name, or by the keys it chose."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple | np.ndarray):
        return [to_json(item, keys) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__fspath__"):
        return str(value)
    if hasattr(value, "transform"):
        return _selector_to_json(value, keys)
    return getattr(value, "__name__", type(value).__name__)


def from_json(value: Any) -> Any:
    """Return what `to_json` wrote."""
    if not isinstance(value, dict):
        return value
    if "keys" in value:
        return KeySelector(value["keys"])
    from encodekit import make_regions

    return make_regions(value["regions"], **value["parameters"])


def _selector_to_json(selector: Any, keys: Sequence[str]) -> dict[str, Any]:
    from encodekit.plugins import known_names, load_spec

    parameters = selector.get_params(deep=False) if hasattr(selector, "get_params") else {}
    plain = all(_is_plain(value) for value in parameters.values())
    for name in known_names("regions"):
        if plain and load_spec("regions", name) is type(selector):
            return {"regions": name, "parameters": parameters}
    return {"keys": list(keys)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
