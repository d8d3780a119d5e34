"""Axes in the house style, without touching matplotlib's global settings."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from encodekit.core import import_extra, isolated, printable, shortened, unknown_name
from encodekit.reports._palette import GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL = 8.5
NORMAL = 9.5
_LONGEST = 40  # characters of a name: a longer one would leave no room for the axes


def new_figure(width: float, height: float) -> "Figure":
    """Return a figure (inches) that no pyplot window knows of; it draws without a display."""
    module: Any = import_extra("matplotlib.figure", extra="report", purpose="a figure")
    figure: Figure = module.Figure(figsize=(width, height), layout="constrained", facecolor="none")
    return figure


def own_axes(ax: "Axes | None", width: float, height: float) -> "Axes":
    """Return ``ax``, or axes of a new figure, styled."""
    axes = new_figure(width, height).subplots() if ax is None else ax
    style(axes)
    return axes


def style(ax: "Axes", grid: str = "y") -> None:
    """Take away what is not data: no box, quiet ticks, a light grid behind."""
    ax.set_facecolor("none")
    ax.set_axisbelow(True)
    ax.grid(visible=False)
    ax.grid(visible=True, axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    for side, spine in ax.spines.items():
        spine.set_visible(side == ("bottom" if grid == "y" else "left"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)
    ax.tick_params(colors=INK, labelsize=SMALL, length=0, pad=5)
    for label in (ax.xaxis.label, ax.yaxis.label, ax.title):
        label.set_color(INK)
        label.set_fontsize(NORMAL)


def mark_zero(ax: "Axes", axis: str = "y") -> None:
    """Draw the line of zero in place of the spine beside it."""
    draw = ax.axhline if axis == "y" else ax.axvline
    draw(0, color=MUTED, linewidth=0.9, zorder=1.6)
    ax.spines["bottom" if axis == "y" else "left"].set_visible(False)


def quiet_legend(ax: "Axes", **options: Any) -> None:
    """Add a legend without a frame, if anything is labelled."""
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize=SMALL, labelcolor=INK, **options)


def legend_text(name: object) -> str:
    """Return a name as `name_text` for a legend, which leaves out "" and what begins with "_"."""
    text = name_text(name)
    return text if text and not text.startswith("_") else f" {text}"


def name_text(name: object) -> str:
    """Return a name of the user as text of a figure, never mathtext: in one line, and not long."""
    return _never_math(shortened(printable(name), _LONGEST))


def wrapped(name: object, width: int = 16) -> str:
    """Return a name as `name_text`, broken into short lines at spaces and hyphens."""
    short = shortened(printable(name), _LONGEST)
    return _never_math("\n".join(textwrap.wrap(short, width)) or short)


def title_text(title: object) -> str:
    """Return a title, which may have several lines, as text of a figure: never mathtext."""
    return _never_math(printable(title, keep="\n"))


def label_text(label: object) -> str:
    """Return the label of an axis: its mathtext where that can be drawn, else as written."""
    text = printable(label, keep="\n")
    if "$" not in text:
        return text
    from matplotlib.mathtext import MathTextParser

    parser: Any = MathTextParser("path")
    lines = [line for line in text.split("\n") if "$" in line]
    can_be_drawn = isolated(lambda: all(map(parser.parse, lines)), lambda _: False)
    return text if can_be_drawn else _never_math(text)


def _never_math(text: str) -> str:
    # a dollar sign with a backslash before it is drawn as it is, beside mathtext or alone
    return text.replace("$", r"\$")


def undefined_note(ax: "Axes", n: int) -> None:
    """Say below the axes how many values are NaN, if any."""
    if n:
        ax.annotate(
            f"{n} undefined value{'s' if n > 1 else ''} not shown",
            (1, 1),
            xycoords="axes fraction",
            ha="right",
            va="bottom",
            fontsize=SMALL,
            color=MUTED,
        )


def check_columns(table: pd.DataFrame, columns: Sequence[str | None], figure: str) -> None:
    """Raise if a column that the figure needs is not in the table, or if the table is empty."""
    for column in columns:
        if column is not None and column not in table.columns:
            raise ValueError(f"{figure}: {unknown_name('column', column, table.columns)}")
    if not len(table):
        raise ValueError(f"{figure}: the table has no rows")


def in_order(values: pd.Series, order: Sequence[Any] | None, figure: str) -> list[Any]:
    """Return the distinct values as in ``order``, or in order of appearance."""
    found = list(dict.fromkeys(values.tolist()))
    if order is None:
        return found
    for name in order:
        if name not in found:
            raise ValueError(f"{figure}: {unknown_name(str(values.name), name, found)}")
    return list(order)
