"""How a tuning went: losses by step."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

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
from encodekit.reports._palette import MUTED, PAPER, colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = "plot_training"
_DASHES = ("--", "-", ":", "-.")


def plot_training(
    table: pd.DataFrame,
    *,
    step: str = "step",
    value: str = "loss",
    model: str | None = None,
    split: str | None = "split",
    models: Sequence[str] | None = None,
    best: Mapping[str, float] | None = None,
    colours: Mapping[str, str] | None = None,
    label: str = "loss",
    ax: "Axes | None" = None,
) -> "Axes":
    """Plot what was measured while a model was tuned: training dashed, validation solid.

    Parameters
    ----------
    table : DataFrame
        One row per measurement: ``step`` (or epoch), ``value``, ``split`` ("train",
        "validation") and, where there are several, ``model``.
    best : mapping of model to step, optional
        The step whose weights were kept, drawn as a ring on the last split's line. With one
        model and no column for it, the key is ``""``.

    Raises
    ------
    ValueError
        If a column or model is unknown.

    Examples
    --------
    >>> table = pd.DataFrame({"step": [1, 2, 1, 2], "loss": [1., .8, 1., .9],
    ...                       "split": ["train", "train", "validation", "validation"]})
    >>> plot_training(table, best={"": 2}).get_ylabel()
    'loss'
    """
    check_columns(table, [step, value, model, split], _NAME)
    names = in_order(table[model], models, _NAME) if model else [""]
    parts = in_order(table[split], None, _NAME) if split else [""]
    axes = own_axes(ax, 4.6, 3.2)
    colour = colours_of([str(name) for name in names], colours) if model else {"": "#0072b2"}
    for name in names:
        own = table[table[model] == name] if model else table
        for part, dash in zip(parts, _styles(len(parts)), strict=True):
            line = own[own[split] == part] if split else own
            _draw(axes, line, (step, value), colour[str(name)], dash)
        _mark_best(axes, line, (step, value), colour[str(name)], (best or {}).get(str(name)))
    _explain(axes, colour if model else {}, parts if split else [])
    axes.set_xlabel(name_text(step))
    axes.set_ylabel(label_text(label))
    undefined_note(axes, int(table[value].isna().sum()))
    return axes


def _styles(n: int) -> list[str]:
    return ["-"] if n == 1 else [_DASHES[k % len(_DASHES)] for k in range(n)]


def _draw(ax: "Axes", line: pd.DataFrame, columns: tuple[str, str], colour: str, dash: str) -> None:
    step, value = columns
    defined = line.dropna(subset=[value]).sort_values(step)
    weight = 1.8 if dash == "-" else 1.1
    ax.plot(defined[step], defined[value], dash, color=colour, linewidth=weight)


def _mark_best(
    ax: "Axes", line: pd.DataFrame, columns: tuple[str, str], colour: str, best: float | None
) -> None:
    step, value = columns
    kept = line[line[step] == best]
    if best is not None and len(kept):
        ax.plot(
            best,
            kept[value].iloc[-1],
            "o",
            markersize=9,
            markerfacecolor=PAPER,
            markeredgecolor=colour,
            markeredgewidth=2,
            zorder=5,
            gid="best",
        )


def _explain(ax: "Axes", colours: Mapping[str, str], parts: Sequence[str]) -> None:
    for name, colour in colours.items():
        ax.plot([], [], "-", color=colour, linewidth=2.5, label=legend_text(name))
    if len(parts) > 1:
        for part, dash in zip(parts, _styles(len(parts)), strict=True):
            ax.plot([], [], dash, color=MUTED, linewidth=1.5, label=legend_text(part))
    quiet_legend(ax, loc="best")
