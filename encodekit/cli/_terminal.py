"""What the program prints: every text as it is written, never as markup or control codes.

Names come from users and plugins. All commands print through these functions.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from encodekit.core import printable

if TYPE_CHECKING:
    import pandas as pd

_LINES = "\n\t"  # stay in messages, which may have several lines


def say(text: object, *, err: bool = False, style: str = "") -> None:
    """Print a message on stdout, or on stderr; styled where that is a terminal."""
    if not style:
        typer.echo(printable(text, keep=_LINES), err=err)
        return
    console = Console(stderr=err, soft_wrap=True)
    console.print(styled(text, style))


def say_parts(*parts: tuple[object, str], err: bool = False) -> None:
    """Print one line of parts, each a text with its style."""
    Console(stderr=err, soft_wrap=True).print(Text.assemble(*(styled(*part) for part in parts)))


def styled(text: object, style: str = "") -> Text:
    """Return a text, in a style of rich; a text of rich, which has its own, as it is."""
    return text if isinstance(text, Text) else Text(printable(text, keep=_LINES), style=style)


def print_table(
    columns: Iterable[object],
    rows: Iterable[Iterable[object]],
    *,
    title: object = None,
    right: Iterable[object] = (),
    gap: int = 0,
) -> None:
    """Print a table.

    Parameters
    ----------
    columns : iterable
        The headings.
    rows : iterable of iterables
        Cells: texts of rich, or anything, which is shown as text.
    title : object, optional
    right : iterable
        Which columns hold numbers.
    gap : int
        Empty lines after each row.
    """
    numbers = set(right)
    options: dict[str, Any] = {"title": styled(title), "title_justify": "left"} if title else {}
    table = Table(box=None, padding=(0, 2, gap, 0), **options)
    for column in columns:
        table.add_column(styled(column), justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*map(styled, row))
    Console().print(table)


def print_frame(frame: "pd.DataFrame", title: object = None) -> None:
    """Print a DataFrame without its index, numbers that are not integers with three decimals."""
    numbers = [name for name in frame.columns if frame[name].dtype.kind in "fi"]
    rows = (
        [f"{value:.3f}" if isinstance(value, float) else value for value in row]
        for row in frame.itertuples(index=False)
    )
    print_table(frame.columns, rows, title=title, right=numbers)
