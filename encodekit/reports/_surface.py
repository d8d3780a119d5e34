"""Maps of scores on the inflated cortex."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from encodekit.core import unknown_name
from encodekit.reports._axes import (
    NORMAL,
    SMALL,
    label_text,
    name_text,
    new_figure,
    title_text,
)
from encodekit.reports._mesh import View, outline, view
from encodekit.reports._palette import DIVERGING, INK, MUTED, SEQUENTIAL
from encodekit.reports._vertex_maps import SIDES, Maps, vertex_maps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

_ASPECTS = ("lateral", "medial")
_OUTLINES = ("#111111", "#0072b2", "#009e73", "#cc79a7")
_GYRUS, _SULCUS = 0.86, 0.68


def plot_surface(
    scores: Any,
    *,
    threshold: float | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    diverging: bool = False,
    cmap: str | None = None,
    outlines: Mapping[str, Mapping[str, NDArray[np.bool_]]] | None = None,
    layout: Literal["grid", "row"] = "grid",
    views: Sequence[str] = _ASPECTS,
    label: str = "correlation with the brain (r)",
    title: str | None = None,
) -> "Figure":
    """Plot one score per vertex on the inflated fsaverage5 surface, both hemispheres.

    Undefined vertices (NaN), those without a target, and those below the threshold show the
    grey folds of the cortex.

    Parameters
    ----------
    scores : DataArray (target,), mapping of "left" and "right" to arrays (10242,), or array
        Participants at one vertex are averaged (normalised scores as mean raw over mean
        ceiling). fsaverage6 and fsaverage7 are drawn at their first 10,242 vertices.
    threshold : float, optional
        Smaller values are not coloured; with colours on both sides of 0, those smaller in size.
    vmin, vmax : float, optional
        Ends of the colours; 0 and the 99th percentile if not given, symmetric if ``diverging``.
    diverging : bool
        For differences: colours from blue over white to red, centred on 0.
    outlines : mapping of name to masks, optional
        Borders to draw, such as ``{"late language": atlas.mask("late_language")}``.
    layout : {"grid", "row"}
        Two by two, or all views in one row.
    views : sequence of {"lateral", "medial"}
    label : str
        What the colours show, with units.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If the scores have no place on fsaverage5, or a view is unknown.

    Examples
    --------
    >>> figure = plot_surface(np.linspace(0, 1, 20484), threshold=0.2)
    >>> len(figure.axes)  # four views and the colour bar
    5
    """
    for name in views:
        if name not in _ASPECTS:
            raise ValueError(f"plot_surface: {unknown_name('view', name, _ASPECTS)}")
    from matplotlib.colors import Normalize

    maps = vertex_maps(scores)
    norm = Normalize(*limits(maps, vmin, vmax, diverging))
    colours = colours_for(cmap, diverging)
    panels = _panels(layout, views)
    figure = _figure(panels, title)
    for ax, (side, aspect) in zip(figure.axes, np.concatenate(panels), strict=True):
        seen = view(str(side), str(aspect))
        _paint(ax, seen, _colour(maps[str(side)], seen, norm, colours, threshold))
        _draw_outlines(ax, seen, str(side), outlines or {})
        ax.set_title(f"{side}, {aspect}", fontsize=SMALL, color=MUTED, pad=2)
    _colour_bar(figure, norm, colours, maps, threshold=threshold, label=label)
    _explain_outlines(figure, list(outlines or {}))
    return figure


def _panels(layout: str, views: Sequence[str]) -> list[list[tuple[str, str]]]:
    if layout == "grid":
        return [[(side, aspect) for side in SIDES] for aspect in views]
    if layout == "row":
        left = [("left", aspect) for aspect in views]
        return [left + [("right", aspect) for aspect in reversed(views)]]
    raise ValueError(f"plot_surface: {unknown_name('layout', layout, ['grid', 'row'])}")


def _figure(panels: list[list[tuple[str, str]]], title: str | None) -> "Figure":
    rows, columns = len(panels), len(panels[0])
    each = 3.1 if columns == 2 else 2.3
    figure = new_figure(each * columns + 0.9, each * 0.74 * rows + 0.35)
    figure.subplots(rows, columns)
    if title:
        figure.suptitle(title_text(title), fontsize=NORMAL + 1, color=INK)
    return figure


def limits(
    maps: Maps, vmin: float | None, vmax: float | None, diverging: bool
) -> tuple[float, float]:
    """Return the ends of the colours: as given, else 0 or symmetric, and the 99th percentile."""
    values = np.concatenate([maps[side] for side in SIDES])
    finite = values[np.isfinite(values)]
    top = float(np.percentile(np.abs(finite) if diverging else finite, 99)) if len(finite) else 1.0
    high = vmax if vmax is not None else (top if top > 0 else 1.0)
    low = vmin if vmin is not None else (-high if diverging else 0.0)
    if not low < high:
        raise ValueError(f"plot_surface: vmin {low} is not below vmax {high}")
    return low, high


def colours_for(cmap: str | None, diverging: bool) -> "Colormap":
    """Return the colours of a map, by name or by what it shows."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    if cmap is not None:
        return colormaps[cmap]
    if diverging:
        return colormaps[DIVERGING]
    # its black end would read as shadow on the grey cortex
    return ListedColormap(colormaps[SEQUENTIAL](np.linspace(0.2, 0.97, 256)))


