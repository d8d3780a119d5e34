"""Scores by region, every participant shown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from encodekit.reports._axes import (
    check_columns,
    in_order,
    label_text,
    legend_text,
    mark_zero,
    name_text,
    own_axes,
    quiet_legend,
    style,
    undefined_note,
)
from encodekit.reports._intervals import t_interval
from encodekit.reports._palette import PAPER, colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = "plot_by_region"


def plot_by_region(
    table: pd.DataFrame,
    *,
    region: str = "region",
    model: str | None = None,
    participant: str = "participant",
    value: str = "score",
    order: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    interval: float | None = 0.95,
    colours: Mapping[str, str] | None = None,
    label: str = "correlation with the brain (r)",
    ax: "Axes | None" = None,
) -> "Axes":
    """Plot one row per region: participants as small points, the mean with its t interval.

    Parameters
    ----------
    table : DataFrame
        As `encodekit.by_region` returns it, one row per region and participant (and model).
    region, model, participant, value : str
        Columns; ``model=None`` where there is one model.
    order, models : sequence of str, optional
        Regions from top to bottom, and models; those left out are not shown.
    interval : float or None
        Level of the t interval over participants; None draws none.
    label : str
        What the horizontal axis shows, with units.

    Raises
    ------
    ValueError
        If a column, region or model is unknown.

    Examples
    --------
    >>> table = pd.DataFrame({"region": ["A1", "A1", "44", "44"], "participant": ["P1", "P2"] * 2,
    ...                       "score": [.1, .2, .15, .22]})
    >>> [tick.get_text() for tick in plot_by_region(table).get_yticklabels()]
    ['A1', '44']
    """
    check_columns(table, [region, model, participant, value], _NAME)
    rows = in_order(table[region], order, _NAME)
    series = in_order(table[model], models, _NAME) if model else [""]
    height = 1.0 + len(rows) * max(0.26, 0.15 * len(series))
    axes = own_axes(ax, 5.8, height)
    style(axes, grid="x")
    mark_zero(axes, "x")
    colour = colours_of(series, colours) if model else {"": "#0072b2"}
    for j, name in enumerate(series):
        chosen = table[table[model] == name] if model else table
        shift = (j - (len(series) - 1) / 2) * 0.7 / len(series)
        for k, area in enumerate(rows):
            scores = chosen.loc[chosen[region] == area, value].to_numpy(dtype=float)
            _draw_row(axes, k + shift, scores, colour[name], interval)
        if model:
            axes.plot([], [], "o", color=colour[name], markersize=6, label=legend_text(name))
    axes.set_yticks(range(len(rows)), [name_text(area) for area in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(label_text(label))
    longest = max(len(legend_text(name)) for name in series)
    n_columns = max(1, min(4, 60 // (longest + 3)))  # 60 characters are about the figure's width
    quiet_legend(
        axes, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=n_columns, handletextpad=0.2
    )
    shown = table[table[region].isin(rows) & (table[model].isin(series) if model else True)]
    undefined_note(axes, int(shown[value].isna().sum()))
    return axes


def _draw_row(ax: "Axes", y: float, scores: np.ndarray, colour: str, level: float | None) -> None:
    ax.scatter(
        scores, np.full(len(scores), y), s=9, color=colour, alpha=0.75, linewidth=0, zorder=2
    )
    spread = t_interval(scores, level or 0.95)
    if not spread.n:
        return
    if level is not None and spread.n > 1:
        ax.plot(
            [spread.low, spread.high], [y, y], color=colour, alpha=0.45, linewidth=2.2, zorder=1.8
        )
    ax.scatter([spread.mean], [y], s=42, color=colour, edgecolor=PAPER, linewidth=0.9, zorder=4)
