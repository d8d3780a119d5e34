"""Sections as HTML: checked, drawn, and whole before they meet the rest of the page."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from encodekit.core import import_extra, plain, shown
from encodekit.reports._markup import prose
from encodekit.reports._sections import Picture, Section, Table
from encodekit.reports._svg import as_svg
from encodekit.reports._viewer import SurfaceViewer

Part = TypeVar("Part", Picture, Table, SurfaceViewer)


@dataclass(frozen=True)
class Drawn:
    """One section of the page.

    Attributes
    ----------
    id, title : str
    html : str
        All of it.
    turns : bool
        Whether it needs the script that turns the cortex.
    """

    id: str
    title: str
    html: str
    turns: bool


def drawn(section: Any, number: int) -> Drawn:
    """Return a section as HTML; its ids have its ``number`` in them.

    Raises
    ------
    TypeError
        If it is no section, or a part of it is not what a section holds.
    """
    checked = _checked(section)
    parts = {
        "id": f"section-{number}",
        "title": checked.title,
        "text": prose(checked.text) if checked.text.strip() else "",
        "figures": [
            _figure(picture, f"f{number}-{k}") for k, picture in enumerate(checked.figures, start=1)
        ],
        "viewers": [
            viewer.parts(f"v{number}-{k}") for k, viewer in enumerate(checked.viewers, start=1)
        ],
        "tables": [table_parts(table) for table in checked.tables],
        "columns": checked.columns,
    }
    page = template("section.html.j2").render(section=parts)
    return Drawn(f"section-{number}", checked.title, page, bool(checked.viewers))


@cache
def _environment() -> Any:
    jinja2: Any = import_extra("jinja2", extra="report", purpose="a report")
    return jinja2.Environment(
        loader=jinja2.PackageLoader("encodekit.reports", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def template(name: str) -> Any:
    """Return one of the report's templates."""
    return _environment().get_template(name)


def table_parts(table: Table) -> dict[str, Any]:
    """Return what the template shows of a table: text alone."""
    if not isinstance(table.frame, pd.DataFrame):
        raise TypeError(f"a Table holds a DataFrame, got {shown(table.frame)}")
    return {
        "caption": _text("a table's caption", table.caption),
        "headings": [plain(heading) for heading in table.headings],
        "numeric": table.numeric,
        "rows": [[plain(cell) for cell in row] for row in table.rows()],
        "plain": table.plain,
        "alarm": table.alarm,
    }


@contextmanager
def undisturbed() -> Iterator[None]:
    """Undo what drawing leaves behind: pyplot's figures, matplotlib's settings, warning filters."""
    before = _open_figures()
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        if find_spec("matplotlib") is not None:
            import matplotlib as mpl

            stack.enter_context(mpl.rc_context())
        try:
            yield
        finally:
            for number in _open_figures() - before:
                sys.modules["matplotlib.pyplot"].close(number)


def _open_figures() -> set[int]:
    """Return the numbers of pyplot's figures, of which there are none before its import."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


def _checked(section: Any) -> Section:
    """Return a section of the same content whose parts are of their kinds."""
    if not isinstance(section, Section):
        raise TypeError(f"expected a Section or None, got {shown(section)}")
    if not isinstance(section.columns, int | np.integer):
        raise TypeError(f"columns of a section is no integer, but {shown(section.columns)}")
    return Section(
        _text("the title of a section", section.title),
        _text("the text of a section", section.text),
        _all(Picture, "figures", section.figures),
        _all(Table, "tables", section.tables),
        int(section.columns),
        _all(SurfaceViewer, "viewers", section.viewers),
    )


def _all(kind: type[Part], name: str, given: Any) -> list[Part]:
    parts = list(given) if isinstance(given, list | tuple) else [given]
    for part in parts:
        if not isinstance(part, kind):
            raise TypeError(
                f"{name} of a section must be a list of {kind.__name__}, got {shown(part)}"
            )
    return parts


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is no text, but {shown(value)}")
    return plain(value)


def _figure(picture: Picture, prefix: str) -> dict[str, str]:
    from matplotlib.figure import Figure

    if not isinstance(picture.drawn, Figure):
        raise TypeError(f"a Picture holds a matplotlib Figure or Axes, got {shown(picture.figure)}")
    caption = _text("the caption of a picture", picture.caption)
    return {
        "id": prefix,
        "svg": as_svg(picture.drawn, prefix),
        "alt": _text("alt of a picture", picture.alt),
        "caption": prose(caption) if caption.strip() else "",
    }
