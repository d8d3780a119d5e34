"""What a report is made of: sections, with pictures, tables and headline numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from encodekit.reports._viewer import SurfaceViewer

MISSING = "–"


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with the words that replace it for those who do not see it.

    Parameters
    ----------
    figure : matplotlib Figure or Axes
    alt : str
        What the picture shows, the result included, for screen readers.
    caption : str
        What is drawn and of what; a little Markdown is known.
    """

    figure: "Figure | Axes"
    alt: str
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("a Picture needs alt: one sentence that says what it shows")

    @property
    def drawn(self) -> Any:
        """The matplotlib figure, whether it or one of its axes was given."""
        if hasattr(self.figure, "savefig"):
            return self.figure
        return self.figure.get_figure(root=True)


@dataclass(frozen=True, eq=False)
class Table:
    """A table, its caption, and how its numbers are written.

    Parameters
    ----------
    frame : DataFrame
        Shown without its index: ``frame.reset_index()`` where the index says something.
    caption : str
    digits : int, or mapping of column to int
        Decimals of numbers that are not integers.
    names : mapping of column to str, optional
        Headings that differ from the names of the columns.
    plain : bool
        Without a row of headings: the first column names what the second one says.
    alarm : str, optional
        Rows in which a cell says this are shown in red.

    Examples
    --------
    >>> Table(pd.DataFrame({"r": [0.1234, None]})).rows()
    [['0.123'], ['–']]
    """

    frame: pd.DataFrame
    caption: str = ""
    digits: int | Mapping[str, int] = 3
    names: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False
    alarm: str | None = None

    @property
    def headings(self) -> list[str]:
        """The heading of each column."""
        return [str(self.names.get(str(name), name)) for name in self.frame.columns]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers, which are set flush right."""
        kinds = [self.frame.iloc[:, k].dtype.kind for k in range(self.frame.shape[1])]
        return [kind in "iuf" for kind in kinds]

    def rows(self) -> list[list[str]]:
        """Return the cells as text; undefined ones are a dash."""
        digits = [self._digits(str(name)) for name in self.frame.columns]
        return [
            [_cell(value, places) for value, places in zip(row, digits, strict=True)]
            for row in self.frame.itertuples(index=False, name=None)
        ]

    def _digits(self, column: str) -> int:
        return self.digits if isinstance(self.digits, int) else self.digits.get(column, 3)


@dataclass(frozen=True, eq=False)
class Section:
    """One part of a report: text, then pictures, then tables.

    Parameters
    ----------
    title : str
    text : str
        Paragraphs separated by blank lines, lists with ``- ``, ``**bold**``, ``*italic*``,
        ```code```.
    figures : sequence of Picture
    tables : sequence of Table
    columns : int
        How many pictures stand side by side where the page is wide enough.
    viewers : sequence of SurfaceViewer
        Maps that a reader can turn, after the pictures.
    """

    title: str
    text: str = ""
    figures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    columns: int = 1
    viewers: Sequence["SurfaceViewer"] = ()


@dataclass(frozen=True)
class Highlight:
    """A number for the head of the report: ``Highlight("+0.031", "r gained", "of 8 people")``."""

    number: str
    label: str
    note: str = ""


def _cell(value: Any, digits: int) -> str:
    if value is None or value is pd.NA or value is pd.NaT or _is_nan(value):
        return MISSING
    if isinstance(value, float | np.floating):
        return f"{value:.{digits}f}".replace("-", "−")
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, list | tuple | set):
        return ", ".join(str(item) for item in value)
    return str(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
