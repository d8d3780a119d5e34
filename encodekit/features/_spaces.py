"""Several feature spaces side by side, each a band."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.base import TransformerMixin, clone
from sklearn.utils.metaestimators import _BaseComposition

from encodekit.data import Stimulus


class FeatureSpaces(TransformerMixin, _BaseComposition):
    """Join the features of several extractors (or pipelines) and name the band of each.

    Every space sees the same stimuli; their rows must be the same (run, tr). Rows of history are
    kept where every space has them. A space that is a pipeline may have its own delays; a space
    without delays beside one with has ``delay`` 0, and without layers ``layer`` -1.

    Parameters
    ----------
    spaces : list of (str, extractor or pipeline)
        The names become the coordinate ``band`` of the features.

    Examples
    --------
    >>> import pandas as pd
    >>> from encodekit.data import Stimulus
    >>> from encodekit.features import PhoneRate, WordRate
    >>> table = pd.DataFrame({"word": ["a"], "onset": [0.5], "duration": [0.2]})
    >>> phones = table.rename(columns={"word": "phone"})
    >>> story = Stimulus("story-1", words=table, phones=phones, t_r=2.0, duration=6.0)
    >>> both = FeatureSpaces([("word", WordRate()), ("phone", PhoneRate())])
    >>> both.fit_transform([story]).band.values.tolist()
    ['word', 'phone']
    """

    def __init__(self, spaces: Sequence[tuple[str, Any]]) -> None:
        self.spaces = spaces

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with ``deep``, those of each space as ``name__parameter``."""
        parameters: dict[str, Any] = self._get_params("spaces", deep=deep)
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set a parameter, a whole space (``name=``) or one of its own (``name__parameter=``)."""
        self._set_params("spaces", **parameters)
        return self

    def fit(self, X: Sequence[Stimulus], y: Any = None) -> Self:
        """Fit a clone of each space."""
        self._check_names()
        self.spaces_ = [(name, clone(space).fit(X, y)) for name, space in self.spaces]
        return self

    def transform(self, X: Sequence[Stimulus]) -> xr.DataArray:
        """Return the joined features (time, feature) with ``band`` on feature.

        Raises
        ------
        ValueError
            If two spaces share a name, or give other rows.
        """
        self._check_names()
        spaces = getattr(self, "spaces_", self.spaces)
        parts = [(name, space.transform(X)) for name, space in spaces]
        rows = _common_rows([part for _, part in parts])
        blocks = [part.isel(time=_positions(name, part, rows)) for name, part in parts]
        attrs = {**blocks[0].attrs, "extractor": "FeatureSpaces"}
        attrs["history"] = min(float(block.attrs.get("history", 0.0)) for block in blocks)
        for key in ("parameters", "weights"):
            attrs[key] = "; ".join(f"{name}: {part.attrs.get(key, '')}" for name, part in parts)
        coords: dict[str, Any] = {
            str(name): ("time", item.values)
            for name, item in blocks[0].coords.items()
            if item.dims == ("time",)
        }
        sizes = [block.sizes["feature"] for block in blocks]
        bands = [name for name, _ in parts]
        coords["band"] = ("feature", np.repeat(np.asarray(bands), sizes))
        coords |= _feature_coords(blocks)
        values = np.concatenate([block.values for block in blocks], axis=1)
        return xr.DataArray(values, dims=("time", "feature"), coords=coords, attrs=attrs)

    def _check_names(self) -> None:
        names = [name for name, _ in self.spaces]
        if not names:
            raise ValueError("FeatureSpaces got no space: pass [(name, extractor), ...]")
        if len(set(names)) < len(names):
            raise ValueError(f"FeatureSpaces: names are not unique: {', '.join(names)}")
        self._validate_names(names)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        return tags


_ABSENT: dict[str, Any] = {"layer": -1, "delay": 0.0}


def _feature_coords(blocks: list[xr.DataArray]) -> dict[str, Any]:
    coords = {}
    for key in ("name", "layer", "delay"):
        if any(key in block.coords for block in blocks):
            pieces = [
                block.coords[key].values
                if key in block.coords
                else np.full(block.sizes["feature"], _ABSENT.get(key, ""))
                for block in blocks
            ]
            coords[key] = ("feature", np.concatenate(pieces))
    return coords


def _keys(part: xr.DataArray) -> list[tuple[str, int]]:
    return list(zip(part.coords["run"].values.tolist(), part.coords["tr"].values.tolist(),
                    strict=True))  # fmt: skip


def _common_rows(parts: list[xr.DataArray]) -> list[tuple[str, int]]:
    """Return the rows of the first part, its history only as far as all parts have it."""
    everywhere = set(_keys(parts[0])).intersection(*map(_keys, parts[1:]))
    return [key for key in _keys(parts[0]) if key[1] >= 0 or key in everywhere]


def _positions(name: str, part: xr.DataArray, rows: list[tuple[str, int]]) -> NDArray[np.intp]:
    at = {key: position for position, key in enumerate(_keys(part))}
    lacking = [key for key in rows if key not in at]
    wanted = set(rows)
    more = [key for key in at if key not in wanted and key[1] >= 0]
    if lacking or more:
        run, tr = (lacking or more)[0]
        verb = "lacks" if lacking else "has, beyond the first space,"
        raise ValueError(
            f"space {name!r} {verb} {len(lacking or more)} rows, the first TR {tr} of run "
            f"{run!r}: all spaces must give the same TRs"
        )
    return np.array([at[key] for key in rows], dtype=np.intp)