def _colour(
    values: NDArray[np.float64],
    seen: View,
    norm: "Normalize",
    colours: "Colormap",
    threshold: float | None,
) -> NDArray[np.float64]:
    grey = _GYRUS + (_SULCUS - _GYRUS) * seen.folds
    rgba = np.column_stack([grey, grey, grey, np.ones_like(grey)])
    shown = np.isfinite(values) & ~_hidden(values, norm, threshold)
    rgba[shown] = colours(np.asarray(norm(values[shown])))
    rgba[:, :3] *= (0.62 + 0.38 * np.sqrt(seen.shade))[:, None]
    return rgba


def _hidden(
    values: NDArray[np.float64], norm: "Normalize", threshold: float | None
) -> NDArray[np.bool_]:
    """Return which values the threshold hides: where colours begin at 0, all negative ones."""
    if threshold is None:
        return np.zeros(values.shape, dtype=bool)
    two_sided = (norm.vmin or 0.0) < 0
    return (np.abs(values) if two_sided else values) < threshold


def _paint(ax: "Axes", seen: View, rgba: NDArray[np.float64]) -> None:
    from matplotlib.collections import TriMesh
    from matplotlib.tri import Triangulation

    x, y = seen.points.T
    mesh: Any = TriMesh(Triangulation(x, y, seen.triangles), gid="cortex")
    mesh.set_facecolor(rgba)
    mesh.set_rasterized(True)
    ax.add_collection(mesh)
    ax.set_aspect("equal")
    margin = 2.0
    for limits, axis in ((ax.set_xlim, 0), (ax.set_ylim, 1)):
        low, high = seen.points[:, axis].min(), seen.points[:, axis].max()
        limits(low - margin, high + margin)
    ax.set_axis_off()


def _draw_outlines(
    ax: "Axes",
    seen: View,
    side: str,
    outlines: Mapping[str, Mapping[str, NDArray[np.bool_]]],
) -> None:
    from matplotlib.collections import LineCollection

    for k, masks in enumerate(outlines.values()):
        mask = np.asarray(masks[side], dtype=bool)[: len(seen.points)]
        lines = LineCollection(
            list(outline(seen, mask)),
            colors=_OUTLINES[k % len(_OUTLINES)],
            linewidths=0.9,
            capstyle="round",
            gid="outline",
        )
        lines.set_rasterized(True)
        ax.add_collection(lines)


def _colour_bar(
    figure: "Figure",
    norm: "Normalize",
    colours: "Colormap",
    maps: Maps,
    *,
    threshold: float | None,
    label: str,
) -> None:
    from matplotlib.cm import ScalarMappable

    values = np.concatenate([maps[side] for side in SIDES])
    finite = values[np.isfinite(values)]
    below = bool((finite < norm.vmin).any()) if len(finite) else False
    above = bool((finite > norm.vmax).any()) if len(finite) else False
    extend = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]
    rows = figure.axes[0].get_subplotspec().get_gridspec().nrows  # type: ignore[union-attr]
    bar: Any = figure.colorbar(
        ScalarMappable(norm, _with_grey(colours, norm, threshold)),
        ax=figure.axes,
        extend=extend,
        shrink=0.62 if rows > 1 else 0.85,
        aspect=18 if rows > 1 else 12,
        pad=0.02,
    )
    bar.set_label(label_text(label), fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=0)
    bar.outline.set_visible(False)


def _with_grey(colours: "Colormap", norm: "Normalize", threshold: float | None) -> "Colormap":
    """Return the colours with grey where the threshold hides values, for the colour bar."""
    from matplotlib.colors import ListedColormap

    steps = np.linspace(norm.vmin or 0.0, norm.vmax or 1.0, 512)
    rgba = colours(np.asarray(norm(steps)))
    rgba[_hidden(steps, norm, threshold)] = (0.8, 0.8, 0.8, 1.0)
    return ListedColormap(rgba)


def _explain_outlines(figure: "Figure", names: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    if names:
        handles = [
            Patch(facecolor="#d5d5d5", edgecolor=_OUTLINES[k % len(_OUTLINES)], linewidth=1.4)
            for k in range(len(names))
        ]
        figure.legend(
            handles,
            [name_text(name) for name in names],
            loc="outside lower center",
            ncols=len(names),
            frameon=False,
            fontsize=SMALL,
            labelcolor=INK,
        )
