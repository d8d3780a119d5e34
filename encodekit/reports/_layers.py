"""Scores along the layers of a model."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from encodekit.reports._axes import (
    check_columns,
    in_order,
    label_text,
    legend_text,
    own_axes,
    quiet_legend,
    undefined_note,
)
from encodekit.reports._intervals import t_interval
from encodekit.reports._palette import PAPER, colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = "plot_layer_profile"


def plot_layer_profile(
    table: pd.DataFrame,
    *,
    layer: str = "layer",
    value: str = "score",
    model: str | None = "model",
    models: Sequence[str] | None = None,
    chosen: Mapping[str, int] | None = None,
    interval: float | None = 0.95,
    colours: Mapping[str, str] | None = None,
    label: str = "correlation with the brain (r)",
    ax: "Axes | None" = None,
) -> "Axes":
    """Plot the mean score of each layer, one line per model, with the t interval as a band.

    Parameters
    ----------
    table : DataFrame
        One row per layer and participant (and model): rows of one layer are averaged.
    model : str or None
        The column of models; None where there is one.
    chosen : mapping of model to layer, optional
        The layer that was chosen on training runs, drawn as a ring.
    interval : float or None
        Level of the t interval over rows of one layer; None draws none.

    Raises
    ------
    ValueError
        If a column or model is unknown.

    Examples
    --------
    >>> table = pd.DataFrame({"layer": [1, 2], "score": [.1, .2], "model": "a"})
    >>> plot_layer_profile(table, chosen={"a": 2}).get_xlabel()
    'layer'
    """
    check_columns(table, [layer, value, model], _NAME)
    names = in_order(table[model], models, _NAME) if model else [""]
    axes = own_axes(ax, 4.6, 3.2)
    colour = colours_of([str(name) for name in names], colours)
    if len(names) == 1:
        colour = dict.fromkeys(colour, (colours or {}).get(str(names[0]), "#0072b2"))
    for name in names:
        own = table[table[model] == name] if model else table
        profile = _profile(own, layer, value, interval)
        _draw_profile(axes, profile, str(name), colour[str(name)], (chosen or {}).get(name))
    axes.set_xticks(sorted(set(table[layer].tolist())))
    axes.set_xlabel("layer")
    axes.set_ylabel(label_text(label))
    if model:
        quiet_legend(axes, loc="best")
    undefined_note(axes, int(table[value].isna().sum()))
    return axes


def _profile(table: pd.DataFrame, layer: str, value: str, level: float | None) -> pd.DataFrame:
    rows: dict[Any, Any] = {
        key: t_interval(group, level or 0.95) for key, group in table.groupby(layer)[value]
    }
    profile = pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high", "n"])
    if level is None:
        profile[["low", "high"]] = np.nan
    return profile.sort_index()


def _draw_profile(
    ax: "Axes", profile: pd.DataFrame, name: str, colour: str, chosen: int | None
) -> None:
    x = profile.index.to_numpy()
    ax.fill_between(x, profile.low, profile.high, color=colour, alpha=0.15, linewidth=0)
    ax.plot(
        x, profile["mean"], "-o", color=colour, markersize=4, linewidth=1.8, label=legend_text(name)
    )
    if chosen is not None and chosen in profile.index:
        ax.plot(
            [chosen],
            profile.loc[[chosen], "mean"],
            "o",
            markersize=11,
            markerfacecolor=PAPER,
            markeredgecolor=colour,
            markeredgewidth=2.2,
            zorder=5,
            gid="chosen",
        )
