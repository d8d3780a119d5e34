"""Scores by region: a table of means over targets that never averages ratios."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from encodekit.core import unknown_name
from encodekit.regions._atlas import Names
from encodekit.regions._selector import RegionSelector

Groups = Mapping[str, RegionSelector | Names]

_PIECE = "ceiling_squared_piece_"
_INTERVAL = ["ceiling_low", "ceiling_high", "low", "high"]
_SHOWN = 3


def by_region(
    scores: xr.DataArray,
    by: str | Sequence[str] = ("participant", "region"),
    *,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """Return the mean score over the targets of each region and participant.

    By region, targets in no area (region "") are left out.

    For plain scores, ``score`` is the mean over defined targets. For scores that were divided by
    a noise ceiling, ``score = mean(raw) / sqrt(mean(ceiling_squared))`` over targets where both are
    defined: the signed squares are unbiased, while estimated ceilings, clipped at 0, are too low
    where signal is weak; and the mean of the ratios would be biased, as would leaving out targets
    whose estimated ceiling is 0. Without the coordinate ``ceiling_squared`` it is
    ``mean(raw) / mean(ceiling)``.

    Scores of `encodekit.normalise` bring what says how far the mean ``ceiling_squared`` of a
    region may be off, whatever its targets share. A score over it has the 95 % interval ``low``
    to ``high`` of that ceiling, with ``raw`` as it was measured. Where the interval of the mean
    ``ceiling_squared`` reaches 0, it has no upper end, and a warning says so. To leave such regions
    out would keep those whose ceiling came out high by chance, and their scores too low.

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
        ``raw`` and ``ceiling`` (mean, and root of the mean square) for normalised scores; with
        the pieces of `encodekit.normalise` also ``low``, ``high``, ``ceiling_low`` and
        ``ceiling_high``.

    Raises
    ------
    ValueError
        If ``by`` names no coordinate, or leaves out a dimension beside target.

    Warns
    -----
    UserWarning
        If the ceiling of a region is too uncertain for a normalised score: the interval has no end.

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
        said = unknown_name("coordinate of scores", unknown[0], known)
        more = ": atlas.annotate(scores) writes the region of each vertex"
        raise ValueError(said + (more if unknown[0] == "region" else ""))
    left = [str(dim) for dim in scores.dims if dim != "target" and dim not in keys]
    if left:
        raise ValueError(
            f"scores have the dimension {left[0]!r}, which by={keys} would average over: "
            f"add it to by, or select one value first"
        )


def _table(scores: xr.DataArray, keys: list[str]) -> pd.DataFrame:
    flat = scores.rename("score").to_dataframe().reset_index()
    if "region" in keys:
        flat = flat[flat["region"].astype(str) != ""]
    normalised = {"raw", "ceiling"} <= set(flat.columns)
    counted = flat.assign(n_targets=1, n_undefined=flat["score"].isna().astype(int))
    means = ["raw", "ceiling"] if normalised else ["score"]
    squares = ["ceiling_squared"] if normalised and "ceiling_squared" in counted else []
    pieces = [name for name in counted.columns if name.startswith(_PIECE)] if squares else []
    if normalised:
        undefined = counted[means].isna().any(axis=1)
        counted.loc[undefined, [*means, *squares, *pieces]] = np.nan
    grouped: Any = counted.groupby(keys, sort=False, observed=True)
    table = pd.concat(
        [grouped[[*means, *squares]].mean(), grouped[["n_targets", "n_undefined"]].sum()], axis=1
    )
    if squares:
        table["ceiling"] = np.sqrt(table["ceiling_squared"].clip(lower=0))
    if normalised:
        table["score"] = table["raw"] / table["ceiling"].where(table["ceiling"] > 0)
    if pieces:
        table = _with_interval(table, _errors(grouped, pieces))
    columns = ["score", *(means if normalised else []), *(_INTERVAL if pieces else [])]
    ordered: pd.DataFrame = table.reset_index()[[*keys, *columns, "n_targets", "n_undefined"]]
    return ordered


def _errors(grouped: Any, pieces: list[str]) -> pd.DataFrame:
    """Return (row,): ``error`` of the mean ceiling_squared, and its degrees of freedom."""
    # Targets go together as they do in each stretch of time. Where a participant has fewer
    # stretches than another, its targets add nothing to the mean of the rest.
    sums, n_known = grouped[pieces].sum(), grouped[pieces].count()
    means = sums.div(n_known.max(axis=1).replace(0, np.nan), axis=0)
    return pd.DataFrame(
        {
            "error": np.sqrt(np.square(means).sum(axis=1, min_count=1)),
            "freedom": ((n_known > 0).sum(axis=1) - 1).clip(lower=1),
        }
    )


def _with_interval(table: pd.DataFrame, errors: pd.DataFrame) -> pd.DataFrame:
    """Return the table with intervals, and NaN for the scores that their ceiling cannot carry."""
    squared = table["ceiling_squared"]
    # -log(1 - CCmax^2) is the logarithm of a ratio of variances, and more nearly normal.
    half = stats.t.ppf(0.975, errors["freedom"]) * errors["error"] / (1 - squared)
    low, high = (1 - (1 - squared) * np.exp(sign * half) for sign in (1, -1))
    weak = low <= 0
    _warn_of_weak(table.assign(low=low, high=high)[weak])
    ends = [
        table["raw"] / np.sqrt(high.where(high > 0)),
        (table["raw"] / np.sqrt(low.where(~weak))).mask(weak, np.sign(table["raw"]) * np.inf),
    ]
    return table.assign(
        ceiling_low=np.sqrt(low.clip(lower=0)),
        ceiling_high=np.sqrt(high.clip(lower=0)),
        low=np.minimum(*ends),
        high=np.maximum(*ends),
    )


def _warn_of_weak(weak: pd.DataFrame) -> None:
    if weak.empty:
        return
    names = weak.index.names
    said = [
        ", ".join(
            f"{name} {value!r}"
            for name, value in zip(names, key if len(names) > 1 else [key], strict=True)
        )
        + f": mean ceiling_squared {row.ceiling_squared:.3f} [{row.low:.3f}, {row.high:.3f}]"
        for key, row in zip(weak.index.tolist(), weak.itertuples(), strict=True)
    ]
    more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    warnings.warn(
        f"by_region: the noise ceiling cannot carry a normalised score in {len(said)} rows "
        f"({'; '.join(said[:_SHOWN])}{more}): its 95 % interval reaches 0, and so the score's has "
        "no end. Measure more repeats or more TRs, take larger regions, or report the column raw",
        stacklevel=4,
    )
