"""Scores by region: a table of means over targets that never averages ratios."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from encodekit.core import unknown_name
from encodekit.regions._atlas import Names
from encodekit.regions._selector import RegionSelector

Groups = Mapping[str, RegionSelector | Names]


def by_region(
    scores: xr.DataArray,
    by: str | Sequence[str] = ("participant", "region"),
    *,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """Return the mean score over the targets of each region and participant.

    For plain scores, ``score`` is the mean over defined targets. For scores that were divided by
    a noise ceiling, ``score = mean(raw) / sqrt(mean(ceiling_squared))`` over targets where both are
    defined: the signed squares are unbiased, while estimated ceilings, clipped at 0, are too low
    where signal is weak; and the mean of the ratios would be biased, as would leaving out targets
    whose estimated ceiling is 0. Without the coordinate ``ceiling_squared`` it is
    ``mean(raw) / mean(ceiling)``.

    Parameters
    ----------
    scores : DataArray (target,), or with more dimensions that ``by`` names
        Normalised scores carry the coordinates ``raw``, ``ceiling`` and ``ceiling_squared``.
    by : str or sequence of str
        Coordinates or dimensions to keep apart: participant, region, hemisphere, layer, ...;
        ``group`` where ``groups`` is given.
    groups : mapping of str to selectors or region names, optional
        Named sets of targets, which may overlap: a column ``group`` says which.

    Returns
    -------
    DataFrame
        One row per combination that exists, in order of appearance: the columns of ``by``,
        ``score``, ``n_targets``, ``n_undefined`` (targets whose own score is NaN), and
        ``raw`` and ``ceiling`` (mean, and root of the mean square) for normalised scores.

    Raises
    ------
    ValueError
        If ``by`` names no coordinate, or leaves out a dimension beside target.

    Examples
    --------
    >>> scores = xr.DataArray([.2, .4, .1], dims="target",
    ...                       coords={"region": ("target", ["A1", "A1", "V1"])})
    >>> by_region(scores, by="region")[["region", "n_targets"]].values.tolist()
    [['A1', 2], ['V1', 1]]
    """
    keys = [by] if isinstance(by, str) else list(by)
    if not isinstance(scores, xr.DataArray):
        raise TypeError(
            f"by_region takes scores with labels, as ek.correlation of DataArrays returns them, "
            f"got a {type(scores).__name__}: an array does not say which region a target is in"
        )
    _check_keys(scores, keys, groups)
    if groups is None:
        return _table(scores, keys)
    parts = [(name, _selected(scores, regions)) for name, regions in groups.items()]
    named = [
        part.assign_coords(group=("target", [name] * part.sizes["target"])) for name, part in parts
    ]
    keys = keys if "group" in keys else [*keys, "group"]
    return pd.concat([_table(part, keys) for part in named], ignore_index=True)


def _selected(scores: xr.DataArray, regions: RegionSelector | Names) -> xr.DataArray:
    chooser = regions if hasattr(regions, "transform") else RegionSelector(regions=regions)
    selected: xr.DataArray = chooser.transform(scores)
    return selected


def _check_keys(scores: xr.DataArray, keys: list[str], groups: Groups | None) -> None:
    known = [str(name) for name in scores.coords] + ["group"] * (groups is not None)
    unknown = [key for key in keys if key not in known]
    if unknown:
        raise ValueError(unknown_name("coordinate of scores", unknown[0], known))
    left = [str(dim) for dim in scores.dims if dim != "target" and dim not in keys]
    if left:
        raise ValueError(
            f"scores have the dimension {left[0]!r}, which by={keys} would average over: "
            f"add it to by, or select one value first"
        )


def _table(scores: xr.DataArray, keys: list[str]) -> pd.DataFrame:
    flat = scores.rename("score").to_dataframe().reset_index()
    normalised = {"raw", "ceiling"} <= set(flat.columns)
    counted = flat.assign(n_targets=1, n_undefined=flat["score"].isna().astype(int))
    means = ["raw", "ceiling"] if normalised else ["score"]
    squares = ["ceiling_squared"] if normalised and "ceiling_squared" in counted else []
    if normalised:
        undefined = counted[means].isna().any(axis=1)
        counted.loc[undefined, [*means, *squares]] = np.nan
    grouped: Any = counted.groupby(keys, sort=False, observed=True)
    table = pd.concat(
        [grouped[[*means, *squares]].mean(), grouped[["n_targets", "n_undefined"]].sum()], axis=1
    ).reset_index()
    if squares:
        table["ceiling"] = np.sqrt(table["ceiling_squared"].clip(lower=0))
    if normalised:
        table["score"] = table["raw"] / table["ceiling"].where(table["ceiling"] > 0)
    columns = [*keys, "score", *(means if normalised else []), "n_targets", "n_undefined"]
    ordered: pd.DataFrame = table[columns]
    return ordered
