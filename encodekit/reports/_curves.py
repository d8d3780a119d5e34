"""Learning curves, and where they meet a reference."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from encodekit.reports._axes import (
    check_columns,
    in_order,
    label_text,
    legend_text,
    name_text,
    own_axes,
    quiet_legend,
    undefined_note,
)
from encodekit.reports._intervals import t_interval
from encodekit.reports._palette import MUTED, PAPER, colours_of
from encodekit.scoring import data_to_reach

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = "plot_learning_curve"


def plot_learning_curve(
    table: pd.DataFrame,
    *,
    x: str = "minutes",
    model: str = "model",
    cohort: str = "cohort",
    value: str = "score",
    models: Sequence[str] | None = None,
    reference: str | None = None,
    interval: float | None = 0.95,
    colours: Mapping[str, str] | None = None,
    label: str = "correlation with the brain (r)",
    ax: "Axes | None" = None,
) -> "Axes":
    """Plot scores against the amount of data, on a logarithmic axis.

    Thin lines are cohorts, points the mean over them with its t interval. With ``reference``, a
    dashed line is that model's fitted score at full data, and a diamond stands where each model's
    isotonic curve reaches it (`encodekit.data_to_reach`).

    Parameters
    ----------
    table : DataFrame
        Rows of `encodekit.learning_curve`, with the columns ``model`` and ``cohort`` (or
        ``cohort="participant"`` where there is one study).
    models : sequence of str, optional
        Which models, in which order.
    reference : str, optional
        A model.
    interval : float or None
        Level of the t interval over cohorts; None draws none.

    Raises
    ------
    ValueError
        If a column or model is unknown.

    Examples
    --------
    >>> table = pd.DataFrame([{"model": "a", "cohort": k, "minutes": m, "score": 0.1 * m + k}
    ...                       for k in (1, 2) for m in (1, 2, 4)])
    >>> plot_learning_curve(table, reference="a").get_xscale()
    'log'
    """
    check_columns(table, [x, model, cohort, value], _NAME)
    names = in_order(table[model], models, _NAME)
    axes = own_axes(ax, 4.6, 3.4)
    colour = colours_of([str(name) for name in names], colours)
    table = table if "size" in table else table.assign(size=table[x])
    for name in names:
        _draw(axes, table[table[model] == name], (x, cohort, value), colour[str(name)], interval)
        axes.plot(
            [], [], "-o", color=colour[str(name)], markersize=4, linewidth=1.8,
            label=legend_text(name),
        )  # fmt: skip
    axes.set_xscale("log")
    _ticks(axes, table.groupby("size")[x].mean().tolist())
    if reference is not None:
        shown = table[table[model].isin(names)]
        reached = data_to_reach(
            shown, reference, x=x, model=model, cohort=cohort, value=value, intervals=False
        )
        _mark(axes, reached, model, reference, colour)
    axes.set_xlabel(name_text(x.replace("_", " ")))
    axes.set_ylabel(label_text(label))
    quiet_legend(axes, loc="best")
    undefined_note(axes, int(table[value].isna().sum()))
    return axes


def _draw(
    ax: "Axes",
    table: pd.DataFrame,
    columns: tuple[str, str, str],
    colour: str,
    level: float | None,
) -> None:
    x, cohort, value = columns
    means = table.groupby([cohort, "size"])[[x, value]].mean().reset_index()
    for _, one in means.groupby(cohort):
        ax.plot(one[x], one[value], color=colour, alpha=0.25, linewidth=0.7, gid="cohort")
    spread = [t_interval(of[value], level or 0.95) for _, of in means.groupby("size")]
    at = means.groupby("size")[x].mean().to_numpy()
    if level is not None:
        low, high = (np.array([getattr(s, end) for s in spread]) for end in ("low", "high"))
        ax.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    ax.plot(at, [s.mean for s in spread], "-o", color=colour, markersize=4, linewidth=1.8)


def _ticks(ax: "Axes", at: list[float]) -> None:
    from matplotlib.ticker import NullLocator

    ax.set_xticks(at, [f"{minutes:.3g}" for minutes in at])
    ax.xaxis.set_minor_locator(NullLocator())


def _mark(
    ax: "Axes", reached: pd.DataFrame, model: str, reference: str, colour: Mapping[str, str]
) -> None:
    target = float(reached["target"].iloc[0])
    ax.axhline(target, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), gid="reference")
    for row in reached.to_dict("records"):
        if np.isfinite(row["needed"]) and row[model] != reference:
            ax.plot(
                row["needed"],
                target,
                "D",
                color=colour[str(row[model])],
                markeredgecolor=PAPER,
                markersize=8,
                zorder=5,
                gid="reached",
            )
