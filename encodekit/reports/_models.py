"""One score per model and participant."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from encodekit.reports._axes import (
    check_columns,
    in_order,
    label_text,
    mark_zero,
    own_axes,
    undefined_note,
    wrapped,
)
from encodekit.reports._intervals import t_interval
from encodekit.reports._palette import INK, MUTED, PAPER, colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = "plot_models_by_participant"


def plot_models_by_participant(
    table: pd.DataFrame,
    *,
    model: str = "model",
    participant: str = "participant",
    value: str = "score",
    order: Sequence[str] | None = None,
    reference: str | None = None,
    kind: Literal["points", "bars"] = "points",
    interval: float | None = 0.95,
    colours: Mapping[str, str] | None = None,
    label: str = "correlation with the brain (r)",
    ax: "Axes | None" = None,
) -> "Axes":
    """Plot every participant's score under each model, with the mean and its t interval.

    Participants are points joined by thin lines, so that a difference between models is seen
    within each of them.

    Parameters
    ----------
    table : DataFrame
        One row per model and participant.
    order : sequence of str, optional
        The models from left to right; those left out are not shown.
    reference : str, optional
        Plot each participant's difference from this model, which is then left out.
    kind : {"points", "bars"}
        ``"bars"`` draws the mean as a bar from zero.
    interval : float or None
        Level of the t interval over participants; None draws none.
    colours : mapping of model to colour, optional
    label : str
        What the vertical axis shows, with units.
    ax : matplotlib Axes, optional

    Raises
    ------
    ValueError
        If a column or a model is unknown, or a participant has two rows for one model.

    Examples
    --------
    >>> table = pd.DataFrame({"model": ["a", "a", "b", "b"], "participant": ["P1", "P2"] * 2,
    ...                       "score": [.1, .2, .15, .22]})
    >>> plot_models_by_participant(table).get_ylabel()
    'correlation with the brain (r)'
    """
    check_columns(table, [model, participant, value], _NAME)
    models = in_order(table[model], order, _NAME)
    wide = _wide(table, model, participant, value).reindex(columns=models)
    if reference is not None:
        wide = _differences(wide, reference)
    axes = own_axes(ax, 1.2 + 0.85 * max(len(wide.columns), 2), 3.3)
    if kind == "bars" or reference is not None:
        mark_zero(axes)
    colour = colours_of(models, colours)
    _draw_lines(axes, wide)
    for k, name in enumerate(wide.columns):
        _draw_model(axes, k, wide[name].to_numpy(), colour[name], kind=kind, level=interval)
    axes.set_xticks(range(len(wide.columns)), [wrapped(name, 13) for name in wide.columns])
    axes.set_xlim(-0.55, len(wide.columns) - 0.45)
    axes.set_ylabel(label_text(label))
    _leave_room(axes, wide.to_numpy(), kind)
    undefined_note(axes, int(wide.isna().to_numpy().sum()))
    return axes


def _wide(table: pd.DataFrame, model: str, participant: str, value: str) -> pd.DataFrame:
    twice = table.duplicated([model, participant])
    if twice.any():
        first = table[twice].iloc[0]
        raise ValueError(
            f"{_NAME}: participant {first[participant]!r} has more than one row for model "
            f"{first[model]!r}: average them first, or select one region or layer"
        )
    return table.pivot_table(  # keeps participants who are undefined under every model
        index=participant, columns=model, values=value, sort=False, dropna=False, observed=True
    )


def _differences(wide: pd.DataFrame, reference: str) -> pd.DataFrame:
    if reference not in wide.columns:
        raise ValueError(
            f"{_NAME}: the reference {reference!r} is not among the models {list(wide.columns)}"
        )
    return wide.sub(wide[reference], axis=0).drop(columns=reference)


def _draw_lines(ax: "Axes", wide: pd.DataFrame) -> None:
    for scores in wide.to_numpy():
        ax.plot(
            range(len(scores)), scores, color=MUTED, alpha=0.45, linewidth=0.8, zorder=2, gid="line"
        )


def _draw_model(
    ax: "Axes", k: int, scores: np.ndarray, colour: str, *, kind: str, level: float | None
) -> None:
    spread = t_interval(scores, level or 0.95)
    if kind == "bars" and spread.n:
        ax.bar(k, spread.mean, width=0.62, color=colour, alpha=0.45, zorder=1.5, linewidth=0)
    ax.scatter(
        np.full(len(scores), k),
        scores,
        s=30,
        color=colour,
        edgecolor=PAPER,
        linewidth=0.8,
        zorder=3,
        gid="participants",
    )
    if not spread.n:
        return
    x = k + 0.2
    ax.plot([x - 0.07, x + 0.07], [spread.mean] * 2, color=INK, linewidth=2.4, zorder=4)
    if level is not None and spread.n > 1:
        ax.plot(
            [x, x], [spread.low, spread.high], color=INK, linewidth=1.2, zorder=4, gid="interval"
        )


def _leave_room(ax: "Axes", scores: np.ndarray, kind: str) -> None:
    ax.margins(y=0.1)
    ax.autoscale_view()
    if kind == "bars" and np.isfinite(scores).any() and np.nanmin(scores) >= 0:
        ax.set_ylim(bottom=0)
